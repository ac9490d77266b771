"""Which version of each contract holds in a month, and that no site's day is under two or between two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import pairwise

from adapters.queries.registered import Recorded, Register
from ledger.contract import Contract
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.refusal import Refused
from ledger.signed_contract import held_days, version_in


def in_force(
    register: Register[Contract], month: Month, names: Sequence[str]
) -> dict[str, Recorded[Contract]]:
    """The one version of each contract that holds in the month.

    Raises:
        Refused: `unknown_contract` for a named one that is not registered; `no_contract` for one that does
            not hold in the month, or when none does; `contract_change`.
    """
    for name in names:
        if name not in register.versions:
            raise Refused("unknown_contract", f"no contract {name!r} is registered", place="contract")
    found: dict[str, Recorded[Contract]] = {}
    for name in names or sorted(register.versions):
        held = holding(register.versions[name], month)
        if held is not None:
            found[name] = held
        elif names:
            raise Refused("no_contract", f"contract {name} does not hold in {month}", place="contract")
    if not found:
        raise Refused("no_contract", f"no contract holds in {month}", place="month")
    return found


def holding(versions: Sequence[Recorded[Contract]], month: Month) -> Recorded[Contract] | None:
    """The one of a contract's versions, oldest first, under which the month is settled.

    Raises:
        Refused: `contract_change`.
    """
    number = version_in([one.document for one in versions], month)
    return None if number is None else versions[number]


def held_at(versions: Sequence[Recorded[Contract]], instant: datetime) -> Recorded[Contract] | None:
    """The one of a contract's versions, oldest first, that holds at `instant`, on the contract's own days."""
    for version, days in zip(versions, held_days([one.document for one in versions]), strict=True):
        day = instant.astimezone(zone_of(version.document.zone)).date()
        if days is not None and days.first <= day < days.end:
            return version
    return None


def check_coverage(everything: dict[str, Recorded[Contract]], month: Month, sites: set[str]) -> None:
    """No day of one of `sites` under two contracts at once, and none of them under none."""
    spans: dict[str, list[tuple[Interval, str]]] = defaultdict(list)
    for name, contract in everything.items():
        for site in sites.intersection(contract.document.sites):
            spans[site].append((covered_by(contract.document, month), name))
    for site, held in spans.items():
        held.sort(key=lambda span: span[0].start)
        for (before, one), (after, other) in pairwise(held):
            if before.overlaps(after):
                raise Refused(
                    "contract_overlap",
                    f"site {site} is under contracts {one} and {other} at once in {month}",
                    place=f"site {site}",
                )
            if before.end < after.start:
                raise Refused(
                    "contract_gap",
                    f"site {site} is under no contract from {before.end:%Y-%m-%d %H:%M}Z"
                    f" to {after.start:%Y-%m-%d %H:%M}Z, between {one} and {other}",
                    place=f"site {site}",
                )


def covered_by(contract: Contract, month: Month) -> Interval:
    return _local_days(*contract.days_in(month), contract.zone)


@lru_cache(maxsize=256)
def _local_days(first: date, end: date, zone: str) -> Interval:
    """[first, end) on the clocks of a zone; a thousand contracts share one answer."""
    return Interval(midnight(first, zone_of(zone)), midnight(end, zone_of(zone)))


@lru_cache(maxsize=256)
def local_month(month: Month, zone: str) -> Interval:
    return month.interval(zone_of(zone))
