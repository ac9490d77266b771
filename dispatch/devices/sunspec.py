"""SunSpec information models as points: names such as 704.WSet and 714.Prt1.DCW.

A model's definition is the JSON document that the SunSpec Alliance publishes (github.com/sunspec/models).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, cast, get_args

from dispatch.devices.point import Point, Unit
from dispatch.devices.profile import REGISTERS_MAX, Block, Period
from dispatch.devices.register_type import CODED, PointType
from ledger.refusal import Refused

BASE: Final = 40_000
"""Where a device's map begins, unless it is at 0 or 50000."""
MARKER: Final = 0x5375_6E53
"""`SunS`, in the first two registers."""
END: Final = 0xFFFF
"""The number of the model after the last."""

_UNITS: Final[Mapping[str, Unit]] = MappingProxyType(
    {
        "W": "W",
        "Wh": "Wh",
        "WH": "Wh",
        "var": "var",
        "Var": "var",
        "varh": "varh",
        "Varh": "varh",
        "VA": "VA",
        "VAh": "VAh",
        "V": "V",
        "A": "A",
        "Ah": "Ah",
        "AH": "Ah",
        "C": "°C",
        "Hz": "Hz",
        "Secs": "s",
        "Sec": "s",
        "mSecs": "ms",
        "Pct": "%",
    }
)


def model_points(definition: Mapping[str, Any], address: int, repeats: int = 1) -> tuple[Point, ...]:
    """The points of a model whose number stands at `address`; groups without count are there `repeats` times.

    Number, length and counts of groups are fixed: a device that holds others is laid out otherwise. Padding
    is left out.

    Raises:
        Refused: `sunspec_model` for a definition that is none, and what a point refuses.
    """
    try:
        number, group = str(definition["id"]), definition["group"]
        found = list(_points(group, number, address, repeats))
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("sunspec_model", f"not a model's definition: {error!r}", place="model") from None
    end = found[-1][0].end
    names = {point.name for point, _ in found}
    counts = set(_counts(group))
    points = []
    for point, given in found:
        if point is None or given["type"] == "pad":
            continue
        short = point.name.removeprefix(f"{number}.")
        fixed = {"ID": int(number), "L": end - address - 2}.get(short)
        if short in counts:
            fixed = repeats
        points.append(_scaled(point, given, number, names, fixed))
    return tuple(points)


def blocks_of(points: Sequence[Point], period: Period) -> tuple[Block, ...]:
    """The fewest blocks that read the points of one model, cut between points.

    The values are read with their scale factors only where one block holds both, which the profile checks.
    """
    blocks = []
    first = end = points[0].address
    for point in points:
        if point.end - first > REGISTERS_MAX:
            blocks.append(Block(address=first, count=end - first, period=period))
            first = point.address
        end = point.end
    blocks.append(Block(address=first, count=end - first, period=period))
    return tuple(blocks)


def _points(
    group: Mapping[str, Any], path: str, address: int, repeats: int
) -> Iterator[tuple[Point, Mapping[str, Any]]]:
    """A group's points at their addresses, then those of its groups, with what is said of each."""
    for given in group["points"]:
        padding = given["type"] == "pad"
        kind = "uint16" if padding else given["type"]
        if kind not in get_args(PointType):
            raise ValueError(kind)
        point = Point(
            name=f"{path}.{given['name']}",
            address=address,
            count=int(given["size"]),
            type=cast("PointType", kind),
            access="rw" if given.get("access") == "RW" else "r",
        )
        yield point, given
        address = point.end
    for inner in group.get("groups", ()):
        name = inner["name"].replace("-", "_")
        for number in range(_times(inner, repeats)):
            suffix = "" if inner.get("count") is None else str(number + 1)
            last = address
            for point, given in _points(inner, f"{path}.{name}{suffix}", address, repeats):
                yield point, given
                last = point.end
            address = last


def _times(group: Mapping[str, Any], repeats: int) -> int:
    """How often a group is there: as its definition says, or `repeats` times where the device tells."""
    count = group.get("count")
    if count is None:
        return 1
    return count if isinstance(count, int) and count else repeats


def _counts(group: Mapping[str, Any]) -> Iterator[str]:
    """The points that tell how often a group is there."""
    for inner in group.get("groups", ()):
        if isinstance(inner.get("count"), str):
            yield inner["count"]
        yield from _counts(inner)


def _scaled(point: Point, given: Mapping[str, Any], number: str, names: set[str], fixed: int | None) -> Point:
    """The point with its unit and scale: a factor of its own group, of one around it, or a number."""
    scale, scale_point = 0, None
    stated = given.get("sf")
    if isinstance(stated, int):
        scale = stated
    elif stated is not None:
        path = point.name.rsplit(".", 1)[0]
        while f"{path}.{stated}" not in names and path != number:
            path = path.rsplit(".", 1)[0]
        scale_point = f"{path}.{stated}"
    unit: Unit = "none"
    if point.type not in CODED:
        unit = _unit(given.get("units"), scaled=stated is not None)
    elif scale or scale_point:
        raise ValueError(f"{point.name} is scaled")
    return Point(
        name=point.name,
        address=point.address,
        count=point.count,
        type=point.type,
        access=point.access,
        scale=scale,
        scale_point=scale_point,
        unit=unit,
        fixed=fixed,
    )


def _unit(stated: str | None, *, scaled: bool) -> Unit:
    if stated is not None and stated.strip().startswith("%"):
        return "%"
    return _UNITS.get(stated or "", "other" if scaled else "none")
