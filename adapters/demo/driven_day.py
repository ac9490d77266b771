"""The last chapter: storages are driven through a planned day, and ledger, meter and settlement agree.

The storages are a process of their own, spoken to by Modbus TCP; a day passes in lapses (`day_lapse`).
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Final

from adapters.demo import day_table
from adapters.demo.day_drive import DrivenDay
from adapters.demo.day_figures import check_agreement, day_figures
from adapters.demo.day_programme import found_programme, response_programme
from adapters.demo.day_story import story_of
from adapters.demo.day_tests import step_tests
from adapters.demo.driven_book import (
    ACTOR,
    BEGIN,
    DAY,
    END,
    METER,
    PROFILE,
    SOC,
    STORAGES,
    DrivenBook,
    fleet,
    found,
    plan_day,
)
from adapters.demo.peer_process import PeerProcess, peer_process
from adapters.driving.settling_commands import SettlingCommands
from adapters.settling import Settled, settle_month
from dispatch.control.command_life import command_aggregate
from ledger.interval import Month
from ledger.refusal import Refused

_MORNING: Final = timedelta(hours=9)


def tell(book: DrivenBook) -> None:
    """Raises:
    Refused: what a step is refused for; `demo_drive`, `demo_agreement` when registers, ledger and
        settlement differ."""
    book.console.rule("13. six storages are driven through a day")
    book.console.print(
        "  real       the driver, its leases, commands and journal; Modbus TCP; telemetry, outbox;\n"
        "             the planner, the desk and OpenADR 3.1; NATS, killed and started; step tests;\n"
        "             State Grid Shanghai's tariff of August 2026\n"
        "  simulated  the storages, their meters and loads, a process of its own; the programme that calls;\n"
        "             the day passes in lapses between the boundaries of its quarter-hours, at which all is\n"
        "             in real time, and the step tests in lapses between two looks"
    )
    found(book)
    found_programme(book)
    if _driven(book):
        book.console.print("  driven before: nothing of it is repeated")
    else:
        _drive(book)
    book.clock.move_to(END + _MORNING)
    settled = _settle(book)
    SettlingCommands(book.stack.door, book.stack.database, book.say).turn()
    try:
        figures = day_figures(book, settled.result)
        check_agreement(figures)
    except Refused as refused:
        anew = f"the day stands as it was driven: without {book.stack.settings.state}, it is driven anew"
        raise Refused(refused.code, f"{refused.reason}; {anew}", place=refused.place) from None
    day_table.show(book, figures, settled)


def _driven(book: DrivenBook) -> bool:
    days = (DAY - timedelta(days=1), DAY)
    return any(
        book.stack.door.state(command_aggregate(name, day)) is not None for name in STORAGES for day in days
    )


def _drive(book: DrivenBook) -> None:
    made = plan_day(book, "day_ahead")
    plan = book.plan()
    assert plan is not None, "it was made"
    book.say(
        f"plan {plan.name}: {made.head.basis}, {made.head.count} quarter-hours, {made.head.solver_ms} ms"
    )
    began = time.monotonic()
    story = story_of(plan)
    with (
        response_programme(book) as programme,
        peer_process(
            book.folder / "storages",
            PROFILE,
            METER,
            count=len(STORAGES),
            soc=SOC,
            ahead_ms=book.clock.ahead_ms,
        ) as peers,
    ):
        programme.offer(story.called)
        step_tests(book, peers, fleet(peers.ports))
        _let_it_be(book, peers)
        day = DrivenDay(book, peers, plan, story, programme)
        asyncio.run(day.live())
    book.console.print(f"  the day took {time.monotonic() - began:.1f} s")


def _let_it_be(book: DrivenBook, peers: PeerProcess) -> None:
    """The begin of the day, the storages as full as the plan takes them to be."""
    by_ms = (BEGIN - book.clock()) // timedelta(milliseconds=1)
    if by_ms > 0:
        peers.ask(do="lapse", ms=by_ms)
        book.clock.lapse(by_ms / 1000)
    peers.ask(do="put", soc=SOC)


def _settle(book: DrivenBook) -> Settled:
    done = settle_month(
        book.stack.door,
        book.stack.database,
        Month.of(DAY),
        actor=ACTOR,
        through=DAY,
        today=DAY + timedelta(days=1),
    )
    if not done.runs:
        raise Refused("demo_agreement", f"the day was not settled: {done.refused}")
    return done.runs[0]
