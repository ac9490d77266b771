"""Two-settlement with contracts for difference, to the fen, against a slow calculation of its own."""

from __future__ import annotations

import csv
import random
import tomllib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.interval import Interval, Month, midnight
from ledger.market_price import PriceBlock, PriceSeries, Product, hourly_ledger, price_ledger
from ledger.quantity import Price
from ledger.refusal import Refused
from ledger.streams.earned import Earned
from ledger.streams.spot import (
    DeclarationRecovery,
    ExecutionPenalty,
    GridCharges,
    Levelling,
    NoContractUser,
    PriceLimits,
    SpotClearing,
    SpotContract,
    SpotDeclaration,
    SpotGeneration,
    SpotIntradayTrade,
    SpotMonth,
    SpotRule,
    StatedRecovery,
    TradingUnit,
    nodes_of,
    published,
    spot_earnings,
    spot_prices,
    unified_price,
    unified_series,
)
from ledger.toml_file import TomlFile

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "examples" / "market_rules"
SHANDONG = ROOT / "examples" / "prices" / "shandong_spot_2026.csv"
CHINA = ZoneInfo("Asia/Shanghai")
GRID_CHARGES = GridCharges(Price.parse("0.2446", "CNY", "kWh"), Price.parse("0.029115", "CNY", "kWh"))
"""Together the 0.273715 yuan/kWh of DOMAIN.md 3.5."""


def shipped(name: str) -> SpotRule:
    file = TomlFile((RULES / f"{name}.toml").read_bytes())
    return file.struct(SpotRule, file.root, ())


def rule(**changes: Any) -> SpotRule:
    values: dict[str, Any] = {
        "id": "market",
        "title": "A market",
        "source": "DOMAIN.md 3.5",
        "currency": "CNY",
        "zone": "Asia/Shanghai",
        "interval_s": 3600,
        "day_ahead_interval_s": 3600,
        "real_time_interval_s": 3600,
        "price_point": "node",
        "contract_point": "price_point",
        "charging_bears": "nothing",
        "limits": (),
        "items": (),
        "unstated": (),
    }
    return SpotRule(**(values | changes))


def series(
    start: datetime, values: Sequence[int], product: Product, seconds: int = 3600, scale: int = 6, **kw: Any
) -> PriceSeries:
    block = PriceBlock(start, np.array(values, dtype=np.int64), scale)
    return PriceSeries("m", kw.get("node", "n"), product, seconds, kw.get("currency", "CNY"), (block,))


