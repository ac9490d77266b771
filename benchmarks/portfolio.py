"""A portfolio in which every stream is paid somewhere: the book that settling all streams is measured on.

Of each contract's sites the first half are behind the meter in full (time-of-use arbitrage, PV time shift,
demand charge, power factor, demand response); the others are on the spot market, with regulation and
capacity compensation beside their two-part charges. Every site has a service order.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from adapters.front_door import Wish
from benchmarks.rig import FROM, MONTH, ZONE, Book
from ledger import book as book_of
from ledger import contract_file, market_rule_file, tariff_file
from ledger.contract import Contract
from ledger.demand import ActualDemand
from ledger.exclusivity import policy_file
from ledger.exclusivity.published import PublishExclusivity
from ledger.grid_account import Account, PowerFactorTerms
from ledger.interval import Interval, Month, zone_of
from ledger.market_fact import PublishMarketRule, RecordMarketFact
from ledger.market_price import PriceBlock, PriceSeries, Product
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.party import Party, RegisterParty
from ledger.published_tariff import PublishTariff
from ledger.quantity import Price
from ledger.readings import Register, run_of
from ledger.recorded_price import RecordPrices, blocks_of
from ledger.signed_contract import RegisterContract
from ledger.site import MarketPoint, RegisterSite, Site
from ledger.streams import Fact, Rule
from ledger.streams.capacity_compensation import AvailabilityMeasured, CapacityCertified, NodeAvailability
from ledger.streams.demand_response import DemandResponseInvitation
from ledger.streams.regulation import RegulationAward, RegulationPerformance, RegulationPrices
from ledger.streams.service_income import ServiceOrdered
from ledger.streams.spot import SpotClearing
from ledger.tariff import Tariff

Whole = npt.NDArray[np.int64]

EXAMPLES: Final = Path(__file__).parents[1] / "examples"
SETTLED: Final = MONTH.interval(zone_of(ZONE))
READ_FROM: Final = datetime(2026, 7, 1, tzinfo=UTC)
"""Where responses are called readings begin a month before, because baselines look back."""
BEFORE: Final = int((SETTLED.start - READ_FROM).total_seconds()) // 900
INTERVALS: Final = SETTLED.seconds // 900
SITES_A_CONTRACT: Final = 20
YEAR: Final = tuple(Month(2026, number) for number in range(1, 13))
AWARDED_W: Final = 150_000
RESPONSE_PRICE: Final = "1.5"
STREAMS: Final = (
    "arbitrage", "pv_time_shift", "demand_charge", "power_factor", "interaction",
    "demand_response", "spot", "ancillary", "capacity", "service",
)  # fmt: skip
EXPORT_PRICE: Final = Price.parse("0.4155", "CNY", "kWh")
_EVENING: Final = slice(19 * 4, 21 * 4)
_WATTS: Final = 250_000
_FACTS_A_SAVE: Final = 500
_SITES_A_SAVE: Final = 50


def is_behind_the_meter(number: int) -> bool:
    """Whether the site is of the first half of its contract."""
    return number % SITES_A_CONTRACT < SITES_A_CONTRACT // 2


def event_days() -> tuple[int, ...]:
    """The days of August, from 0, on which a response was called from 19:00 to 21:00."""
    return (3, 10, 17, 24)


def found(book: Book, sites: int) -> Tariff:
    """The whole portfolio with its readings and facts, appended and not yet projected."""
    tariff = _tariff()
    found_contracts(book, sites, tariff)
    for rule in rules():
        book.door.execute(PublishMarketRule(FROM, rule), command_id=f"rule-{rule.id}", actor="bench")
    policy = policy_file.parse((EXAMPLES / "exclusivity/rule_based.toml").read_bytes())
    book.door.execute(PublishExclusivity(policy), command_id="policy", actor="bench")
    for product in ("day_ahead", "real_time"):
        for number, block in enumerate(blocks_of(_series(product), "bench")):
            book.door.execute(RecordPrices(block), command_id=f"{product}-{number}", actor="bench")
    for first in range(0, sites, _SITES_A_SAVE):
        some = range(first, min(first + _SITES_A_SAVE, sites))
        for month in ("2026-07", "2026-08"):
            book.execute_all([wish for number in some for wish in readings(number, month)])
    facts = [fact for number in range(sites) for fact in site_facts(number)]
    wishes = [Wish(RecordMarketFact(fact), f"fact-{fact.id}") for fact in [*_regulation_prices(), *facts]]
    book.execute_all(wishes, _FACTS_A_SAVE)
    return tariff


def found_year(book: Book, sites: int) -> None:
    """The same sites with a year of readings; no market told anything. August's prices hold all year."""
    tariff = _tariff()
    august = msgspec.structs.replace(tariff.table_for(MONTH), start=YEAR[0], until=Month(2027, 1))
    schedule = msgspec.structs.replace(tariff.schedule_for(MONTH), float_rule=None)
    whole_year = msgspec.structs.replace(tariff, schedules=(schedule,), tables=(august,))
    found_contracts(book, sites, whole_year)
    for number in range(sites):
        for wishes in zip(*_year_readings(number), strict=True):
            book.execute_all(list(wishes))


