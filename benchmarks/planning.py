"""Plans from the book: `python -m benchmarks.planning [--quick]`.

Sites with a tariff, terms, a forecast of their load and half a month of readings; the whole way from the rows
to a plan on record, the solver in its own process, a step of a rolling plan, and a plan asked for by HTTP.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from adapters.front_door import Wish
from adapters.http.app import create_app
from adapters.http.secret import digest_of, new_secret
from adapters.http.server import server
from adapters.personal.keys import PersonalKeys
from adapters.personal.people import People
from adapters.planning.planner import Made, Planner
from adapters.planning.solver_process import SolverProcess
from adapters.settling import wait_until
from adapters.transparency.checkpoint_folder import CheckpointFolder
from adapters.transparency.published_log import PublishedLog
from adapters.webhooks.signing_keys import SigningKeys
from benchmarks.figure import Figure, seconds_and
from benchmarks.rig import FROM, ZONE, Book, Rig
from dispatch.forecasts.forecast import Forecast, MemberShare, Subject
from dispatch.forecasts.issued import IssueForecast
from dispatch.planning.storage_terms import StateStorage, StorageTerms
from ledger.access import Grant, GrantKey
from ledger.allocation.spot import SpotTerms
from ledger.book import Book as BookDocument
from ledger.book import FoundBook
from ledger.demand import ActualDemand
from ledger.grid_account import Account
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.party import Party, RegisterParty
from ledger.published_tariff import PublishTariff
from ledger.readings import run_of
from ledger.site import RegisterSite, Site
from ledger.tariff_file import parse_tariff
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit

_TARIFF: Final = Path(__file__).parents[1] / "examples/tariffs/shanghai_two_part_1-10kv.toml"
_DAY: Final = date(2026, 8, 15)
_MIDNIGHT: Final = datetime(2026, 8, 14, 16, tzinfo=UTC)
_NOW: Final = _MIDNIGHT - timedelta(hours=4)
_UTC_DAYS: Final = 14
_ONE_SITE_MS: Final = 100
_ASKED_MS: Final = 500
_FIFTY_S: Final = 2.0
_ALL_S: Final = 60.0
_STEP_MS: Final = 1000
_ROUNDS: Final = 5


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """One site, 50 and 2,000 sites from forecast to a plan on record, and a step of a rolling plan."""
    many = 100 if quick else 2000
    book = rig.book()
    try:
        _furnish(book, many)
        with _projecting(book), SolverProcess() as solver:
            now = [_NOW]
            planner = Planner(book.door, book.database, solver, lambda: now[0])
            planner.plan("vpp-50", _DAY, trigger="day_ahead")
            return [
                _one_site(planner),
                *_asked_by_http(rig, book),
                *_portfolio(planner, "vpp-50", 50, _FIFTY_S),
                *_portfolio(planner, "vpp-all", many, _ALL_S),
                _stepping(planner),
            ]
    finally:
        book.close()


def _one_site(planner: Planner) -> Figure:
    took: list[float] = []
    for number in range(_ROUNDS):
        at = _MIDNIGHT + timedelta(minutes=15 * number)
        spent, made = seconds_and(partial(planner.plan, "S0", at))
        _check(made)
        took.append(spent * 1000)
    middle = statistics.median(took)
    what = "one site from forecast to a plan on record"
    return Figure(what, middle, _ONE_SITE_MS, "limit", "ms", _ONE_SITE_MS / middle, 1.0)


def _asked_by_http(rig: Rig, book: Book) -> Iterator[Figure]:
    """Each plan has another objective, so that none is known; the first starts the solver's process."""
    secret = new_secret()
    book.door.execute(
        GrantKey(Grant("desk", digest_of(secret), "desk", "market_desk")), command_id="desk", actor="bench"
    )
    wait_until(book.database, book.log.book, book.recorder.max_notification_id() or 0, 60)
    with _serving(rig, book) as port:
        first, *took = [_asked(port, secret, number) * 1000 for number in range(_ROUNDS + 1)]
    middle = statistics.median(took)
    what = "POST /v1/plans of one site, to the answer"
    yield Figure(what, middle, _ASKED_MS, "limit", "ms", _ASKED_MS / middle, 1.0)
    yield Figure(f"{what}: the first of an API process", first, None, "", "ms", first, None)


def _asked(port: int, secret: str, number: int) -> float:
    """How long an answer took."""
    asked = {"portfolio": "S0", "day": str(_DAY), "objective": f"cost={number + 1}"}
    headers = {
        "Authorization": f"Bearer {secret}",
        "Idempotency-Key": f"plan-{number}",
        "Content-Type": "application/json",
    }
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/v1/plans", msgspec.json.encode(asked), headers)
    answer = connection.getresponse()
    body = answer.read()
    spent = time.perf_counter() - began
    connection.close()
    assert answer.status == 201, body
    made = msgspec.json.decode(body)
    assert (made["recorded"], made["basis"]) == (True, "optimised"), body
    return spent


@contextmanager
def _serving(rig: Rig, book: Book) -> Iterator[int]:
    """The API on a port of its own, whose clock stands where the planner's does."""
    name, folder = book.log.book, rig.folder
    app = create_app(
        book.door,
        book.database,
        lambda: None,
        lambda: _NOW,
        PublishedLog(
            book.database,
            name,
            f"bench/{name}",
            CheckpointFolder(folder / "checkpoints"),
            folder / "log.key",
            makes_key=True,
        ),
        People(book.door, book.database, PersonalKeys(folder / "personal"), lambda: _NOW),
        SigningKeys(folder / "webhooks"),
    )
    running = server(app, "127.0.0.1", 0)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        while not running.started:
            assert thread.is_alive(), "the API did not start"
            time.sleep(0.01)
        yield running.servers[0].sockets[0].getsockname()[1]
    finally:
        running.stop()
        thread.join()