def wh(values: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def day(text: str, days: int = 1) -> Interval:
    first = date.fromisoformat(text)
    return Interval(midnight(first, CHINA), midnight(first + timedelta(days=days), CHINA))


def hours(text: str, count: int) -> Interval:
    start = midnight(date.fromisoformat(text), CHINA)
    return Interval(start, start + timedelta(hours=count))


def schedule(kind: type[Any], interval: Interval, up: Sequence[int], down: Sequence[int], **kw: Any) -> Any:
    values = {"id": f"{kind.__name__}-{interval.start:%Y%m%d%H}", "site": "S1", "rule": "market", "run": "R1"}
    return kind(**(values | kw), interval=interval, injected_wh=tuple(up), withdrawn_wh=tuple(down))


def contract(interval: Interval, volume: Sequence[int], price: Sequence[str], **kw: Any) -> SpotContract:
    values: dict[str, Any] = {"id": "C1", "site": "S1", "rule": "market", "run": "year"}
    return SpotContract(
        **(values | kw), interval=interval, volume_wh=tuple(volume), price_per_kwh=tuple(price)
    )


def statement(interval: Interval, **kw: Any) -> SpotMonth:
    values: dict[str, Any] = {
        "id": "M1",
        "site": "S1",
        "rule": "market",
        "run": "month",
        "injected_wh": 0,
        "withdrawn_wh": 0,
        "without_contract": False,
        "composite_price_per_kwh": None,
        "real_time_price_per_kwh": None,
        "assessment_price_per_kwh": None,
        "recovered": (),
    }
    return SpotMonth(**(values | kw), interval=interval)


def unit(
    up: Sequence[int], down: Sequence[int], clearings: Sequence[SpotClearing] = (), **kw: Any
) -> TradingUnit:
    values: dict[str, Any] = {
        "site": "S1",
        "meter_interval_s": 3600,
        "contracts": (),
        "declarations": (),
        "statement": None,
        "grid_charges": None,
    }
    return TradingUnit(**(values | kw), injected_wh=wh(up), withdrawn_wh=wh(down), clearings=tuple(clearings))


def line(lines: Sequence[Earned], start: str) -> Earned:
    (found,) = [one for one in lines if one.note.startswith(start)]
    return found


def total(lines: Sequence[Earned]) -> Fraction:
    return sum((one.exact for one in lines), Fraction(0))


def check_lines(lines: Sequence[Earned]) -> None:
    """What holds for every line: leaves sum exactly, one rounding, few leaves."""
    for one in lines:
        assert one.stream == "spot"
        if one.basis:
            assert sum(Fraction(leaf.exact) for leaf in one.basis) == one.exact
        assert 2 * abs(one.amount.exact - one.exact) <= Fraction(1, 100)
        assert len(one.basis) <= 40
        for leaf in one.basis:
            if leaf.price != "by interval":
                assert Fraction(leaf.quantity) / 1000 * Fraction(leaf.price) == Fraction(leaf.exact)


TWO_HOURS = hours("2026-01-25", 2)
PAIR = spot_prices(
    rule(),
    TWO_HOURS,
    series(TWO_HOURS.start, [300_000, -85_000], "day_ahead"),
    series(TWO_HOURS.start, [250_000, 1_291_300], "real_time"),
)


# --- worked examples ---


def test_a_discharge_and_a_charge_have_the_same_prices_with_opposite_signs() -> None:
    """Hunan 上网 and 下网 (DOMAIN.md 3.5): the sign follows from the identity."""
    cleared = schedule(SpotClearing, TWO_HOURS, [1_000_000, 0], [0, 2_000_000])
    lines = spot_earnings(rule(), unit([900_000, 0], [0, 2_100_000], [cleared]), PAIR)
    check_lines(lines)
    assert [(one.note, str(one.amount)) for one in lines] == [
        ("day-ahead energy, injected", "300.00"),  # 1000 kWh x 0.3
        ("real-time deviation, injected", "-25.00"),  # -100 kWh x 0.25
        ("day-ahead energy, withdrawn", "170.00"),  # -2000 kWh x -0.085: paid for charging
        ("real-time deviation, withdrawn", "-129.13"),  # -100 kWh x 1.2913
    ]
    leaf = lines[0].basis[0]
    assert (leaf.label, leaf.quantity, leaf.unit, leaf.exact) == ("2026-01-25", "1000000", "Wh", "300")
    assert line(lines, "day-ahead energy, withdrawn").basis[0].quantity == "-2000000"


def test_a_contract_pays_the_difference_to_the_day_ahead_price() -> None:
    cleared = schedule(SpotClearing, TWO_HOURS, [1_000_000, 0], [0, 0])
    sold = contract(TWO_HOURS, [800_000, 400_000], ["0.4"])
    lines = spot_earnings(rule(), unit([900_000, 0], [0, 0], [cleared], contracts=(sold,)), PAIR)
    check_lines(lines)
    difference = line(lines, "contract for difference C1")
    assert str(difference.amount) == "274.00"  # 800 x (0.4 - 0.3) + 400 x (0.4 + 0.085)
    # R = Q_c P_c + (Q_da - Q_c) P_da + (Q_rt - Q_da) P_rt, hour by hour
    assert total(lines) == (320 + 60 - 25) + (160 + 34)


def test_a_contract_holds_only_in_its_interval_and_may_have_a_price_for_each_hour() -> None:
    cleared = schedule(SpotClearing, TWO_HOURS, [0, 0], [0, 0])
    longer = Interval(TWO_HOURS.start + timedelta(hours=1), TWO_HOURS.end + timedelta(hours=5))
    curve = contract(longer, [-1000_000, 7, 7, 7, 7, 7], ["0.1", "9", "9", "9", "9", "9"])
    before = contract(
        Interval(TWO_HOURS.start - timedelta(hours=3), TWO_HOURS.start), [5, 5, 5], ["1"], id="C0"
    )
    lines = spot_earnings(rule(), unit([0, 0], [0, 0], [cleared], contracts=(before, curve)), PAIR)
    (only,) = lines
    assert (only.note, str(only.amount)) == ("contract for difference C1", "-185.00")


def test_at_a_reference_node_the_spread_is_a_line_of_its_own() -> None:
    """Hunan: long-term contracts settle at the reference node, with (P_node - P_ref) (DOMAIN.md 3.5)."""
    at_reference = rule(contract_point="reference_node")
    prices = spot_prices(
        at_reference,
        TWO_HOURS,
        series(TWO_HOURS.start, [300_000, -85_000], "day_ahead"),
        series(TWO_HOURS.start, [0, 0], "real_time"),
        series(TWO_HOURS.start, [330_000, 10_000], "day_ahead", node="ref"),
    )
    cleared = schedule(SpotClearing, TWO_HOURS, [1_000_000, 1_000_000], [0, 0])
    sold = contract(TWO_HOURS, [1_000_000, 1_000_000], ["0.4"])
    produced = unit([1_000_000, 1_000_000], [0, 0], [cleared], contracts=(sold,))
    lines = spot_earnings(at_reference, produced, prices)
    check_lines(lines)
    assert str(line(lines, "node spread of contract C1").amount) == "-125.00"  # -30 - 95
    # who delivers what was sold earns the contract's price and the spread, whatever the spot price
    assert total(lines) == 800 - 125


def test_charging_energy_that_is_sent_back_bears_no_transmission_and_no_funds() -> None:
    """0.273715 x 108,000 kWh = 29,561 yuan a month at stake (DOMAIN.md 3.5)."""
    cleared = schedule(SpotClearing, TWO_HOURS, [108_000_000, 0], [0, 120_000_000])
    amounts = {}
    for bears in ("all", "losses", "nothing", "billed_elsewhere"):
        stored = unit([108_000_000, 0], [0, 120_000_000], [cleared], grid_charges=GRID_CHARGES)
        lines = spot_earnings(rule(charging_bears=bears), stored, PAIR)
        check_lines(lines)
        charges = [one for one in lines if one.note == "transmission price and funds on charging"]
        amounts[bears] = [(one.amount.minor, [leaf.exact for leaf in one.basis]) for one in charges]
    assert amounts["all"] == [(-32_845_80, ["-29352", "-3493.8"])]
    assert amounts["losses"] == [(-3_284_58, ["-2935.2", "-349.38"])]
    assert amounts["all"][0][0] - amounts["losses"][0][0] == -29_561_22
    assert amounts["nothing"] == amounts["billed_elsewhere"] == []


def test_charging_charges_follow_the_monthly_statement_where_there_is_one() -> None:
    cleared = schedule(SpotClearing, TWO_HOURS, [0, 0], [0, 0])
    billed = statement(TWO_HOURS, injected_wh=1_000_000, withdrawn_wh=3_000_000)
    stored = unit([0, 0], [0, 9], [cleared], grid_charges=GRID_CHARGES, statement=billed)
    lines = spot_earnings(rule(charging_bears="losses"), stored, PAIR)
    assert line(lines, "transmission").exact == -2000 * Fraction("0.273715")


def test_levelling_settles_what_the_month_has_beside_its_days() -> None:
    cleared = schedule(SpotClearing, TWO_HOURS, [0, 0], [0, 0])
    month = statement(TWO_HOURS, injected_wh=1_100, withdrawn_wh=3_500, composite_price_per_kwh="0.35")
    metered = unit([1000, 0], [0, 3000], [cleared], statement=month)
    lines = spot_earnings(rule(items=(Levelling(),)), metered, PAIR)
    check_lines(lines)
    found = line(lines, "monthly levelling")
    assert [leaf.exact for leaf in found.basis] == ["0.035", "-0.175"]
    assert str(found.amount) == "-0.14"
    negative = msgspec.structs.replace(month, composite_price_per_kwh="-0.35")
    lines = spot_earnings(rule(items=(Levelling(),)), metered._replace(statement=negative), PAIR)
    assert str(line(lines, "monthly levelling").amount) == "0.14"


@pytest.mark.parametrize(
    ("floor", "declared", "actual", "day_ahead", "real_time", "recovered"),
    [
        # injected, 5 % tolerated: (1200 - 1050) x (0.5 - 0.3)
        ("each_factor", 1200, 1000, 500, 300, "-30.00"),
        ("product", 1200, 1000, 500, 300, "-30.00"),
        # too much declared at a loss
        ("each_factor", 1200, 1000, 300, 500, "0.00"),
        ("product", 1200, 1000, 300, 500, "0.00"),
        # exactly as declared: as printed, the formula charges even that: (1000 - 1050) x (0.3 - 0.5)
        ("each_factor", 1000, 1000, 300, 500, "0.00"),
        ("product", 1000, 1000, 300, 500, "-10.00"),
        # within the tolerance
        ("each_factor", 1040, 1000, 500, 300, "0.00"),
        # a withdrawal gains where the real-time price is the higher one: (1200 - 1050) x (0.5 - 0.3)
        ("each_factor", -1200, -1000, 300, 500, "-30.00"),
        ("product", -1200, -1000, 300, 500, "-30.00"),
        ("each_factor", -1200, -1000, 500, 300, "0.00"),
        # negative prices are prices: (1200 - 1050) x (-0.1 + 0.3)
        ("each_factor", 1200, 1000, -100, -300, "-30.00"),
        ("product", 1200, 1000, -100, -300, "-30.00"),
    ],
)
def test_a_declaration_recovery_is_never_received(
    floor: Any, declared: int, actual: int, day_ahead: int, real_time: int, recovered: str
) -> None:
    hour = hours("2026-01-25", 1)
    market = rule(items=(DeclarationRecovery(tolerance="5%", zero_floor=floor),))
    prices = spot_prices(
        market,
        hour,
        series(hour.start, [day_ahead * 1000], "day_ahead"),
        series(hour.start, [real_time * 1000], "real_time"),
    )
    up, down = [max(declared, 0) * 1000], [max(-declared, 0) * 1000]
    one = unit(
        [max(actual, 0) * 1000],
        [max(-actual, 0) * 1000],
        [schedule(SpotClearing, hour, up, down)],
        declarations=(schedule(SpotDeclaration, hour, up, down),),
    )
    lines = spot_earnings(market, one, prices)
    check_lines(lines)
    assert str(line(lines, "day-ahead declaration recovery").amount) == recovered


@pytest.mark.parametrize(
    ("declared", "actual", "penalty"),
    [
        (1000, 1080, "0.00"),  # within r1 = 10 %
        (1000, 1250, "-30.00"),  # (250 - 100) x 0.4 x 0.5
        (1000, 750, "-30.00"),
        (100, 180, "-6.00"),  # (80 - max(10, 50)) x 0.2: M above r1's part
        (-1000, -1250, "-30.00"),
        (1000, -1000, "-380.00"),  # (2000 - 100) x 0.2
        (-100, 60, "-22.00"),  # (160 - max(10, 50)) x 0.2: the declared load's size counts
    ],
)
def test_an_execution_penalty_begins_beyond_both_tolerances(declared: int, actual: int, penalty: str) -> None:
    hour = hours("2026-01-25", 1)
    market = rule(items=(ExecutionPenalty(tolerance="0.1", threshold_wh=50_000, factor="0.5"),))
    flat = [series(hour.start, [-1], product) for product in ("day_ahead", "real_time")]
    up, down = [max(declared, 0) * 1000], [max(-declared, 0) * 1000]
    one = unit(
        [max(actual, 0) * 1000],
        [max(-actual, 0) * 1000],
        [schedule(SpotClearing, hour, [0], [0])],
        declarations=(schedule(SpotDeclaration, hour, up, down),),
        statement=statement(hour, assessment_price_per_kwh="0.4"),
    )
    lines = spot_earnings(market, one, spot_prices(market, hour, *flat))
    check_lines(lines)
    assert str(line(lines, "execution penalty").amount) == penalty


def test_a_user_without_a_contract_pays_half_as_much_again() -> None:
    """Shaanxi §5.4.9: 1.5 x the monthly real-time price."""
    market = rule(items=(NoContractUser(factor="1.5"),))
    user = unit([0, 0], [400_000, 600_000])
    alone = statement(TWO_HOURS, without_contract=True, real_time_price_per_kwh="0.36")
    lines = spot_earnings(market, user._replace(statement=alone), PAIR)
    check_lines(lines)
    assert [str(one.amount) for one in lines] == ["-540.00"]
    with pytest.raises(Refused) as refused:
        spot_earnings(market, user, PAIR)
    assert refused.value.code == "statement_missing"
    cleared = schedule(SpotClearing, TWO_HOURS, [0, 0], [400_000, 600_000])
    with pytest.raises(Refused) as refused:
        spot_earnings(market, user._replace(statement=alone, clearings=(cleared,)), PAIR)
    assert refused.value.code == "without_contract"
    has_one = msgspec.structs.replace(alone, without_contract=False)
    lines = spot_earnings(market, user._replace(statement=has_one, clearings=(cleared,)), PAIR)
    assert str(line(lines, "day-ahead energy, withdrawn").amount) == "-69.00"  # 400 x 0.3 - 600 x 0.085


def test_an_item_is_rounded_once_and_not_by_interval() -> None:
    """Three hours of 0.005 yuan: 0.02 and not three times 0.01 (DOMAIN.md 3.0); halves away from zero."""
    three = hours("2026-01-25", 3)
    flat = [series(three.start, [5_000] * 3, product) for product in ("day_ahead", "real_time")]
    prices = spot_prices(rule(), three, *flat)
    for up, down, amount in (([1000] * 3, [0] * 3, "0.02"), ([0] * 3, [1000] * 3, "-0.02")):
        lines = spot_earnings(rule(), unit(up, down, [schedule(SpotClearing, three, up, down)]), prices)
        assert str(line(lines, "day-ahead").amount) == amount


def test_what_the_rule_lacks_the_operator_states() -> None:
    market = rule(unstated=("long_term_recovery",))
    cleared = schedule(SpotClearing, TWO_HOURS, [0, 0], [0, 0])
    stated = StatedRecovery(item="long_term_recovery", recovered="1234.56")
    one = unit([0, 0], [0, 0], [cleared], statement=statement(TWO_HOURS, recovered=(stated,)))
    (only,) = spot_earnings(market, one, PAIR)
    assert (str(only.amount), only.basis) == ("-1234.56", ())
    assert "not recomputed" in only.note
    for wrong, other, code in ((market, None, "item_unstated"), (rule(), one.statement, "item_computed")):
        with pytest.raises(Refused) as refused:
            spot_earnings(wrong, one._replace(statement=other), PAIR)
        assert refused.value.code == code


# --- prices ---


def test_an_hour_is_the_exact_mean_of_its_quarters_and_of_its_five_minutes() -> None:
    """Chongqing (DOMAIN.md 3.0): day-ahead of four quarter-hours, real-time of twelve five-minute prices."""
    market = shipped("spot_chongqing")
    hour = hours("2026-01-25", 1)
    prices = spot_prices(
        market,
        hour,
        series(hour.start, [300_000, 300_000, 300_000, 300_001], "day_ahead", 900),
        series(hour.start, [-85_000, *[100_000] * 10, 100_001], "real_time", 300),
    )
    assert Fraction(int(prices.day_ahead[0]), prices.denominator) == Fraction("0.30000025")
    assert Fraction(int(prices.real_time[0]), prices.denominator) == Fraction("1.015001") / 12


def test_quarter_hour_energies_are_summed_to_the_hour_of_the_market() -> None:
    cleared = schedule(SpotClearing, TWO_HOURS, [250_000] * 4 + [0] * 4, [0] * 8)
    coarse = schedule(SpotClearing, TWO_HOURS, [1_000_000, 0], [0, 0])
    quarters = unit([225_000] * 4 + [0] * 4, [0] * 8, [cleared], meter_interval_s=900)
    whole = unit([900_000, 0], [0, 0], [coarse])
    assert spot_earnings(rule(), quarters, PAIR) == spot_earnings(rule(), whole, PAIR)


def test_a_price_missing_for_one_interval_is_refused_with_its_instant() -> None:
    start = TWO_HOURS.start
    full = series(start, [1] * 8, "day_ahead", 900)
    block = full.blocks[0].mantissas
    gap = PriceSeries(
        "m",
        "n",
        "real_time",
        900,
        "CNY",
        (PriceBlock(start, block[:5], 6), PriceBlock(start + timedelta(minutes=90), block[6:], 6)),
    )
    market = rule(day_ahead_interval_s=900, real_time_interval_s=900)
    with pytest.raises(Refused, match="2026-01-24 17:15:00") as refused:
        spot_prices(market, TWO_HOURS, full, gap)
    assert refused.value.code == "price_missing"


def test_a_price_beyond_its_limits_is_refused_and_not_cut() -> None:
    """Settlement does not change a cleared price (DOMAIN.md 3.0, Shaanxi §5.3.1)."""
    series_pair = (
        series(TWO_HOURS.start, [300_000, -85_000], "day_ahead"),
        series(TWO_HOURS.start, [250_000, 1_291_300], "real_time"),
    )
    wide = PriceLimits(product="real_time", floor="-0.1", cap="1.2913")
    narrow = PriceLimits(product="real_time", floor="-0.1", cap="1.2912999")
    high = PriceLimits(product="day_ahead", floor="-0.0849", cap="1")
    allowed = spot_prices(rule(limits=(wide,)), TWO_HOURS, *series_pair)
    assert allowed.real_time.tolist() == PAIR.real_time.tolist()
    for limits, shown in ((narrow, "1.2913 per kWh"), (high, "-0.085 per kWh")):
        with pytest.raises(Refused, match=shown) as refused:
            spot_prices(rule(limits=(limits,)), TWO_HOURS, *series_pair)
        assert (refused.value.code, refused.value.place) == ("price_limit", "2026-01-24 17:00:00+00:00")


def test_the_unified_price_weighs_the_nodes_by_their_generation() -> None:
    """Shaanxi §5.4.2; published with six decimals per kWh (DOMAIN.md 3.0)."""
    nodes = [
        series(TWO_HOURS.start, [300_000, -85_000], "day_ahead", node="a"),
        series(TWO_HOURS.start, [400_000, 100_000], "day_ahead", node="b"),
    ]
    exact = unified_price(nodes, [wh([1000, 0]), wh([2000, 5])], TWO_HOURS)
    assert exact == (Fraction(11, 30), Fraction(1, 10))
    unified = published(nodes[0], "unified", TWO_HOURS.start, exact)
    assert (unified.blocks[0].mantissas.tolist(), unified.blocks[0].scale) == ([366_667, 100_000], 6)
    for generation, code in (([[1, 0], [1, 0]], "generation"), ([[1, -1], [1, 2]], "generation")):
        with pytest.raises(Refused) as refused:
            unified_price(nodes, [wh(row) for row in generation], TWO_HOURS)
        assert (refused.value.code, refused.value.place) == (code, "2026-01-24 17:00:00+00:00")
    with pytest.raises(Refused) as refused:
        unified_price(nodes, [wh([1, 1])], TWO_HOURS)
    assert refused.value.code == "profile"


HALF_PAST = TWO_HOURS.start + timedelta(minutes=30)


def generated(
    node: str, values: list[int], start: datetime = TWO_HOURS.start, **changes: Any
) -> SpotGeneration:
    given: dict[str, Any] = {
        "id": f"g-{node}", "rule": "r", "run": "d1", "node": node, "product": "day_ahead",
        "interval": Interval(start, start + timedelta(hours=len(values))), "generation_wh": tuple(values),
    }  # fmt: skip
    return SpotGeneration(**given | changes)


def test_the_unified_series_is_of_the_generation_that_was_told() -> None:
    """0.3 and 0.4 weighed 1 : 2 are 0.366667, then 0.1 alone; what is told beyond the time does not count."""
    nodes = {
        "a": series(TWO_HOURS.start, [300_000, -85_000], "day_ahead", node="a"),
        "b": series(TWO_HOURS.start, [400_000, 100_000], "day_ahead", node="b"),
    }
    told = [
        generated("a", [7, 1000, 0, 7], TWO_HOURS.start - timedelta(hours=1)),
        generated("b", [2000]),
        generated("b", [5], TWO_HOURS.start + timedelta(hours=1), id="g-b-2"),
        generated("c", [9, 9], product="real_time"),
    ]
    assert nodes_of(told, "day_ahead") == ["a", "b"]
    found = unified_series(told, nodes, "day_ahead", TWO_HOURS)
    assert (found.node, found.product) == ("unified", "day_ahead")
    assert found.blocks[0].mantissas.tolist() == [366_667, 100_000]
    for wrong, place in (
        (told[:2], "b"),
        ([*told, generated("b", [1], id="again")], "again"),
        ([told[0], generated("b", [1], interval=Interval(TWO_HOURS.start, HALF_PAST))], "g-b at b"),
        (told[3:], str(TWO_HOURS.start)),
    ):
        with pytest.raises(Refused) as refused:
            unified_series(wrong, nodes, "day_ahead", TWO_HOURS)
        assert (refused.value.code, refused.value.place) == ("generation", place)
    with pytest.raises(Refused) as refused:
        generated("a", [-1, 0])
    assert refused.value.code == "energy_range"


def test_prices_must_be_the_rules_own() -> None:
    good = series(TWO_HOURS.start, [1, 2], "day_ahead"), series(TWO_HOURS.start, [1, 2], "real_time")
    wrong: list[tuple[SpotRule, tuple[PriceSeries, ...], str]] = [
        (rule(), (good[1], good[1]), "product"),
        (rule(currency="EUR"), good, "currency"),
        (rule(real_time_interval_s=900), good, "price_interval"),
        (rule(), (*good, good[0]), "price_reference"),
        (rule(contract_point="reference_node"), good, "price_reference"),
        (rule(), (series(TWO_HOURS.start, [2**62, 1], "day_ahead"), good[1]), "price_range"),
    ]
    for market, given_prices, code in wrong:
        with pytest.raises(Refused) as refused:
            spot_prices(market, TWO_HOURS, *given_prices)
        assert refused.value.code == code


# --- days, months and clocks ---


def test_point_96_ends_at_24_00_of_its_own_day_and_month() -> None:
    """24:00 of 31 January is 00:00 of 1 February and still January's (DOMAIN.md 3.0 and 5)."""
    market = rule(interval_s=900, day_ahead_interval_s=900, real_time_interval_s=900)
    month = Month(2026, 1).interval(CHINA)
    values = list(range(31 * 96))
    prices = spot_prices(
        market,
        month,
        *(series(month.start, values, product, 900, 6) for product in ("day_ahead", "real_time")),
    )
    assert (len(prices.days), prices.days[0], prices.days[-1]) == (31, "2026-01-01", "2026-01-31")
    days = [day(f"2026-01-{number:02d}") for number in range(1, 32)]
    nothing = [0] * 96
    clearings = [schedule(SpotClearing, one, nothing, nothing) for one in days[:-1]]
    clearings.append(schedule(SpotClearing, days[-1], [0] * 95 + [1_000_000], nothing))
    idle = unit([0] * 2976, [0] * 2976, clearings, meter_interval_s=900)
    lines = spot_earnings(market, idle, prices)
    check_lines(lines)
    (leaf,) = line(lines, "day-ahead energy").basis
    assert (leaf.label, leaf.exact) == ("2026-01-31", "2.975")  # the last price, 2975 x 10^-6
    # the order in which days were told does not matter
    assert spot_earnings(market, idle._replace(clearings=tuple(reversed(clearings))), prices) == lines
    following = schedule(SpotClearing, day("2026-02-01"), nothing, nothing)
    for told, code in (
        ([*clearings, following], "interval"),
        (clearings[:9] + clearings[10:], "clearing_missing"),
        ([*clearings, clearings[4]], "clearing_overlap"),
    ):
        with pytest.raises(Refused) as refused:
            spot_earnings(market, idle._replace(clearings=tuple(told)), prices)
        assert refused.value.code == code
    with pytest.raises(Refused, match="2026-01-09 16:00:00"):
        spot_earnings(market, idle._replace(clearings=tuple(clearings[:9] + clearings[10:])), prices)


@pytest.mark.parametrize(("first", "count"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25)])
def test_a_day_of_23_or_25_hours_is_one_day(first: date, count: int) -> None:
    market = shipped("spot_two_settlement_pjm")
    zone = ZoneInfo(market.zone)
    interval = Interval(midnight(first, zone), midnight(first + timedelta(days=1), zone))
    prices = spot_prices(
        market,
        interval,
        series(interval.start, [10_000] * count, "day_ahead", currency="USD"),
        series(interval.start, [20_000] * count, "real_time", currency="USD"),
    )
    assert (prices.intervals, prices.days) == (count, (str(first),))
    cleared = schedule(SpotClearing, interval, [1000] * count, [0] * count, rule=market.id)
    lines = spot_earnings(market, unit([2000] * count, [0] * count, [cleared]), prices)
    assert total(lines) == Fraction(count * 3, 100)
    assert {one.amount.currency for one in lines} == {"USD"}


