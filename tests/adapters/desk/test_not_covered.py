"""What stands, and no longer fits the unit, is told: an envelope cut later, awards without their charging."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from adapters.desk.unit_results import unit_positions
from adapters.live.archive import LiveArchive
from adapters.live.message import CommitmentNews, DayNotCovered, EnvelopeNews, LiveMessage
from adapters.queries.unit_day import UnitDayAnswer, unit_day
from ledger.effective import Period
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import CLOSES, DAY, ENVELOPE, MARKET, MW, UNIT, bid, furnish, submitted
from tests.adapters.live.test_asyncapi import check
from trading.clearing import Award, Clearing
from trading.commitment import StateDayEnvelope
from trading.envelope import DayEnvelope, StateEnvelope
from trading.market_answer import AcknowledgeBid

AUGUST = datetime(2026, 8, 1, tzinfo=UTC)


def read(bench: Bench) -> UnitDayAnswer:
    position = bench.project()
    with bench.database.reading(bench.book) as connection:
        return unit_day(connection, position, UNIT, DAY)


def told(bench: Bench) -> dict[str, list[tuple[str, ...] | None]]:
    """What each message about the unit's day says of it, by the message's type, in the book's order."""
    found: dict[str, list[tuple[str, ...] | None]] = {}
    for one in LiveArchive(bench.database, bench.book).after(0).messages:
        if isinstance(one.data, CommitmentNews):
            check(one)
            found.setdefault(one.type, []).append(one.data.not_covered)
    return found


def test_an_envelope_that_is_cut_later_leaves_bids_not_covered(bench: Bench) -> None:
    """1 MW each way stands and 0.4 MW are left: 0.6 MW lack in 8 quarter-hours each way, 1.2 MWh each; of the
    stored energy nothing."""
    desk = furnish(bench)
    submitted(desk, bid())
    assert (read(bench).cover, read(bench).short) == ("covered", None)
    cut = msgspec.structs.replace(ENVELOPE, discharge_w=400_000, charge_w=400_000)
    command = StateDayEnvelope(UNIT, DAY, DayEnvelope(limits=cut))
    bench.door.execute(command, command_id="cut", actor="ops")
    found = read(bench)
    assert found.cover == "not_covered"
    assert found.short is not None
    assert found.short.beside == ("b1",)
    assert {n for n, power in enumerate(found.short.up_w) if power} == set(range(72, 80))
    assert {n for n, power in enumerate(found.short.down_w) if power} == set(range(8, 16))
    assert ({*found.short.up_w}, {*found.short.down_w}) == ({0, 600_000}, {0, 600_000})
    assert told(bench) == {"commitment.made.v1": [None], "commitment.envelope_stated.v1": [("b1",)]}
    with bench.database.reading(bench.book) as connection:
        [day] = unit_positions(connection, bench.book, found.position, UNIT, DAY, DAY)
    assert day.not_covered is not None
    assert (day.not_covered.beside, day.not_covered.imbalance) == (("b1",), "3600"), "2.4 MWh at 1500"
    desk.ask_withdrawal("b1", "cut", command_id="back", actor="anna")
    desk.withdraw("b1", 1, "never sent", command_id="gone", actor="anna")
    bench.project()
    assert told(bench)["commitment.released.v1"] == [None]


def test_an_award_without_its_charging_is_not_covered(bench: Bench) -> None:
    """2 MWh are sold and none bought: 2.105264 MWh of the storage, which has 0.8 above its floor."""
    desk = furnish(bench)
    revision = submitted(desk, bid())
    desk.send("b1", revision, command_id="send", actor="gateway")
    desk.acknowledge(AcknowledgeBid("b1", revision, "R"), command_id="ack", actor="gateway")
    bench.now = CLOSES
    award = Award(bid="b1", power_w=tuple(MW if 72 <= n < 80 else 0 for n in range(96)))
    run = Clearing(
        market=MARKET,
        product="day_ahead",
        day=DAY,
        run="1",
        published=datetime(2026, 9, 2, 9, tzinfo=UTC),
        price_u=(400_000,) * 96,
        awards=(award,),
        source="c.csv",
        source_sha256="0" * 64,
    )
    bench.project()
    desk.record_clearing(run, command_id="run", actor="gateway")
    found = read(bench)
    assert found.cover == "not_covered"
    assert found.short is not None
    assert (max(found.short.up_w), max(found.short.down_w), found.short.energy_wh) == (0, 0, 1_305_264)
    assert told(bench) == {"commitment.made.v1": [None, None, ("b1",)]}, "of bid, acknowledgement and award"
    desk.record_clearing(second(run), command_id="second", actor="gateway")
    bench.project()
    assert told(bench)["commitment.made.v1"] == [None, None, ("b1",), None], "each as it was after its event"


