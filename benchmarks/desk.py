"""The trading desk: bids validated and durably accepted over HTTP, and a clearing for many sites."""

from __future__ import annotations

import http.client
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from adapters.desk.desk import Desk
from adapters.front_door import Wish
from adapters.http.secret import digest_of, new_secret
from adapters.nats import access_stream
from adapters.settling import wait_until
from benchmarks.bid_clients import NAME, Client, Load, Measured, measured
from benchmarks.desk_cost import Used, syncs
from benchmarks.figure import Figure, seconds
from benchmarks.rig import FROM, Book, Rig
from ledger.access import Grant, GrantKey
from ledger.allocation.spot import SpotTerms
from ledger.book import Book as BookDocument
from ledger.book import FoundBook
from ledger.exclusivity import policy_file
from ledger.exclusivity.published import PublishExclusivity
from ledger.interval import zone_of
from ledger.party import Party, RegisterParty
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from trading import market_file
from trading.bid import Bid, Curve
from trading.clearing import Award, Clearing
from trading.envelope import StateEnvelope, UnitEnvelope
from trading.market_answer import AcknowledgeBid
from trading.moment import DayMoment
from trading.product import Market
from trading.published_market import PublishMarket
from trading.risk import ApprovePolicy, PreparePolicy, RiskPolicy

_EXAMPLES: Final = Path(__file__).parents[1] / "examples"
_MARKET: Final = "shandong_spot"
_PRODUCT: Final = "da"
_CLIENTS: Final = 50
_P99_MS_MAX: Final = 20
_BIDS_A_SECOND: Final = 500
_RATES: Final = (100, 200, 300, 400)
"""Bids a second offered beside those, to see up to which the answers come in time; 200 is each client's 4."""
_CLEARING_S_MAX: Final = 2
_SITE_W: Final = 1_000_000


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """Bids of 96 x 10 segments from 50 clients at once; a day's clearing for 2,000 sites in 40 units."""
    return [*_accepting(rig, quick=quick), _clearing(rig, quick=quick)]


def _accepting(rig: Rig, *, quick: bool) -> list[Figure]:
    book = _book(rig, units=_CLIENTS, sites_each=1)
    secrets = _keys(book)
    each = 4 if quick else 40
    sync = syncs(rig.folder, len(_body("b", "u", _delivery_day())))
    with _serving(rig, book) as (port, roles):
        used = Used(
            {
                "API": roles["serve"].pid,
                "projector": roles["project"].pid,
                "NATS": rig.nats.child.process.pid,
                "PostgreSQL": rig.postgres.child.process.pid,
            }
        )
        measured(_load(port, secrets, "warm", 4))
        used.begin()
        paced = measured(_load(port, secrets, "paced", each, every_s=_CLIENTS / _BIDS_A_SECOND))
        paced_cpu = _cpu_of(used, book, paced)
        used.begin()
        full = measured(_load(port, secrets, "full", each))
        full_cpu = _cpu_of(used, book, full)
        alone = measured(_load(port, secrets[:1], "alone", 5 * each))
        offered = {rate: _offered(used, book, port, secrets, rate, quick=quick) for rate in _RATES}
    book.close()
    rate = _CLIENTS * each / full.elapsed_s
    p99 = _ms(paced, 99)
    name = f"bids of 96 x 10 segments accepted over HTTP, {_CLIENTS} clients at once"
    paced_so = f"{_BIDS_A_SECOND} bids a second offered, from when each was planned"
    beside = {
        f"the same, {paced_so}, median": _ms(paced, 50),
        "the same, as fast as they are answered, p99": _ms(full, 99),
        "the same, one client, median": _ms(alone, 50),
    } | {f"the same, {rate} bids a second offered, p99": one.p99_ms for rate, one in offered.items()}
    beside |= {
        "a sync of the disk with as many bytes as a bid, nothing else of ours running, median": sync.median,
        "such a sync, p99": sync.p99,
    }
    beside |= {f"CPU of a bid, as fast as they are answered: {role}": ms for role, ms in full_cpu.ms.items()}
    beside |= {
        f"CPU of a bid, {_BIDS_A_SECOND} a second offered: {role}": ms for role, ms in paced_cpu.ms.items()
    }
    beside |= {
        f"CPU of a bid, {rate} a second offered: together": one.cpu.ms["together"]
        for rate, one in offered.items()
    }
    others = {"as fast as they are answered": full_cpu, f"{_BIDS_A_SECOND} a second offered": paced_cpu}
    others |= {f"{rate} a second offered": one.cpu for rate, one in offered.items()}
    return [
        Figure(f"{name}, {paced_so}, p99", p99, _P99_MS_MAX, "limit", "ms", _P99_MS_MAX / p99, 1.0),
        Figure(
            f"{name}, as fast as they are answered",
            rate,
            _BIDS_A_SECOND,
            "limit",
            "bids/s",
            rate / _BIDS_A_SECOND,
            1.0,
        ),
        _in_time(name, {rate: one.p99_ms for rate, one in offered.items()} | {_BIDS_A_SECOND: p99}),
        *(Figure(what, value, None, "", "ms", round(value, 2), None) for what, value in beside.items()),
        *(
            Figure(
                f"processors that other programs kept busy meanwhile, of {os.cpu_count()}: {what}",
                cpu.others, None, "", "processors", round(cpu.others, 2), None,
            )
            for what, cpu in others.items()
        ),
    ]  # fmt: skip