# --- properties and the independent slow calculation ---

ENERGY = st.integers(0, 3_000_000)
PRICE = st.integers(-100_000, 1_500_000)


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(*[ENERGY] * 4, PRICE, PRICE, st.integers(-2_000_000, 2_000_000), PRICE),
        min_size=1,
        max_size=30,
    )
)
def test_two_settlement_identity(rows: list[tuple[int, ...]]) -> None:
    """Q_c P_c + (Q_da - Q_c) P_da + (Q_rt - Q_da) P_rt = Q_rt P_rt + Q_da (P_da - P_rt) + Q_c (P_c - P_da)"""
    interval = hours("2026-01-25", len(rows))
    up_da, down_da, up, down, p_da, p_rt, q_c, p_c = (list(column) for column in zip(*rows, strict=True))
    prices = spot_prices(
        rule(),
        interval,
        series(interval.start, p_da, "day_ahead"),
        series(interval.start, p_rt, "real_time"),
    )
    one = unit(
        up,
        down,
        [schedule(SpotClearing, interval, up_da, down_da)],
        contracts=(contract(interval, q_c, [_decimal(p) for p in p_c]),),
    )
    lines = spot_earnings(rule(), one, prices)
    check_lines(lines)
    first = second = Fraction(0)
    for n in range(len(rows)):
        q_da, q_rt = up_da[n] - down_da[n], up[n] - down[n]
        first += q_c[n] * p_c[n] + (q_da - q_c[n]) * p_da[n] + (q_rt - q_da) * p_rt[n]
        second += q_rt * p_rt[n] + q_da * (p_da[n] - p_rt[n]) + q_c[n] * (p_c[n] - p_da[n])
    assert total(lines) == first / 10**9 == second / 10**9


