"""Who may write to a device: one holder at a time, under a token that only ever rises.

Modbus cannot check a token. So nobody takes a lease over before the last one is over and every write that was
begun under it has come to its end, by clocks that may differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

LASTS_S_MAX: Final = 3600
WRITE_MS_MAX: Final = 60_000
CLOCK_MS: Final = 2_000
"""How far the clocks of two drivers may be apart; `dispatch.control.interlock` flags what is more."""


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
    holder: str
    token: int
    at: Instant
    until: Instant
    write_ms: int

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


class _OnLease(msgspec.Struct, frozen=True):
    device: str
    holder: str

    @property
    def aggregate(self) -> str:
        return lease_aggregate(self.device)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


class TakeLease(_OnLease, frozen=True):
    """Take a device's lease for `lasts_s`, once nobody else can still be writing to it."""

    lasts_s: int
    write_ms: int

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"device.{self.device}",)

    def decide_at(
        self, now: datetime, state: Lease | None, others: Mapping[str, object]
    ) -> tuple[LeaseTaken]:
        """Raises:
        Refused: `id`, `unknown_device`, `lease_terms`; `lease_held` up to `Lease.free_at`."""
        checked_id(self.device, "device")
        checked_id(self.holder, "holder")
        known(others, f"device.{self.device}", History)
        _check_lasts(self.lasts_s)
        if not 0 < self.write_ms <= WRITE_MS_MAX:
            raise Refused("lease_terms", f"1 to {WRITE_MS_MAX} ms", place="write_ms")
        if state is not None and now < state.free_at:
            wrong = f"{state.holder} may write to {self.device}: free from {state.free_at.isoformat()}"
            raise Refused("lease_held", wrong, place="device")
        token = 1 if state is None else state.token + 1
        until = now + timedelta(seconds=self.lasts_s)
        return (LeaseTaken(self.holder, token, now, until, self.write_ms),)


class RenewLease(_OnLease, frozen=True):
    """Hold a lease for `lasts_s` from now; never shorter than it was held already."""

    token: int
    lasts_s: int

    def decide_at(self, now: datetime, state: Lease | None, _: Mapping[str, object]) -> tuple[LeaseRenewed]:
        """Raises:
        Refused: `lease_lost` when it is over or another's: stop writing, and take it anew; `lease_terms`."""
        _check_lasts(self.lasts_s)
        lease = held_lease(state, self.device, self.holder, self.token, now)
        until = max(lease.until, now + timedelta(seconds=self.lasts_s))
        return (LeaseRenewed(self.holder, self.token, until),)


class ReleaseLease(_OnLease, frozen=True):
    """Begin no more writes under a lease."""

    token: int

    def decide_at(self, now: datetime, state: Lease | None, _: Mapping[str, object]) -> tuple[LeaseReleased]:
        """Raises:
        Refused: `lease_lost`."""
        held_lease(state, self.device, self.holder, self.token, now)
        return (LeaseReleased(self.holder, self.token, now),)


def lease_aggregate(device: str) -> str:
    """The aggregate of a device's lease."""
    return f"lease.{device}"


def held_lease(lease: object, device: str, holder: str, token: int, now: datetime) -> Lease:
    """The lease, when that holder may write under it at `now`.

    Raises:
        Refused: `lease_lost`.
    """
    if not isinstance(lease, Lease):
        raise Refused("lease_lost", f"nobody holds the lease of {device}: take it", place="token")
    if not lease.held(holder, token, now):
        wrong = (
            f"the lease of {device} is {lease.holder}'s, token {lease.token}, to {lease.until.isoformat()}"
        )
        raise Refused("lease_lost", wrong, place="token")
    return lease


def _check_lasts(lasts_s: int) -> None:
    if not 0 < lasts_s <= LASTS_S_MAX:
        raise Refused("lease_terms", f"1 to {LASTS_S_MAX} s", place="lasts_s")
