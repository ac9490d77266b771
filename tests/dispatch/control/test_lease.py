"""One writer at a time, by clocks that differ: "takeover waits for the lease plus the longest write time"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dispatch.control.lease import (
    CLOCK_MS,
    WRITE_MS_MAX,
    Lease,
    LeaseTaken,
    ReleaseLease,
    RenewLease,
    TakeLease,
    first_token,
    lease_aggregate,
)
from ledger.refusal import Refused
from tests.dispatch.control.pure_book import DAY, DEVICE, START, PureBook

WRITE_MS = 700
TOKEN = first_token(DAY)
NEXT = DAY + timedelta(days=1)
MIDNIGHT = datetime(NEXT.year, NEXT.month, NEXT.day, tzinfo=UTC)
AHEAD_MS = {"a": -CLOCK_MS // 2, "c": CLOCK_MS // 2}
"""Two drivers' clocks, as far apart as two may be."""


def test_a_lease_is_taken_held_renewed_and_released() -> None:
    book = PureBook()
    taken = book.do(TakeLease(DEVICE, "a", DAY, 60, WRITE_MS))
    assert (taken.token, taken.until) == (TOKEN, START + timedelta(seconds=60))
    assert book.refused(TakeLease(DEVICE, "b", DAY, 60, WRITE_MS)) == "lease_held"
    assert book.refused(RenewLease(DEVICE, "b", TOKEN, 60)) == "lease_lost"
    assert book.refused(RenewLease(DEVICE, "a", TOKEN + 1, 60)) == "lease_lost"
    book.wait(20)
    assert book.do(RenewLease(DEVICE, "a", TOKEN, 60)).until == START + timedelta(seconds=80)
    assert book.do(RenewLease(DEVICE, "a", TOKEN, 5)).until == START + timedelta(seconds=80), "never shorter"
    book.do(ReleaseLease(DEVICE, "a", TOKEN))
    assert book.refused(RenewLease(DEVICE, "a", TOKEN, 60)) == "lease_lost"
    assert book.refused(TakeLease(DEVICE, "b", DAY, 60, WRITE_MS)) == "lease_held", (
        "a write may still be on its way"
    )
    book.wait((WRITE_MS + CLOCK_MS) / 1000)
    assert book.do(TakeLease(DEVICE, "b", DAY, 60, WRITE_MS)).token == TOKEN + 1


def test_a_lease_that_is_over_is_free_only_after_the_longest_write() -> None:
    book = PureBook()
    book.do(TakeLease(DEVICE, "a", DAY, 60, WRITE_MS))
    book.wait(60)
    assert book.refused(RenewLease(DEVICE, "a", TOKEN, 60)) == "lease_lost"
    book.wait((WRITE_MS + CLOCK_MS - 1) / 1000)
    assert book.refused(TakeLease(DEVICE, "b", DAY, 60, WRITE_MS)) == "lease_held"
    book.wait(0.001)
    assert book.do(TakeLease(DEVICE, "b", DAY, 60, WRITE_MS)).token == TOKEN + 1


def test_what_no_lease_can_be() -> None:
    book = PureBook()
    for command, code in (
        (TakeLease("nobody", "a", DAY, 60, WRITE_MS), "unknown_device"),
        (TakeLease(DEVICE, "a b", DAY, 60, WRITE_MS), "id"),
        (TakeLease(DEVICE, "a", DAY, 0, WRITE_MS), "lease_terms"),
        (TakeLease(DEVICE, "a", DAY, 3601, WRITE_MS), "lease_terms"),
        (TakeLease(DEVICE, "a", DAY, 60, 0), "lease_terms"),
        (TakeLease(DEVICE, "a", NEXT, 60, WRITE_MS), "command_day"),
        (RenewLease(DEVICE, "a", TOKEN, 60), "lease_lost"),
        (RenewLease(DEVICE, "a", 1, 60), "lease_lost"),
        (ReleaseLease(DEVICE, "a", TOKEN), "lease_lost"),
    ):
        assert book.refused(command) == code
    assert lease_aggregate(DEVICE, DAY) not in book.states


