"""Who may write to a device: one holder at a time, under a token that only ever rises.

Modbus cannot check a token. So nobody takes a lease over before the last one is over and every write that
was begun under it has come to its end, by clocks that may differ. But for who can prove that the last
holder's process has ended, and with it all that it had begun: it takes the lease over at once.

Each UTC day has an aggregate of its own, so that none grows for ever, and no lease lasts past midnight. What
another day's aggregate holds may change unseen while this one's is decided. So in the first minute of a day
only he may take the lease who had it up to midnight, which nobody can have changed; whoever had another is
over by then, with every write.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import msgspec

from dispatch.control.on_day import check_day
from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.readings import instant_text
from ledger.refusal import Refused

LASTS_S_MAX: Final = 3600
WRITE_MS_MAX: Final = 60_000
CLOCK_MS: Final = 2_000
"""How far the clocks of two drivers may be apart; `dispatch.control.interlock` flags what is more."""
TOKENS_A_DAY: Final = 1_000_000
"""A token is its UTC day's ordinal (1 is the first of January of year 1) times this, and its number on it."""
_DAY: Final = timedelta(days=1)
_NEW_DAY: Final = timedelta(milliseconds=WRITE_MS_MAX + CLOCK_MS)
"""How long after midnight every write of the day before is over, whatever its lease said."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The last lease of a device: in force from `since` up to `until`.

    `write_ms` is the longest that a write begun under it may take. `holder` names one run of one process: a
    process that starts anew is another holder.
    """

    holder: str
    token: int
    since: Instant
    until: Instant
    write_ms: int

    @property
    def free_at(self) -> datetime:
        """From when another may take it."""
        return self.until + timedelta(milliseconds=self.write_ms + CLOCK_MS)

    def held(self, holder: str, token: int, now: datetime) -> bool:
        """Whether that holder may begin a write at `now`."""
        return self.holder == holder and self.token == token and self.since <= now < self.until


class LeaseTaken(msgspec.Struct, frozen=True, tag_field="kind", tag="lease.taken.v1"):
    """`after` is the holder that it was taken over from, whose process had ended before its lease."""

    holder: str
    token: int
    at: Instant
    until: Instant
    write_ms: int
    after: str = ""

    def apply(self, state: Lease | None) -> Lease:
        assert state is None or self.token > state.token, "a token only rises"
        return Lease(
            holder=self.holder, token=self.token, since=self.at, until=self.until, write_ms=self.write_ms
        )


class LeaseRenewed(msgspec.Struct, frozen=True, tag_field="kind", tag="lease.renewed.v1"):
    holder: str
    token: int
    until: Instant

    def apply(self, state: Lease) -> Lease:
        return msgspec.structs.replace(state, until=self.until)


class LeaseReleased(msgspec.Struct, frozen=True, tag_field="kind", tag="lease.released.v1"):
    """Its holder begins no more writes; what it had begun may still come to its end."""

    holder: str
    token: int
    at: Instant

    def apply(self, state: Lease) -> Lease:
        return msgspec.structs.replace(state, until=self.at)


class TakeLease(msgspec.Struct, frozen=True):
    """Take a device's lease for `lasts_s`, and not past the UTC `day`, once nobody else can still be writing
    to it.

    `after` is a holder of whom it is proven, and not only believed, that its process has ended and nothing
    that it sent is still on its way: its lease need not be waited for. Not over midnight: that it had not
    given it back, only itself knew.
    """

    device: str
    holder: str
    day: date
    lasts_s: int
    write_ms: int
    after: str = ""

    @property
    def aggregate(self) -> str:
        return lease_aggregate(self.device, self.day)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"device.{self.device}", lease_aggregate(self.device, self.day - _DAY))

    def decide_at(
        self, now: datetime, state: Lease | None, others: Mapping[str, object]
    ) -> tuple[LeaseTaken]:
        """Raises:
        Refused: `id`, `unknown_device`, `lease_terms`; `command_day` on another day; `lease_held` up to
            `Lease.free_at`, unless it is `after`'s, and in the first minute of a day for all but who had it
            up to midnight."""
        checked_id(self.device, "device")
        checked_id(self.holder, "holder")
        if self.after:
            checked_id(self.after, "after")
            if self.after == self.holder:
                raise Refused("lease_terms", "another holder, which has ended", place="after")
        known(others, f"device.{self.device}", History)
        _check_lasts(self.lasts_s)
        if not 0 < self.write_ms <= WRITE_MS_MAX:
            raise Refused("lease_terms", f"1 to {WRITE_MS_MAX} ms", place="write_ms")
        check_day(self.day, now)
        free_at = self._carried_on(others) if state is None else state.free_at
        ended = state is not None and state.holder == self.after
        if now < free_at and not ended:
            holder = "a holder of the day before" if state is None else state.holder
            wrong = f"{holder} may write to {self.device}: free from {instant_text(free_at)}"
            raise Refused("lease_held", wrong, place="device")
        token = first_token(self.day) if state is None else state.token + 1
        until = min(now + timedelta(seconds=self.lasts_s), midnight_after(self.day))
        after = self.after if ended and now < free_at else ""
        return (LeaseTaken(self.holder, token, now, until, self.write_ms, after),)

    def _carried_on(self, others: Mapping[str, object]) -> datetime:
        """From when it is free where nobody had it on this day yet."""
        midnight = midnight_after(self.day - _DAY)
        before = others.get(lease_aggregate(self.device, self.day - _DAY))
        own = isinstance(before, Lease) and before.holder == self.holder and before.until == midnight
        return midnight if own else midnight + _NEW_DAY


