"""Which Wh and W of each claim are granted, claim by claim, vectorised over the intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.exclusivity.claim import PURPOSES, QUANTITIES, Claim, Node, Purpose, Quantity, Storage, Whole
from ledger.exclusivity.conflict import Conflicts, Scope
from ledger.exclusivity.policy import MatrixStream, Use
from ledger.refusal import Refused

OUTWARD: Final[frozenset[Quantity]] = frozenset({"discharge_wh", "up_w"})
_S_PER_HOUR: Final = 3600


class Grant(msgspec.Struct, frozen=True, eq=False):
    """What a claim was granted, one number per interval of the claim; None where it claims nothing."""

    claim: Claim
    discharge_wh: Whole | None
    charge_wh: Whole | None
    up_w: Whole | None
    down_w: Whole | None

    def granted(self, quantity: Quantity) -> Whole | None:
        array: Whole | None = getattr(self, quantity)
        return array

    @property
    def whole(self) -> bool:
        """Nothing of the claim was refused."""
        pairs = [(self.claim.asked(quantity), self.granted(quantity)) for quantity in QUANTITIES]
        return all(a is None or a is g or (g is not None and np.array_equal(a, g)) for a, g in pairs)


class Granted(msgspec.Struct, frozen=True, eq=False):
    """A site's claims decided; `grants` in order of arrival, `decided` their positions as decided."""

    conflicts: Conflicts
    storage: Storage
    grants: tuple[Grant, ...]
    decided: tuple[int, ...]

    def of(self, claim: str) -> Grant:
        """The grant of the claim with that id.

        Raises:
            Refused: `claim_unknown`.
        """
        for grant in self.grants:
            if grant.claim.id == claim:
                return grant
        raise Refused("claim_unknown", f"{claim} was not decided", place="claim")

    def totals(self, quantity: Quantity, purpose: Purpose = "market") -> dict[MatrixStream, Whole]:
        """Per stream that claims for `purpose`, what was granted in each interval of the storage.

        For a market's payment and energy this is every Wh's primary tag: the streams' sum is at most what
        was metered.
        """
        found: dict[MatrixStream, Whole] = {}
        for grant in self.grants:
            array = grant.granted(quantity)
            if array is not None and grant.claim.purpose == purpose:
                total = found.setdefault(grant.claim.stream, np.zeros(self.storage.count, dtype=np.int64))
                total[self.storage.span(grant.claim)] += array
        return found


def grant_claims(conflicts: Conflicts, storage: Storage, claims: Sequence[Claim], *, use: Use) -> Granted:
    """Decide a site's claims, given in order of arrival, by the matrix and by what there is.

    Per interval: Wh that exclude each other are together at most the metered Wh; W that exclude each
    other at most P_n - P_sched (with capacity, which is paid while the storage runs: P_n), and W x
    `sustain_s` at most the stored energy (DOMAIN.md 4). A claim gets as much as is left, which may be
    none; where an exclusive stream has something already, none. The policy's order for `use` says which
    claim is decided first. Every prefix of the claims may be decided by itself: by arrival its grants
    stay what they are, by precedence a later claim may take from them.

    Raises:
        Refused: `claim_duplicate`, `claim_site`, `claim_interval`; `metered_missing`, `schedule_missing`
            or `stored_energy_missing` when a claim needs what the storage does not state.
    """
    seen: set[str] = set()
    for claim in claims:
        if claim.id in seen:
            raise Refused("claim_duplicate", "claimed twice", place=f"claims.{claim.id}")
        seen.add(claim.id)
    order = decision_order(conflicts, claims, use)
    book = _Book(conflicts, storage)
    grants = {position: book.decide(claims[position]) for position in order}
    return Granted(conflicts, storage, tuple(grants[i] for i in range(len(claims))), tuple(order))


def decision_order(conflicts: Conflicts, claims: Sequence[Claim], use: Use) -> list[int]:
    """The positions of the claims in the order in which they are decided."""
    positions = list(range(len(claims)))
    if conflicts.policy.order.of(use) == "arrival":
        return positions
    precedence = conflicts.policy.precedence
    rank = {Node(s, p): 2 * precedence.index(s) for s in precedence for p in PURPOSES[s]}
    for node in rank:
        if node.purpose == "baseline":
            rank[node] = 2 * precedence.index("demand_response") - 1
        elif node.purpose == "rebound":
            rank[node] = 2 * len(precedence)
    return sorted(positions, key=lambda i: (rank[claims[i].node], i))


class Limit(NamedTuple):
    """What there is of a quantity, per interval of the storage: for all but capacity, and for capacity too.

    They differ for power: P_n - P_sched, and P_n.
    """

    others: Whole
    whole: Whole