def test_midnight_ends_a_lease_and_who_had_it_goes_on_at_once() -> None:
    """Another waits for the longest write that the day before could have allowed, whatever that day's lease
    says: what it reads of the other aggregate may be changed before its own is stored."""
    book = PureBook()
    book.now = MIDNIGHT - timedelta(seconds=30)
    assert book.do(TakeLease(DEVICE, "a", DAY, 900, WRITE_MS)).until == MIDNIGHT
    assert book.do(RenewLease(DEVICE, "a", TOKEN, 900)).until == MIDNIGHT
    book.now = MIDNIGHT
    assert book.refused(RenewLease(DEVICE, "a", TOKEN, 900)) == "lease_lost"
    assert book.refused(TakeLease(DEVICE, "b", NEXT, 900, WRITE_MS)) == "lease_held"
    taken = book.do(TakeLease(DEVICE, "a", NEXT, 900, WRITE_MS))
    assert (taken.token, taken.until) == (first_token(NEXT), MIDNIGHT + timedelta(seconds=900))
    assert taken.token > TOKEN + 999


def test_who_had_given_it_back_before_midnight_waits_like_the_others() -> None:
    for holder in ("a", "b"):
        book = PureBook()
        book.now = MIDNIGHT - timedelta(seconds=30)
        book.do(TakeLease(DEVICE, "a", DAY, 900, WRITE_MS))
        book.do(ReleaseLease(DEVICE, "a", TOKEN))
        book.now = MIDNIGHT + timedelta(milliseconds=WRITE_MS_MAX + CLOCK_MS - 1)
        assert book.refused(TakeLease(DEVICE, holder, NEXT, 900, WRITE_MS)) == "lease_held"
        book.wait(0.001)
        assert book.do(TakeLease(DEVICE, holder, NEXT, 900, WRITE_MS)).token == first_token(NEXT)


def test_who_knows_that_the_holder_has_ended_takes_the_lease_over_at_once() -> None:
    book = PureBook()
    book.do(TakeLease(DEVICE, "a", DAY, 60, WRITE_MS))
    book.wait(1)
    assert book.refused(TakeLease(DEVICE, "b", DAY, 60, WRITE_MS, "c")) == "lease_held", "it is a's"
    assert book.refused(TakeLease(DEVICE, "a", DAY, 60, WRITE_MS, "a")) == "lease_terms", "it lives"
    assert book.refused(TakeLease(DEVICE, "b", DAY, 60, WRITE_MS, "a b")) == "id"
    taken = book.do(TakeLease(DEVICE, "b", DAY, 60, WRITE_MS, "a"))
    assert (taken.token, taken.at, taken.after) == (TOKEN + 1, book.now, "a")
    assert book.refused(RenewLease(DEVICE, "a", TOKEN, 60)) == "lease_lost", "fenced"
    assert book.refused(TakeLease(DEVICE, "c", DAY, 60, WRITE_MS, "a")) == "lease_held", "it is b's by now"
    book.do(ReleaseLease(DEVICE, "b", TOKEN + 1))
    assert book.do(TakeLease(DEVICE, "c", DAY, 60, WRITE_MS, "b")).token == TOKEN + 2
    book.wait(3600)
    assert book.do(TakeLease(DEVICE, "d", DAY, 60, WRITE_MS, "c")).after == "", "it was free"


def test_over_midnight_nobody_takes_over() -> None:
    """That the ended one had not given its lease back, nobody but itself knew."""
    book = PureBook()
    book.now = MIDNIGHT - timedelta(seconds=30)
    book.do(TakeLease(DEVICE, "a", DAY, 900, WRITE_MS))
    book.now = MIDNIGHT + timedelta(milliseconds=WRITE_MS_MAX + CLOCK_MS - 1)
    assert book.refused(TakeLease(DEVICE, "b", NEXT, 900, WRITE_MS, "a")) == "lease_held"
    book.wait(0.001)
    assert book.do(TakeLease(DEVICE, "b", NEXT, 900, WRITE_MS, "a")).token == first_token(NEXT)


class Asked(NamedTuple):
    """A lease that was decided on what its aggregate was, and is stored later, if that is so still."""

    driver: str
    aggregate: str
    before: object
    taken: LeaseTaken