def second(run: Clearing) -> Clearing:
    """Nothing is awarded after all."""
    nothing = Award(bid="b1", power_w=(0,) * 96)
    later = datetime(2026, 9, 2, 10, tzinfo=UTC)
    return msgspec.structs.replace(run, run="2", published=later, awards=(nothing,))


def envelopes(bench: Bench) -> list[LiveMessage]:
    bench.project()
    found = [
        one for one in LiveArchive(bench.database, bench.book).after(0).messages if one.noun == "envelope"
    ]
    for one in found:
        check(one)
    return found


def test_a_standing_envelope_that_is_cut_is_told_with_its_days(bench: Bench) -> None:
    desk = furnish(bench)
    submitted(desk, bid())
    cut = msgspec.structs.replace(ENVELOPE, discharge_w=400_000, charge_w=400_000)
    day = datetime(2026, 9, 2, 16, tzinfo=UTC)
    periods = (
        Period(day - timedelta(days=1)),
        Period(day + timedelta(days=1)),
        Period(day - timedelta(days=9)),
    )
    for number, (period, envelope) in enumerate(zip(periods, (cut, cut, ENVELOPE), strict=True)):
        bench.door.execute(StateEnvelope(UNIT, period, envelope), command_id=f"e{number}", actor="ops")
    first, now, later, enough = envelopes(bench)
    assert [one.type for one in (first, now, later, enough)] == ["envelope.stated.v1"] * 4
    assert (first.unit, first.market, first.data) == (UNIT, None, EnvelopeNews(holds_from=AUGUST))
    assert later.data == EnvelopeNews(holds_from=day + timedelta(days=1)), "of no day that is bound"
    short = (DayNotCovered(DAY, ("b1",)),)
    assert now.data == EnvelopeNews(holds_from=day - timedelta(days=1), not_covered=short)
    assert enough.data == EnvelopeNews(holds_from=day - timedelta(days=9))


def test_a_cut_standing_envelope_tells_of_no_day_with_its_own(bench: Bench) -> None:
    desk = furnish(bench)
    submitted(desk, bid())
    cut = msgspec.structs.replace(ENVELOPE, discharge_w=400_000, charge_w=400_000)
    command = StateDayEnvelope(UNIT, DAY, DayEnvelope(limits=cut))
    bench.door.execute(command, command_id="own", actor="ops")
    bench.door.execute(StateEnvelope(UNIT, Period(AUGUST), cut), command_id="cut", actor="ops")
    assert envelopes(bench)[-1].data == EnvelopeNews(holds_from=AUGUST)


def test_a_cut_standing_envelope_tells_of_no_day_that_is_over(bench: Bench) -> None:
    desk = furnish(bench)
    submitted(desk, bid())
    cut = msgspec.structs.replace(ENVELOPE, discharge_w=400_000, charge_w=400_000)
    for number, at in enumerate(
        (datetime(2026, 9, 3, 15, 59, tzinfo=UTC), datetime(2026, 9, 3, 16, tzinfo=UTC))
    ):
        bench.now = at
        bench.door.execute(StateEnvelope(UNIT, Period(AUGUST), cut), command_id=f"c{number}", actor="ops")
    found = [one.data.not_covered for one in envelopes(bench) if isinstance(one.data, EnvelopeNews)]
    assert found == [None, (DayNotCovered(DAY, ("b1",)),), None]
