"""Two contracts of one site at once are refused before they are stored, as far as the projections know.

Two that are registered in the same moment can still pass each other: settling refuses their months.
"""

from __future__ import annotations

from adapters.front_door import FrontDoor
from adapters.postgres.database import Database
from adapters.queries import registered
from adapters.settling import lowest_position
from ledger.command import Command
from ledger.contract import Contract
from ledger.interval import Interval, midnight, zone_of
from ledger.refusal import Refused
from ledger.signed_contract import HeldDays, RegisterContract, held_days


def check_overlap(door: FrontDoor, database: Database, command: Command) -> None:
    """That no other contract holds for a site of this one in any of its days.

    Raises:
        Refused: `contract_overlap`, naming the site, the other contract and its days.
    """
    if not isinstance(command, RegisterContract):
        return
    wanted = command.contract
    own = _instants(wanted, HeldDays(wanted.effective_from, wanted.terminated_on or wanted.effective_to))
    with database.reading(door.book) as connection:
        register = registered.load(connection, "contract", Contract, lowest_position(connection))
    for name, versions in sorted(register.versions.items()):
        if name == wanted.id:
            continue
        others = [version.document for version in versions]
        for other, days in zip(others, held_days(others), strict=True):
            shared = sorted(set(other.sites) & set(wanted.sites))
            if shared and days is not None and _instants(other, days).overlaps(own):
                raise Refused(
                    "contract_overlap",
                    f"site {shared[0]} is under contract {name} from {days.first} to {days.end}: end that one"
                    f" first, or begin on {days.end}",
                    place="sites",
                )


def _instants(contract: Contract, days: HeldDays) -> Interval:
    zone = zone_of(contract.zone)
    return Interval(midnight(days.first, zone), midnight(days.end, zone))
