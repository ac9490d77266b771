"""An independent calculation of the scenarios, from the domain rules alone.

It reads ``<scenario>/given/`` and writes ``<scenario>/then/``.  It shares no code with the
product and must not import any: its worth is that it was written without seeing it.
Section numbers (2.3, 3.1 ...) are those of DOMAIN.md.

    python tests/scenarios/oracle.py                 write then/ of every scenario
    python tests/scenarios/oracle.py --check         only compare, say what differs, write nothing
    python tests/scenarios/oracle.py --examples      recompute the worked examples of DOMAIN.md
    python tests/scenarios/oracle.py [--check] NAME  one scenario

Money is computed exactly (fractions), then rounded to fen.  No binary floating point is used.
"""

import csv
import datetime as dt
import io
import sys
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).resolve().parent
PERIODS = ["sharp", "peak", "flat", "valley"]
CASES = ["without", "with"]
STREAMS = ["arbitrage", "demand_charge", "power_factor", "interaction"]
QUANTITIES = ["load_wh", "charge_wh", "discharge_wh", "reactive_lag_varh", "reactive_lead_varh"]
QUARTER_HOURS_A_DAY = 96


# ------------------------------------------------------------------ money and numbers (2.3, 3.0)


def to_fen(yuan):
    """Round an exact amount in CNY to whole fen, half away from zero."""
    hundred = abs(Fraction(yuan)) * 100
    fen = (2 * hundred.numerator + hundred.denominator) // (2 * hundred.denominator)
    return fen if yuan >= 0 else -fen