def _portfolio(planner: Planner, name: str, sites: int, most_s: float) -> Iterator[Figure]:
    spent, made = seconds_and(lambda: planner.plan(name, _DAY, stored_wh={"S0": 123_456}, seconds=most_s))
    _check(made)
    what = f"{sites:,} sites, 96 intervals, to a plan on record"
    yield Figure(what, spent, most_s, "limit", "s", most_s / spent, 1.0)
    solver = made.head.solver_ms / 1000
    yield Figure(f"{sites:,} sites: of that the solver", solver, None, "", "s", solver, None)


def _stepping(planner: Planner) -> Figure:
    """50 sites again each quarter-hour; the first step builds the programs."""
    took: list[float] = []
    for number in range(_ROUNDS + 1):
        at = _MIDNIGHT + timedelta(minutes=15 * number)
        spent, made = seconds_and(partial(planner.plan, "vpp-50", at, trigger="rolling"))
        _check(made)
        took.append(spent * 1000)
    middle = statistics.median(took[1:])
    what = "50 sites planned again a quarter-hour later, to a plan on record"
    return Figure(what, middle, _STEP_MS, "limit", "ms", _STEP_MS / middle, 1.0)


def _check(made: Made) -> None:
    assert not made.repeated, "each is another plan"
    assert made.head.basis in ("optimised", "relaxed"), (made.head.basis, made.head.reason)
    assert not made.head.refused, made.head.refused[0]


def _furnish(book: Book, count: int) -> None:
    tariff = parse_tariff(_TARIFF.read_text(), name=_TARIFF.name)
    account = Account(id="A", zone=ZONE, parts="two_part", demand=ActualDemand())
    rng = np.random.default_rng(11)
    wishes = [
        Wish(FoundBook(BookDocument("Bench", "operator", "CNY", ZONE, "one_person")), "book"),
        Wish(RegisterParty(FROM, Party("operator", "Operator")), "party"),
        Wish(PublishTariff(tariff), "tariff"),
    ]
    start = datetime(2026, 8, 1, tzinfo=UTC)
    load = rng.integers(100_000, 200_000, (8, _UTC_DAYS * 96))
    sites: list[Wish] = []
    facts: list[Wish] = []
    for number in range(count):
        name = f"S{number}"
        profile = load[number % len(load)]
        run = run_of(f"L{number}", "load", start, 900, profile, "A")
        sites += [
            Wish(RegisterSite(FROM, Site(name, name, ZONE, 500_000, 250_000, tariff.id, account)), name),
        ]
        meter = Meter(f"L{number}", name, "load", ("load",), 900, 2_000_000, ZONE)
        wishes.append(Wish(RegisterMeter(FROM, meter), f"L{number}"))
        facts += [
            Wish(StateStorage(name, FROM, _terms()), f"T{number}"),
            Wish(RecordReadings(f"L{number}", "2026-08", "bench", (run,)), f"R{number}"),
            Wish(IssueForecast(_forecast(name, profile)), f"F{number}"),
        ]
    for part in (wishes[:3], sites, wishes[3:], facts):
        book.execute_all(part)
    units = {"vpp-50": min(50, count), "vpp-all": count}
    book.execute_all(
        [Wish(RegisterTradingUnit(FROM, _unit(name, size)), name) for name, size in units.items()]
    )


def _terms() -> StorageTerms:
    return StorageTerms(
        charge_w=250_000, discharge_w=250_000, floor_wh=50_000, ceiling_wh=480_000, end_wh=50_000,
        charge_ppm=955_000, discharge_ppm=955_000, import_w=3_000_000, export_w=0, wear_micro=60_000,
    )  # fmt: skip


def _unit(name: str, size: int) -> TradingUnit:
    members = tuple(Member(site=f"S{number}", capability_w=250_000) for number in range(size))
    terms = SpotTerms(netting_benefit="pool", rounding_max="1")
    return TradingUnit(
        id=name, name=name, market="none", unit_code=name, operator="operator", zone=ZONE,
        members=members, terms=(terms,), rounding_max="1",
    )  # fmt: skip


def _forecast(site: str, profile: np.ndarray) -> Forecast:
    """Two days, so that every step of a rolling day is covered."""
    return Forecast(
        subject=Subject("load", site), unit="W", currency="", model="bench",
        members=(MemberShare("none", 1000, None),), features="", trained_through=1, issued_at=_NOW, zone=ZONE,
        interval_s=900, start=_MIDNIGHT, expected=tuple((profile[:192] * 4).tolist()), quantiles=(),
        scores=None, drift=None, cold_start="",
    )  # fmt: skip


@contextmanager
def _projecting(book: Book) -> Iterator[None]:
    projector = book.projector()
    projector.catch_up()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        yield
    finally:
        projector.stop()
        thread.join()


def main() -> None:
    """Measure and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 sites instead of 2,000")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder))
        try:
            for figure in measure(rig, quick=quick):
                limit = "" if figure.peer is None else f" (limit {figure.peer:g}) {figure.met}"
                print(f"{figure.what}: {figure.ours:.2f} {figure.unit}{limit}")
        finally:
            rig.close()


if __name__ == "__main__":
    main()