def _decimal(micro: int) -> str:
    sign = "-" if micro < 0 else ""
    return f"{sign}{abs(micro) // 10**6}.{abs(micro) % 10**6:06d}"


@settings(max_examples=150)
@given(
    st.integers(0, 2**32),
    st.integers(1, 30),
    st.integers(-1_000_000, 1_000_000),
    st.sampled_from(["each_factor", "product"]),
    st.sampled_from(["all", "losses"]),
    st.sampled_from([1, 10**5]),
)
def test_every_item_agrees_with_a_slow_calculation(
    seed: int, count: int, volume: int, floor: Any, bears: Any, magnitude: int
) -> None:
    """Plain loops over Fractions, written from DOMAIN.md 3.5; `magnitude` drives sums beyond 64 bits."""
    dice = random.Random(seed)

    def energies() -> list[int]:
        return [dice.choice([0, dice.randint(0, 3_000_000)]) * magnitude for _ in range(count)]

    def micro_prices(per_hour: int) -> list[int]:
        return [dice.randint(-100_000, 1_500_000) for _ in range(per_hour * count)]

    up_da, down_da, up, down, up_decl, down_decl = (energies() for _ in range(6))
    quarters, fives, references = micro_prices(4), micro_prices(12), micro_prices(4)
    market = rule(
        day_ahead_interval_s=900,
        real_time_interval_s=300,
        contract_point="reference_node",
        charging_bears=bears,
        items=(
            Levelling(),
            DeclarationRecovery(tolerance="1/30", zero_floor=floor),
            ExecutionPenalty(tolerance="7.5%", threshold_wh=20_000, factor="1.25"),
        ),
    )
    interval = hours("2026-01-25", count)
    prices = spot_prices(
        market,
        interval,
        series(interval.start, quarters, "day_ahead", 900),
        series(interval.start, fives, "real_time", 300),
        series(interval.start, references, "day_ahead", 900),
    )
    month = statement(
        interval,
        injected_wh=sum(up) + 12_345,
        withdrawn_wh=max(sum(down) - 999, 0),
        composite_price_per_kwh="0.351234",
        assessment_price_per_kwh="0.41",
    )
    lines = spot_earnings(
        market,
        unit(
            up,
            down,
            [schedule(SpotClearing, interval, up_da, down_da)],
            contracts=(contract(interval, [volume * magnitude] * count, ["0.3737"]),),
            declarations=(schedule(SpotDeclaration, interval, up_decl, down_decl),),
            statement=month,
            grid_charges=GRID_CHARGES,
        ),
        prices,
    )
    check_lines(lines)

    energy = spread = difference = recovery = penalty = Fraction(0)
    for n in range(count):
        p_da = sum(Fraction(q, 10**6) for q in quarters[4 * n : 4 * n + 4]) / 4
        p_rt = sum(Fraction(q, 10**6) for q in fives[12 * n : 12 * n + 12]) / 12
        p_ref = sum(Fraction(q, 10**6) for q in references[4 * n : 4 * n + 4]) / 4
        q_c = Fraction(volume * magnitude, 1000)
        difference += q_c * (Fraction("0.3737") - p_da)
        spread += q_c * (p_da - p_ref)
        for sign, planned, actual, declared in ((1, up_da, up, up_decl), (-1, down_da, down, down_decl)):
            kwh = [Fraction(sign * values[n], 1000) for values in (planned, actual, declared)]
            energy += kwh[0] * p_da + (kwh[1] - kwh[0]) * p_rt
            beyond, gain = kwh[2] - kwh[1] * Fraction(31, 30), p_da - p_rt
            if floor == "product" or sign * beyond > 0:
                recovery += max(beyond * gain, Fraction(0))
        q_act, q_decl = Fraction(up[n] - down[n], 1000), Fraction(up_decl[n] - down_decl[n], 1000)
        allowed = max(abs(q_decl) * Fraction(75, 1000), Fraction(20))
        penalty += max(abs(q_act - q_decl) - allowed, Fraction(0)) * Fraction("0.41") * Fraction("1.25")
    levelled = (month.injected_wh - sum(up)) - (month.withdrawn_wh - sum(down))
    bearing = month.withdrawn_wh - (month.injected_wh if bears == "losses" else 0)

    named = {name: line(lines, name).exact for name in ("contract", "node spread", "monthly", "execution")}
    assert named == {
        "contract": difference,
        "node spread": spread,
        "monthly": Fraction(levelled, 1000) * Fraction("0.351234"),
        "execution": -penalty,
    }
    assert line(lines, "day-ahead declaration").exact == -recovery
    assert total([one for one in lines if "injected" in one.note or "withdrawn" in one.note]) == energy
    charged = [one.exact for one in lines if one.note.startswith("transmission")]
    expected = [-Fraction(max(bearing, 0), 1000) * Fraction("0.273715")] if month.withdrawn_wh else []
    assert charged == expected


