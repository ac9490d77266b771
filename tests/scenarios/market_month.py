"""The streams of a market scenario's month: what was told, laid out for the arithmetic of ``market_oracle``.

It must not import the product.  Money is exact until an item is added, where it is rounded to fen once.
"""

import datetime as dt
from fractions import Fraction

from tests.scenarios import market_oracle as rules_of
from tests.scenarios import oracle
from tests.scenarios.market_given import QUARTER_S, Items

NOBODY = {"demand_mode": "none", "power_factor_standard": "none", "high_use_discount": "none"}


# ------------------------------------------------------------------ behind the meter (3.1, 3.2, 4)


def bill_lines(given, quarters, found, spot, taken):
    """A, T, M and interaction; under spot only what is not energy at the retail price (4, A and T x SP).

    ``taken`` is what other streams have of each quarter-hour's charge and discharge.
    """
    site = {**NOBODY, **given.site, "price_list_month": given.month}
    site["export_price"] = site["feed_in_price"]
    prices, calendar = oracle.price_list(site), oracle.period_calendar(site, given.month)
    billed = [
        {**q, "load_wh": q["load_wh"] - q["pv_wh"], "reactive_lag_varh": 0, "reactive_lead_varh": 0}
        for q in quarters
    ]
    bills = {case: oracle.grid_bill(case, billed, site, prices, calendar) for case in oracle.CASES}
    demand = {"demand_charge", "capacity_charge"}
    m_fen = oracle.difference(bills, demand, "fen")
    if m_fen:
        found.add("demand_charge", "M", Fraction(m_fen, 100))  # each bill's line is rounded by itself
    if spot:
        return
    retail = [prices[calendar[q["minute"]]] for q in quarters]
    feed_in = Fraction(0) if site["feed_in_price"] == "none" else Fraction(site["feed_in_price"])
    charged, discharged = (sum(q[c] for q in quarters) for c in ("charge_wh", "discharge_wh"))
    if charged or discharged:
        method, opening = site.get("stored_energy", "proportional"), opening_of(site)
        t, a = rules_of.pv_and_grid_savings(quarters, retail, feed_in, method, opening)
        shines = any(rules_of.pv_part_of_charge(q) for q in quarters)
        if shines or sum(opening):
            if any(any(into) or any(out) for into, out in taken):
                raise ValueError("of PV energy and another stream's the folder says not which is which")
            found.add("pv_time_shift", "T", t)
            _, found.stored = rules_of.discharge_by_source(quarters, method, opening)
        agc, kept_out = (
            sum(
                (out[kind] - into[kind]) * price / 1000
                for (into, out), price in zip(taken, retail, strict=True)
            )
            for kind in (0, 1)
        )
        found.add("arbitrage", "A", a - agc - kept_out)
        if any(into[1] or out[1] for into, out in taken):
            found.add("interaction", "the bill effect of what another stream has", kept_out)
            found.outside.append(found.items[-1])
    saving = oracle.total_fen(bills["without"]) - oracle.total_fen(bills["with"])
    rest = saving - sum(map(found.fen, ("arbitrage", "pv_time_shift", "demand_charge", "interaction")))
    if rest:
        found.items.append(("interaction", "rest of the bill effect", None, int(rest)))


def opening_of(site):
    """What the month before left in the storage: (PV, grid) Wh, as it will come out."""
    return tuple(int(site.get(f"opening_{source}_wh", 0)) for source in ("pv", "grid"))


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
        return [
            [n for n in range(self.count) if key(n) == k] for k in sorted({key(n) for n in range(self.count)})
        ]


