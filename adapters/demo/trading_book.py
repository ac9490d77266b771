"""The book of the trading week: four storages that the spot market sees as one unit, kept by two persons.

Its time is the story's: it stands still until the story moves it on, so that every bid is decided at the hour
at which it was written.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from adapters import portfolio_file
from adapters.demo.portfolio_book import APPROVES, EXAMPLES, PREPARES, by_two, once
from adapters.desk.desk import Desk
from adapters.front_door import FrontDoor
from adapters.postgres.database import Connection
from adapters.stack import Stack, running
from ledger import contract_file, market_rule_file, tariff_file
from ledger.command import Command
from ledger.effective import Period
from ledger.exclusivity import policy_file
from ledger.exclusivity.published import PublishExclusivity
from ledger.interval import Instant, Month, midnight, zone_of
from ledger.market_fact import PublishMarketRule
from ledger.published_tariff import PublishTariff
from ledger.signed_contract import RegisterContract
from ledger.site import MarketPoint
from ledger.tariff import Tariff
from ledger.toml_file import TomlFile
from ledger.trading_unit import RegisterTradingUnit, TradingUnit
from trading import market_file, risk_file
from trading.envelope import StateEnvelope, UnitEnvelope
from trading.product import MICRO, Market
from trading.published_market import PublishMarket
from trading.risk import ApprovePolicy, PreparePolicy
from trading.sharing import SharingTerms, StateSharing

FOLDER: Final = EXAMPLES / "demo/trading"
PRICE_FILE: Final = EXAMPLES / "prices/shandong_spot_2026.csv"
ZONE: Final = "Asia/Shanghai"
CONTRACT: Final = "shandong-storage"
UNIT: Final = "shandong-unit"
UNIT_CODE: Final = "SD-STORAGE-04"
MARKET: Final = "shandong_spot_hourly"
PRODUCT: Final = "da_hourly"
RULE: Final = "spot_shandong_hourly"
"""The market's product and the rule that settles it."""
POINT: Final = MarketPoint("shandong", "province")
"""Where their energy is priced."""
FIRST: Final = date(2026, 1, 26)
DAYS: Final = tuple(FIRST + timedelta(days=number) for number in range(7))
"""The delivery days that are traded."""
_FOUNDED: Final = date(2026, 1, 24)
_RULES_FROM: Final = date(2026, 1, 1)


class StoryClock:
    """Stands at an instant until it is moved on."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def __call__(self) -> datetime:
        return self._now

    def move_to(self, instant: datetime) -> None:
        self._now = instant


class TradingBook:
    """What the chapter's parts share."""

    def __init__(self, stack: Stack, console: Console, clock: StoryClock) -> None:
        self.stack = stack
        self.console = console
        self.clock = clock
        self.desk = Desk(stack.door, stack.database)

    @property
    def door(self) -> FrontDoor:
        return self.stack.door

    @property
    def folder(self) -> Path:
        """Where the market that is traded with keeps its journal."""
        return self.stack.settings.state / "trading"

    def at(self, day: date, clock_time: str) -> datetime:
        """Move the story to a local time; answers it in UTC."""
        instant = local(day, clock_time)
        self.clock.move_to(instant)
        return instant

    def say(self, text: str) -> None:
        """A line of the story, with the time that it is there."""
        self.console.print(f"  {self.clock().astimezone(zone_of(ZONE)):%d.%m. %H:%M}  {text}")

    def position(self) -> int:
        """The stream's end, once every projection has reached it."""
        return self.stack.caught_up()

    @contextmanager
    def reading(self) -> Iterator[tuple[Connection, int]]:
        """The projections, level with the stream."""
        position = self.position()
        with self.stack.database.reading(self.stack.settings.book) as connection:
            yield connection, position


def local(day: date, clock_time: str) -> datetime:
    """An instant by the market's clocks, in UTC.

    >>> local(date(2026, 1, 26), "09:30").isoformat()
    '2026-01-26T01:30:00+00:00'
    """
    at = datetime.combine(day, time.fromisoformat(clock_time), tzinfo=zone_of(ZONE))
    return at.astimezone(UTC)


def bid_id(day: date) -> str:
    """The name of the unit's bid for a day."""
    return f"da-{day}"


