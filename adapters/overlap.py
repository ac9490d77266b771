"""Two contracts of one site at once are refused before they are stored, as far as the projections know.

Two that are registered in the same moment can still pass each other: settling refuses their months.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapters.front_door import FrontDoor
from adapters.postgres.database import Database
from adapters.queries import registered
from adapters.settling import lowest_position
from ledger.command import Command
from ledger.contract import Contract
from ledger.refusal import Refused
from ledger.signed_contract import RegisterContract


def check_overlap(door: FrontDoor, database: Database, command: Command) -> None:
    """That no other contract holds for a site of this one in any of its days.

    Raises:
        Refused: `contract_overlap`, naming the site, the other contract and its days.
    """
    if not isinstance(command, RegisterContract):
        return
    wanted = command.contract
    with database.reading(door.book) as connection:
        register = registered.load(connection, "contract", Contract, lowest_position(connection))
    for name, versions in sorted(register.versions.items()):
        if name == wanted.id:
            continue
        for other in _in_force(version.document for version in versions):
            shared = sorted(set(other.sites) & set(wanted.sites))
            if shared and other.effective.overlaps(wanted.effective):
                raise Refused(
                    "contract_overlap",
                    f"site {shared[0]} is under contract {name} from {other.effective_from} to"
                    f" {other.effective_to}: end that one first, or begin on {other.effective_to}",
                    place="sites",
                )


def _in_force(versions: Iterable[Contract]) -> list[Contract]:
    """The versions that still hold somewhere: one that a later version covers whole does not."""
    found: list[Contract] = []
    for version in versions:
        found = [
            one
            for one in found
            if one.effective_from < version.effective_from or one.effective_to > version.effective_to
        ]
        found.append(version)
    return found
