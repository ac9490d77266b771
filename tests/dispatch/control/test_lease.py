"""One writer at a time, by clocks that differ: "takeover waits for the lease plus the longest write time"."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dispatch.control.lease import (
    CLOCK_MS,
    Lease,
    LeaseTaken,
    ReleaseLease,
    RenewLease,
    TakeLease,
    lease_aggregate,
)
from ledger.refusal import Refused
from tests.dispatch.control.pure_book import DEVICE, START, PureBook

WRITE_MS = 700
AHEAD_MS = {"a": -CLOCK_MS // 2, "b": 0, "c": CLOCK_MS // 2}
"""Three drivers' clocks, as far apart as two may be."""


def test_a_lease_is_taken_held_renewed_and_released() -> None:
    book = PureBook()
    taken = book.do(TakeLease(DEVICE, "a", 60, WRITE_MS))
    assert (taken.token, taken.until) == (1, START + timedelta(seconds=60))
    assert book.refused(TakeLease(DEVICE, "b", 60, WRITE_MS)) == "lease_held"
    assert book.refused(RenewLease(DEVICE, "b", 1, 60)) == "lease_lost"
    assert book.refused(RenewLease(DEVICE, "a", 2, 60)) == "lease_lost"
    book.wait(20)
    assert book.do(RenewLease(DEVICE, "a", 1, 60)).until == START + timedelta(seconds=80)
    assert book.do(RenewLease(DEVICE, "a", 1, 5)).until == START + timedelta(seconds=80), "never shorter"
    book.do(ReleaseLease(DEVICE, "a", 1))
    assert book.refused(RenewLease(DEVICE, "a", 1, 60)) == "lease_lost"
    assert book.refused(TakeLease(DEVICE, "b", 60, WRITE_MS)) == "lease_held", (
        "a write may still be on its way"
    )
    book.wait((WRITE_MS + CLOCK_MS) / 1000)
    assert book.do(TakeLease(DEVICE, "b", 60, WRITE_MS)).token == 2


def test_a_lease_that_is_over_is_free_only_after_the_longest_write() -> None:
    book = PureBook()
    book.do(TakeLease(DEVICE, "a", 60, WRITE_MS))
    book.wait(60)
    assert book.refused(RenewLease(DEVICE, "a", 1, 60)) == "lease_lost"
    book.wait((WRITE_MS + CLOCK_MS - 1) / 1000)
    assert book.refused(TakeLease(DEVICE, "b", 60, WRITE_MS)) == "lease_held"
    book.wait(0.001)
    assert book.do(TakeLease(DEVICE, "b", 60, WRITE_MS)).token == 2


def test_what_no_lease_can_be() -> None:
    book = PureBook()
    for command, code in (
        (TakeLease("nobody", "a", 60, WRITE_MS), "unknown_device"),
        (TakeLease(DEVICE, "a b", 60, WRITE_MS), "id"),
        (TakeLease(DEVICE, "a", 0, WRITE_MS), "lease_terms"),
        (TakeLease(DEVICE, "a", 3601, WRITE_MS), "lease_terms"),
        (TakeLease(DEVICE, "a", 60, 0), "lease_terms"),
        (RenewLease(DEVICE, "a", 1, 60), "lease_lost"),
        (ReleaseLease(DEVICE, "a", 1), "lease_lost"),
    ):
        assert book.refused(command) == code
    assert lease_aggregate(DEVICE) not in book.states


class Drivers(RuleBasedStateMachine):
    """Drivers that go by what they were last told, and by their own clocks; writes take up to `WRITE_MS`."""

    def __init__(self) -> None:
        super().__init__()
        self.book = PureBook()
        self.believed: dict[str, tuple[int, datetime]] = {}
        self.writes: list[tuple[str, int, datetime, datetime]] = []
        self.tokens: list[int] = []

    def local(self, driver: str) -> datetime:
        return self.book.now + timedelta(milliseconds=AHEAD_MS[driver])

    @rule(seconds=st.sampled_from([0.1, 0.7, 2.0, 2.7, 5.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.book.wait(seconds)

    @rule(driver=st.sampled_from("abc"), lasts=st.sampled_from([1, 5, 10]))
    def take(self, driver: str, lasts: int) -> None:
        try:
            taken = self.book.do(TakeLease(DEVICE, driver, lasts, WRITE_MS), ahead_ms=AHEAD_MS[driver])
        except Refused as refused:
            assert refused.code == "lease_held"
            return
        assert isinstance(taken, LeaseTaken)
        self.tokens.append(taken.token)
        self.believed[driver] = (taken.token, taken.until)

    @rule(driver=st.sampled_from("abc"), lasts=st.sampled_from([1, 5]))
    def renew(self, driver: str, lasts: int) -> None:
        token, until = self.believed.get(driver, (1, START))
        try:
            renewed = self.book.do(RenewLease(DEVICE, driver, token, lasts), ahead_ms=AHEAD_MS[driver])
        except Refused as refused:
            assert refused.code == "lease_lost"
            assert until <= self.local(driver) or driver not in self.believed
            self.believed.pop(driver, None)
            return
        self.believed[driver] = (token, renewed.until)

    @rule(driver=st.sampled_from("abc"))
    def release(self, driver: str) -> None:
        if driver in self.believed:
            token, until = self.believed.pop(driver)
            if self.local(driver) < until:
                self.book.do(ReleaseLease(DEVICE, driver, token), ahead_ms=AHEAD_MS[driver])

    @rule(driver=st.sampled_from("abc"))
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
        assert self.tokens == list(range(1, len(self.tokens) + 1))
        lease = self.book.states.get(lease_aggregate(DEVICE))
        assert lease is None or (isinstance(lease, Lease) and lease.token == len(self.tokens))


TestDrivers = Drivers.TestCase
TestDrivers.settings = settings(
    derandomize=True, max_examples=50, stateful_step_count=30, deadline=None, database=None
)