def _year_readings(number: int) -> list[list[Wish]]:
    """Per meter its blocks, one a UTC month that the local year touches."""
    begin, end = YEAR[0].interval(zone_of(ZONE)).start, YEAR[-1].interval(zone_of(ZONE)).end
    found: list[list[Wish]] = []
    for meter in _meters(number):
        blocks: list[Wish] = []
        at = begin
        while at < end:
            until = min(end, datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC))
            count = int((until - at).total_seconds()) // 900
            random = np.random.default_rng([number, at.month])
            runs = tuple(
                run_of(meter.id, name, at, 900, random.integers(0, 20_000, count), "A")
                for name in meter.registers
            )
            month = f"{at:%Y-%m}"
            blocks.append(Wish(RecordReadings(meter.id, month, "bench", runs), f"{meter.id}-{month}"))
            at = until
        found.append(blocks)
    return found


def _tariff() -> Tariff:
    file = EXAMPLES / "tariffs/shanghai_two_part_1-10kv.toml"
    return tariff_file.parse_tariff(file.read_text(encoding="utf-8"), name=file.name)


def found_contracts(book: Book, sites: int, tariff: Tariff) -> None:
    """Book, tariff, parties, sites, meters, and a contract for every twenty sites."""
    founded = book_of.Book("A benchmark", "operator", "CNY", ZONE, "one_person")
    book.door.execute(book_of.FoundBook(founded), command_id="book", actor="bench")
    book.door.execute(PublishTariff(tariff), command_id="tariff", actor="bench")
    parties = ("host-s1", "operator", "equipment-owner")
    book.execute_all([Wish(RegisterParty(FROM, Party(one, one)), f"p-{one}") for one in parties])
    book.execute_all([Wish(RegisterSite(FROM, _site(n, tariff)), f"s{n}") for n in range(sites)])
    meters = [meter for number in range(sites) for meter in _meters(number)]
    book.execute_all([Wish(RegisterMeter(FROM, meter), f"m-{meter.id}") for meter in meters])
    book.execute_all(
        [
            Wish(RegisterContract(contract(number, covered)), f"c{number}")
            for number, covered in enumerate(batched_sites(sites))
        ]
    )


def batched_sites(sites: int) -> list[tuple[str, ...]]:
    """The sites of each contract."""
    names = [f"S{number}" for number in range(sites)]
    return [tuple(names[at : at + SITES_A_CONTRACT]) for at in range(0, sites, SITES_A_CONTRACT)]


def contract(number: int, sites: tuple[str, ...]) -> Contract:
    """Every stream is shared; the fees come first."""
    written = contract_file.parse((EXAMPLES / "contracts/eaas-s1.toml").read_bytes())
    return msgspec.structs.replace(
        written,
        id=f"C{number}",
        sites=sites,
        effective_from=date(2026, 1, 1),
        pool_streams=STREAMS,
        pass_through_costs=(),
        cash_holder=dict.fromkeys(STREAMS, "host-s1"),
    )


def readings(number: int, month: str) -> list[Wish]:
    """Both meters' block of a UTC month."""
    begin, cut = 0 if is_behind_the_meter(number) else BEFORE, 31 * 96
    part = slice(begin, cut) if month == "2026-07" else slice(cut, BEFORE + INTERVALS)
    start = READ_FROM + timedelta(minutes=15 * part.start)
    wishes: list[Wish] = []
    for meter, registers in profiles(number).items():
        runs = tuple(run_of(meter, name, start, 900, wh[part], "A") for name, wh in registers.items())
        wishes.append(Wish(RecordReadings(meter, month, "bench", runs), f"{meter}-{month}"))
    return wishes