# --- real prices ---


def test_three_weeks_of_real_shandong_prices_to_the_fen() -> None:
    """1 MW / 2 MWh, SIMULATED: charges at 02-04 and 11-13 h, discharges at 07-09 and 17-19 h."""
    with SHANDONG.open(newline="") as file:
        rows = list(csv.DictReader(file))
    market = shipped("spot_shandong_hourly")
    day_ahead, real_time = price_ledger(
        rows, market="shandong", node="system", currency="CNY", interval_s=3600
    )
    interval = day("2026-01-25", 21)
    planned_up, planned_down, up, down = [], [], [], []
    for n in range(504):
        hour = n % 24
        planned_down.append(1_050_000 if hour in (2, 3, 11, 12) else 0)
        planned_up.append(930_000 if hour in (7, 8, 17, 18) else 0)
        down.append(planned_down[n] + (n % 7 - 3) * 1_111 if planned_down[n] else 0)
        up.append(planned_up[n] - (n % 5) * 7_001 if planned_up[n] else 0)
    clearings = []
    for d in range(21):
        one = day(str(date(2026, 1, 25) + timedelta(days=d)))
        part = slice(24 * d, 24 * d + 24)
        clearings.append(
            schedule(SpotClearing, one, planned_up[part], planned_down[part], rule="spot_shandong_hourly")
        )
    prices = spot_prices(market, interval, day_ahead, real_time)
    lines = spot_earnings(market, unit(up, down, clearings, grid_charges=GRID_CHARGES), prices)
    check_lines(lines)

    # once more and slowly, from the file's text
    def fen(value: Fraction) -> int:
        scaled = abs(value) * 100 + Fraction(1, 2)
        return (1 if value >= 0 else -1) * (scaled.numerator // scaled.denominator)

    slow = dict.fromkeys(["da up", "rt up", "da down", "rt down"], Fraction(0))
    negative_hours = 0
    for n, row in enumerate(rows):
        assert row["start_utc"] == f"{interval.start + timedelta(hours=n):%Y-%m-%dT%H:%M:%SZ}"
        p_da, p_rt = Fraction(row["day_ahead_cny_per_kwh"]), Fraction(row["real_time_cny_per_kwh"])
        negative_hours += p_da < 0 and planned_down[n] > 0
        slow["da up"] += Fraction(planned_up[n], 1000) * p_da
        slow["rt up"] += Fraction(up[n] - planned_up[n], 1000) * p_rt
        slow["da down"] -= Fraction(planned_down[n], 1000) * p_da
        slow["rt down"] -= Fraction(down[n] - planned_down[n], 1000) * p_rt
    losses = Fraction(sum(down) - sum(up), 1000) * Fraction("0.273715")
    assert negative_hours
    assert [one.amount.minor for one in lines] == [*(fen(value) for value in slow.values()), -fen(losses)]
    assert [len(one.basis) for one in lines[:4]] == [21] * 4
    assert [one.amount.minor for one in lines] == SHANDONG_FEN


SHANDONG_FEN = [28_966_21, -376_17, -17_781_51, 7_25, -3_084_81]
"""Computed apart from the platform's own layout (business day and hour 1 to 24, yuan/MWh)."""


def test_hour_24_of_the_platform_is_the_last_hour_of_its_day() -> None:
    """Stamped 00:00 of the next calendar day, settled in its business day (DOMAIN.md 3.0)."""
    rows = [
        {
            "business_day": "2026-01-25",
            "hour_business": str(hour),
            "interval_end_local": str(datetime(2026, 1, 25) + timedelta(hours=hour)),
            "da_price": str(hour),
            "rt_price": "0",
        }
        for hour in range(1, 25)
    ]
    read = hourly_ledger(rows, market="m", node="n", zone="Asia/Shanghai", currency="CNY")
    interval = day("2026-01-25")
    prices = spot_prices(rule(), interval, *read)
    cleared = schedule(SpotClearing, interval, [0] * 23 + [1_000_000], [0] * 24)
    (leaf,) = line(
        spot_earnings(rule(), unit([0] * 24, [0] * 24, [cleared]), prices), "day-ahead energy"
    ).basis
    assert (leaf.label, leaf.exact) == ("2026-01-25", "24")


# --- rule files and bad input ---


@pytest.mark.parametrize("path", sorted(RULES.glob("spot_*.toml")), ids=lambda path: path.stem)
def test_a_rule_file_says_where_it_comes_from_and_both_readers_agree(path: Path) -> None:
    read = shipped(path.stem)
    assert read.id == path.stem
    assert path.read_text().startswith("# Source: ")
    assert any(f"[{tag}]" in path.read_text() for tag in "RSM")
    assert msgspec.convert(tomllib.loads(path.read_text()), SpotRule) == read


def test_the_shipped_rules_are_those_of_these_markets() -> None:
    assert {path.stem for path in RULES.glob("spot_*.toml")} == {
        "spot_aemo",
        "spot_caiso",
        "spot_chongqing",
        "spot_germany",
        "spot_guangdong",
        "spot_hunan_storage",
        "spot_nyiso",
        "spot_shaanxi_user",
        "spot_shandong",
        "spot_shandong_hourly",
        "spot_two_settlement_pjm",
    }
    hunan = shipped("spot_hunan_storage")
    assert (hunan.contract_point, hunan.items, len(hunan.unstated)) == ("reference_node", (Levelling(),), 3)
    assert shipped("spot_shaanxi_user").items == (NoContractUser(factor="1.5"),)


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"id": "a b"}, "id", "id"),
        ({"source": " "}, "rule_text", "source"),
        ({"currency": "XAU"}, "currency", "currency"),
        ({"zone": "China"}, "zone", "zone"),
        ({"interval_s": 7000}, "interval", "interval_s"),
        ({"interval_s": 900}, "interval", "day_ahead_interval_s"),
        ({"real_time_interval_s": 0}, "interval", "real_time_interval_s"),
        ({"charging_bears": "some"}, "not_allowed", "charging_bears"),
        ({"unstated": ("rain",)}, "not_allowed", "unstated[0]"),
        ({"items": (Levelling(), Levelling())}, "stated_twice", "items"),
        ({"unstated": ("long_term_recovery",) * 2}, "stated_twice", "unstated"),
        (
            {
                "items": (ExecutionPenalty(tolerance="0.1", threshold_wh=0, factor="1"),),
                "unstated": ("execution_penalty",),
            },
            "stated_twice",
            "unstated",
        ),
    ],
)
def test_a_rule_refuses(changes: dict[str, Any], code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        rule(**changes)
    assert (refused.value.code, refused.value.place) == (code, place)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: PriceLimits(product="real_time", floor="1", cap="0.9"), "price_limits"),
        (lambda: PriceLimits(product="real_time", floor="x", cap="0.9"), "number"),
        (lambda: DeclarationRecovery(tolerance="105%", zero_floor="product"), "portion"),
        (lambda: ExecutionPenalty(tolerance="0.1", threshold_wh=-1, factor="1"), "threshold"),
        (lambda: NoContractUser(factor="-1.5"), "amount"),
        (lambda: schedule(SpotClearing, TWO_HOURS, [1, -1], [0, 0]), "energy_range"),
        (lambda: schedule(SpotClearing, TWO_HOURS, [1, 10**13 + 1], [0, 0]), "energy_range"),
        (lambda: schedule(SpotClearing, TWO_HOURS, [1, 1], [0]), "profile"),
        (lambda: schedule(SpotClearing, TWO_HOURS, [], []), "profile"),
        (lambda: schedule(SpotClearing, TWO_HOURS, [1] * 7, [1] * 7), "profile"),
        (lambda: schedule(SpotClearing, TWO_HOURS, [1, 1], [0, 0], run=" "), "run"),
        (lambda: schedule(SpotClearing, TWO_HOURS, [1, 1], [0, 0], site="S 1"), "id"),
        (lambda: contract(TWO_HOURS, [1, 1], []), "contract_price"),
        (lambda: contract(TWO_HOURS, [1, 1], ["1", "1", "1"]), "contract_price"),
        (lambda: contract(TWO_HOURS, [1, 1], ["1e3"]), "number"),
        (lambda: contract(TWO_HOURS, [1, 1], ["0.0000000001"]), "price_scale"),
        (lambda: statement(TWO_HOURS, injected_wh=-1), "energy_range"),
        (lambda: statement(TWO_HOURS, composite_price_per_kwh="1,5"), "number"),
        (lambda: statement(TWO_HOURS, assessment_price_per_kwh="-0.1"), "assessment_price"),
        (lambda: StatedRecovery(item="long_term_recovery", recovered="-1"), "amount"),
        (
            lambda: statement(
                TWO_HOURS, recovered=(StatedRecovery(item="execution_penalty", recovered="1"),) * 2
            ),
            "stated_twice",
        ),
    ],
)
def test_a_fact_or_a_term_refuses(make: Any, code: str) -> None:
    with pytest.raises(Refused) as refused:
        make()
    assert refused.value.code == code
    assert refused.value.place


