"""An independent calculation of the market streams, from the domain rules alone.

The arithmetic of 3.2 (PV time shift), 3.4 (demand response), 3.5 (spot), 3.6 (regulation), 3.7 (capacity)
and 4 (exclusivity) of DOMAIN.md, on plain fractions and lists; a province's numbers come from its file in
``examples/market_rules``.  It shares no code with the product and must not import any.  Energy is in Wh, a
quarter-hour's power is four times its energy, prices are per kWh unless the name says otherwise, and every
function returns exact amounts: rounding to fen happens once an item, by ``oracle.to_fen``.

``market_month.py`` lays a folder's month out and calls this.
"""

import datetime as dt
from fractions import Fraction

KWH = 1000
HALF = Fraction(1, 2)


def number(text):
    """A figure of a rule file: 0.5, "1/2", "30%" or 3, exactly."""
    text = str(text)
    return Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)


def rounded(value, decimals):
    """Half away from zero at a number of decimals (3.0)."""
    scaled = abs(value) * 10**decimals
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Fraction(whole if value >= 0 else -whole, 10**decimals)


# ------------------------------------------------------------------ PV time shift (3.2)


def pv_part_of_charge(quarter):
    """Charge is from PV as far as the surplus of PV over load reaches (3.2)."""
    return min(quarter["charge_wh"], max(quarter["pv_wh"] - quarter["load_wh"], 0))


def delivered_per_charged(quarters, held):
    """The part of a charged Wh that comes out: no meter tells the state of charge, so that the loss is what
    is missing when the stock is at its lowest.

    It was used up once, and never below nothing, since half of what went in before the last discharge had
    gone in; a part is at most 1, and 1 where nothing was discharged after charging.
    """
    into = out = before_last = 0
    seen = []
    for q in quarters:
        into, out = into + q["charge_wh"], out + q["discharge_wh"]
        seen.append((into, out))
        if q["discharge_wh"]:
            before_last = into
    if not before_last:
        return Fraction(1)
    parts = [Fraction(given - held, taken) for taken, given in seen if taken and 2 * taken >= before_last]
    return min(max([Fraction(0), *parts]), Fraction(1))


def discharge_by_source(quarters, method, opening=(0, 0)):
    """For each quarter-hour: (from PV, from the grid), exact Wh (3.2); and what is left at the end.

    The storage opens with what the month before left: (PV, grid), as it will come out.  The loss is booked
    pro rata: a charged Wh, whichever its source, delivers the same part of a Wh.
    """
    part = delivered_per_charged(quarters, sum(opening))
    layers, result = [[Fraction(wh) for wh in opening]], []
    for q in quarters:
        sun = pv_part_of_charge(q)
        if q["charge_wh"]:
            layers.append([sun * part, (q["charge_wh"] - sun) * part])
        discharged = Fraction(q["discharge_wh"])
        result.append(taken(layers, discharged, method) if discharged else (Fraction(0), Fraction(0)))
    return result, tuple(sum((layer[source] for layer in layers), Fraction(0)) for source in (0, 1))


def taken(layers, wanted, method):
    """Takes from the layers of [PV, grid]: the oldest first, or from all in proportion (3.2)."""
    stored = sum(sum(layer) for layer in layers)
    if wanted > stored:
        raise ValueError("more is discharged than was charged")
    sun = grid = Fraction(0)
    for layer in layers:
        held = sum(layer)
        if held == 0 or wanted == 0:
            continue
        part = min(wanted - sun - grid, held) if method == "fifo" else wanted * held / stored
        share = part / held
        sun, grid = sun + layer[0] * share, grid + layer[1] * share
        layer[0], layer[1] = layer[0] * (1 - share), layer[1] * (1 - share)
    return sun, grid


