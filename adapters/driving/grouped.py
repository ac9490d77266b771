"""Devices that share a limit: a feeder, a transformer, an industry's agreement.

A site and its grid account know no such groups, and a feeder of the fleet may hold devices of several sites:
the driver's own file states them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from adapters.driving.fleet_file import FleetDevice
from dispatch.control.reallocation import GroupLimit


class Grouped(NamedTuple):
    """`of`: by device the place of its group in `names` and `limits`; a device of no group is not in it."""

    names: tuple[str, ...]
    limits: tuple[GroupLimit, ...]
    of: dict[str, int]


def grouped(devices: Sequence[FleetDevice]) -> Grouped:
    """The groups of a fleet, by name."""
    groups = {one.group.id: one.group for one in devices if one.group is not None}
    names = tuple(sorted(groups))
    return Grouped(
        names,
        tuple(GroupLimit(-groups[name].charge_w, groups[name].discharge_w) for name in names),
        {one.id: names.index(one.group.id) for one in devices if one.group is not None},
    )