def effective_energy(window, response):
    """The energy that is paid, by the rule's bands or its tracking, Wh for each interval (3.4)."""
    terms, result = window.rule["performance"], [Fraction(0)] * window.count
    if terms["type"] == "tracking":
        k, tolerance = rules_of.number(terms["coefficient"]), rules_of.number(terms["tolerance"])
        return [
            rules_of.tracking_wh(r, a, k, tolerance) for r, a in zip(response, window.awarded, strict=True)
        ]
    for block in window.blocks(terms["assess"]):
        delivered, awarded = (sum(values[n] for n in block) for values in (response, window.awarded))
        paid = rules_of.effective_wh(delivered, awarded, terms["bands"])
        for n in block:
            result[n] = paid * response[n] / delivered if delivered else Fraction(0)
    return result


def event_dates(given):
    return {dt.date.fromisoformat(t["date"]) for t in given.of("demand_response")}


def demand_response(given, quarters, found, granted):
    """A payment and a penalty each event; a month's payment for the contracted power (3.4).

    ``granted`` is the part of an event that the exclusivity matrix left it.
    """
    told = given.of("demand_response")
    event_days = event_dates(given)
    paid_wh, paid_price = {}, {}
    for event in told:
        rule = given.rules[event["rule"]]
        window = Window(given, rule, event, quarters)
        if not window.called and rule["without_instruction"] == "not_paid":
            found.add("demand_response", f"{event['id']} was not called", 0)
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
        pay(given, rule, found, f"payment of {event['id']}", amount)
        lost = 1 - granted.get(event["id"], Fraction(1))
        if lost:
            paid = Fraction(oracle.to_fen(amount), 100)
            found.add("demand_response", f"part of {event['id']} that another stream has", -paid * lost)
        penalty = shortfall(rule, window, response, clearing)
        if penalty:
            found.add("demand_response", f"penalty of {event['id']}", -penalty)
    contracted_power(given, found)
    for top in given.of("top_up"):
        rule = given.rules[top["rule"]]
        wh, price = paid_wh[top["of"]], paid_price[top["of"]]
        pay(
            given,
            rule,
            found,
            f"top-up of {top['of']}",
            rules_of.top_up(wh, rules_of.number(rule["to"]), price),
        )


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
            amount = rules_of.month_payment(kw, terms["price"], called, terms["when"])
            pay(given, rule, found, f"contracted power of {told['rule']}", amount)