def pv_and_grid_savings(quarters, prices, feed_in, method, opening=(0, 0)):
    """(T, A): what discharge from PV and from the grid saves, less what its charging cost (3.1, 3.2).

    ``prices`` is the retail price of each quarter-hour; ``feed_in`` what the surplus would have earned,
    0 if it would have been curtailed.
    """
    t = a = Fraction(0)
    by_source, _ = discharge_by_source(quarters, method, opening)
    for q, price, (sun, grid) in zip(quarters, prices, by_source, strict=True):
        charged_sun = pv_part_of_charge(q)
        t += (sun * price - charged_sun * feed_in) / KWH
        a += (grid - (q["charge_wh"] - charged_sun)) * price / KWH
    return t, a


# ------------------------------------------------------------------ demand response (3.4)


def baseline_days(announced, count, unusable):
    """The working days before the day of the invitation, newest first; never a day of an event (3.4)."""
    days, day = [], announced
    while len(days) < count:
        day -= dt.timedelta(days=1)
        if day.weekday() < 5 and day not in unusable:
            days.append(day)
    return days


def mean_profile(profiles):
    """The mean of several days, interval by interval, exactly (3.4)."""
    return [sum(map(Fraction, values)) / len(values) for values in zip(*profiles, strict=True)]


def response_wh(baseline, actual, clip="per_interval"):
    """Each interval's response, Wh; below zero counts nothing where the rule clips by interval (3.4)."""
    differences = [Fraction(b) - a for b, a in zip(baseline, actual, strict=True)]
    return [max(d, Fraction(0)) for d in differences] if clip == "per_interval" else differences


def effective_wh(delivered, awarded, bands):
    """What of the delivered energy is paid: the band of delivered / awarded, its factor and its cap (3.4).

    A ratio on a limit belongs to the band above it.
    """
    ratio = Fraction(delivered) / awarded
    chosen = next(b for b in reversed(bands) if ratio >= number(b["from_ratio"]))
    if chosen.get("counts_as_default"):
        raise ValueError(f"the ratio {ratio} is a default whose penalty the rule does not state")
    cap = number(chosen["capped_at"]) * awarded if "capped_at" in chosen else Fraction(delivered)
    return number(chosen["factor"]) * min(Fraction(delivered), cap)


def price_paid(terms, clearing):
    """A fixed price, or the clearing price up to its cap; per kWh (3.4)."""
    if terms["type"] == "fixed":
        return number(terms["price"])
    return min(clearing, number(terms["cap"])) if "cap" in terms else clearing


def energy_payment(wh, terms, clearing):
    return wh / KWH * price_paid(terms, clearing)


def event_payment(wh, hours, steps):
    """yuan per kW and event: the mean effective kW of the event at the step of its length (3.4, Jiangsu)."""
    reached = [s for s in steps if hours * 60 > s["over_minutes"]]
    if not reached:
        raise ValueError("no step of the rule covers an event so short")
    return wh / KWH / hours * number(reached[-1]["price"])


def month_payment(kw, price, called, when):
    """yuan per agreed kW and month, in a month without a call (3.4, Hainan)."""
    return kw * number(price) if (when == "not_called") is not called else Fraction(0)


def tracking_wh(response, awarded, coefficient, tolerance):
    """North China: K min(P/Pz, 1) min(P, Pz), nothing where |P - Pz| / Pz is above the tolerance (3.4)."""
    if abs(Fraction(response) - awarded) / awarded > tolerance:
        return Fraction(0)
    return coefficient * min(Fraction(response) / awarded, 1) * min(Fraction(response), awarded)


def shortfall_penalty(awarded, delivered, price, below, multiple):
    """(award R1 - actual) P M where the response is under award R1 (3.4, 11467.com); at or above zero."""
    return max(awarded * below - delivered, Fraction(0)) / KWH * price * multiple


def top_up(wh, to, provincial_price):
    """What is missing from the provincial price to the local one (3.4, Quzhou)."""
    return wh / KWH * max(to - provincial_price, Fraction(0))


