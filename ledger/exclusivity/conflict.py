"""What a policy means for claims: which of them share one Wh, one W or one interval, and which must not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from typing import Final, Literal, NamedTuple, get_args

from ledger.exclusivity.claim import PURPOSES, Node, Quantity
from ledger.exclusivity.policy import MATRIX_STREAMS, MatrixStream, Policy, Relation
from ledger.refusal import Refused

Scope = Literal["interval", "discharge", "account_month"]
"""In what two claims must not both have something: an interval, an interval toward the grid, a month."""

Sum = frozenset[Node]
"""Nodes of which every two exclude each other's Wh or W: together they have no more than there is."""

CAPACITY: Final = Node("capacity", "market")

NODES: Final[tuple[Node, ...]] = tuple(Node(s, p) for s in MATRIX_STREAMS for p in PURPOSES[s])
_COMMITTING: Final[frozenset[MatrixStream]] = frozenset(
    {"demand_response", "spot", "ancillary", "capacity_lease"}
)
_SCOPES: Final[dict[Relation, Scope]] = {
    "exclusive_interval": "interval",
    "exclusive_discharge": "discharge",
    "exclusive_account_month": "account_month",
}


class Room(NamedTuple):
    """`members` have together at most what there is: all the power when `whole`, else what no schedule uses.

    Capacity is paid while the storage runs, so that only with capacity among them it is all the power.
    """

    members: Sum
    whole: bool


class Block(NamedTuple):
    """What `other` has keeps a claim out of the whole scope."""

    other: Node
    scope: Scope
    rule: Relation


class Conflicts:
    """A policy made ready for deciding claims.

    Two rules hold under every policy (DOMAIN.md 4): a kWh that a market pays for has one primary stream,
    and a kW has one set of commitments (capacity apart, which is paid for being there).
    """

    def __init__(self, policy: Policy) -> None:
        """Read the policy's cells, their switches considered.

        Raises:
            Refused: `matrix_unassignable` for a matrix under which sums that fit one by one could not all
                be given Wh of their own.
        """
        self.policy = policy
        self._cells = {cell.pair: policy.relations(cell) for cell in policy.cells}
        energy = {frozenset(two) for two in combinations(NODES, 2) if self.energy_rule(*two)}
        power = {frozenset(two) for two in combinations(NODES, 2) if self.power_rule(*two)}
        self._energy = {node: _rooms(node, _sums_with(node, energy)) for node in NODES}
        self._power = {node: _rooms(node, _sums_with(node, power)) for node in NODES}
        _check_assignable(frozenset(energy))
        _check_assignable(frozenset(power))
        self.blocks: dict[Node, tuple[Block, ...]] = {node: self._blocks(node) for node in NODES}
        watched = {(block.scope, block.other) for found in self.blocks.values() for block in found}
        self._scopes = {
            node: tuple(scope for scope in get_args(Scope) if (scope, node) in watched) for node in NODES
        }

    def rooms(self, node: Node, quantity: Quantity) -> tuple[Room, ...]:
        """With whom `node` shares what there is of `quantity`: every set of them, none within another."""
        return self._energy[node] if quantity in ("discharge_wh", "charge_wh") else self._power[node]

    def scopes(self, node: Node) -> tuple[Scope, ...]:
        """Where what `node` has keeps another claim out."""
        return self._scopes[node]

    def rule(self, first: Node, second: Node, quantity: Quantity) -> str:
        """The rule by which two nodes do not share a Wh or W; empty when they may."""
        energy = quantity in ("discharge_wh", "charge_wh")
        return self.energy_rule(first, second) if energy else self.power_rule(first, second)

    def energy_rule(self, first: Node, second: Node) -> str:
        """The rule by which no Wh is for both; empty when one Wh may be for both."""
        purposes = {first.purpose, second.purpose}
        if "rebound" in purposes:
            return "same_stream" if first == second else ""
        if first.stream == second.stream:
            return "same_stream"
        relations = self._relations(first, second)
        if "same_energy" in relations:
            return "same_energy"
        if "same_energy_baseline" in relations and purposes == {"baseline", "market"}:
            return "same_energy_baseline"
        return "one_primary_stream" if purposes == {"market"} and _commit(first, second) else ""

    def power_rule(self, first: Node, second: Node) -> str:
        """The rule by which no W is for both; empty when one W may be for both."""
        if first.stream == second.stream:
            return "same_stream"
        if "same_power" in self._relations(first, second):
            return "same_power"
        return "one_commitment_set" if _commit(first, second) else ""

    def _relations(self, first: Node, second: Node) -> tuple[Relation, ...]:
        return self._cells[frozenset((first.stream, second.stream))]

    def _blocks(self, node: Node) -> tuple[Block, ...]:
        found: list[Block] = []
        for other in NODES:
            if other.stream == node.stream:
                continue
            rebounds = (node.purpose == "rebound") + (other.purpose == "rebound")
            for relation in self._relations(node, other):
                if relation == "rebound_blocked" and rebounds == 1:
                    found.append(Block(other, "interval", relation))
                elif relation in _SCOPES and not rebounds:
                    found.append(Block(other, _SCOPES[relation], relation))
        return tuple(found)


