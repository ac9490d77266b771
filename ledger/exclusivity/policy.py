"""Which streams may be paid for the same storage at the same time: the matrix of DOMAIN.md 4 as data."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Final, Literal, get_args

import msgspec

from ledger.contract import Id
from ledger.identity import checked_id
from ledger.refusal import Refused

MatrixStream = Literal[
    "arbitrage",
    "pv_time_shift",
    "demand_charge",
    "demand_response",
    "spot",
    "ancillary",
    "capacity",
    "capacity_lease",
]
"""A, T, M, DR, SP, AS and CAP of DOMAIN.md 4, and capacity that is leased to somebody else."""

Relation = Literal[
    "stack",
    "same_energy",
    "same_energy_baseline",
    "same_power",
    "rebound_blocked",
    "exclusive_interval",
    "exclusive_discharge",
    "exclusive_account_month",
]
"""What holds between two streams; DOMAIN.md 4's letter in brackets.

stack (Y): nothing, beyond what holds for all. same_energy (E): a Wh of one is no Wh of the other.
same_energy_baseline (E): the same, only for Wh that a response's baseline already contains; what is
above the baseline may earn both. same_power (W): a W of one is no W of the other.
rebound_blocked: no charging that makes up for a response in an interval that the other claims.
exclusive_interval (X): not in the same interval. exclusive_discharge (X): not both toward the grid (Wh
discharged, W up) in the same interval. exclusive_account_month (X): not in the same month of the account.
"""

Use = Literal["bid", "plan", "settlement"]
Deciding = Literal["arrival", "precedence"]

MATRIX_STREAMS: Final[tuple[MatrixStream, ...]] = get_args(MatrixStream)
_LETTERS: Final[dict[Relation, str]] = {
    "stack": "Y",
    "same_energy": "E",
    "same_energy_baseline": "E",
    "same_power": "W",
    "rebound_blocked": "Y",
    "exclusive_interval": "X",
    "exclusive_discharge": "X",
    "exclusive_account_month": "X",
}


class Switch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a province or a contract may say instead (C): the cell's relations when it is on."""

    id: Id
    title: str
    relations: tuple[Relation, ...]

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        _check_relations(self.relations)


class Cell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pair of streams. `relations` hold together; they are the default where there is a switch."""

    first: MatrixStream
    second: MatrixStream
    relations: tuple[Relation, ...]
    source: str
    note: str = ""
    switch: Switch | None = None

    def __post_init__(self) -> None:
        for place, stream in (("first", self.first), ("second", self.second)):
            if stream not in MATRIX_STREAMS:
                raise Refused(
                    "not_allowed", f"{stream!r} is not one of {_listed(MATRIX_STREAMS)}", place=place
                )
        if self.first == self.second:
            raise Refused("matrix_pair", "a cell is about two different streams", place="second")
        _check_relations(self.relations)
        if not self.source.strip():
            raise Refused("source", "say which document the cell follows", place="source")

    @property
    def pair(self) -> frozenset[MatrixStream]:
        return frozenset((self.first, self.second))

    @property
    def letters(self) -> str:
        """The cell as DOMAIN.md 4 writes it, such as `W X C`."""
        letters = dict.fromkeys(_LETTERS[relation] for relation in self.relations)
        return " ".join([*letters, *(["C"] if self.switch else [])])


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is decided first when a bid is placed, a plan is made and a month is settled.

    `arrival`: a claim keeps what it was granted, whatever comes later. `precedence`: the policy's order of
    streams, then arrival; a later claim of a higher stream takes from a lower one. There, Wh inside a
    response's baseline come just before demand_response (they are no response, whoever came first), and
    rebound charging, which nobody pays, comes last.
    """

    bid: Deciding
    plan: Deciding
    settlement: Deciding

    def __post_init__(self) -> None:
        for use in get_args(Use):
            if getattr(self, use) not in get_args(Deciding):
                raise Refused("not_allowed", f"allowed: {_listed(get_args(Deciding))}", place=use)

    def of(self, use: Use) -> Deciding:
        """The order for that use.

        Raises:
            Refused: `not_allowed` for another use.
        """
        match use:
            case "bid":
                return self.bid
            case "plan":
                return self.plan
            case "settlement":
                return self.settlement
            case _:
                raise Refused("not_allowed", f"{use!r} is not one of {_listed(get_args(Use))}", place="use")


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The matrix, complete: one cell for every pair. `switches_on`: a switch's id -> the document."""

    id: Id
    title: str
    source: str
    order: Order
    precedence: tuple[MatrixStream, ...]
    precedence_source: str
    cells: tuple[Cell, ...]
    switches_on: dict[str, str] = {}

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        for place in ("source", "precedence_source"):
            if not getattr(self, place).strip():
                raise Refused("source", "say which document this follows", place=place)
        if sorted(self.precedence) != sorted(MATRIX_STREAMS):
            every = _listed(MATRIX_STREAMS)
            raise Refused(
                "precedence", f"name every stream once, the first keeps: {every}", place="precedence"
            )
        self._check_cells()
        known = {cell.switch.id for cell in self.cells if cell.switch}
        for switch, document in self.switches_on.items():
            if switch not in known:
                place = f"switches_on.{switch}"
                raise Refused("switch", f"no cell has that switch; allowed: {_listed(known)}", place=place)
            if not document.strip():
                message = "say which document turns it on"
                raise Refused("source", message, place=f"switches_on.{switch}")

    def _check_cells(self) -> None:
        seen: set[frozenset[MatrixStream]] = set()
        for number, cell in enumerate(self.cells):
            if cell.pair in seen:
                message = f"{cell.first} and {cell.second} have a cell already"
                raise Refused("matrix_pair", message, place=f"cells[{number}]")
            seen.add(cell.pair)
        for pair in combinations(MATRIX_STREAMS, 2):
            if frozenset(pair) not in seen:
                raise Refused("matrix_pair", f"{pair[0]} and {pair[1]} have no cell", place="cells")

    def cell(self, first: MatrixStream, second: MatrixStream) -> Cell:
        """The cell of two different streams, in either order."""
        return next(cell for cell in self.cells if cell.pair == {first, second})

    def relations(self, cell: Cell) -> tuple[Relation, ...]:
        """What holds in the cell, its switch considered."""
        if cell.switch is not None and cell.switch.id in self.switches_on:
            return cell.switch.relations
        return cell.relations

    def source_of(self, cell: Cell) -> str:
        """Where what holds in the cell comes from."""
        if cell.switch is not None and cell.switch.id in self.switches_on:
            return self.switches_on[cell.switch.id]
        return cell.source


def _check_relations(relations: tuple[Relation, ...]) -> None:
    allowed = get_args(Relation)
    for number, relation in enumerate(relations):
        if relation not in allowed:
            place = f"relations[{number}]"
            raise Refused("not_allowed", f"{relation!r} is not one of {_listed(allowed)}", place=place)
    if not relations or len(set(relations)) != len(relations):
        raise Refused("relations", "state each relation once, and at least one", place="relations")
    if "stack" in relations and not {*relations} <= {"stack", "rebound_blocked"}:
        raise Refused("relations", "streams that stack have no other relation", place="relations")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