class Drivers(RuleBasedStateMachine):
    """Drivers that go by what they were last told, and by their own clocks, around midnight; writes take up
    to `WRITE_MS`, and a lease may be stored long after it was decided: only its own aggregate is looked at
    then. A driver that is killed ends with its writes, and the next run of it knows so."""

    def __init__(self) -> None:
        super().__init__()
        self.book = PureBook()
        self.book.now = MIDNIGHT - timedelta(seconds=2)
        self.believed: dict[str, tuple[int, datetime]] = {}
        self.asked: list[Asked] = []
        self.writes: list[tuple[str, int, datetime, datetime]] = []
        self.tokens: list[int] = []
        self.runs = {"a": 0, "c": 0}

    def run(self, driver: str) -> str:
        return f"{driver}{self.runs[driver]}"

    def local(self, driver: str) -> datetime:
        return self.book.now + timedelta(milliseconds=AHEAD_MS[driver])

    @rule(
        driver=st.sampled_from("ac"),
        ask=st.sampled_from(["take", "nothing", "take_late", "renew", "release"]),
        lasts=st.sampled_from([600, 2]),
        seconds=st.sampled_from([0, 0.5, 1.0, 0.2, 2.0, 61.0]),
    )
    def drive(self, driver: str, ask: str, lasts: int, seconds: float) -> None:
        """It asks, and writes when it believes that it may; then time goes by."""
        match ask:
            case "take" | "take_late":
                self.take(driver, lasts, late=ask == "take_late")
            case "renew":
                self.renew(driver, lasts)
            case "release":
                self.release(driver)
        self.write(driver)
        self.book.wait(seconds)

    def take(self, driver: str, lasts: int, *, late: bool) -> None:
        now = self.local(driver)
        aggregate = lease_aggregate(DEVICE, now.date())
        before = self.book.states.get(aggregate)
        own = isinstance(before, Lease) and before.holder[0] == driver and before.holder != self.run(driver)
        after = before.holder if own and isinstance(before, Lease) else ""
        take = TakeLease(DEVICE, self.run(driver), now.date(), lasts, WRITE_MS, after)
        others = {name: self.book.states.get(name) for name in take.reads}
        assert before is None or isinstance(before, Lease)
        try:
            (taken,) = take.decide_at(now, before, others)
        except Refused as refused:
            assert refused.code == "lease_held"
            return
        self.asked.append(Asked(self.run(driver), take.aggregate, before, taken))
        if not late:
            self.store(-1)

    @precondition(lambda self: self.asked)
    @rule(place=st.integers(0, 3))
    def store(self, place: int) -> None:
        one = self.asked.pop(place % len(self.asked))
        if self.book.states.get(one.aggregate) is one.before:
            self.book.states[one.aggregate] = one.taken.apply(one.before)  # type: ignore[arg-type]
            self.tokens.append(one.taken.token)
            if one.driver == self.run(one.driver[0]):
                self.believed[one.driver[0]] = (one.taken.token, one.taken.until)

    @rule(driver=st.sampled_from("ac"))
    def kill(self, driver: str) -> None:
        """What it had asked may be stored still."""
        self.runs[driver] += 1
        self.believed.pop(driver, None)
        now = self.book.now
        self.writes = [
            (one, token, begun, min(over, now) if one == driver else over)
            for one, token, begun, over in self.writes
        ]

    def renew(self, driver: str, lasts: int) -> None:
        token, until = self.believed.get(driver, (TOKEN, START))
        try:
            renewed = self.book.do(
                RenewLease(DEVICE, self.run(driver), token, lasts), ahead_ms=AHEAD_MS[driver]
            )
        except Refused as refused:
            assert refused.code == "lease_lost"
            assert until <= self.local(driver) or driver not in self.believed
            return
        self.believed[driver] = (token, renewed.until)

    def release(self, driver: str) -> None:
        if driver in self.believed:
            token, until = self.believed.pop(driver)
            if self.local(driver) < until:
                self.book.do(ReleaseLease(DEVICE, self.run(driver), token), ahead_ms=AHEAD_MS[driver])

    def write(self, driver: str) -> None:
        token, until = self.believed.get(driver, (0, self.local(driver)))
        if self.local(driver) < until:
            begun = self.book.now
            self.writes.append((driver, token, begun, begun + timedelta(milliseconds=WRITE_MS)))

    @invariant()
    def no_two_drivers_write_at_once(self) -> None:
        for earlier, later in zip(self.writes, self.writes[1:], strict=False):
            assert earlier[0] == later[0] or earlier[3] <= later[2], "a write met another driver's"
            assert earlier[1] <= later[1], "a token only rises"

    @invariant()
    def each_lease_has_a_token_of_its_own(self) -> None:
        assert len(set(self.tokens)) == len(self.tokens)
        for day in (DAY, NEXT):
            lease = self.book.states.get(lease_aggregate(DEVICE, day))
            first = first_token(day)
            given = [token for token in self.tokens if 0 <= token - first < 1000]
            assert given == list(range(first, first + len(given)))
            assert isinstance(lease, Lease) == bool(given)


TestDrivers = Drivers.TestCase
TestDrivers.settings = settings(
    derandomize=True, max_examples=250, stateful_step_count=12, deadline=None, database=None
)