CLEARED = schedule(SpotClearing, TWO_HOURS, [0, 0], [0, 0])
RECOVERY = rule(items=(DeclarationRecovery(tolerance="0", zero_floor="product"),))
PENALTY = rule(items=(ExecutionPenalty(tolerance="0", threshold_wh=0, factor="1"),))
DECLARED = schedule(SpotDeclaration, TWO_HOURS, [0, 0], [0, 0])


@pytest.mark.parametrize(
    ("market", "one", "code"),
    [
        (rule(id="other"), unit([0, 0], [0, 0], [CLEARED]), "rule"),
        (rule(), unit([0, 0], [0, 0]), "clearing_missing"),
        (rule(), unit([0], [0, 0], [CLEARED]), "profile"),
        (rule(), unit([0, 0], [0, 0], [CLEARED], meter_interval_s=0), "interval"),
        (rule(), unit([0], [0], [CLEARED], meter_interval_s=7200), "profile"),
        (rule(), unit([0, -1], [0, 0], [CLEARED]), "energy_range"),
        (rule(), unit([0, 0], [0, 0], [CLEARED], site="S2"), "fact_site"),
        (rule(), unit([0, 0], [0, 0], [msgspec.structs.replace(CLEARED, rule="r")]), "fact_rule"),
        (
            rule(),
            unit([0, 0], [0, 0], [CLEARED], contracts=(contract(TWO_HOURS, [1] * 8, ["1"] * 8),)),
            "profile",
        ),
        (rule(charging_bears="all"), unit([0, 0], [0, 1], [CLEARED]), "grid_charges"),
        (
            rule(charging_bears="all"),
            unit([0, 0], [0, 1], [CLEARED], grid_charges=GridCharges(*[Price.parse("1", "EUR", "kWh")] * 2)),
            "currency",
        ),
        (
            rule(charging_bears="all"),
            unit([0, 0], [0, 1], [CLEARED], grid_charges=GridCharges(*[Price.parse("1", "CNY", "kW")] * 2)),
            "unit",
        ),
        (RECOVERY, unit([0, 0], [0, 0], [CLEARED]), "declaration_missing"),
        (PENALTY, unit([0, 0], [0, 0], [CLEARED], declarations=(DECLARED,)), "statement_missing"),
        (
            PENALTY,
            unit([0, 0], [0, 0], [CLEARED], declarations=(DECLARED,), statement=statement(TWO_HOURS)),
            "price_missing",
        ),
        (rule(items=(Levelling(),)), unit([0, 0], [0, 0], [CLEARED]), "statement_missing"),
        (
            rule(),
            unit([0, 0], [0, 0], [CLEARED], statement=statement(hours("2026-01-25", 1))),
            "statement_interval",
        ),
    ],
)
def test_a_settlement_refuses(market: SpotRule, one: TradingUnit, code: str) -> None:
    with pytest.raises(Refused) as refused:
        spot_earnings(market, one, PAIR)
    assert refused.value.code == code