def money(fen):
    """Whole fen as text with 2 decimals."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def exact(number):
    """An exact number as decimal text, every digit, no needless zeros."""
    number = Fraction(number)
    places, scaled = 0, abs(number)
    while scaled.denominator != 1:
        scaled, places = scaled * 10, places + 1
        if places > 30:
            raise ValueError(f"{number} has no finite decimal form")
    digits = str(scaled.numerator).rjust(places + 1, "0")
    text = digits if places == 0 else f"{digits[:-places]}.{digits[-places:]}"
    return ("-" if number < 0 else "") + text


def split_fen(total, weights):
    """Largest remainder in fen; ties by party id ascending; negative totals mirrored (2.3)."""
    if total < 0:
        return {party: -part for party, part in split_fen(-total, weights).items()}
    whole = sum(weights.values())
    if whole == 0:
        raise ValueError("the weights of a split are all zero")
    ideal = {party: Fraction(total) * weight / whole for party, weight in weights.items()}
    parts = {party: share.numerator // share.denominator for party, share in ideal.items()}
    left_over = total - sum(parts.values())
    by_remainder = sorted(weights, key=lambda party: (-(ideal[party] - parts[party]), party))
    for party in by_remainder[:left_over]:
        parts[party] += 1
    return parts


# ------------------------------------------------------------------ reading given/


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def key_values(path):
    return {row["key"]: row["value"] for row in rows_of(path)}


def minute_of_day(text):
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def day_of_quarter_hours(steps):
    """The 96 quarter-hours of one day type; its steps must cover 00:00 to 24:00 without a gap."""
    day, expected = [], 0
    for step in steps:
        start, end = minute_of_day(step["from"]), minute_of_day(step["until"])
        if start != expected or end <= start or (end - start) % 15:
            raise ValueError(f"gap or bad step in profile.csv: {step}")
        values = {name: int(step[name]) for name in QUANTITIES}
        day += [dict(values, minute=minute) for minute in range(start, end, 15)]
        expected = end
    if len(day) != QUARTER_HOURS_A_DAY:
        raise ValueError("a day type must cover 00:00 to 24:00")
    return day


def quarter_hours(given, month, revised=()):
    """Every quarter-hour of one local month (Asia/Shanghai has no clock change); `revised` days take the
    place of those first told."""
    steps = {}
    for row in rows_of(given / "profile.csv"):
        steps.setdefault(row["day_type"], []).append(row)
    days = {day_type: day_of_quarter_hours(rows) for day_type, rows in steps.items()}
    dates = {row["date"]: row["day_type"] for row in [*rows_of(given / "days.csv"), *revised]}
    year, number = map(int, month.split("-"))
    day, result = dt.date(year, number, 1), []
    while day.month == number:
        result += days[dates[day.isoformat()]]
        day += dt.timedelta(days=1)
    return result


def price_list(site):
    prices = {
        row["price_of"]: Fraction(row["price"])
        for row in rows_of(HERE / "tariffs" / "prices.csv")
        if row["tariff"] == site["tariff"] and row["price_list_month"] == site["price_list_month"]
    }
    if not prices:
        raise ValueError(f"no price list for {site['tariff']} {site['price_list_month']}")
    return prices


def period_calendar(site, month):
    """For each quarter-hour of the day: sharp, peak, flat or valley."""
    calendar = {}
    for row in rows_of(HERE / "tariffs" / "periods.csv"):
        in_month = str(int(month[5:])) in row["months"].split()
        if in_month and row["account_parts"] == site["account_parts"]:
            start, end = minute_of_day(row["from"]), minute_of_day(row["until"])
            calendar.update(dict.fromkeys(range(start, end, 15), row["period"]))
    if len(calendar) != QUARTER_HOURS_A_DAY:
        raise ValueError(f"the periods do not cover the day in {month}")
    return calendar


# ------------------------------------------------------------------ the grid bill (3.1, 3.3)


def net_import(quarter, case):
    """Energy through the grid meter, Wh; below zero it is export (3.1)."""
    if case == "without":
        return quarter["load_wh"]
    return quarter["load_wh"] + quarter["charge_wh"] - quarter["discharge_wh"]


def line(case, item, period, quantity, unit, price, note=""):
    """One bill line: exact = quantity x price (an energy quantity is in Wh, its price per kWh)."""
    amount = Fraction(quantity) * price / (1000 if unit == "Wh" else 1)
    return {
        "case": case,
        "item": item,
        "period": period,
        "quantity": Fraction(quantity),
        "unit": unit,
        "price": price,
        "exact": amount,
        "fen": to_fen(amount),
        "note": note,
    }


def energy_lines(case, quarters, calendar, prices):
    """Imported energy by period, one line and one rounding per period (3.0, 3.1)."""
    imported = dict.fromkeys(PERIODS, 0)
    for quarter in quarters:
        imported[calendar[quarter["minute"]]] += max(net_import(quarter, case), 0)
    in_use = [period for period in PERIODS if period in calendar.values()]
    return [line(case, "energy", p, imported[p], "Wh", prices[p]) for p in in_use]


def export_lines(case, quarters, site):
    """Export is worth the export price, or nothing (3.1)."""
    if site["export_price"] == "none":
        return []
    exported = sum(max(-net_import(quarter, case), 0) for quarter in quarters)
    return [line(case, "export", "", exported, "Wh", -Fraction(site["export_price"]))]


def measured_demand(case, quarters):
    """The largest quarter-hour mean of the month, kW (3.3)."""
    return Fraction(max(max(net_import(quarter, case), 0) for quarter in quarters) * 4, 1000)


def contract_demand(site):
    """The contract value, lifted to 40 % of the transformer capacity if it is below (3.3)."""
    floor = Fraction(site["contract_floor_percent"]) / 100 * Fraction(site["capacity_kva"])
    return max(Fraction(site["contract_kw"]), floor)


def billed_contract_kw(demand, contract, over_band_rule):
    """Up to 105 % of the contract value: the contract value.  Above: rule A or B (3.3)."""
    band = contract * Fraction(105, 100)
    if demand <= band:
        return contract
    return (contract if over_band_rule == "A" else band) + 2 * (demand - band)


def demand_price(site, prices, imported_wh):
    """260 kWh per kVA in the month or more: 90 % of the demand price; each bill's own test (3.3)."""
    if site["high_use_discount"] == "none":
        return prices["demand"]
    enough = Fraction(imported_wh, 1000) >= 260 * Fraction(site["capacity_kva"])
    return prices["demand"] * Fraction(9, 10) if enough else prices["demand"]