def pay(given, rule, found, what, exact):
    """A payment, and what the year's cap takes back of it where the programme went over (3.4, Quzhou).

    The cut is an item of its own: it is told at the year's end, of what was paid.
    """
    found.add("demand_response", what, exact)
    paid = Fraction(found.items[-1][3], 100)
    for told in given.of("annual_cut"):
        if told["rule"] == rule["id"]:
            cap, programme = rules_of.number(rule["annual_cap"]), Fraction(told["programme"])
            found.add("demand_response", f"cut of the {what}", -rules_of.annual_cut(paid, programme, cap))


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
    """Two-settlement of the month, and what the market settles beside it; each item is rounded once (3.5)."""
    for told in given.of("spot"):
        rule = given.rules[told["rule"]]
        step = rule["interval_s"]
        metered = [summed([q[c] for q in quarters], step // QUARTER_S) for c in ("discharge_wh", "charge_wh")]
        columns = ["injected_wh", "withdrawn_wh"]
        cleared, declared = (
            given.steps("spot_schedule", step, columns, kind=k) for k in ("clearing", "declaration")
        )
        p_da, p_rt = (spot_prices(given, rule, product) for product in ("day_ahead", "real_time"))
        volume, price = given.steps("spot_contract", step, ["volume_wh", "price_per_kwh"])
        at_reference = rule["contract_point"] == "reference_node"
        reference = spot_prices(given, rule, "reference") if at_reference else p_da
        out, taken = (Fraction(told.get(c, sum(values))) for c, values in zip(columns, metered, strict=True))
        if not told.get("without_contract"):  # else the month's price replaces the two-settlement
            pairs = (list(zip(*both, strict=True)) for both in (cleared, metered))
            rows = map(
                rules_of.settlement_items, volume, price, reference, next(pairs), p_da, next(pairs), p_rt
            )
            for name, amount in sum_by_name(rows).items():
                if amount:
                    found.add("spot", name, amount)
        q_rt, q_decl = ([a - b for a, b in zip(*both, strict=True)] for both in (metered, declared))
        spreads = [a - b for a, b in zip(p_da, p_rt, strict=True)]
        legs = [zip(declared[0], metered[0], spreads, strict=True)]
        legs += [zip(declared[1], metered[1], [-spread for spread in spreads], strict=True)]
        for name, amount in spot_items(rule, told, q_rt, q_decl, legs, out, taken):
            found.add("spot", name, amount)
        for name, amount in told.get("recovered", {}).items():
            found.add("spot", f"{name} as the operator states it", -Fraction(str(amount)))
        if rule["charging_bears"] == "losses":
            network = sum(Fraction(str(told[key])) for key in ("transmission_per_kwh", "funds_per_kwh"))
            cost = rules_of.unreturned_charging(taken, out, network)
            found.add("spot", "transmission and funds of what was not sent back", cost)


def sum_by_name(rows):
    result = {}
    for row in rows:
        for name, amount in row.items():
            result[name] = result.get(name, Fraction(0)) + amount
    return result


def spot_items(rule, told, q_rt, q_decl, legs, out, taken):
    for item in rule["items"]:
        if item["type"] == "levelling":
            price = Fraction(told["composite_price_per_kwh"])
            yield "levelling", rules_of.levelling(out - taken, sum(q_rt), price)
        elif item["type"] == "declaration_recovery":
            terms = rules_of.number(item["tolerance"]), item["zero_floor"]
            yield (
                "declaration recovery",
                sum(rules_of.declaration_recovery(*row, *terms) for leg in legs for row in leg),
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
            yield (
                "user without a contract",
                rules_of.no_contract_user(taken, price, rules_of.number(item["factor"])),
            )


# ------------------------------------------------------------------ regulation (3.6)


def regulation(given, found):
    """Mileage and capacity, each an item, of the hours in regulation.csv; instructions from agc.csv (3.6)."""
    for told in given.of("regulation"):
        rule = given.rules[told["rule"]]
        hours = [
            regulation_hour(given, rule, told, row) for row in oracle.rows_of(given.folder / "regulation.csv")
        ]
        for part in ("mileage", "capacity"):
            if part in rule:
                found.add("ancillary", part, sum((hour[part] for hour in hours), Fraction(0)))


def agc_quarters(given):
    """The quarter-hours of hours in which AGC instructed, by the rule that they are of."""
    result = {}
    for told in given.of("regulation"):
        for row in oracle.rows_of(given.folder / "regulation.csv"):
            instructed = instructions_of(given, row) or int(row.get("instructions") or 0)
            if instructed:
                day = (dt.date.fromisoformat(row["date"]) - given.start).days
                first, last = (day * 96 + oracle.minute_of_day(row[key]) // 15 for key in ("from", "until"))
                result.update(dict.fromkeys(range(first, last), told["rule"]))
    return result


def agc_energy(given, quarters, found):
    """What was metered in instructed hours, at the real-time price (3.6)."""
    under = agc_quarters(given)
    (prices,) = given.steps("spot_prices", QUARTER_S, ["price_per_kwh"], product="real_time")
    for name in dict.fromkeys(under.values()):
        if given.rules[name]["energy"] != "real_time":
            continue
        mine = [n for n, of in under.items() if of == name]
        if any(quarters[n]["charge_wh"] or quarters[n]["discharge_wh"] for n in mine):
            amount = sum(
                rules_of.agc_energy(quarters[n]["discharge_wh"], quarters[n]["charge_wh"], prices[n])
                for n in mine
            )
            found.add("ancillary", f"energy under AGC of {name}", amount)


def taken_from_arbitrage(given, quarters):
    """For each quarter-hour charge and discharge that are not A: (AGC energy, not counted at all) Wh (4)."""
    policy = given.told.get("policy", "rule_based")
    without_saving = "response_without_saving" in given.told.get("switches", {})
    under = agc_quarters(given)
    response = [Fraction(0)] * len(quarters)
    present = [n in under for n in range(len(quarters))]
    rows = oracle.rows_of(given.folder / "regulation.csv") if given.of("regulation") else []
    for row in rows:
        if Fraction(row["award_kw"]):
            day = (dt.date.fromisoformat(row["date"]) - given.start).days
            for n in range(*(day * 96 + oracle.minute_of_day(row[key]) // 15 for key in ("from", "until"))):
                present[n] = True
    for event in given.of("demand_response"):
        window = Window(given, given.rules[event["rule"]], event, quarters)
        at = (window.date - given.start).days * 96 + window.first
        for n, wh in enumerate(effective_energy(window, window.response(event_dates(given)))):
            response[at + n] = min(wh, Fraction(quarters[at + n]["discharge_wh"]))
            present[at + n] = present[at + n] or response[at + n] > 0
    taken = []
    for n, q in enumerate(quarters):
        agc = [q["charge_wh"], q["discharge_wh"]] if n in under else [0, 0]
        rest = present[n], policy, without_saving
        taken.append(
            (
                rules_of.arbitrage_taken(q["charge_wh"], agc[0], Fraction(0), *rest),
                rules_of.arbitrage_taken(q["discharge_wh"], agc[1], response[n], *rest),
            )
        )
    return taken


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
    result = {}
    if "mileage" in rule:
        if rule["mileage"]["quantity"] == "award_x_ratio":
            mileage = award * Fraction(row["mileage_ratio"])
        share = Fraction(told["shared_mwh"], told["total_mwh"]) if rule["mileage"]["shared"] else 1
        result["mileage"] = rules_of.mileage_fee(mileage, Fraction(row["mileage_price"]), score, share)
    if "capacity" in rule:
        available = rule["capacity"]["hours"] == "available"
        hours = Fraction(row["available_s"]) / 3600 if available else Fraction(1)
        weight = rules_of.number(rule["capacity"]["performance_weight"])
        result["capacity"] = rules_of.capacity_fee(
            award, hours, Fraction(row["capacity_price"]), score, weight
        )
    return result


# ------------------------------------------------------------------ capacity, service (3.7, 2.1)


def capacity(given, found):
    for told in given.of("capacity"):
        rule = given.rules[told["rule"]]
        nodes = told["node"]
        available = sum(Fraction(n["kwh"] * n["available_min"]) for n in nodes)
        whole = sum(Fraction(n["kwh"] * (n["available_min"] + n["unavailable_min"])) for n in nodes)
        if told["behind_the_meter"] and rule["behind_the_meter"] == "ineligible":
            found.add("capacity", "behind the meter, which the rule does not pay", 0)
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
    """The part of each event that is left when regulation has its kW, and the refused spans (4, DR x AS: W).

    Regulation is decided first (the policy's precedence); a response claims the power at which it was paid.
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
                found.refuse(event["id"], event["date"], minute, int(wh * 4), int(wh * 4 * share))
        if sum(paid):
            granted[event["id"]] = kept_wh / sum(paid)
    return granted


# ------------------------------------------------------------------ all streams


def settle(given):
    """Every item of the month, and the claims that were refused."""
    found, quarters = Items(), given.quarters()
    taken = taken_from_arbitrage(given, quarters)
    bill_lines(given, quarters, found, bool(given.of("spot")), taken)
    granted = shared_power(given, quarters, found) if given.of("regulation") else {}
    regulation(given, found)
    if not given.of("spot"):
        agc_energy(given, quarters, found)
    demand_response(given, quarters, found, granted)
    spot(given, quarters, found)
    capacity(given, found)
    service(given, quarters, found)
    return found