def test_a_fact_that_begins_inside_an_interval_is_refused() -> None:
    shifted = Interval(TWO_HOURS.start + timedelta(minutes=30), TWO_HOURS.end - timedelta(minutes=30))
    for clearings, contracts in (
        ((schedule(SpotClearing, shifted, [1], [0]),), ()),
        ((CLEARED,), (contract(shifted, [1], ["1"]),)),
    ):
        with pytest.raises(Refused) as refused:
            spot_earnings(rule(), unit([0, 0], [0, 0], clearings, contracts=contracts), PAIR)
        assert refused.value.code == "interval"


# --- after the day-ahead clearing


def test_an_intraday_trade_stands_between_the_two_settlements() -> None:
    """10 kWh day-ahead at 0.3, 4 kWh intraday at 0.5, 15 metered, real time 0.4: 3 + 2 + 1 x 0.4 = 5.4."""
    interval = hours("2026-03-02", 1)
    read = [
        series(interval.start, [price], product)
        for price, product in ((300_000, "day_ahead"), (400_000, "real_time"))
    ]
    trade = SpotIntradayTrade(
        id="T1",
        site="S1",
        rule="market",
        run="ID",
        interval=interval,
        volume_wh=(4000,),
        price_per_kwh=("0.5",),
    )
    cleared = schedule(SpotClearing, interval, [10_000], [0])
    prices = spot_prices(rule(), interval, *read)
    lines = spot_earnings(rule(), unit([15_000], [0], [cleared], trades=(trade,)), prices)
    assert [line.exact for line in lines] == [3, 2, Fraction(2, 5)]
    assert sum(line.exact for line in lines) == Fraction(27, 5)
    before = msgspec.structs.replace(trade, interval=hours("2026-03-01", 1))
    assert len(spot_earnings(rule(), unit([15_000], [0], [cleared], trades=(before,)), prices)) == 2


def test_one_settlement_pays_what_is_metered_at_the_real_time_price() -> None:
    interval = hours("2026-03-02", 2)
    real_time = series(interval.start, [400_000, -100_000], "real_time")
    one = rule(settlements="one")
    prices = spot_prices(one, interval, None, real_time)
    lines = spot_earnings(one, unit([15_000, 0], [0, 5000]), prices)
    assert [line.exact for line in lines] == [6, Fraction(1, 2)]
    assert [line.note.split(",")[0] for line in lines] == ["real-time energy"] * 2
    cleared = schedule(SpotClearing, interval, [0, 0], [0, 0])
    with pytest.raises(Refused) as refused:
        spot_earnings(one, unit([0, 0], [0, 0], [cleared]), prices)
    assert refused.value.code == "day_ahead_clearing"
    with pytest.raises(Refused) as refused:
        spot_prices(rule(), interval, None, real_time)
    assert refused.value.code == "price_missing"
    with pytest.raises(Refused) as refused:
        rule(settlements="one", contract_point="reference_node")
    assert refused.value.place == "contract_point"
