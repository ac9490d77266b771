"""A setpoint's life, step by step and by a machine whose device loses answers and has other writers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dispatch.control.command_life import WAITING, Command, DeviceDay, command_aggregate
from dispatch.control.command_records import RecordReadBack, RecordSeen, RecordWritten, RecordWrittenFirst
from dispatch.control.command_steps import (
    ExpireSetpoint,
    IntendSetpoint,
    LeaseSetpoint,
    RefuseSetpoint,
    SettleCommands,
)
from dispatch.control.emergency import EmergencyOrder, EndEmergency, OrderEmergency, Scope
from dispatch.control.lease import TakeLease, first_token
from dispatch.control.setpoint import Setpoint, lowers, reaction_id, step_id
from ledger.refusal import Refused
from tests.dispatch.control.pure_book import DAY, DEVICE, KW, START, PureBook

TOKEN = first_token(DAY)


def setpoint(power_w: int = 300 * KW, *, lasts_s: int = 900, **changes: Any) -> Setpoint:
    fields = {"expires_at": START + timedelta(seconds=lasts_s), "origin": "plan", "cause": "plan 1"}
    return Setpoint(setpoint_w=power_w, **(fields | changes))


def leased(book: PureBook, power_w: int = 300 * KW, **changes: Any) -> int:
    """Intend and lease a setpoint under the first token; answers its sequence."""
    sequence = intend(book, power_w, **changes)
    book.do(LeaseSetpoint(DEVICE, DAY, sequence, "driver", TOKEN))
    return sequence


def intend(book: PureBook, power_w: int = 300 * KW, **changes: Any) -> int:
    event = book.do(IntendSetpoint(DEVICE, DAY, setpoint(power_w, **changes), "planner"))
    number: int = event.sequence
    return number


def day_of(book: PureBook) -> DeviceDay:
    state = book.states[command_aggregate(DEVICE, DAY)]
    assert isinstance(state, DeviceDay)
    return state


def command(book: PureBook, sequence: int) -> Command:
    return day_of(book).commands[sequence]


def driven(lasts_s: int = 3600) -> PureBook:
    book = PureBook()
    book.do(TakeLease(DEVICE, "driver", DAY, lasts_s, 500))
    return book


def test_from_intent_to_settlement() -> None:
    book = driven()
    one = leased(book)
    book.do(RecordWritten(DEVICE, DAY, one, TOKEN, 0, book.now))
    book.do(RecordReadBack(DEVICE, DAY, one, 299_950, book.now, tolerance_w=50))
    assert day_of(book).standing_w == 299_950
    book.do(RecordSeen(DEVICE, DAY, one, "M1", 298 * KW, book.now, 5 * KW))
    event = book.do(SettleCommands(DEVICE, DAY, "C_2026-08_1", (one,)))
    assert (event.sequences, event.device) == ((one,), DEVICE)
    done = command(book, one)
    assert (done.status, done.settlement, done.meter) == ("settled", "C_2026-08_1", "M1")
    again = SettleCommands(DEVICE, DAY, "C_2026-08_2", (one,))
    assert book.refused(again) == "command_status", "a correction settles nothing twice"
    assert book.refused(msgspec.structs.replace(again, sequences=())) == "command_status"
    assert book.refused(msgspec.structs.replace(again, sequences=(7,))) == "unknown_command"
    for name in ("C", "C_2026-13_1", "C_2026-08_0", "_2026-08_1"):
        assert book.refused(msgspec.structs.replace(again, settlement=name)) == "settlement_name"


def test_no_step_is_left_out() -> None:
    book = driven()
    one = intend(book)
    at = book.now
    assert book.refused(RecordWritten(DEVICE, DAY, one, TOKEN, 0, at)) == "command_status"
    assert book.refused(RecordReadBack(DEVICE, DAY, one, 0, at)) == "command_status"
    assert book.refused(RecordSeen(DEVICE, DAY, one, "M1", 0, at, 1)) == "command_status"
    assert book.refused(RecordWritten(DEVICE, DAY, 7, TOKEN, 0, at)) == "unknown_command"
    book.do(LeaseSetpoint(DEVICE, DAY, one, "driver", TOKEN))
    assert book.refused(RecordWritten(DEVICE, DAY, one, TOKEN + 1, 0, at)) == "unknown_lease"
    book.do(RecordWritten(DEVICE, DAY, one, TOKEN, 0, at))
    assert book.refused(RecordWritten(DEVICE, DAY, one, TOKEN, 0, at)) == "command_status", "once"
    assert book.refused(RecordSeen(DEVICE, DAY, one, "M1", 300 * KW, at, 1)) == "command_status"
    early = at - timedelta(seconds=1)
    assert book.refused(RecordReadBack(DEVICE, DAY, one, 300 * KW, early)) == "read_before_written"
    book.do(RecordReadBack(DEVICE, DAY, one, 300 * KW, at))
    assert book.refused(RecordSeen(DEVICE, DAY, one, "M1", 200 * KW, at, KW)) == "meter_disagrees"
    assert book.refused(RecordSeen(DEVICE, DAY, one, "M9", 300 * KW, at, KW)) == "unknown_meter"


def test_what_may_not_be_intended() -> None:
    book = driven()
    for wrong, code in (
        (setpoint(501 * KW), "setpoint_power"),
        (setpoint(400 * KW, band_w=200 * KW), "setpoint_power"),
        (setpoint(lasts_s=0), "setpoint_expired"),
        (setpoint(lasts_s=86_401), "setpoint_lasting"),
    ):
        assert book.refused(IntendSetpoint(DEVICE, DAY, wrong, "planner")) == code
    other_day = IntendSetpoint(DEVICE, DAY + timedelta(days=1), setpoint(), "planner")
    assert book.refused(other_day) == "command_day"
    assert book.refused(IntendSetpoint("nobody", DAY, setpoint(), "planner")) == "unknown_device"


def test_a_newer_setpoint_takes_the_place_of_one_that_waits() -> None:
    book = driven()
    first = leased(book)
    second = intend(book, 100 * KW)
    assert (command(book, first).status, command(book, first).superseded_by) == ("superseded", second)
    assert book.refused(LeaseSetpoint(DEVICE, DAY, first, "driver", TOKEN)) == "command_status"
    book.do(RecordWritten(DEVICE, DAY, first, TOKEN, 0, book.now))
    assert command(book, first).status == "written", "it was on its way: a fact"
    book.do(RecordReadBack(DEVICE, DAY, first, 300 * KW, book.now))
    book.do(LeaseSetpoint(DEVICE, DAY, second, "driver", TOKEN))
    book.do(RecordWritten(DEVICE, DAY, second, TOKEN, 300 * KW, book.now))
    assert command(book, first).status == "superseded"
    assert book.refused(RecordReadBack(DEVICE, DAY, first, 300 * KW, book.now)) == "command_status"
    book.do(RecordSeen(DEVICE, DAY, first, "M1", 300 * KW, book.now, 0))
    assert command(book, first).status == "seen", "the meter's readings come later"


def test_a_doubtful_write_is_ended_by_a_reading_only() -> None:
    for found, status in ((300 * KW, "read_back"), (0, "intended"), (123 * KW, "overridden")):
        book = driven()
        one = leased(book)
        book.do(RecordWritten(DEVICE, DAY, one, TOKEN, 0, book.now, uncertain="no answer in 500 ms"))
        assert command(book, one).status == "unknown"
        book.wait(1000)
        assert book.refused(ExpireSetpoint(DEVICE, DAY, one)) == "command_status"
        assert book.refused(SettleCommands(DEVICE, DAY, "C_2026-08_1", (one,))) == "command_status"
        two = intend(book, 200 * KW, lasts_s=3000)
        assert book.refused(LeaseSetpoint(DEVICE, DAY, two, "driver", TOKEN)) == "command_unknown"
        book.do(RecordReadBack(DEVICE, DAY, one, found, book.now))
        wanted = "superseded" if status == "intended" else status
        assert command(book, one).status == wanted
        assert day_of(book).standing_w == found
        book.do(LeaseSetpoint(DEVICE, DAY, two, "driver", TOKEN))


def test_a_stop_is_written_though_a_write_is_in_doubt_and_its_reading_ends_the_doubt() -> None:
    book = driven()
    one = leased(book)
    book.do(RecordWritten(DEVICE, DAY, one, TOKEN, 0, book.now, uncertain="closed"))
    stop = leased(book, 0)
    book.do(RecordWritten(DEVICE, DAY, stop, TOKEN, None, book.now))
    assert command(book, one).status == "unknown"
    book.do(RecordReadBack(DEVICE, DAY, stop, 0, book.now))
    assert command(book, one).status == "superseded"


def test_midnight_ends_neither_doubt_nor_order() -> None:
    book = driven()
    book.wait(57_580)
    book.do(TakeLease(DEVICE, "driver", DAY, 3600, 500))
    one = book.do(IntendSetpoint(DEVICE, DAY, setpoint(lasts_s=60_000), "planner")).sequence
    two = book.do(IntendSetpoint(DEVICE, DAY, setpoint(7, lasts_s=60_000), "planner")).sequence
    book.do(LeaseSetpoint(DEVICE, DAY, two, "driver", TOKEN + 1))
    book.do(RecordWritten(DEVICE, DAY, two, TOKEN + 1, 0, book.now, uncertain="no answer"))
    assert command(book, one).status == "superseded"
    left = book.do(IntendSetpoint(DEVICE, DAY, setpoint(8, lasts_s=60_000), "planner")).sequence
    book.wait(30)
    tomorrow = DAY + timedelta(days=1)
    next_one = IntendSetpoint(DEVICE, tomorrow, setpoint(9, lasts_s=60_000), "planner")
    assert book.refused(IntendSetpoint(DEVICE, DAY, setpoint(9, lasts_s=60_000), "p")) == "command_day"
    assert book.do(next_one).sequence == 1
    assert book.refused(LeaseSetpoint(DEVICE, tomorrow, 1, "driver", TOKEN + 1)) == "lease_lost"
    book.do(TakeLease(DEVICE, "driver", tomorrow, 3600, 500))
    token = first_token(tomorrow)
    lease = LeaseSetpoint(DEVICE, tomorrow, 1, "driver", token)
    assert book.refused(lease) == "command_unknown"
    book.do(RecordReadBack(DEVICE, DAY, two, 7, book.now))
    assert book.refused(LeaseSetpoint(DEVICE, DAY, left, "driver", token)) == "command_status"
    book.do(lease)


def test_not_applied_may_be_written_again() -> None:
    book = driven()
    one = leased(book)
    book.do(RecordWritten(DEVICE, DAY, one, TOKEN, 20, book.now))
    book.do(RecordReadBack(DEVICE, DAY, one, 20, book.now))
    assert command(book, one).status == "intended"
    book.do(LeaseSetpoint(DEVICE, DAY, one, "driver", TOKEN))
    book.do(RecordWritten(DEVICE, DAY, one, TOKEN, 20, book.now))
    book.do(RecordReadBack(DEVICE, DAY, one, 300 * KW, book.now))
    assert command(book, one).confirmed


def test_a_write_that_is_read_late_is_not_said_to_have_done_nothing() -> None:
    """A watchdog of 30 s: after it nobody knows whether 0 W is what stood before, or what it fell back to."""
    for seconds, answer in ((19, "not_applied"), (20, "foreign_written")):
        book = driven()
        one = leased(book)
        book.do(RecordWritten(DEVICE, DAY, one, TOKEN, 0, book.now, uncertain="no answer"))
        book.wait(seconds)
        event = book.do(RecordReadBack(DEVICE, DAY, one, 0, book.now, safe_w=0, fallback_s=20))
        assert event.__struct_config__.tag == f"command.{answer}.v1"
    assert event.writer == "watchdog"
    assert command(book, one).status == "overridden"


def test_what_fell_back_within_its_band_does_not_stand() -> None:
    """Its safe state is nearer to the setpoint than its band is wide, or is its very middle."""
    for power_w in (20 * KW, 0):
        book = driven()
        one = leased(book, power_w, origin="regulation", band_w=30 * KW)
        book.do(RecordWritten(DEVICE, DAY, one, TOKEN, None, book.now))
        book.do(RecordReadBack(DEVICE, DAY, one, power_w, book.now, safe_w=0))
        at = book.now
        book.do(RecordReadBack(DEVICE, DAY, one, 0, at, safe_w=0))
        assert command(book, one).status == "read_back", "a reading within its band"
        event = book.do(RecordReadBack(DEVICE, DAY, one, 0, at, safe_w=0, fallen=True))
        assert (event.writer, event.written_w, event.found_w) == ("watchdog", power_w, 0)


def test_within_its_band_only_what_was_written_is_ours() -> None:
    book = driven()
    one = leased(book, 0, origin="regulation", band_w=250 * KW)
    book.do(RecordWritten(DEVICE, DAY, one, TOKEN, None, book.now))
    book.do(RecordReadBack(DEVICE, DAY, one, 0, book.now))
    book.do(RecordReadBack(DEVICE, DAY, one, -30 * KW, book.now, written_w=-30 * KW))
    book.do(RecordReadBack(DEVICE, DAY, one, 70 * KW, book.now))
    assert command(book, one).status == "read_back", "nobody knows what was written"
    beyond = RecordReadBack(DEVICE, DAY, one, 0, book.now, written_w=251 * KW)
    assert book.refused(beyond) == "setpoint_power"
    event = book.do(RecordReadBack(DEVICE, DAY, one, -30 * KW, book.now, written_w=20 * KW))
    assert (event.writer, event.written_w, event.found_w) == ("stranger", 20 * KW, -30 * KW)
    assert command(book, one).status == "overridden"


def test_a_stop_stands_at_a_device_that_fell_back() -> None:
    book = driven()
    stop = leased(book, 0)
    book.do(RecordWritten(DEVICE, DAY, stop, TOKEN, None, book.now))
    book.do(RecordReadBack(DEVICE, DAY, stop, 0, book.now, safe_w=0, fallen=True))
    assert command(book, stop).status == "read_back"


def test_a_hold_that_was_silently_reverted_is_found() -> None:
    book = driven()
    one = leased(book)
    book.do(RecordWritten(DEVICE, DAY, one, TOKEN, 0, book.now))
    book.do(RecordReadBack(DEVICE, DAY, one, 300 * KW, book.now))
    book.do(RecordSeen(DEVICE, DAY, one, "M1", 300 * KW, book.now, 0))
    again = book.do(RecordReadBack(DEVICE, DAY, one, 300 * KW, book.now))
    assert again.found_w == 300 * KW, "two who read it tell the same"
    assert command(book, one).status == "seen", "what the meter saw stays seen"
    event = book.do(RecordReadBack(DEVICE, DAY, one, 0, book.now, safe_w=0))
    assert (event.writer, event.written_w, event.found_w) == ("watchdog", 300 * KW, 0)
    assert command(book, one).status == "overridden"
    book.do(SettleCommands(DEVICE, DAY, "C_2026-08_1", (one,)))
    assert command(book, one).status == "settled", "what the meter saw before is settled"


def test_a_write_under_a_lost_lease_is_on_record_as_such() -> None:
    book = driven(lasts_s=10)
    one = leased(book)
    book.wait(10)
    assert book.refused(LeaseSetpoint(DEVICE, DAY, intend(book), "driver", TOKEN)) == "lease_lost"
    late = book.now
    book.wait(10)
    book.do(TakeLease(DEVICE, "other", DAY, 600, 500))
    in_time = RecordWritten(DEVICE, DAY, one, TOKEN, 0, START + timedelta(seconds=9))
    assert PureBook.do(book, in_time).fenced is False
    book = driven(lasts_s=10)
    one = leased(book)
    book.wait(10)
    assert book.do(RecordWritten(DEVICE, DAY, one, TOKEN, 0, late)).fenced is True


def test_a_stop_is_written_first_and_recorded_later_with_its_true_time() -> None:
    book = driven()
    one = leased(book)
    book.do(RecordWritten(DEVICE, DAY, one, TOKEN, 0, book.now))
    stopped = book.now + timedelta(seconds=5)
    book.wait(600)
    two = leased(book, 100 * KW)
    book.do(RecordWritten(DEVICE, DAY, two, TOKEN, 0, book.now))
    stop = setpoint(0, origin="guard", cause="export")
    told = RecordWrittenFirst(DEVICE, DAY, stop, "j1", 300 * KW, stopped, "driver")
    event = book.do(told)
    assert (event.at, event.raised) == (stopped, False)
    assert command(book, event.sequence).written_at == stopped
    assert command(book, event.sequence).status == "superseded", "what was written after it stands"
    assert day_of(book).last == two
    assert book.refused(told) == "journal_repeated"
    ahead = RecordWrittenFirst(DEVICE, DAY, stop, "j2", 0, book.now + timedelta(seconds=31), "driver")
    assert book.refused(ahead) == "time_ahead"
    naive = RecordWrittenFirst(DEVICE, DAY, stop, "j2", 0, book.now.replace(tzinfo=None), "driver")
    assert book.refused(naive) == "naive_time"
    raised = RecordWrittenFirst(DEVICE, DAY, setpoint(5, origin="guard"), "j3", 0, book.now, "driver")
    assert book.do(raised).raised is True, "a fact, and marked"


def test_refused_with_reasons_and_expired() -> None:
    book = driven()
    one = intend(book)
    assert book.refused(RefuseSetpoint(DEVICE, DAY, one, ())) == "interlocks"
    assert book.refused(RefuseSetpoint(DEVICE, DAY, one, ("weather",))) == "interlocks"  # type: ignore[arg-type]
    book.do(RefuseSetpoint(DEVICE, DAY, one, ("ramp", "telemetry_stale")))
    assert command(book, one).interlocks == ("telemetry_stale", "ramp"), "the weightiest first"
    two = intend(book)
    assert book.refused(ExpireSetpoint(DEVICE, DAY, two)) == "setpoint_in_force"
    book.wait(900)
    assert book.refused(LeaseSetpoint(DEVICE, DAY, two, "driver", TOKEN)) == "setpoint_expired"
    book.do(ExpireSetpoint(DEVICE, DAY, two))
    assert command(book, two).status == "expired"


def test_an_emergency_stop_leaves_only_stops() -> None:
    book = driven()
    one = intend(book)
    book.do(OrderEmergency(EmergencyOrder(kind="stop_all", scope=Scope("site", ("S1",))), "anna", "smoke"))
    assert book.refused(LeaseSetpoint(DEVICE, DAY, one, "driver", TOKEN)) == "emergency_stop"
    assert book.refused(IntendSetpoint(DEVICE, DAY, setpoint(), "planner")) == "emergency_stop"
    leased(book, 0)
    book.do(EndEmergency(1, "bert", "aired"))
    leased(book)


def test_ids_of_steps_and_reactions() -> None:
    assert step_id(DEVICE, DAY.isoformat(), 3, "written") == "bess-1-2026-08-03-3-written"
    assert step_id(DEVICE, "d", 3, "read", "1") != step_id(DEVICE, "d", 3, "read", "2")
    assert reaction_id("follow", 5) == "follow-5"
    assert len({reaction_id("follow", 5, one) for one in ("a", "b", "")}) == 3


POWERS = st.sampled_from([0, 100 * KW, 300 * KW, -200 * KW])


class Device(RuleBasedStateMachine):
    """A device whose register is known here; drivers tell what they see, and never what they think."""

    def __init__(self) -> None:
        super().__init__()
        self.book = driven()
        self.register = 0
        self.journal = 0
        self.before = DeviceDay()
        self.read = False
        self.written: dict[int, int] = {}

    def tell(self, step: Any) -> Any:
        """Decide a step; a refused one changes nothing."""
        self.before, self.read = self.day, isinstance(step, RecordReadBack)
        try:
            return self.book.do(step)
        except Refused:
            assert self.day == self.before
            return None

    @property
    def day(self) -> DeviceDay:
        state = self.book.states.get(command_aggregate(DEVICE, DAY))
        return state if isinstance(state, DeviceDay) else DeviceDay()

    def any_of(self, place: int) -> int:
        return 1 + place % (self.day.newest + 1)

    @rule(power=POWERS)
    def intend(self, power: int) -> None:
        expires = self.book.now + timedelta(seconds=300)
        one = Setpoint(setpoint_w=power, expires_at=expires, origin="plan", cause="p")
        assert self.tell(IntendSetpoint(DEVICE, DAY, one, "planner")) is not None

    @rule(place=st.integers(0, 20))
    def lease(self, place: int) -> None:
        self.tell(LeaseSetpoint(DEVICE, DAY, self.any_of(place), "driver", TOKEN))

    @precondition(lambda self: any(one.status == "leased" for one in self.day.commands.values()))
    @rule(arrives=st.booleans(), answered=st.booleans())
    def write(self, *, arrives: bool, answered: bool) -> None:
        """Without an answer it may have arrived or not; a device may also acknowledge and do nothing."""
        sequence = next(n for n, one in self.day.commands.items() if one.status == "leased")
        before = self.register
        if arrives:
            self.register = self.day.commands[sequence].setpoint.setpoint_w
        doubt = "" if answered else "no answer"
        told = self.tell(RecordWritten(DEVICE, DAY, sequence, TOKEN, before, self.book.now, doubt))
        assert told is not None
        self.written[sequence] = self.written.get(sequence, 0) + 1

    @rule(place=st.integers(0, 20))
    def read_register(self, place: int) -> None:
        sequence = self.any_of(place)
        self.tell(RecordReadBack(DEVICE, DAY, sequence, self.register, self.book.now))
        if (one := self.day.commands.get(sequence)) is not None and self.day != self.before:
            shown = one.status in ("read_back", "seen")
            assert shown == (self.register == one.setpoint.setpoint_w), "believed done, and was not"
            assert self.day.standing_w == self.register

    @rule(power=st.sampled_from([0, 50 * KW]))
    def somebody_else_writes(self, power: int) -> None:
        self.register = power

    @rule(place=st.integers(0, 20))
    def meter(self, place: int) -> None:
        self.tell(RecordSeen(DEVICE, DAY, self.any_of(place), "M1", self.register, self.book.now, 0))

    @rule()
    def stop_first(self) -> None:
        self.journal += 1
        expires = self.book.now + timedelta(seconds=300)
        stop = Setpoint(setpoint_w=0, expires_at=expires, origin="guard", cause="g")
        before, self.register = self.register, 0
        told = RecordWrittenFirst(DEVICE, DAY, stop, f"j{self.journal}", before, self.book.now, "driver")
        assert self.tell(told) is not None, "a stop is always taken"

    @rule(place=st.integers(0, 20))
    def expire(self, place: int) -> None:
        self.tell(ExpireSetpoint(DEVICE, DAY, self.any_of(place)))

    @rule(place=st.integers(0, 20))
    def settle(self, place: int) -> None:
        waits = tuple(n for n, one in self.day.commands.items() if one.awaits_settlement)
        self.tell(SettleCommands(DEVICE, DAY, "C_2026-08_1", waits or (self.any_of(place),)))

    @rule(seconds=st.sampled_from([1, 30, 200]))
    def wait(self, seconds: int) -> None:
        self.book.wait(seconds)

    @invariant()
    def doubt_is_ended_by_a_reading_only(self) -> None:
        for sequence in self.before.unknown:
            assert self.read or self.day.commands[sequence].status == "unknown"

    @invariant()
    def at_most_one_waits_and_sequences_have_no_gap(self) -> None:
        commands = self.day.commands
        assert sum(one.status in WAITING for one in commands.values()) <= 1
        assert sorted(commands) == list(range(1, len(commands) + 1))

    @invariant()
    def what_is_settled_was_seen_and_what_was_seen_stood_at_the_device(self) -> None:
        for one in self.day.commands.values():
            assert one.status != "settled" or one.meter
            assert not one.meter or one.confirmed
            assert not one.confirmed or one.written_at is not None
            assert not one.raised_unrecorded

    @invariant()
    def what_was_settled_stays(self) -> None:
        for number, one in self.before.commands.items():
            if one.status == "settled":
                assert self.day.commands[number] == one

    @invariant()
    def nothing_that_raises_is_leased_while_a_write_is_in_doubt(self) -> None:
        if self.before.unknown:
            for number, one in self.day.commands.items():
                new = one.status == "leased" and self.before.commands[number].status != "leased"
                assert not new or lowers(one.setpoint, None)


TestDevice = Device.TestCase
TestDevice.settings = settings(
    derandomize=True, max_examples=70, stateful_step_count=40, deadline=None, database=None
)
