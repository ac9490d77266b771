"""A book with one spot market and a trading unit of two sites that may bid, for the desk's tests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from adapters.desk.desk import Desk
from ledger.book import FoundBook
from ledger.effective import Period
from ledger.exclusivity import policy_file
from ledger.exclusivity.published import PublishExclusivity
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.ledger.test_unit_allocation import RESPONSE
from trading.bid import Bid, Curve
from trading.envelope import StateEnvelope, UnitEnvelope
from trading.moment import DayMoment
from trading.product import Market, Product
from trading.published_market import PublishMarket
from trading.risk import ApprovalRule, ApprovePolicy, Limit, PreparePolicy, RiskPolicy

ROOT = Path(__file__).parents[3]
DAY = date(2026, 9, 3)
"""Its gate closes on 2 September at 10:30 in Shanghai: 02:30 UTC."""
OPEN = datetime(2026, 9, 2, 1, tzinfo=UTC)
CLOSES = datetime(2026, 9, 2, 2, 30, tzinfo=UTC)
MARKET = "shandong"
UNIT = "vpp"
MW = 1_000_000

DAY_AHEAD = Product(
    id="day_ahead",
    title="Day-ahead energy",
    kind="energy",
    stage="day_ahead",
    interval_s=900,
    direction="both",
    price_unit="MWh",
    price_floor="-100",
    price_cap="1500",
    price_tick="0.1",
    lot_w=1000,
    quantity_min_w=0,
    segments_max=10,
    gate_opens=DayMoment(days_before=3, at="08:00"),
    gate_closes=DayMoment(days_before=1, at="10:30"),
    published=DayMoment(days_before=1, at="17:30"),
    query_working_days=3,
    energy_check="schedule",
)
RESPONSE_CALL = Product(
    id="response",
    title="Day-ahead demand response",
    kind="demand_response",
    stage="day_ahead",
    interval_s=900,
    direction="discharge",
    price_unit="kWh",
    price_floor="0",
    price_cap="4",
    price_tick="0.01",
    lot_w=1000,
    quantity_min_w=0,
    segments_max=1,
    gate_opens=DayMoment(days_before=3, at="08:00"),
    gate_closes=DayMoment(days_before=1, at="10:30"),
    published=DayMoment(days_before=1, at="12:00"),
    query_working_days=3,
    energy_check="extremes",
)
POLICY = RiskPolicy(
    exclusivity="rule_based",
    limits=(
        Limit(id="volume", measure="volume_wh", each="user", span="day", most="40000000"),
        Limit(id="money", measure="exposure", each="market", span="day", most="20000", currency="CNY"),
    ),
    approvals=(ApprovalRule(kinds=("energy", "demand_response"), persons=1),),
)
ENVELOPE = UnitEnvelope(
    discharge_w=2 * MW,
    charge_w=2 * MW,
    stored_wh=1 * MW,
    floor_wh=200_000,
    ceiling_wh=4 * MW,
    charge_ppm=950_000,
    discharge_ppm=950_000,
)


def market(*products: Product) -> Market:
    return Market(
        id=MARKET,
        title="A spot market",
        source="made up for the tests",
        zone="Asia/Shanghai",
        calendar="CN",
        currency="CNY",
        operator="operator",
        gateway="none",
        products=products or (DAY_AHEAD, RESPONSE_CALL),
    )


def flat(from_w: int, to_w: int, price_u: int) -> Curve:
    return ((from_w, to_w, price_u),)


def bid(name: str = "b1", *, schedule: dict[int, int] | None = None, **changes: object) -> Bid:
    """Charges at hours 2 to 4, discharges at 18 and 19, at a price that the market likes."""
    plan = [0] * 96
    for quarter in range(8, 16):
        plan[quarter] = -MW
    for quarter in range(72, 80):
        plan[quarter] = MW
    for quarter, power in (schedule or {}).items():
        plan[quarter] = power
    curves = tuple(
        () if power == 0 else flat(min(power, 0), max(power, 0), 300_000 if power < 0 else 500_000)
        for power in plan
    )
    fields: dict[str, object] = {
        "id": name,
        "unit": UNIT,
        "market": MARKET,
        "product": "day_ahead",
        "day": DAY,
        "curves": curves,
        "schedule_w": tuple(plan),
    }
    return Bid(**(fields | changes))  # type: ignore[arg-type]


def unit(name: str = UNIT, sites: tuple[str, ...] = ("S1", "S2")) -> TradingUnit:
    return TradingUnit(
        id=name,
        name=name.upper(),
        market=MARKET,
        unit_code=f"CODE-{name}",
        operator="operator",
        zone="Asia/Shanghai",
        members=tuple(Member(site=site, capability_w=MW) for site in sites),
        terms=(RESPONSE,),
        rounding_max="1",
    )


def furnish(bench: Bench, *units: TradingUnit, book: FoundBook | None = None) -> Desk:
    """Found the book and register all of that; the clock stands at `OPEN`."""
    bench.now = OPEN
    made = units or (unit(),)
    door = bench.door
    commands: list[object] = [
        book or sample.found_book(),
        sample.register_party(),
        PublishExclusivity(policy_file.parse((ROOT / "examples/exclusivity/rule_based.toml").read_bytes())),
        PublishMarket(sample.FROM_2026, market()),
    ]
    sites = sorted({member.site for one in made for member in one.members})
    commands += [sample.register_site(site) for site in sites]
    commands += [RegisterTradingUnit(sample.FROM_2026, one) for one in made]
    commands += [
        StateEnvelope(one.id, Period(datetime(2026, 8, 1, tzinfo=UTC)), ENVELOPE)
        for one in made
        if len(one.members) > 1
    ]
    commands += [PreparePolicy(POLICY, "anna"), ApprovePolicy(POLICY, "bert")]
    for number, command in enumerate(commands):
        door.execute(command, command_id=f"furnish-{number}", actor="anna")  # type: ignore[arg-type]
    bench.now = OPEN
    bench.project()
    return Desk(door, bench.database)


def approved(desk: Desk, one: Bid, *, revision: int = 0, author: str = "anna") -> int:
    """Write and approve a bid; answers its revision."""
    desk.draft(one, revision=revision, command_id=f"draft-{one.id}-{revision}", actor=author)
    desk.approve(
        one.id, revision + 1, one.digest, command_id=f"approve-{one.id}-{revision + 1}", actor="bert"
    )
    return revision + 1


def submitted(desk: Desk, one: Bid, *, revision: int = 0) -> int:
    """Write, approve and submit a bid; answers its revision."""
    made = approved(desk, one, revision=revision)
    desk.submit(one.id, made, command_id=f"submit-{one.id}-{made}", actor="anna")
    return made


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