def profiles(number: int) -> dict[str, dict[Register, Whole]]:
    """Every register of the site's meters in Wh, from `READ_FROM` to the end of the settled month."""
    count = BEFORE + INTERVALS
    random = np.random.default_rng(number)
    local = (np.arange(count) + 32) % 96
    load = random.integers(20_000, 30_000, count)
    charge = np.where(local < 24, random.integers(1_000, 20_000, count), 0)
    discharge = np.where((local >= 72) & (local < 76), random.integers(20_000, 60_000, count), 0)
    found: dict[str, dict[Register, Whole]] = {
        f"L{number}": {"load": load, "reactive_lagging": load // 3},
        f"M{number}": {"charge": charge, "discharge": discharge},
    }
    if is_behind_the_meter(number):
        noon = (local >= 44) & (local < 52)
        charge += np.where(noon, random.integers(1_000, 20_000, count), 0)
        found[f"P{number}"] = {"pv": np.where(noon, random.integers(20_000, 50_000, count), 0)}
        for day in event_days():
            called = slice(BEFORE + 96 * day + _EVENING.start, BEFORE + 96 * day + _EVENING.stop)
            discharge[called] = random.integers(33_000, 44_000, 8)
    return found


def rules() -> list[Rule]:
    """The market rules, all in one currency and zone."""
    china: dict[str, Any] = {"currency": "CNY", "zone": ZONE}
    return [
        _rule("dr_hainan_2025_day_ahead"),
        _rule("spot_shandong"),
        _rule("regulation_pjm", **china),
        _rule("capacity_qinghai", behind_the_meter="eligible", **china),
        _rule("service_throughput", **china),
    ]


def site_facts(number: int) -> list[Fact]:
    """What markets and customers told about a site in the settled month."""
    site = f"S{number}"
    order = ServiceOrdered(
        id=f"{site}-order", site=site, rule="service-throughput", run="o1", interval=SETTLED,
        customer="host-s1", ordered_w=_WATTS,
    )  # fmt: skip
    return [order, *(_events(site) if is_behind_the_meter(number) else _market(site, number))]


def _events(site: str) -> list[Fact]:
    return [
        DemandResponseInvitation(
            id=f"{site}-e{day}",
            site=site,
            rule="dr_hainan_2025_day_ahead",
            run="call",
            interval=window,
            announced=window.start - timedelta(days=1),
            awarded_w=(AWARDED_W,) * 8,
            clearing_price=RESPONSE_PRICE,
        )
        for day in event_days()
        for window in [
            Interval(
                SETTLED.start + timedelta(days=day, hours=19), SETTLED.start + timedelta(days=day, hours=21)
            )
        ]
    ]


def _market(site: str, number: int) -> list[Fact]:
    """A clearing a day, and the month's award, performance, certification and availability."""
    random = np.random.default_rng(10_000 + number)
    day = timedelta(days=1)
    told: list[Fact] = [
        SpotClearing(
            id=f"{site}-d{n:02d}",
            site=site,
            rule="spot_shandong",
            run="d1",
            interval=Interval(SETTLED.start + n * day, SETTLED.start + (n + 1) * day),
            injected_wh=tuple(random.integers(0, 35_000, 96).tolist()),
            withdrawn_wh=tuple(random.integers(0, 20_000, 96).tolist()),
        )
        for n in range(31)
    ]
    shared: dict[str, Any] = {"site": site, "run": "m1", "interval": SETTLED}
    told.append(
        RegulationAward(
            id=f"{site}-award", rule="pjm-regulation", product="regulation",
            capacity_w=tuple(random.integers(1_000, 100_000, 744).tolist()), **shared,
        )
    )  # fmt: skip
    told.append(
        RegulationPerformance(
            id=f"{site}-performance", rule="pjm-regulation", product="regulation",
            instructions=(12,) * 744, mileage_w=tuple(random.integers(0, 900_000, 744).tolist()),
            score=tuple(random.integers(500, 1_000, 744).tolist()), score_scale=3, **shared,
        )
    )  # fmt: skip
    node = NodeAvailability(node="n1", energy_wh=500_000, available_min=44_000, unavailable_min=640)
    told.append(
        CapacityCertified(
            id=f"{site}-capacity", rule="qinghai-capacity-draft", nameplate_w=_WATTS, certified_w=_WATTS,
            full_hours="2", behind_the_meter=True, **shared,
        )
    )  # fmt: skip
    told.append(
        AvailabilityMeasured(id=f"{site}-available", rule="qinghai-capacity-draft", nodes=(node,), **shared)
    )
    return told


def _regulation_prices() -> list[Fact]:
    random = np.random.default_rng(3)
    return [
        RegulationPrices(
            id=f"x-{kind}", rule="pjm-regulation", run="m1", interval=SETTLED, product="regulation",
            kind=kind, currency="CNY", scale=2, mantissas=tuple(random.integers(100, 3_000, 744).tolist()),
        )
        for kind in ("capacity", "mileage", "mileage_ratio")
    ]  # fmt: skip


def _series(product: Product) -> PriceSeries:
    random = np.random.default_rng(5 if product == "day_ahead" else 6)
    block = PriceBlock(SETTLED.start, random.integers(-80_000, 1_200_000, INTERVALS), 6)
    return PriceSeries("shandong", "n1", product, 900, "CNY", (block,))


def _rule(name: str, **changes: Any) -> Rule:
    read = market_rule_file.parse((EXAMPLES / f"market_rules/{name}.toml").read_bytes())
    return msgspec.structs.replace(read, **changes)


def _site(number: int, tariff: Tariff) -> Site:
    behind = is_behind_the_meter(number)
    account = Account(
        id=f"A{number}",
        zone=ZONE,
        parts="two_part",
        demand=ActualDemand(),
        power_factor=PowerFactorTerms(standard="0.90", fund_in_base=True),
        export_price=EXPORT_PRICE if behind else None,
    )
    point = None if behind else MarketPoint("shandong", "n1")
    return Site(
        f"S{number}", f"Site {number}", ZONE, 1_000_000, _WATTS, tariff.id, account, market_point=point
    )


def _meters(number: int) -> list[Meter]:
    site = f"S{number}"
    found = [
        Meter(f"M{number}", site, "storage", ("charge", "discharge"), 900, 500_000, ZONE),
        Meter(f"L{number}", site, "load", ("load", "reactive_lagging"), 900, 2_000_000, ZONE),
    ]
    if is_behind_the_meter(number):
        found.append(Meter(f"P{number}", site, "pv", ("pv",), 900, 500_000, ZONE))
    return found