def demand_lines(case, quarters, site, prices, imported_wh):
    """The demand or capacity charge of a two-part account; a single-part account has none (3.3)."""
    mode, demand = site["demand_mode"], measured_demand(case, quarters)
    if site["account_parts"] == "single-part":
        return []
    seen = f"measured {exact(demand)} kW"
    if mode == "capacity":
        kva = Fraction(site["capacity_kva"])
        return [line(case, "capacity_charge", "", kva, "kVA", prices["capacity"], seen)]
    price = demand_price(site, prices, imported_wh)
    if mode == "actual":
        return [line(case, "demand_charge", "", demand, "kW", price, seen)]
    contract = contract_demand(site)
    billed = billed_contract_kw(demand, contract, site["over_band_rule"])
    note = f"{seen}; contract value {exact(contract)} kW"
    return [line(case, "demand_charge", "", billed, "kW", price, note)]


def cos_phi_hundredths(active, reactive):
    """cos(arctan(reactive/active)) in hundredths, half up, without floating point (3.3).

    It is n when cos phi >= (n - 0.5)/100, that is 200^2 active^2 >= (2n - 1)^2 (active^2 + reactive^2).
    """
    if active == 0:
        raise ValueError("no imported energy: cos phi is not defined")
    square = active * active + reactive * reactive
    n = 100
    while n > 0 and 40000 * active * active < (2 * n - 1) ** 2 * square:
        n -= 1
    return n


def power_factor_percent(standard, n):
    """The adjustment in percent of the base for cos phi = n/100 (table in 3.3)."""
    half, tenth = Fraction(1, 2), Fraction(1, 10)
    if standard == "0.90":
        if n >= 95:
            return Fraction("-0.75")
        if n >= 90:
            return -Fraction("0.15") * (n - 90)
        if n >= 70:
            return half * (90 - n)
        if n >= 65:
            return 10 + Fraction(70 - n)
        return 15 + 2 * Fraction(65 - n)
    if standard == "0.85":
        if n >= 94:
            return Fraction("-1.10")
        if n > 90:
            return {91: Fraction("-0.65"), 92: Fraction("-0.80"), 93: Fraction("-0.95")}[n]
        if n >= 85:
            return -tenth * (n - 85)
        if n >= 65:
            return half * (85 - n)
        if n >= 60:
            return 10 + Fraction(65 - n)
        return 15 + 2 * Fraction(60 - n)
    raise ValueError(f"no table for the standard {standard}")


def power_factor_lines(case, quarters, site, energy, demand, prices):
    """(demand or capacity charge + energy charge, fund out unless it is in the base) x percent (3.3)."""
    if site["power_factor_standard"] == "none":
        return []
    imported = sum(row["quantity"] for row in energy)
    reactive = sum(q["reactive_lag_varh"] + q["reactive_lead_varh"] for q in quarters)
    n = cos_phi_hundredths(int(imported), reactive)
    base = sum(row["exact"] for row in energy + demand)
    if site["fund_in_power_factor_base"] == "no":
        base -= imported / 1000 * prices["government fund"]
    percent = power_factor_percent(site["power_factor_standard"], n)
    note = f"cos phi {n // 100}.{n % 100:02d}"
    return [line(case, "power_factor", "", base, "CNY", percent / 100, note)]


def grid_bill(case, quarters, site, prices, calendar):
    energy = energy_lines(case, quarters, calendar, prices)
    imported_wh = int(sum(row["quantity"] for row in energy))
    demand = demand_lines(case, quarters, site, prices, imported_wh)
    factor = power_factor_lines(case, quarters, site, energy, demand, prices)
    return energy + export_lines(case, quarters, site) + demand + factor


def total_fen(lines):
    return sum(row["fen"] for row in lines)


# ------------------------------------------------------------------ what the storage saved (3.1, 4)


def arbitrage_exact(quarters, site, prices, calendar):
    """The direct form: discharge x price - charge x price, quarter-hour by quarter-hour (3.1)."""
    result = Fraction(0)
    for q in quarters:
        price = prices[calendar[q["minute"]]]
        result += Fraction(q["discharge_wh"] - q["charge_wh"], 1000) * price
        if site["exported_discharge_in_arbitrage"] == "export price":
            exported = Fraction(max(-net_import(q, "with"), 0), 1000)
            worth = 0 if site["export_price"] == "none" else Fraction(site["export_price"])
            result -= exported * (price - worth)
    return result


def difference(bills, items, field):
    amounts = [sum((row[field] for row in bills[case] if row["item"] in items), 0) for case in CASES]
    return amounts[0] - amounts[1]