def _commit(first: Node, second: Node) -> bool:
    return first.stream in _COMMITTING and second.stream in _COMMITTING


def _rooms(node: Node, sums: tuple[Sum, ...]) -> tuple[Room, ...]:
    found = [Room(members, whole=True) for members in sums if CAPACITY in members]
    if node != CAPACITY:
        found += [Room(members - {CAPACITY}, whole=False) for members in sums]
    return tuple(dict.fromkeys(found))


def _sums_with(node: Node, edges: set[frozenset[Node]]) -> tuple[Sum, ...]:
    """The maximal cliques that contain `node` (Bron-Kerbosch without a pivot: there are eleven nodes)."""
    found: list[Sum] = []

    def grow(chosen: Sum, candidates: frozenset[Node], done: frozenset[Node]) -> None:
        if not candidates and not done:
            found.append(chosen)
        for candidate in sorted(candidates):
            near = frozenset(n for n in NODES if frozenset((n, candidate)) in edges)
            grow(chosen | {candidate}, candidates & near, done & near)
            candidates -= {candidate}
            done |= {candidate}

    neighbours = frozenset(n for n in NODES if frozenset((n, node)) in edges)
    grow(frozenset({node}), neighbours, frozenset())
    return tuple(found)


@lru_cache(maxsize=16)
def _check_assignable(edges: frozenset[frozenset[Node]]) -> None:
    """Refuse conflicts in which some ring of five or more streams has no other conflict across it.

    Only then (odd rings and their complements: the strong perfect graph theorem) may every sum fit and the
    Wh still not suffice: five streams round a ring, half of the Wh each, need five quarters.
    """
    near = {n: frozenset(o for o in NODES if frozenset((n, o)) in edges) for n in NODES}
    apart = {n: frozenset(o for o in NODES if o != n and o not in near[n]) for n in NODES}
    for size in range(5, len(NODES) + 1, 2):
        for nodes in combinations(NODES, size):
            if _is_ring(nodes, near) or _is_ring(nodes, apart):
                names = ", ".join(f"{node.stream} ({node.purpose})" for node in nodes)
                message = f"{names} exclude each other in a ring; add a relation across it"
                raise Refused("matrix_unassignable", message, place="cells")


def _is_ring(nodes: tuple[Node, ...], near: Mapping[Node, Sum]) -> bool:
    inside = frozenset(nodes)
    if any(len(near[node] & inside) != 2 for node in nodes):
        return False
    before, at, steps = nodes[0], min(near[nodes[0]] & inside), 1
    while at != nodes[0]:
        before, at = at, min((near[at] & inside) - {before})
        steps += 1
    return steps == len(nodes)