@contextmanager
def trading_book(stack: Stack, console: Console) -> Iterator[TradingBook]:
    """The book with its projections moving, founded beside the one that `stack` has."""
    settings = msgspec.structs.replace(stack.settings, book=f"{stack.settings.book}-trading")
    clock = StoryClock(local(_FOUNDED, "09:00"))
    with running(settings, clock) as beside:
        projector = beside.projector()
        thread = threading.Thread(target=projector.run, name="trading week's projector")
        thread.start()
        try:
            yield TradingBook(beside, console, clock)
        finally:
            projector.stop()
            thread.join()


def found(book: TradingBook) -> None:
    """Register everything that is traded, by what and under which limits; what is known is not repeated.

    Raises:
        Refused: what one of the files is refused for.
    """
    door = book.door
    book.at(_FOUNDED, "09:00")
    described = portfolio_file.parse((FOLDER / "portfolio.toml").read_bytes())
    portfolio_file.register(door, described, actor=PREPARES)
    for command in _rules_and_contract():
        by_two(door, command)
    unit = _registration()
    by_two(door, RegisterTradingUnit(Period(unit.effective_from), unit.document))
    _desk_rules(door)
    power = sum(site.storage_power_w for site in described.sites) // 1000
    energy = sum(site.storage_energy_wh for site in described.sites) // 1000
    book.console.print(
        f"  book {book.stack.settings.book}: {len(described.sites)} storages, {power:,} kW / {energy:,} kWh,"
        f" one trading unit, {UNIT_CODE} at the market\n"
        f"  prepared by {PREPARES}, approved by {APPROVES}: contract, tariff, rules, limits"
    )


def market() -> Market:
    """The market's file, reached by the gateway of the reference market."""
    found = market_file.parse((EXAMPLES / f"markets/{MARKET}.toml").read_bytes())
    return msgspec.structs.replace(found, gateway="reference")


def envelope() -> UnitEnvelope:
    """What the unit can do."""
    return msgspec.json.decode((FOLDER / "envelope.json").read_bytes(), type=UnitEnvelope)


def trading_unit() -> TradingUnit:
    """The unit as it is registered."""
    return _registration().document


def charge_on_losses_u(day: date) -> int:
    """What each kWh that is not sent back costs, transmission and funds, in millionths per kWh."""
    components = _tariff().table_for(Month.of(day)).components
    assert components is not None, "the tariff states what its price is made of"
    exact_u = (components.transmission.exact + components.government_fund.exact) * MICRO
    assert exact_u.denominator == 1, "tariffs are printed to a millionth"
    return exact_u.numerator


class _Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    effective_from: Instant
    document: TradingUnit


def _registration() -> _Registration:
    return msgspec.json.decode((FOLDER / "unit.json").read_bytes(), type=_Registration)


def _rules_and_contract() -> Iterator[Command]:
    start = Period(midnight(_RULES_FROM, zone_of(ZONE)).astimezone(UTC))
    matrix = policy_file.parse((EXAMPLES / "exclusivity/rule_based.toml").read_bytes())
    yield PublishExclusivity(matrix)
    rule = market_rule_file.parse((EXAMPLES / f"market_rules/{RULE}.toml").read_bytes())
    yield PublishMarketRule(start, rule)
    yield PublishMarket(start, market())
    yield PublishTariff(_tariff())
    yield RegisterContract(contract_file.parse((FOLDER / "contract.toml").read_bytes()))


def _tariff() -> Tariff:
    return tariff_file.parse_tariff((FOLDER / "tariff.toml").read_text(encoding="utf-8"), name="tariff.toml")


def _desk_rules(door: FrontDoor) -> None:
    start = Period(midnight(_RULES_FROM, zone_of(ZONE)).astimezone(UTC))
    sharing = TomlFile((FOLDER / "sharing.toml").read_bytes())
    terms = sharing.struct(SharingTerms, sharing.root, ())
    policy = risk_file.parse((FOLDER / "risk.toml").read_bytes())
    steps: tuple[tuple[Command, str], ...] = (
        (StateEnvelope(UNIT, start, envelope()), PREPARES),
        (StateSharing(UNIT, start, terms), PREPARES),
        (PreparePolicy(policy, PREPARES), PREPARES),
        (ApprovePolicy(policy, APPROVES), APPROVES),
    )
    for command, actor in steps:
        once(door, command, actor)