class _Cpu(NamedTuple):
    """Milliseconds of a bid until it was projected, by role and `together`; and how many processors others
    kept busy."""

    ms: dict[str, float]
    others: float


def _cpu_of(used: Used, book: Book, load: Measured) -> _Cpu:
    _until_projected(book)
    bids = len(load.took_s)
    ms = used.ms_a_bid(bids) | {"clients": 1000 * load.cpu_s / bids}
    together = sum(ms.values())
    others = max(0.0, used.busy_processors() - together * bids / 1000 / used.elapsed_s())
    return _Cpu(ms | {"together": together}, others)


class _Offered(NamedTuple):
    p99_ms: float
    cpu: _Cpu


def _offered(used: Used, book: Book, port: int, secrets: list[str], rate: int, *, quick: bool) -> _Offered:
    """Some seconds at that rate: who else was busy meanwhile makes a p99 of some ms one of hundreds."""
    each = 2 if quick else max(4, 8 * rate // _CLIENTS)
    used.begin()
    load = measured(_load(port, secrets, f"r{rate}-", each, every_s=_CLIENTS / rate))
    return _Offered(_ms(load, 99), _cpu_of(used, book, load))


def _in_time(name: str, p99_ms: dict[int, float]) -> Figure:
    """The highest rate up to which each lower one, too, is answered in time; 0 where the lowest is not."""
    best = 0
    for rate, took in sorted(p99_ms.items()):
        if took >= _P99_MS_MAX:
            break
        best = rate
    what = f"{name}: the rate offered at which p99 stays under {_P99_MS_MAX} ms"
    return Figure(what, best, _BIDS_A_SECOND, "limit", "bids/s", best / _BIDS_A_SECOND, None)


def _ms(found: Measured, percent: int) -> float:
    return 1000 * statistics.quantiles(found.took_s, n=100)[percent - 1]


def _load(port: int, secrets: list[str], name: str, each: int, *, every_s: float | None = None) -> Load:
    day = _delivery_day()
    clients = tuple(
        Client(secret, _body(NAME.decode(), f"u{at}", day), tuple(f"{name}{at}-{n}" for n in range(each)))
        for at, secret in enumerate(secrets)
    )
    return Load(port, clients, every_s)


def _until_projected(book: Book) -> None:
    wait_until(book.database, book.log.book, book.client.run(book.log.last_sequence()), 60)


def _clearing(rig: Rig, *, quick: bool) -> Figure:
    units, each = (4, 10) if quick else (40, 50)
    book = _book(rig, units=units, sites_each=each)
    book.projector().catch_up()
    desk, day = Desk(book.door, book.database), _delivery_day()
    for number in range(units):
        one = msgspec.json.decode(_body(f"b{number}", f"u{number}", day), type=dict[str, object])["bid"]
        bid = msgspec.convert(one, Bid)
        desk.draft(bid, revision=0, command_id=f"d{number}", actor="anna")
        desk.approve(bid.id, 1, bid.digest, command_id=f"a{number}", actor="bert")
        desk.submit(bid.id, 1, command_id=f"s{number}", actor="anna")
        desk.send(bid.id, 1, command_id=f"n{number}", actor="gateway")
        desk.acknowledge(AcknowledgeBid(bid.id, 1, f"R{number}"), command_id=f"k{number}", actor="gateway")
    book.projector().catch_up()
    clearing = Clearing(
        market=_MARKET,
        product=_PRODUCT,
        day=day,
        run="1",
        published=datetime.now(UTC),
        price_u=tuple(300_000 + 1000 * number for number in range(96)),
        awards=tuple(Award(bid=f"b{number}", power_w=(0,) * 48 + (1000,) * 48) for number in range(units)),
        source="bench",
        source_sha256="0" * 64,
    )
    took = seconds(lambda: desk.record_clearing(clearing, command_id="clearing", actor="gateway"))
    book.close()
    name = f"a day's clearing recorded and matched, {units * each} sites in {units} units"
    return Figure(name, took, _CLEARING_S_MAX, "limit", "s", _CLEARING_S_MAX / took, 1.0)


def _book(rig: Rig, *, units: int, sites_each: int) -> Book:
    book = rig.book()
    access_stream.create(book.operator, book.log.book, max_bytes=64 << 20)
    market = _market()
    policy = RiskPolicy(exclusivity="rule_based")
    matrix = policy_file.parse((_EXAMPLES / "exclusivity/rule_based.toml").read_bytes())
    book.execute_all(
        [
            Wish(FoundBook(BookDocument("Bench", "operator", "CNY", market.zone, "one_person")), "found"),
            Wish(RegisterParty(FROM, Party("operator", "Operator")), "party"),
            Wish(PublishExclusivity(matrix), "matrix"),
        ]
    )
    # A save does not see the parties that it registers itself.
    book.execute_all([Wish(PublishMarket(FROM, market), "market")])
    book.door.execute(PreparePolicy(policy, "anna"), command_id="p1", actor="anna")
    book.door.execute(ApprovePolicy(policy, "bert"), command_id="p2", actor="bert")
    book.register_sites(units * sites_each, "none")
    terms = SpotTerms(netting_benefit="pool", rounding_max="1")
    power = sites_each * _SITE_W
    envelope = UnitEnvelope(
        discharge_w=power,
        charge_w=power,
        stored_wh=power,
        floor_wh=0,
        ceiling_wh=2 * power,
        charge_ppm=950_000,
        discharge_ppm=950_000,
    )
    for number in range(units):
        members = tuple(
            Member(site=f"S{number * sites_each + i}", capability_w=_SITE_W) for i in range(sites_each)
        )
        unit = TradingUnit(
            id=f"u{number}",
            name=f"Unit {number}",
            market=market.id,
            unit_code=f"U{number}",
            operator="operator",
            zone=market.zone,
            members=members,
            terms=(terms,),
            rounding_max="1",
        )
        book.execute_all([Wish(RegisterTradingUnit(FROM, unit), f"unit{number}")])
        book.execute_all([Wish(StateEnvelope(unit.id, FROM, envelope), f"envelope{number}")])
    return book


def _market() -> Market:
    """The example's, open for bids from a month before: the hour of the measurement does not matter."""
    market = market_file.parse((_EXAMPLES / "markets/shandong_spot.toml").read_bytes())
    product = msgspec.structs.replace(
        market.product(_PRODUCT), gate_opens=DayMoment(days_before=30, at="08:00")
    )
    return msgspec.structs.replace(market, operator="operator", products=(product,))


def _delivery_day() -> date:
    """A day whose gate is open now: the day after tomorrow in China."""
    return (datetime.now(zone_of("Asia/Shanghai")) + timedelta(days=2)).date()


def _body(name: str, unit: str, day: date) -> bytes:
    """Charges in the first half of the day and discharges in the second, in ten segments an interval."""
    down: Curve = tuple((-1_000_000 + 100_000 * i, -900_000 + 100_000 * i, 10_000 * i) for i in range(10))
    up: Curve = tuple((100_000 * i, 100_000 * (i + 1), 200_000 + 10_000 * i) for i in range(10))
    bid = Bid(
        id=name,
        unit=unit,
        market=_MARKET,
        product=_PRODUCT,
        day=day,
        curves=(down,) * 48 + (up,) * 48,
        schedule_w=(0,) * 96,
    )
    return msgspec.json.encode({"bid": bid, "revision": 0})


def _keys(book: Book) -> list[str]:
    secrets = [new_secret() for _ in range(_CLIENTS)]
    for number, secret in enumerate(secrets):
        grant = Grant(f"k{number}", digest_of(secret), f"desk{number}", "market_desk")
        book.door.execute(GrantKey(grant), command_id=f"key{number}", actor="bench")
    return secrets


@contextmanager
def _serving(rig: Rig, book: Book) -> Iterator[tuple[int, dict[str, subprocess.Popen[bytes]]]]:
    """The program itself, a process a role, on the rig's servers."""
    folder = rig.folder / book.log.book
    folder.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("WATTLEDGER_")
    } | {
        "WATTLEDGER_BOOK": book.log.book,
        "WATTLEDGER_STATE": str(folder),
        "WATTLEDGER_NATS_URL": rig.nats.url,
        "WATTLEDGER_NATS_MONITOR_URL": rig.nats.monitor_url,
        "WATTLEDGER_NATS_SEED": str(rig.nats.app_seed),
        "WATTLEDGER_NATS_OPERATOR_SEED": str(rig.nats.operator_seed),
        "WATTLEDGER_POSTGRES_URL": rig.postgres.url(book.log.book.replace("-", "_")),
        "WATTLEDGER_HTTP_PORT": str(_free_port()),
    }
    with (folder / "log").open("wb") as log:
        roles = {
            role: subprocess.Popen(
                [sys.executable, "-m", "adapters.main", role], env=environment, stdout=log, stderr=log
            )
            for role in ("project", "serve")
        }
    port = int(environment["WATTLEDGER_HTTP_PORT"])
    try:
        _until_ready(port, folder / "log")
        yield port, roles
    finally:
        for role in roles.values():
            role.terminate()
        for role in roles.values():
            role.wait(30)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _until_ready(port: int, log: Path) -> None:
    give_up = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/v1/health/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        if time.monotonic() > give_up:
            raise TimeoutError(log.read_text())
        time.sleep(0.2)