def annual_cut(paid, total_of_the_year, cap):
    """What is taken back of a payment, pro rata, where the year's payments exceed the cap (3.4, Quzhou)."""
    if total_of_the_year <= cap:
        return Fraction(0)
    return paid * (1 - cap / total_of_the_year)


# ------------------------------------------------------------------ spot (3.5)


def two_settlement(q_c, p_c, q_da, p_da, q_rt, p_rt):
    """Contract, day-ahead and real-time of an interval; energies in Wh, taken below zero (3.5).

    The two forms of the rule are equal, whatever the signs: the sign of a load is derived and not copied.
    """
    first = q_c * p_c + (q_da - q_c) * p_da + (q_rt - q_da) * p_rt
    second = q_rt * p_rt + q_da * (p_da - p_rt) + q_c * (p_c - p_da)
    if first != second:
        raise AssertionError("the two-settlement identity does not hold")
    return Fraction(first) / KWH


def settlement_items(q_c, p_c, p_reference, cleared, p_da, metered, p_rt):
    """The same, as the operator's statement shows it: up-grid and down-grid apart (3.5, Hunan).

    ``cleared`` and ``metered`` are (sent out, taken), both at or above zero.  A contract settles at its
    reference price, and earns the spread of its own node beside it.
    """
    (out_da, in_da), (out_rt, in_rt) = cleared, metered
    items = {
        "day-ahead, sent out": out_da * p_da,
        "real-time, sent out": (out_rt - out_da) * p_rt,
        "day-ahead, taken": -in_da * p_da,
        "real-time, taken": -(in_rt - in_da) * p_rt,
        "contract for difference": q_c * (p_c - p_da),
        "node spread": q_c * (p_da - p_reference),
    }
    whole = two_settlement(q_c, p_c + p_da - p_reference, out_da - in_da, p_da, out_rt - in_rt, p_rt)
    if sum(items.values()) / KWH != whole:
        raise AssertionError("the items do not sum to the two-settlement")
    return {name: Fraction(amount) / KWH for name, amount in items.items()}


def levelling(q_month, q_daily_sum, composite_price):
    """(Q of the month - sum of the daily Q) x the month's composite price; Q is sent out less taken (3.5)."""
    return Fraction(q_month - q_daily_sum) / KWH * composite_price


def unreturned_charging(charged, discharged, price):
    """Only what was charged and not sent back bears the transmission price and the funds; a cost (3.5)."""
    return -max(Fraction(charged) - discharged, Fraction(0)) / KWH * price


def declaration_recovery(q_declared, q_rt, spread, tolerance, zero_floor):
    """(Q_decl - Q_rt (1 + lambda)) (P_da - P_rt), taken back where it is above zero; a cost (3.5).

    Up-grid and down-grid each by themselves, both energies at or above zero; down-grid the spread has the
    opposite sign, as its price has.  A load below zero in the same formula would make lambda, a tolerance,
    add to what is taken back: it would be charged without any deviation.
    """
    energy = q_declared - q_rt * (1 + tolerance)
    if zero_floor == "each_factor":
        return -max(energy, Fraction(0)) * max(spread, Fraction(0)) / KWH
    return -max(energy * spread, Fraction(0)) / KWH


def execution_penalty(q_actual, q_declared, tolerance, threshold, price, factor):
    """max(|Q_act - Q_decl| - max(Q_decl r1, M), 0) P r2; a cost (3.5).  A load's Q_decl counts by size."""
    free = max(abs(q_declared) * tolerance, Fraction(threshold))
    return -max(abs(q_actual - q_declared) - free, Fraction(0)) / KWH * price * factor


def no_contract_user(taken_wh, month_price, factor):
    """A user without a contract pays a multiple of the month's real-time price; a cost (3.5)."""
    return -Fraction(taken_wh) / KWH * month_price * factor


def mean(values):
    values = list(values)
    return sum(map(Fraction, values)) / len(values)


# ------------------------------------------------------------------ frequency regulation (3.6)


