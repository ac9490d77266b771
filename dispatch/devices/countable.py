"""How far a point counts up from 1: what its registers, its range and its words for "no value" leave."""

from __future__ import annotations

from fractions import Fraction

from dispatch.devices.point import DIGITS, Point


def countable(point: Point, most: int) -> int:
    """The largest number up to `most` that can be written like every whole number from 1 on, as far as the
    point's scale is known; 0 where not even 1 can.

    Multiples of the register's step are meant: a register of tens of seconds counts 10, 20, and so on.

    >>> beat = Point(name="beat", address=0, count=1, type="uint16")
    >>> countable(beat, 100_000), countable(beat, 100)
    (65534, 100)
    """
    found = most if point.maximum is None else min(most, point.maximum)
    if point.fixed is not None or (point.minimum is not None and point.minimum > found):
        return 0
    kind = point.kind
    if kind.form != "integer" or point.scale_point is not None:
        return max(found, 0)
    step = Fraction(10) ** (point.scale + DIGITS[point.unit]) * (-1 if point.flips else 1)
    end = kind.lowest if point.flips else kind.highest
    found = min(found, int(end * step))
    for bits in point.absent:
        raw = bits - (1 << kind.bits) if kind.signed and bits > kind.highest else bits
        if raw * step > 0:
            found = min(found, -(-raw * step // 1) - 1)
    return max(found, 0)


def stepped(point: Point, number: int) -> int:
    """The largest multiple of the register's step up to `number`; the first one where that is none.

    >>> tens = Point(name="after", address=0, count=1, type="uint16", scale=1, unit="s")
    >>> stepped(tens, 59), stepped(tens, 7)
    (50, 10)
    """
    step: int = 10 ** max(point.scale + DIGITS[point.unit], 0) if point.scale_point is None else 1
    return max(number // step * step, step)
