"""Reads a market scenario's folder, works it out with the oracle and writes ``expected.toml``.

    python -m tests.scenarios.market_folder                 write expected.toml of every market scenario
    python -m tests.scenarios.market_folder --check         only compare, say what differs, write nothing
    python -m tests.scenarios.market_folder [--check] NAME  one scenario

Like ``oracle.py`` and ``market_oracle.py`` it must not import the product.  Money is exact until it is rounded to
fen once an item; no binary floating point is used.
"""

import csv
import datetime as dt
import sys
import tomllib
from fractions import Fraction
from pathlib import Path

from tests.scenarios import market_oracle as rules_of
from tests.scenarios import oracle

HERE = Path(__file__).resolve().parent
MARKETS = HERE / "markets"
RULES = HERE.parents[1] / "examples" / "market_rules"
DAY_S = 86400
QUARTER_S = 900
NOBODY = {"demand_mode": "none", "power_factor_standard": "none", "high_use_discount": "none"}


# ------------------------------------------------------------------ reading given/


def toml(path):
    return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Fraction)


class Given:
    """A folder's ``given/``: the month, the site, the rules and what the markets told."""

    def __init__(self, folder):
        self.folder = folder / "given"
        self.told = toml(self.folder / "market.toml")
        self.month = self.told["month"]
        self.site = self.told["site"]
        self.start = dt.date.fromisoformat(self.month + "-01")
        self.days = (self.start.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - self.start
        self.rules = {rule["id"]: rule for rule in map(self.rule, self.told.get("rules", []))}

    def rule(self, name):
        own = self.folder / f"{name}.toml"
        return toml(own if own.exists() else RULES / f"{name}.toml")

    def of(self, section):
        """The facts of a kind, one or several."""
        found = self.told.get(section, [])
        return found if isinstance(found, list) else [found]

    def steps(self, name, step_s, columns, **where):
        """A table's columns over the month, one value each ``step_s``; what no row covers is zero.

        A row says ``date`` (or * for every day), ``from`` and ``until``; a later row replaces an earlier one.
        """
        per_day = DAY_S // step_s
        result = [[Fraction(0)] * (per_day * self.days.days) for _ in columns]
        path = self.folder / f"{name}.csv"
        for row in oracle.rows_of(path) if path.exists() else []:
            if any(row[key] != value for key, value in where.items()):
                continue
            first, last = (oracle.minute_of_day(row[key]) * 60 // step_s for key in ("from", "until"))
            for day in self.dates_of(row["date"]):
                for values, column in zip(result, columns, strict=True):
                    at = day * per_day
                    values[at + first : at + last] = [Fraction(row[column] or 0)] * (last - first)
        return result

    def dates_of(self, text):
        if text == "*":
            return range(self.days.days)
        return [(dt.date.fromisoformat(text) - self.start).days]

    def quarters(self):
        """The month's quarter-hours; load, PV, charge and discharge in whole Wh."""
        columns = ["load_wh", "pv_wh", "charge_wh", "discharge_wh"]
        values = self.steps("measured", QUARTER_S, columns)
        return [
            {"minute": number % 96 * 15, **{c: int(v) for c, v in zip(columns, row, strict=True)}}
            for number, row in enumerate(zip(*values, strict=True))
        ]


class Items:
    """What comes out: items of (stream, what, exact), and refused claims."""

    def __init__(self):
        self.items, self.refused = [], []

    def add(self, stream, what, exact):
        if isinstance(exact, float):
            raise TypeError(f"{what} was worked out in floating point")
        self.items.append((stream, what, Fraction(exact), oracle.to_fen(exact)))

    def fen(self, stream):
        return sum(item[3] for item in self.items if item[0] == stream)


# ------------------------------------------------------------------ behind the meter (3.1, 3.2, 4)


def bill_lines(given, quarters, found, spot):
    """A, T, M and interaction; under spot only what is not energy at the retail price (4, A and T x SP)."""
    site = {**NOBODY, **given.site, "price_list_month": given.month}
    site["export_price"] = site["feed_in_price"]
    prices, calendar = oracle.price_list(site), oracle.period_calendar(site, given.month)
    billed = [
        {**q, "load_wh": q["load_wh"] - q["pv_wh"], "reactive_lag_varh": 0, "reactive_lead_varh": 0}
        for q in quarters
    ]
    bills = {case: oracle.grid_bill(case, billed, site, prices, calendar) for case in oracle.CASES}
    demand = {"demand_charge", "capacity_charge"}
    m_exact, m_fen = (Fraction(oracle.difference(bills, demand, field)) for field in ("exact", "fen"))
    if m_fen:
        found.items.append(("demand_charge", "M", m_exact, int(m_fen)))
    if spot:
        return
    retail = [prices[calendar[q["minute"]]] for q in quarters]
    feed_in = Fraction(0) if site["feed_in_price"] == "none" else Fraction(site["feed_in_price"])
    charged, discharged = (sum(q[c] for q in quarters) for c in ("charge_wh", "discharge_wh"))
    if charged and discharged:
        t, a = rules_of.pv_and_grid_savings(quarters, retail, feed_in, site.get("stored_energy", "proportional"))
        if any(rules_of.pv_part_of_charge(q) for q in quarters):
            found.add("pv_time_shift", "T", t)
        found.add("arbitrage", "A", a)
    saving = oracle.total_fen(bills["without"]) - oracle.total_fen(bills["with"])
    rest = saving - sum(map(found.fen, ("arbitrage", "pv_time_shift", "demand_charge")))
    if rest:
        found.items.append(("interaction", "rest of the bill effect", None, int(rest)))


# ------------------------------------------------------------------ demand response (3.4)


class Window:
    """One event: its days and quarter-hours, what was awarded and what the meter says."""

    def __init__(self, given, rule, told, quarters):
        self.told, self.rule, self.given = told, rule, given
        self.date = dt.date.fromisoformat(told["date"])
        self.first, self.last = (oracle.minute_of_day(told[key]) // 15 for key in ("from", "until"))
        self.count = self.last - self.first
        own_account = rule["baseline"]["type"] in {"zero", "typical_schedule"}
        self.profile = [
            q["charge_wh"] - q["discharge_wh"] + (0 if own_account else q["load_wh"] - q["pv_wh"])
            for q in quarters
        ]
        kw = Fraction(str(told["awarded_kw"]))
        self.awarded = [kw * 1000 / 4] * self.count
        self.called = told.get("called", True)

    def on(self, day):
        at = (day - self.given.start).days * 96
        return self.profile[at + self.first : at + self.last]

    def baseline(self, event_days):
        terms = self.rule["baseline"]
        if terms["type"] == "zero":
            return [Fraction(0)] * self.count
        if terms["type"] == "point_before":
            at = (self.date - self.given.start).days * 96 + self.first
            return [rules_of.mean(self.profile[at - terms["points"] : at])] * self.count
        pool = terms["pool"]
        announced = dt.date.fromisoformat(self.told["announced"])
        counted_from = announced if pool["counted_from"] == "announcement_day" else self.date
        days = rules_of.baseline_days(counted_from, terms["take"], event_days)
        return rules_of.mean_profile([self.on(day) for day in days])

    def response(self, event_days):
        baseline, actual = self.baseline(event_days), self.on(self.date)
        if self.rule["direction"] == "increase":
            baseline, actual = [-b for b in baseline], [-a for a in actual]
        return rules_of.response_wh(baseline, actual, self.rule["clip"])

    def blocks(self, assess):
        """Positions that are assessed together: the event, its clock hours, or its intervals."""
        if assess == "event":
            return [list(range(self.count))]
        key = (lambda n: (self.first + n) // 4) if assess == "hour" else (lambda n: n)
        return [[n for n in range(self.count) if key(n) == k] for k in sorted({key(n) for n in range(self.count)})]


def effective_energy(window, response):
    """The energy that is paid, by the rule's bands or its tracking, Wh for each interval (3.4)."""
    terms, result = window.rule["performance"], [Fraction(0)] * window.count
    if terms["type"] == "tracking":
        k, tolerance = rules_of.number(terms["coefficient"]), rules_of.number(terms["tolerance"])
        return [rules_of.tracking_wh(r, a, k, tolerance) for r, a in zip(response, window.awarded, strict=True)]
    for block in window.blocks(terms["assess"]):
        delivered, awarded = (sum(values[n] for n in block) for values in (response, window.awarded))
        paid = rules_of.effective_wh(delivered, awarded, terms["bands"])
        for n in block:
            result[n] = paid * response[n] / delivered if delivered else Fraction(0)
    return result


def demand_response(given, quarters, found, granted):
    """A payment and a penalty each event; a month's payment for the contracted power (3.4).

    ``granted`` is the part of an event that the exclusivity matrix left it.
    """
    told = given.of("demand_response")
    event_days = {dt.date.fromisoformat(t["date"]) for t in told}
    paid_wh, paid_price = {}, {}
    for event in told:
        rule = given.rules[event["rule"]]
        window = Window(given, rule, event, quarters)
        if not window.called and rule["without_instruction"] == "not_paid":
            continue
        response = window.response(event_days)
        wh = sum(effective_energy(window, response))
        clearing = Fraction(event["clearing_price"]) if "clearing_price" in event else None
        energy = next(p for p in rule["payments"] if p["type"] in {"per_kwh", "per_kw_event"})
        if energy["type"] == "per_kwh":
            amount = rules_of.energy_payment(wh, energy["price"], clearing)
            paid_wh[event["id"]] = wh
            paid_price[event["id"]] = rules_of.price_paid(energy["price"], clearing)
        else:
            amount = rules_of.event_payment(wh, Fraction(window.count, 4), energy["steps"])
        found.add("demand_response", f"payment of {event['id']}", amount * granted.get(event["id"], 1) * kept(given, rule))
        penalty = shortfall(rule, window, response, clearing)
        if penalty:
            found.add("demand_response", f"penalty of {event['id']}", -penalty)
    contracted_power(given, found)
    for top in given.of("top_up"):
        rule = given.rules[top["rule"]]
        wh, price = paid_wh[top["of"]], paid_price[top["of"]]
        amount = rules_of.top_up(wh, rules_of.number(rule["to"]), price) * kept(given, rule)
        found.add("demand_response", f"top-up of {top['of']}", amount)


def shortfall(rule, window, response, clearing):
    if "penalty" not in rule:
        return Fraction(0)
    terms, energy = rule["penalty"], next(p for p in rule["payments"] if p["type"] == "per_kwh")
    price = rules_of.price_paid(energy["price"], clearing)
    result = Fraction(0)
    for block in window.blocks(terms["assess"]):
        delivered, awarded = (sum(values[n] for n in block) for values in (response, window.awarded))
        below, multiple = rules_of.number(terms["below"]), rules_of.number(terms["multiple"])
        result += rules_of.shortfall_penalty(awarded, delivered, price, below, multiple)
    return result


def contracted_power(given, found):
    for told in given.of("contracted"):
        rule = given.rules[told["rule"]]
        called = any(e["rule"] == told["rule"] and e.get("called", True) for e in given.of("demand_response"))
        for terms in (p for p in rule["payments"] if p["type"] == "per_kw_month"):
            kw = Fraction(str(told["kw"]))
            amount = rules_of.month_payment(kw, terms["price"], called, terms["when"]) * kept(given, rule)
            found.add("demand_response", f"contracted power of {told['rule']}", amount)


def kept(given, rule):
    """1, or what the year's cap leaves of each payment where the programme went over it (3.4, Quzhou)."""
    for told in given.of("annual_cut"):
        if told["rule"] == rule["id"]:
            cap, programme = rules_of.number(rule["annual_cap"]), Fraction(str(told["programme"]))
            return 1 - rules_of.annual_cut(Fraction(1), programme, cap)
    return 1


# ------------------------------------------------------------------ spot (3.5)


def summed(values, size):
    return [sum(values[n : n + size]) for n in range(0, len(values), size)]


def averaged(values, size):
    return [rules_of.mean(values[n : n + size]) for n in range(0, len(values), size)]


def spot_prices(given, rule, product):
    own = {"day_ahead": "day_ahead_interval_s", "real_time": "real_time_interval_s"}
    step = rule[own.get(product, "day_ahead_interval_s")]
    (values,) = given.steps("spot_prices", step, ["price_per_kwh"], product=product)
    return averaged(values, rule["interval_s"] // step)


def spot(given, quarters, found):
    """Two-settlement of the month, and what the market settles beside it (3.5)."""
    for told in given.of("spot"):
        rule = given.rules[told["rule"]]
        step = rule["interval_s"]
        size = step // QUARTER_S
        out, taken = (summed([q[c] for q in quarters], size) for c in ("discharge_wh", "charge_wh"))
        q_rt = [a - b for a, b in zip(out, taken, strict=True)]
        columns = ["injected_wh", "withdrawn_wh"]
        cleared = given.steps("spot_schedule", step, columns, kind="clearing")
        declared = given.steps("spot_schedule", step, columns, kind="declaration")
        q_da, q_decl = ([a - b for a, b in zip(*pair, strict=True)] for pair in (cleared, declared))
        p_da, p_rt = (spot_prices(given, rule, product) for product in ("day_ahead", "real_time"))
        volume, price = given.steps("spot_contract", step, ["volume_wh", "price_per_kwh"])
        if rule["contract_point"] == "reference_node":
            reference = spot_prices(given, rule, "reference")
            price = list(map(rules_of.contract_price_at, price, p_da, reference))
        if told.get("without_contract"):
            parts = []  # the month's price replaces the two-settlement
        else:
            energy = sum(map(rules_of.two_settlement, volume, price, q_da, p_da, q_rt, p_rt))
            parts = [("energy and contracts", energy)]
        parts += spot_items(rule, told, q_rt, q_decl, p_da, p_rt, sum(taken))
        parts += [(f"stated {item}", -Fraction(str(amount))) for item, amount in told.get("recovered", {}).items()]
        if rule["charging_bears"] == "losses":
            network = sum(Fraction(str(told[key])) for key in ("transmission_per_kwh", "funds_per_kwh"))
            cost = rules_of.unreturned_charging(sum(taken), sum(out), network)
            parts.append(("transmission and funds of what was not sent back", cost))
        found.parts = parts
        found.add("spot", " + ".join(name for name, _ in parts), sum(amount for _, amount in parts))


def spot_items(rule, told, q_rt, q_decl, p_da, p_rt, taken):
    for item in rule["items"]:
        if item["type"] == "levelling":
            month = Fraction(told["injected_wh"]) - told["withdrawn_wh"]
            price = Fraction(told["composite_price_per_kwh"])
            yield "levelling", rules_of.levelling(month, sum(q_rt), price)
        elif item["type"] == "declaration_recovery":
            t = rules_of.number(item["tolerance"])
            rows = zip(q_decl, q_rt, p_da, p_rt, strict=True)
            yield (
                "declaration recovery",
                sum(rules_of.declaration_recovery(*row, t, item["zero_floor"]) for row in rows),
            )
        elif item["type"] == "execution_penalty":
            t, factor = rules_of.number(item["tolerance"]), rules_of.number(item["factor"])
            price = Fraction(told["assessment_price_per_kwh"])
            rows = zip(q_rt, q_decl, strict=True)
            yield (
                "execution penalty",
                sum(rules_of.execution_penalty(*row, t, item["threshold_wh"], price, factor) for row in rows),
            )
        elif item["type"] == "no_contract_user" and told["without_contract"]:
            price = Fraction(told["real_time_price_per_kwh"])
            yield "user without a contract", rules_of.no_contract_user(taken, price, rules_of.number(item["factor"]))


# ------------------------------------------------------------------ regulation (3.6)


def regulation(given, found, refused_whole):
    """Mileage and capacity of each hour that has a row in regulation.csv; instructions from agc.csv (3.6)."""
    for told in given.of("regulation"):
        rule = given.rules[told["rule"]]
        total = Fraction(0)
        for row in oracle.rows_of(given.folder / "regulation.csv"):
            total += regulation_hour(given, rule, told, row)
        found.add("ancillary", "mileage and capacity", Fraction(0) if refused_whole else total)


def instructions_of(given, row):
    path = given.folder / "agc.csv"
    told = oracle.rows_of(path) if path.exists() else []
    start, end = map(oracle.minute_of_day, (row["from"], row["until"]))
    return [t for t in told if t["date"] == row["date"] and start <= oracle.minute_of_day(t["at"][:5]) < end]


def regulation_hour(given, rule, told, row):
    award = Fraction(row["award_kw"]) / 1000
    seen = instructions_of(given, row)
    if rule["factor"]["type"] == "given_score":
        score = Fraction(row["score"])
        mileage = Fraction(row["mileage_kw"]) / 1000
    else:
        score = rules_of.hour_factor(rule, seen) if seen else Fraction(0)
        mileage = sum((Fraction(t["mileage_kw"]) for t in seen), Fraction(0)) / 1000
    result = Fraction(0)
    if "mileage" in rule:
        if rule["mileage"]["quantity"] == "award_x_ratio":
            mileage = award * Fraction(row["mileage_ratio"])
        share = Fraction(told["shared_mwh"], told["total_mwh"]) if rule["mileage"]["shared"] else 1
        result += rules_of.mileage_fee(mileage, Fraction(row["mileage_price"]), score, share)
    if "capacity" in rule:
        available = rule["capacity"]["hours"] == "available"
        hours = Fraction(row["available_s"]) / 3600 if available else Fraction(1)
        weight = rules_of.number(rule["capacity"]["performance_weight"])
        result += rules_of.capacity_fee(award, hours, Fraction(row["capacity_price"]), score, weight)
    return result


# ------------------------------------------------------------------ capacity, service (3.7, 2.1)


def capacity(given, found):
    for told in given.of("capacity"):
        rule = given.rules[told["rule"]]
        nodes = told["node"]
        available = sum(Fraction(n["kwh"] * n["available_min"]) for n in nodes)
        whole = sum(Fraction(n["kwh"] * (n["available_min"] + n["unavailable_min"])) for n in nodes)
        if told["behind_the_meter"] and rule["behind_the_meter"] == "ineligible":
            continue
        amount = rules_of.capacity_month(
            rules_of.number(rule["price_per_kw_year"]),
            Fraction(told["certified_kw"]),
            Fraction(told["full_hours"]),
            rules_of.number(rule["peak_hours"]),
            rules_of.number(rule["auxiliary"]),
            available / whole,
        )
        found.add("capacity", "compensation", amount)


def service(given, quarters, found):
    charged, discharged = (sum(q[c] for q in quarters) for c in ("charge_wh", "discharge_wh"))
    for told in given.of("service"):
        for terms in given.rules[told["rule"]]["payments"]:
            rate = rules_of.number(terms["rate"])
            fee = rules_of.throughput_fee(rate, charged, discharged, terms["basis"])
            found.add("service", terms["title"], fee)


# ------------------------------------------------------------------ who keeps a kW (4)


def shared_power(given, quarters, found):
    """Regulation is decided before response; what an event gets of its kW, and the refused spans (4, DR x AS).

    Up power is what the storage discharges; an award of regulation is kept ready in both directions.
    """
    rated = Fraction(str(given.site["rated_kw"])) * 1000
    rows = oracle.rows_of(given.folder / "regulation.csv") if given.of("regulation") else []
    granted = {}
    for event in given.of("demand_response"):
        window = Window(given, given.rules[event["rule"]], event, quarters)
        paid = effective_energy(window, window.response(set()))
        kept_wh = Fraction(0)
        for n, wh in enumerate(paid):
            minute = (window.first + n) * 15
            held = sum(
                Fraction(r["award_kw"]) * 1000
                for r in rows
                if r["date"] == event["date"]
                and oracle.minute_of_day(r["from"]) <= minute < oracle.minute_of_day(r["until"])
            )
            share = rules_of.granted_share(wh * 4, rated, held) if wh else Fraction(1)
            kept_wh += wh * share
            if share < 1:
                found.refused.append((event["id"], event["date"], minute, wh * 4, wh * 4 * share))
        if sum(paid):
            granted[event["id"]] = kept_wh / sum(paid)
    return granted


# ------------------------------------------------------------------ the contract (2.3)


def split_of(given, found):
    """Each party's entitlement, what it holds and what is due, in fen (2.3)."""
    terms = given.told["contract"]
    holders = terms["cash_holder"]
    pool = sum(found.fen(stream) for stream in holders)
    if terms["model"] == "split":
        entitled = oracle.split_fen(pool, {p: Fraction(str(w)) for p, w in terms["share"].items()})
    else:
        text = {key: str(value) for key, value in terms.items()}
        result = oracle.agency(text, pool, None, {})
        entitled = {party: result.entitlement(party) for party in (terms["user"], terms["operator"])}
    for party in sorted(entitled):
        held = sum(found.fen(stream) for stream, holder in holders.items() if holder == party)
        yield party, entitled[party], held, entitled[party] - held


# ------------------------------------------------------------------ one scenario, and writing expected.toml


def settle(folder):
    given, found = Given(folder), Items()
    quarters = given.quarters()
    bill_lines(given, quarters, found, bool(given.of("spot")))
    granted = shared_power(given, quarters, found) if given.of("regulation") else {}
    regulation(given, found, refused_whole=False)
    demand_response(given, quarters, found, granted)
    spot(given, quarters, found)
    capacity(given, found)
    service(given, quarters, found)
    return given, found


def exact_text(value):
    """Decimal text where there is one, else a fraction."""
    if value is None:
        return ""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return oracle.exact(value) if rest == 1 else f"{value.numerator}/{value.denominator}"


def as_text(folder):
    given, found = settle(folder)
    out = ["# Worked out by market_folder.py from given/; why.md has the figures by hand.\n"]
    for stream, what, exact, fen in found.items:
        out.append(f'[[item]]\nstream = "{stream}"\nwhat = "{what}"')
        out.append(f'exact = "{exact_text(exact)}"\namount = "{oracle.money(fen)}"\n')
    for claim, date, minute, asked, got in found.refused:
        out.append(f'[[refused]]\nclaim = "{claim}"\ndate = "{date}"\nfrom = "{minute // 60:02d}:{minute % 60:02d}"')
        out.append(f"asked_w = {int(asked)}\ngranted_w = {int(got)}\n")
    for party, entitled, held, due in split_of(given, found):
        out.append(f'[split.{party}]\nentitlement = "{oracle.money(entitled)}"')
        out.append(f'already_held = "{oracle.money(held)}"\npayable = "{oracle.money(due)}"\n')
    return "\n".join(out)


def write(folder):
    (folder / "expected.toml").write_text(as_text(folder), encoding="utf-8", newline="\n")
    return []


def check(folder):
    path = folder / "expected.toml"
    stored = path.read_text(encoding="utf-8") if path.exists() else ""
    return [] if stored == as_text(folder) else [f"{folder.name}/expected.toml differs"]


def main(arguments):
    names = [name for name in arguments if not name.startswith("--")]
    folders = sorted(path.parent for path in MARKETS.glob("*/given") if path.is_dir())
    if names:
        folders = [folder for folder in folders if folder.name in names]
    run = check if "--check" in arguments else write
    problems = [problem for folder in folders for problem in run(folder)]
    print("\n".join(problems) or f"{len(folders)} market scenarios, no problem")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