def component(terms, told):
    """K1, K2 or K3 of one instruction: V / V_pu up to a cap, 1 - T / T0, or as the market gives it (3.6)."""
    value = Fraction(told[terms["measure"]])
    if terms["type"] == "given":
        return value
    if terms["type"] == "complement":
        return 1 - value / number(terms["reference"])
    ratio = value / number(terms["reference"])
    return min(ratio, number(terms["cap"])) if "cap" in terms else ratio


def factor_of_instruction(terms, told):
    """A weighted sum or a product of the components (3.6)."""
    parts = [component(c, told) for c in terms["components"]]
    if terms["type"] == "weighted_sum":
        return sum(number(w) * part for w, part in zip(terms["weights"], parts, strict=True))
    result = Fraction(1)
    for part in parts:
        result *= part
    return result


def hour_factor(rule, instructions):
    """The hour's mean over its instructions, rounded as the rule says, settled up to a limit (3.6)."""
    terms = rule["factor"]
    value = rounded(mean(factor_of_instruction(terms, told) for told in instructions), terms["hour_decimals"])
    return min(value, number(rule["settled_max"])) if "settled_max" in rule else value


def mileage_fee(mileage_mw, price_per_mw, factor, share=1):
    """M sum of D x B x K for one hour; M is 1 where the market does not share the cost out (3.6)."""
    return share * mileage_mw * price_per_mw * factor


def capacity_fee(capacity_mw, hours, price_per_mw_hour, score=1, weight=0):
    """C x h x p; with a score: x (1 - weight (1 - score)), so PJM has weight 1 and NYISO 1.1 (3.6)."""
    return capacity_mw * hours * price_per_mw_hour * (1 - weight * (1 - score))


def pjm(award_mw, score, mileage_ratio, performance_price, capability_price):
    """q perf (mileage ratio x RMPCP + RMCCP) for one hour (3.6)."""
    return award_mw * score * (mileage_ratio * performance_price + capability_price)


def agc_energy(discharged, charged, real_time_price):
    """Energy delivered under AGC settles at the real-time energy price; charging it is a cost (3.6)."""
    return Fraction(discharged - charged) / KWH * real_time_price


# ------------------------------------------------------------------ capacity, service (3.7, 2.1)


def capacity_month(price_per_kw_year, rated_kw, full_hours, peak_hours, auxiliary, availability):
    """p / 12 x P_n min(1, h_full / h_peak) (1 - aux) x availability (3.7)."""
    effective = rated_kw * min(Fraction(1), full_hours / peak_hours) * (1 - auxiliary)
    return price_per_kw_year / 12 * effective * availability


def throughput_fee(rate, charged, discharged, basis):
    """yuan per kWh of discharge, charge or both (2.1 Q03)."""
    wh = {"discharge": discharged, "charge": charged, "both": charged + discharged}[basis]
    return Fraction(wh) / KWH * rate


# ------------------------------------------------------------------ exclusivity (4)


def arbitrage_taken(moved_wh, agc_wh, response_wh, present, policy, without_saving):
    """What of a quarter-hour's Wh is not counted as A: (as AGC energy, not at all).

    AGC energy never is A (A x AS), and what it does to the bill is in the interaction.  A response's Wh still
    lower the bill (A x DR), unless the contract says that they do not.  Under ``strict`` (S3) the whole
    interval is the other stream's, and the bill's saving does not count.
    """
    if policy == "strict":
        return Fraction(0), Fraction(moved_wh if present else 0)
    response = min(Fraction(moved_wh) - agc_wh, response_wh) if without_saving else Fraction(0)
    return Fraction(agc_wh), response


def power_left(rated_w, taken_w):
    """What of the rated power no earlier claim of the interval holds (4: one commitment set a kW)."""
    return max(rated_w - taken_w, 0)


def granted_share(claimed_w, rated_w, taken_w):
    """The part of a later claim on the same kW that can be granted, 0 to 1."""
    return Fraction(min(claimed_w, power_left(rated_w, taken_w)), claimed_w)