def stream_amounts(quarters, site, prices, calendar, bills):
    """The four lines; they sum exactly to bill(without) - bill(with) (4)."""
    demand_items = {"demand_charge", "capacity_charge"}
    exacts = {
        "arbitrage": arbitrage_exact(quarters, site, prices, calendar),
        "demand_charge": Fraction(difference(bills, demand_items, "exact")),
        "power_factor": Fraction(difference(bills, {"power_factor"}, "exact")),
    }
    fen = {
        "arbitrage": to_fen(exacts["arbitrage"]),
        "demand_charge": difference(bills, demand_items, "fen"),
        "power_factor": difference(bills, {"power_factor"}, "fen"),
    }
    saving = total_fen(bills["without"]) - total_fen(bills["with"])
    fen["interaction"] = saving - sum(fen.values())
    return exacts, fen, saving


# ------------------------------------------------------------------ the contracts (2.3)


class Result:
    """What one month's contract rule gives: parts (party, clause, fen), workings, warnings."""

    def __init__(self):
        self.parts, self.workings, self.warnings = [], [], []

    def part(self, party, clause, fen):
        self.parts.append((party, clause, fen))

    def work(self, step, fen):
        self.workings.append((step, fen))

    def split(self, total, weights, clause):
        for party, fen in sorted(split_fen(total, weights).items()):
            self.part(party, clause, fen)

    def entitlement(self, party):
        return sum(fen for who, _, fen in self.parts if who == party)


def weights_of(contract, prefix):
    start = prefix + "."
    return {k[len(start) :]: Fraction(v) for k, v in contract.items() if k.startswith(start)}


def base_fee(contract):
    """rate x quantity for one month; a yearly rate is a twelfth each month (2.3, Q04)."""
    yuan = Fraction(contract["base_fee_rate"]) * Fraction(contract["base_fee_quantity"])
    return to_fen(yuan / 12 if contract["base_fee_unit"] == "CNY/kWh.year" else yuan)


def service_fee(contract, quarters):
    """rate x metered kWh: discharge, charge or both (2.3, Q03)."""
    columns = {
        "discharge": ["discharge_wh"],
        "charge": ["charge_wh"],
        "both": ["charge_wh", "discharge_wh"],
    }[contract["service_fee_basis"]]
    energy = sum(quarter[column] for quarter in quarters for column in columns)
    return to_fen(Fraction(contract["service_fee_rate"]) * Fraction(energy, 1000))


def eaas(contract, pool, quarters, memory):
    """Fees before the split or after it; a negative pool by loss share (2.3)."""
    return eaas_with_fees(contract, pool, base_fee(contract), service_fee(contract, quarters))


def eaas_with_fees(contract, pool, base, service):
    result = Result()
    before = contract["fee_timing"] == "before the split"
    to_split = pool - base - service if before else pool
    result.work("base fee", base)
    result.work("service fee", service)
    result.work("pool to split", to_split)
    losing = to_split < 0
    weights = weights_of(contract, "loss_share" if losing else "share")
    result.split(to_split, weights, "loss share" if losing else "pool share")
    for clause, fee in [("base fee", base), ("service fee", service)]:
        if not before:
            result.part(contract["fee_payer"], clause, -fee)
        result.part(contract["fee_payee"], clause, fee)
    if base > pool:
        result.warnings.append("base fee of the month is larger than the pool")
    if contract["capex"] != "none" and 2 * base * 12 > to_fen(Fraction(contract["capex"])):
        result.warnings.append("base fee of a year is more than 50 % of the capex")
    return result


def co_investment(contract, pool, quarters, memory):
    """Basic up to the hurdle, operating up to the cap, the rest is excess (2.3)."""
    result = Result()
    capital, rate = Fraction(contract["paid_in_capital"]), contract["hurdle_percent_per_year"]
    hurdle = to_fen(capital * Fraction(rate) / 100 / 12)
    due = hurdle + memory.get("unpaid hurdle", 0)
    result.work("hurdle of the month", hurdle)
    result.work("hurdle with what was carried forward", due)
    if pool < 0:
        basic = 0
        result.split(pool, weights_of(contract, contract["loss_rule"]), "loss")
    else:
        basic = min(pool, due)
        rest = pool - basic
        cap = contract["operating_cap"]
        operating = rest if cap == "none" else min(rest, to_fen(Fraction(cap)))
        result.split(basic, weights_of(contract, "investment_share"), "basic")
        result.split(operating, weights_of(contract, "service_share"), "operating")
        result.split(rest - operating, weights_of(contract, "risk_share"), "excess")
    carries = contract["unpaid_hurdle_carries_forward"] == "yes"
    memory["unpaid hurdle"] = due - basic if carries else 0
    result.work("unpaid hurdle carried forward", memory["unpaid hurdle"])
    return result