def limit_of(storage: Storage, claim: Claim, quantity: Quantity) -> Limit:
    """What there is of the quantity that the claim asks for: Wh, or W.

    Raises:
        Refused: `metered_missing` or `schedule_missing`.
    """
    place = f"claims.{claim.id}.{quantity}"
    if quantity in ("discharge_wh", "charge_wh"):
        metered = storage.discharge_wh if quantity == "discharge_wh" else storage.charge_wh
        if metered is None:
            raise Refused("metered_missing", f"the storage's {quantity} is not stated", place=place)
        return Limit(metered, metered)
    if storage.scheduled_w is None:
        raise Refused("schedule_missing", "the storage's scheduled_w is not stated", place=place)
    up = quantity == "up_w"
    power_w = storage.discharge_w_max if up else storage.charge_w_max
    whole = np.full(storage.count, power_w, dtype=np.int64)
    return Limit(whole - storage.scheduled_w if up else whole + storage.scheduled_w, whole)


def stored_ws(storage: Storage, claim: Claim, quantity: Quantity) -> Whole:
    """The stored energy, in watt-seconds, from which the claim's power must be held.

    Raises:
        Refused: `stored_energy_missing`.
    """
    up = quantity == "up_w"
    stored = storage.above_floor_wh if up else storage.below_ceiling_wh
    if stored is None:
        name = "above_floor_wh" if up else "below_ceiling_wh"
        place = f"claims.{claim.id}.sustain_s"
        raise Refused("stored_energy_missing", f"the storage's {name} is not stated", place=place)
    return stored * _S_PER_HOUR


class _Book:
    """What each node has been granted so far; the state of one call."""

    def __init__(self, conflicts: Conflicts, storage: Storage) -> None:
        self.conflicts = conflicts
        self.storage = storage
        self.limits: dict[Quantity, Limit] = {}
        self.used: dict[Quantity, dict[Node, Whole]] = {quantity: {} for quantity in QUANTITIES}
        self.stored: dict[Quantity, dict[Node, Whole]] = {quantity: {} for quantity in QUANTITIES}
        self.present: dict[tuple[Scope, Node], npt.NDArray[np.bool_]] = {}

    def decide(self, claim: Claim) -> Grant:
        span = self.storage.span(claim)
        granted: dict[Quantity, Whole] = {}
        for quantity in QUANTITIES:
            asked = claim.asked(quantity)
            if asked is not None:
                granted[quantity] = self._granted(claim, quantity, asked, span)
        scopes = self.conflicts.scopes(claim.node)
        for quantity, array in granted.items():
            self._keep(claim, quantity, array, span, scopes)
        return Grant(claim, *(granted.get(quantity) for quantity in QUANTITIES))

    def _granted(self, claim: Claim, quantity: Quantity, asked: Whole, span: slice) -> Whole:
        limit = self.limits.get(quantity)
        if limit is None:
            limit = self.limits[quantity] = limit_of(self.storage, claim, quantity)
        granted = np.minimum(asked, self._left(self.used[quantity], claim.node, quantity, limit, span))
        if claim.sustain_s and quantity in ("up_w", "down_w"):
            stored = stored_ws(self.storage, claim, quantity)
            left = self._left(self.stored[quantity], claim.node, quantity, Limit(stored, stored), span)
            np.minimum(granted, left // claim.sustain_s, out=granted)
        for block in self.conflicts.blocks[claim.node]:
            present = self.present.get((block.scope, block.other))
            if present is None or (block.scope == "discharge" and quantity not in OUTWARD):
                continue
            months = block.scope == "account_month"
            granted[present[self.storage.account_month[span]] if months else present[span]] = 0
        assert granted.min() >= 0, "no grant is below zero"
        if (granted == asked).all():
            return asked
        granted.setflags(write=False)
        return granted

    def _left(
        self, used: dict[Node, Whole], node: Node, quantity: Quantity, limit: Limit, span: slice
    ) -> Whole:
        """What is left for `node`: the least that any room leaves; before anybody else has, all of it."""
        smallest: Whole | None = None
        rooms = self.conflicts.rooms(node, quantity)
        for members, whole in {(room.members.intersection(used), room.whole) for room in rooms}:
            left = (limit.whole if whole else limit.others)[span]
            for member in members:
                left = left - used[member][span]
            smallest = left if smallest is None else np.minimum(smallest, left)
        assert smallest is not None, "a node is in at least one room: its own"
        return smallest

    def _keep(
        self, claim: Claim, quantity: Quantity, granted: Whole, span: slice, scopes: Sequence[Scope]
    ) -> None:
        node = claim.node
        _add(self.used[quantity], node, granted, span, self.storage.count)
        if claim.sustain_s and quantity in ("up_w", "down_w"):
            _add(self.stored[quantity], node, granted * claim.sustain_s, span, self.storage.count)
        if not scopes:
            return
        there = granted > 0
        for scope in scopes:
            if scope == "discharge" and quantity not in OUTWARD:
                continue
            months = scope == "account_month"
            present = self.present.get((scope, node))
            if present is None:
                size = int(self.storage.account_month[-1]) + 1 if months else self.storage.count
                present = self.present[scope, node] = np.zeros(size, dtype=np.bool_)
            if months:
                present[self.storage.account_month[span][there]] = True
            else:
                present[span] |= there


def _add(used: dict[Node, Whole], node: Node, granted: Whole, span: slice, count: int) -> None:
    if node in used:
        used[node][span] += granted
    elif len(granted) == count:
        used[node] = granted.copy()
    else:
        used[node] = np.zeros(count, dtype=np.int64)
        used[node][span] = granted
