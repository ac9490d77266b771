"""Whether a profile's limits can be true: of a storage that exists, and of the register that they are told
by."""

from __future__ import annotations

from typing import Final

from dispatch.devices.control import Limits
from dispatch.devices.point import DIGITS, Point
from ledger.refusal import Refused

DIRECTIONS_MAX: Final = 10
"""By how much one direction may be stronger than the other."""
LASTS_S_MIN: Final = 180
LASTS_H_MAX: Final = 1_000
"""A full storage lasts from so long to so long at the greater of its powers."""
RANGE_MAX: Final = 2
"""How far beyond the limits a setpoint point's range may go: it is what stops a wrong number last."""
_WHOLE: Final = 100_000
"""The full power, in thousandths of a percent."""


def check_limits(limits: Limits, setpoint: Point | None, at: str) -> None:
    """That limits agree with each other, and with the range of the point with the role `setpoint`, which
    stands
    `at`.

    Raises:
        Refused: `device_limits`, at the limit that cannot be true; `point_range` for a range that does not
        hold
            the limits, or is far beyond them.
    """
    least, most = sorted((limits.charge_w_max, limits.discharge_w_max))
    if most > DIRECTIONS_MAX * least:
        place = "charge_w_max" if most == limits.charge_w_max else "discharge_w_max"
        wrong = f"{most} W, with {least} W the other way: at most {DIRECTIONS_MAX} times as much"
        raise Refused("device_limits", wrong, place=f"limits.{place}")
    if not most * LASTS_S_MIN <= limits.energy_wh * 3600 <= most * LASTS_H_MAX * 3600:
        wrong = f"{LASTS_S_MIN} s to {LASTS_H_MAX} h of {most} W"
        raise Refused("device_limits", wrong, place="limits.energy_wh")
    if setpoint is not None and not setpoint.text:
        _check_range(setpoint, limits, at)


def _check_range(point: Point, limits: Limits, at: str) -> None:
    percent = point.unit == "%"
    out, into = (_WHOLE, _WHOLE) if percent else (limits.discharge_w_max, limits.charge_w_max)
    lowest, highest = _reach(point)
    unit = "thousandths of a percent" if percent else "W"
    for bound, stated, reached in (("minimum", point.minimum, lowest), ("maximum", point.maximum, highest)):
        needed = into if bound == "minimum" else out
        sign = -1 if bound == "minimum" else 1
        for found, place in ((stated, bound), (reached, "type")):
            if found is not None and sign * found < needed:
                wrong = f"{point.name} goes to {found} {unit}: the limits need {sign * needed}"
                raise Refused("point_range", wrong, place=f"{at}.{place}")
        if stated is not None and sign * stated > RANGE_MAX * needed:
            wrong = f"{point.name} has a {bound} of {stated} {unit}: up to {sign * RANGE_MAX * needed}"
            raise Refused("point_range", wrong, place=f"{at}.{bound}")


def _reach(point: Point) -> tuple[int | None, int | None]:
    """The least and the most that its registers hold, of our sign and in whole units; None where its scale is
    read from the device."""
    kind = point.kind
    if kind.form != "integer" or point.scale_point is not None:
        return None, None
    exponent = point.scale + DIGITS[point.unit]
    bounds = [
        raw * 10**exponent if exponent >= 0 else int(raw // 10**-exponent)
        for raw in (kind.lowest, kind.highest)
    ]
    return (-bounds[1], -bounds[0]) if point.flips else (bounds[0], bounds[1])