def agency(contract, pool, quarters, memory):
    """G_m, U_m and the payment of the month, cumulative over the contract year (2.3)."""
    result = Result()
    before = memory or {"months": 0, "results": 0, "guaranteed": 0, "excess": 0}
    months = before["months"] + 1
    results = before["results"] + pool
    guaranteed = to_fen(Fraction(contract["guarantee_per_year"]) * months / 12)
    over = Fraction(max(results - guaranteed, 0), 100)
    excess = to_fen(Fraction(contract["user_share_of_excess_percent"]) / 100 * over)
    pay_guarantee = guaranteed - before["guaranteed"]
    pay_excess = excess - before["excess"]
    result.work("result so far (R)", results)
    result.work("guarantee so far (G)", guaranteed)
    result.work("user's entitlement so far (U)", guaranteed + excess)
    result.part(contract["user"], "guarantee", pay_guarantee)
    result.part(contract["user"], "excess", pay_excess)
    result.part(contract["operator"], "remainder", pool - pay_guarantee - pay_excess)
    memory.update(months=months, results=results, guaranteed=guaranteed, excess=excess)
    return result


MODELS = {"EaaS": eaas, "co-investment": co_investment, "agency": agency}


def cash(contract, result, fen_by_stream):
    """Entitlement, what the party already holds, and the difference; payables sum to 0 (2.3)."""
    rows = []
    for party in sorted(contract["parties"].split()):
        held = sum(
            fen_by_stream[stream]
            for stream in contract["pool_streams"].split()
            if contract["cash_holder." + stream] == party
        )
        entitled = result.entitlement(party)
        rows.append((party, entitled, held, entitled - held))
    if sum(row[3] for row in rows) != 0:
        raise ValueError("the payables do not sum to 0")
    return rows


# ------------------------------------------------------------------ invoices, and what is settled again


def invoiced(contract, party, entitled, held):
    """Who invoices whom for a party's month, as (supplier, gross fen): none, or one of the two sides.

    The party keeps its saving up to what it is entitled to. The book's owner invoices what is handed on, the
    party what it is entitled to beyond its saving (2.3, 3.8).
    """
    both = held > 0 and entitled > 0
    kept = min(held, entitled) if both else 0
    if held < 0 or entitled < 0:
        raise ValueError("a loss is not worked out here")
    sides = [(contract["book_owner"], held - kept), (party, entitled - kept)]
    return [(supplier, gross) for supplier, gross in sides if gross]


def vat_rows(run, month, contract, rows):
    """net = round(gross / (1 + r)), tax = gross - net: once for each supplier, customer and rate (3.8)."""
    owner = contract["book_owner"]
    for party, entitled, held, _ in rows:
        if party == owner:
            continue
        for supplier, gross in invoiced(contract, party, entitled, held):
            percent = Fraction(contract["vat_percent." + supplier])
            net = to_fen(Fraction(gross, 100) / (1 + percent / 100))
            customer = party if supplier == owner else owner
            shown = [money(fen) for fen in (net, gross - net, gross)]
            yield [run, month, supplier, customer, exact(percent), *shown]


def corrected(scenario, tables):
    """What the months come to with the revised days: the origin month and every later one (2.3)."""
    given = scenario / "given"
    site, contract = key_values(given / "site.csv"), key_values(given / "contract.csv")
    revised, prices, memory = rows_of(given / "revised_days.csv"), price_list(site), {}
    before = {(row[0], row[1]): row[4] for row in tables["split.csv"][1:]}
    tables["corrected.csv"] = [["month", "party", "entitlement", "already_held", "payable", "delta"]]
    for month in site["months"].split():
        quarters = quarter_hours(given, month, revised)
        calendar = period_calendar(site, month)
        bills = {case: grid_bill(case, quarters, site, prices, calendar) for case in CASES}
        _, fen, _ = stream_amounts(quarters, site, prices, calendar, bills)
        pool = sum(fen[stream] for stream in contract["pool_streams"].split())
        rows = cash(contract, MODELS[contract["model"]](contract, pool, quarters, memory), fen)
        for party, entitled, held, due in rows:
            delta = due - to_fen(Fraction(before[month, party]))
            amounts = [money(one) for one in (entitled, held, due, delta)]
            tables["corrected.csv"].append([month, party, *amounts])
        if "book_owner" in contract:
            tables["vat.csv"] += vat_rows("corrected", month, contract, rows)


