"""What was refused of a claim, where, in favour of whom and by which rule: for a person to read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple, get_args

import numpy as np

from ledger.exclusivity.claim import QUANTITIES, Claim, Purpose, Quantity
from ledger.exclusivity.conflict import Scope, Sum
from ledger.exclusivity.grant import OUTWARD, Grant, Granted, limit_of, stored_ws
from ledger.exclusivity.policy import MATRIX_STREAMS, MatrixStream
from ledger.interval import Interval


class Against(NamedTuple):
    """A claim that has what another one asked for.

    `held` is what it has of the quantity in the interval, or 0 where it holds the interval or month as
    such. `rule` is a relation of the matrix, or what holds under every policy: `same_stream`,
    `one_primary_stream`, `one_commitment_set`. `source` is the cell's, switch considered.
    """

    claim: str
    stream: MatrixStream
    held: int
    rule: str
    source: str


class RefusedPart(NamedTuple):
    """One interval's `refused` = asked - granted of a claim; W for power, Wh for energy.

    `beyond` is how much of what was asked is more than there is, whoever else claims: metered Wh, power
    above the schedule, or stored energy.
    """

    claim: str
    stream: MatrixStream
    site: str
    interval: Interval
    quantity: Quantity
    asked: int
    granted: int
    beyond: int
    against: tuple[Against, ...]

    @property
    def refused(self) -> int:
        return self.asked - self.granted

    @property
    def words(self) -> str:
        """The refusal as one sentence."""
        unit, what = _UNITS[self.quantity]
        begin = self.interval.start.isoformat()
        text = f"{self.claim} ({self.stream}) asks {self.asked} {unit} {what} at {self.site}, {begin}, "
        text += f"and gets {self.granted}"
        reasons = [_reason(other, unit) for other in self.against]
        if self.beyond:
            reasons.insert(0, f"{self.beyond} {unit} more than there is")
        return f"{text}: {'; '.join(reasons)}"


_UNITS: dict[Quantity, tuple[str, str]] = {
    "discharge_wh": ("Wh", "discharged"),
    "charge_wh": ("Wh", "charged"),
    "up_w": ("W", "up"),
    "down_w": ("W", "down"),
}


def _reason(other: Against, unit: str) -> str:
    has = f"has {other.held} {unit}" if other.held else "was there first"
    cell = f"{other.rule}, {other.source}" if other.source else other.rule
    return f"{other.claim} ({other.stream}) {has} ({cell})"


def refused_parts(
    granted: Granted,
    *,
    of: Collection[MatrixStream] = MATRIX_STREAMS,
    purposes: Collection[Purpose] = get_args(Purpose),
) -> Iterator[RefusedPart]:
    """Every interval in which something was refused, claims in order of arrival; nothing when all fit.

    Only claims of the streams in `of` and for one of `purposes` are looked at: why an interval was refused
    takes longer than to decide it.
    """
    place = {position: rank for rank, position in enumerate(granted.decided)}
    for position, grant in enumerate(granted.grants):
        claim = grant.claim
        if claim.stream not in of or claim.purpose not in purposes or grant.whole:
            continue
        earlier = tuple(granted.grants[p] for p in granted.decided[: place[position]])
        for quantity in QUANTITIES:
            asked, got = grant.claim.asked(quantity), grant.granted(quantity)
            if asked is not None and got is not None and np.any(asked > got):
                first = granted.storage.span(grant.claim).start
                why = _Why(granted, grant.claim, quantity, earlier)
                for index in np.flatnonzero(asked > got):
                    yield why.part(first + int(index), int(asked[index]), int(got[index]))


class _Why:
    """The refusals of one claim's quantity: who was decided before, and what there was."""

    def __init__(
        self, granted: Granted, claim: Claim, quantity: Quantity, earlier: tuple[Grant, ...]
    ) -> None:
        self.conflicts, self.storage = granted.conflicts, granted.storage
        self.claim, self.quantity, self.earlier = claim, quantity, earlier
        self.first = {grant.claim.id: self.storage.span(grant.claim).start for grant in earlier}
        self.limit = limit_of(self.storage, claim, quantity)
        held_for_s = claim.sustain_s and quantity in ("up_w", "down_w")
        self.stored = stored_ws(self.storage, claim, quantity) if held_for_s else None

    def part(self, position: int, asked: int, got: int) -> RefusedPart:
        alone = min(left for left, _ in self.lefts(position, ()))
        against = self.blocking(position)
        if not against and got < min(asked, alone):
            against = self.sharing(position)
        assert against or alone < asked, "a refusal has a reason"
        claim, interval = self.claim, self.storage.at(position)
        beyond = max(0, asked - alone)
        return RefusedPart(
            claim.id, claim.stream, claim.site, interval, self.quantity, asked, got, beyond, against
        )

    def held(self, grant: Grant, quantity: Quantity, position: int) -> int:
        """What an earlier grant has of the quantity at a position of the storage; 0 outside its intervals."""
        array = grant.granted(quantity)
        index = position - self.first[grant.claim.id]
        return int(array[index]) if array is not None and 0 <= index < len(array) else 0

    def blocking(self, position: int) -> tuple[Against, ...]:
        """Earlier claims that keep this one out of the interval or month altogether."""
        found: list[Against] = []
        for block in self.conflicts.blocks[self.claim.node]:
            if block.scope == "discharge" and self.quantity not in OUTWARD:
                continue
            found += [
                self.against(grant, block.rule, position)
                for grant in self.earlier
                if grant.claim.node == block.other and self.is_there(grant, block.scope, position)
            ]
        return tuple(found)

    def is_there(self, grant: Grant, scope: Scope, position: int) -> bool:
        """Whether an earlier grant has anything within the scope."""
        if scope != "account_month":
            kinds = [q for q in QUANTITIES if scope == "interval" or q in OUTWARD]
            return any(self.held(grant, kind, position) for kind in kinds)
        months = self.storage.account_month
        here = (months == months[position])[self.storage.span(grant.claim)]
        arrays = [array for q in QUANTITIES if (array := grant.granted(q)) is not None]
        return any(bool(np.any(array[here])) for array in arrays)

    def sharing(self, position: int) -> tuple[Against, ...]:
        """The earlier claims in the room that leaves least, each with what it has."""
        _, members = min(self.lefts(position, self.earlier), key=lambda pair: (pair[0], sorted(pair[1])))
        return tuple(
            self.against(
                grant, self.conflicts.rule(self.claim.node, grant.claim.node, self.quantity), position
            )
            for grant in self.earlier
            if grant.claim.node in members and self.held(grant, self.quantity, position)
        )

    def lefts(self, position: int, grants: tuple[Grant, ...]) -> list[tuple[int, Sum]]:
        """What each room leaves to the claim beside the grants, in Wh or W, and who is in it."""
        held = [(grant.claim, self.held(grant, self.quantity, position)) for grant in grants]
        found: list[tuple[int, Sum]] = []
        for members, whole in self.conflicts.rooms(self.claim.node, self.quantity):
            most = int((self.limit.whole if whole else self.limit.others)[position])
            inside = [(other, number) for other, number in held if other.node in members]
            found.append((most - sum(number for _, number in inside), members))
            if self.stored is not None:
                left = int(self.stored[position]) - sum(number * o.sustain_s for o, number in inside)
                found.append((left // self.claim.sustain_s, members))
        return found

    def against(self, grant: Grant, rule: str, position: int) -> Against:
        other = grant.claim
        policy = self.conflicts.policy
        same = other.stream == self.claim.stream
        source = "" if same else policy.source_of(policy.cell(self.claim.stream, other.stream))
        held = self.held(grant, self.quantity, position)
        return Against(other.id, other.stream, held, rule, source)