class _OnLease(msgspec.Struct, frozen=True):
    device: str
    holder: str
    token: int

    @property
    def aggregate(self) -> str:
        return lease_aggregate(self.device, day_of_token(self.token))

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


class RenewLease(_OnLease, frozen=True):
    """Hold a lease for `lasts_s` from now, and not past its day; never shorter than it was held already."""

    lasts_s: int

    def decide_at(self, now: datetime, state: Lease | None, _: Mapping[str, object]) -> tuple[LeaseRenewed]:
        """Raises:
        Refused: `lease_lost` when it is over or another's: stop writing, and take it anew; `lease_terms`."""
        _check_lasts(self.lasts_s)
        lease = held_lease(state, self.device, self.holder, self.token, now)
        asked = min(now + timedelta(seconds=self.lasts_s), midnight_after(day_of_token(self.token)))
        until = max(lease.until, asked)
        return (LeaseRenewed(self.holder, self.token, until),)


class ReleaseLease(_OnLease, frozen=True):
    """Begin no more writes under a lease."""

    def decide_at(self, now: datetime, state: Lease | None, _: Mapping[str, object]) -> tuple[LeaseReleased]:
        """Raises:
        Refused: `lease_lost`."""
        held_lease(state, self.device, self.holder, self.token, now)
        return (LeaseReleased(self.holder, self.token, now),)


def lease_aggregate(device: str, day: date) -> str:
    """The aggregate of a device's leases of a UTC day.

    >>> lease_aggregate("bess-1", date(2026, 8, 3))
    'lease.bess-1_2026-08-03'
    """
    return f"lease.{device}_{day.isoformat()}"


def first_token(day: date) -> int:
    """The token of the day's first lease: above all of the days before."""
    return day.toordinal() * TOKENS_A_DAY + 1


def day_of_token(token: int) -> date:
    """The UTC day on which a token was given; a number that is no token is of a day that has none.

    >>> day_of_token(first_token(date(2026, 8, 3)) + 7), day_of_token(1)
    (datetime.date(2026, 8, 3), datetime.date(1, 1, 1))
    """
    return date.fromordinal(min(max(token // TOKENS_A_DAY, 1), date.max.toordinal()))


def midnight_after(day: date) -> datetime:
    """When the UTC day ends."""
    return datetime.combine(day, time(), UTC) + _DAY


def held_lease(lease: object, device: str, holder: str, token: int, now: datetime) -> Lease:
    """The lease, when that holder may write under it at `now`.

    Raises:
        Refused: `lease_lost`.
    """
    if not isinstance(lease, Lease):
        raise Refused("lease_lost", f"nobody holds the lease of {device}: take it", place="token")
    if not lease.held(holder, token, now):
        wrong = (
            f"the lease of {device} is {lease.holder}'s, token {lease.token}, to {instant_text(lease.until)}"
        )
        raise Refused("lease_lost", wrong, place="token")
    return lease


def _check_lasts(lasts_s: int) -> None:
    if not 0 < lasts_s <= LASTS_S_MAX:
        raise Refused("lease_terms", f"1 to {LASTS_S_MAX} s", place="lasts_s")