# ------------------------------------------------------------------ one scenario, and writing then/


def bill_rows(month, case, lines):
    for row in lines:
        yield [
            month, case, row["item"], row["period"], exact(row["quantity"]), row["unit"],
            exact(row["price"]), exact(row["exact"]), money(row["fen"]), row["note"],
        ]  # fmt: skip
    whole = sum(row["exact"] for row in lines)
    yield [month, case, "total", "", "", "", "", exact(whole), money(total_fen(lines)), ""]


def settle(scenario):
    """Every table of then/, as lists of rows of text."""
    given = scenario / "given"
    site, contract = key_values(given / "site.csv"), key_values(given / "contract.csv")
    prices, memory = price_list(site), {}
    head_bill = "month case item period quantity unit price exact amount note"
    tables = {
        "bill.csv": [head_bill.split()],
        "streams.csv": [["month", "stream", "exact", "amount"]],
        "split.csv": [["month", "party", "entitlement", "already_held", "payable"]],
        "parts.csv": [["month", "party", "clause", "amount"]],
        "workings.csv": [["month", "step", "amount"]],
        "warnings.csv": [["month", "warning"]],
    }
    if "book_owner" in contract:
        tables["vat.csv"] = [["run", "month", "supplier", "customer", "percent", "net", "tax", "gross"]]
    for month in site["months"].split():
        quarters = quarter_hours(given, month)
        calendar = period_calendar(site, month)
        bills = {case: grid_bill(case, quarters, site, prices, calendar) for case in CASES}
        exacts, fen, saving = stream_amounts(quarters, site, prices, calendar, bills)
        pool = sum(fen[stream] for stream in contract["pool_streams"].split())
        result = MODELS[contract["model"]](contract, pool, quarters, memory)
        for case in CASES:
            tables["bill.csv"] += bill_rows(month, case, bills[case])
        for stream in STREAMS:
            shown = exact(exacts[stream]) if stream in exacts else ""
            tables["streams.csv"].append([month, stream, shown, money(fen[stream])])
        tables["streams.csv"].append([month, "total", "", money(saving)])
        rows = cash(contract, result, fen)
        for party, entitled, held, due in rows:
            tables["split.csv"].append([month, party, money(entitled), money(held), money(due)])
        if "book_owner" in contract:
            tables["vat.csv"] += vat_rows("original", month, contract, rows)
        for party, clause, amount in sorted(result.parts):
            tables["parts.csv"].append([month, party, clause, money(amount)])
        for step, amount in [("pool", pool), *result.workings]:
            tables["workings.csv"].append([month, step, money(amount)])
        tables["warnings.csv"] += [[month, text] for text in result.warnings]
    if len(tables["warnings.csv"]) == 1:
        del tables["warnings.csv"]
    if (given / "revised_days.csv").exists():
        corrected(scenario, tables)
    return tables


