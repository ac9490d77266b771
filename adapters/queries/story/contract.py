"""The story of a contract: its versions and who approved them, runs with their causes, disputes, closes."""

from __future__ import annotations

from typing import Final

from adapters.postgres.database import Connection
from adapters.queries.story.after_run import approvals
from adapters.queries.story.entry import Story
from adapters.queries.story.telling import WHOLE, Part, Subject, naming, tell, threads
from ledger.refusal import Refused

_THREADS: Final = ("proposal", "settlement", "statement", "disclosure", "invoice_number")
"""Aggregates of which every event concerns the contract when one does."""


def contract(connection: Connection, position: int, name: str, *, part: Part = WHOLE) -> Story:
    """Every event that mentions the contract, and the decisions about those.

    Raises:
        Refused: `unknown_contract`.
    """
    events = naming(connection, position, f"contract.{name}")
    if not events:
        raise Refused("unknown_contract", f"no contract {name!r} up to {position}", place="contract")
    events |= threads(connection, position, events, _THREADS)
    events |= approvals(connection, position, events)
    return tell(connection, position, Subject(name=f"contract {name}", events=frozenset(events)), part)