def as_text(rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def write(scenario):
    folder = scenario / "then"
    folder.mkdir(exist_ok=True)
    tables = settle(scenario)
    for old in folder.glob("*.csv"):
        if old.name not in tables:
            old.unlink()
    for name, rows in tables.items():
        (folder / name).write_text(as_text(rows), encoding="utf-8", newline="\n")
    return []


def check(scenario):
    tables = {name: as_text(rows) for name, rows in settle(scenario).items()}
    stored = {path.name: path.read_text("utf-8") for path in (scenario / "then").glob("*.csv")}
    return [
        f"{scenario.name}/then/{name} differs"
        for name in sorted(set(tables) | set(stored))
        if tables.get(name) != stored.get(name)
    ]


# ------------------------------------------------------------------ the worked examples of DOMAIN.md


def same(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}: found {found}, DOMAIN.md says {expected}")


def examples():
    """The worked examples of 2.3 and 3.3, with the functions above."""
    seventy = {"host": 70, "operator": 30}
    same("EaaS split", split_fen(4567891, seventy), {"host": 3197524, "operator": 1370367})
    same("EaaS loss", split_fen(-123457, seventy), {"host": -86420, "operator": -37037})
    april = [{"charge_wh": 108000000, "discharge_wh": 99360000}]
    fees = {"base_fee_rate": "200", "base_fee_quantity": "2000", "service_fee_rate": "0.1"}
    same("base fee", money(base_fee(dict(fees, base_fee_unit="CNY/kWh.month"))), "400000.00")
    yearly = base_fee(dict(fees, base_fee_unit="CNY/kWh.year"))
    same("base fee a year", money(yearly), "33333.33")
    same("both", money(service_fee(dict(fees, service_fee_basis="both"), april)), "20736.00")
    service = service_fee(dict(fees, service_fee_basis="discharge"), april)
    same("discharge", money(service), "9936.00")
    terms = {"share.host": "70", "share.operator": "30", "fee_payer": "host"}
    terms.update(fee_payee="operator", capex="none")
    for timing, expected in [("before", "1686.71"), ("after", "-11294.09")]:
        terms["fee_timing"] = timing + " the split"
        april_result = eaas_with_fees(terms, 4567891, yearly, service)
        same(f"April, fee {timing}", money(april_result.entitlement("host")), expected)
    shares = {"investment_share": "50 20 30", "service_share": "30 50 20", "risk_share": "40 40 20"}
    terms = {"paid_in_capital": "36000000", "hurdle_percent_per_year": "8"}
    terms.update(operating_cap="500000", unpaid_hurdle_carries_forward="no")
    for name, numbers in shares.items():
        for party, number in zip("abc", numbers.split(), strict=True):
            terms[f"{name}.{party}"] = number
    result = co_investment(terms, 166666667, None, {})
    found = [money(result.entitlement(party)) for party in "abc"]
    same("co-investment", found, ["640666.67", "668666.67", "357333.33"])
    terms = {"guarantee_per_year": "1200000", "user_share_of_excess_percent": "60"}
    terms.update(user="user", operator="operator")
    for january, users in [("80000", "100000.00 118000.00 82000.00"), ("130000", None)]:
        memory = {}
        paid = [
            agency(terms, to_fen(Fraction(pool)), None, memory).entitlement("user")
            for pool in [january, "150000", "65432.10"]
        ]
        if users:
            same("agency", [money(fen) for fen in paid], users.split())
        else:
            same("agency, January revised", money(sum(paid)), "327259.26")
    kw, price = Fraction(1100), Fraction(48)
    for rule, yuan in [("A", 52800), ("B", 55200)]:
        same("rule " + rule, billed_contract_kw(kw, Fraction(1000), rule) * price, yuan)
    same("cos phi 0.89", cos_phi_hundredths(1000, 500), 89)
    same("cos phi 1.00", cos_phi_hundredths(1000, 100), 100)
    table = {95: "-0.75", 94: "-0.60", 91: "-0.15", 90: "0", 89: "0.5", 70: "10", 65: "15", 64: "17"}
    for n, percent in table.items():
        same(f"0.90 at {n}", power_factor_percent("0.90", n), Fraction(percent))
    table = {94: "-1.1", 91: "-0.65", 90: "-0.5", 86: "-0.1", 85: "0", 84: "0.5", 65: "10", 60: "15"}
    for n, percent in table.items():
        same(f"0.85 at {n}", power_factor_percent("0.85", n), Fraction(percent))
    return "the worked examples of DOMAIN.md agree"


def main(arguments):
    if "--examples" in arguments:
        print(examples())
        return 0
    names = [name for name in arguments if not name.startswith("--")]
    scenarios = sorted(path.parent for path in HERE.glob("*/given") if path.is_dir())
    if names:
        scenarios = [scenario for scenario in scenarios if scenario.name in names]
    run = check if "--check" in arguments else write
    problems = [problem for scenario in scenarios for problem in run(scenario)]
    print("\n".join(problems) or f"{len(scenarios)} scenarios, no problem")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
