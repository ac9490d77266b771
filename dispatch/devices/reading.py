"""Registers as values: a block's words, read in one request, as whole numbers in our units and signs."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from dispatch.devices.float_bits import FLOAT32, FLOAT64, number_of
from dispatch.devices.point import DIGITS, Point
from dispatch.devices.profile import Block, Profile
from dispatch.devices.quality import NUMBER_MAX, Reading, fits, plain_text
from dispatch.devices.register_type import SCALE_MAX
from ledger.quantity import round_half_away
from ledger.refusal import Refused

_made: Final = tuple.__new__
"""As Reading does it itself, without the function between: a block has a hundred of them."""


class BlockReader:
    """One block of a profile, prepared: what each word of an answer belongs to. Its devices share it."""

    def __init__(self, profile: Profile, block: Block) -> None:
        self.block = block
        self.points: Final = profile.read_in(block)
        self._pack: Final = struct.Struct(f">{block.count}H")
        self._unpack: Final = struct.Struct(_layout(block, self.points))
        self._order: Final = _order(block, self.points)
        place = {point.name: number for number, point in enumerate(self.points)}
        self._scaled: Final = [
            (point, None if point.scale_point is None else place[point.scale_point], _plain(point))
            for point in self.points
        ]
        self._scales_at: Final = sorted({at for _, at, _ in self._scaled if at is not None})
        self._ways: dict[tuple[int, ...], _Way] = {}

    def read(
        self, words: Sequence[int], at_ms: int = 0, before: Mapping[str, Reading] | None = None
    ) -> dict[str, Reading]:
        """Each point's value at `at_ms`. `before`: the last readings with values (`last_valued`), from which
        words of two moments are told.

        Raises:
            Refused: `block_length` when there are not as many words as the block has, `register_word` for a
                number that is no word of 16 bits.
        """
        if len(words) != self.block.count:
            wrong = f"{len(words)} registers in place of {self.block.count}"
            raise Refused("block_length", wrong, place=f"block {self.block.address}")
        ordered = words if self._order is None else [words[number] for number in self._order]
        try:
            found = self._unpack.unpack(self._pack.pack(*ordered))
        except struct.error:
            wrong = "a register is a whole number of 0 to 65535"
            raise Refused("register_word", wrong, place=f"block {self.block.address}") from None
        rows, moving = self._ways.get(tuple(found[at] for at in self._scales_at)) or self._way(found)
        readings: dict[str, Reading] = {}
        for (point, scale, factor, absent, lowest, highest), raw in zip(rows, found, strict=True):
            if factor is not None and raw not in absent and lowest <= (value := raw * factor) <= highest:
                readings[point.name] = _made(Reading, (value, "good", None, raw, at_ms))
            else:
                readings[point.name] = reading_of(point, raw, scale, at_ms)
        if before is not None:
            for point, scale in moving:
                name = point.name
                readings[name] = _moved(point, readings[name], before.get(name), scale)
        return readings

    def _way(self, found: Sequence[int]) -> _Way:
        """What each point is read by under the block's scale factors in `found`, kept for the next block."""
        rows: list[_Row] = []
        for point, scaled_by, plain in self._scaled:
            scale = point.scale if scaled_by is None else found[scaled_by]
            absent, lowest, highest, factors = plain or _LONG_WAY
            rows.append((point, scale, factors.get(scale), absent, lowest, highest))
        way = rows, [row[:2] for row in rows if row[0].change_max_per_s is not None]
        if len(self._ways) == _WAYS_MAX:
            self._ways.clear()
        self._ways[tuple(found[at] for at in self._scales_at)] = way
        return way


_WAYS_MAX: Final = 32
"""Devices of a profile differ in their scale factors, and one that fails has any."""
_Row = tuple[Point, int, int | None, frozenset[int], int, int]
"""A point, its scale, and what raw numbers are multiplied by, None for one that takes the long way; the rest
is as in _Plain."""
_Way = tuple[list[_Row], list[tuple[Point, int]]]
"""Of all points, and of those that are held against their last value."""


class _Plain(NamedTuple):
    """What `reading_of` needs of a point that is nearly always a whole number with a good value, looked up
    once: the raw numbers without a value, the range, and for each scale what a raw number is multiplied
    by."""

    absent: frozenset[int]
    lowest: int
    highest: int
    factors: Mapping[int, int]


_LONG_WAY: Final = _Plain(frozenset(), 0, 0, {})


def _plain(point: Point) -> _Plain | None:
    """None for a point that takes the long way each time."""
    kind = point.kind
    if kind.form != "integer" or point.fixed is not None or point.type == "sunssf":
        return None
    size, sign = 1 << 16 * point.count, -1 if point.flips else 1
    digits = DIGITS[point.unit]
    scales = range(max(-SCALE_MAX, -digits), SCALE_MAX + 1)
    most = min(size * 10 ** (SCALE_MAX + digits), value_max(point))
    return _Plain(
        frozenset(bits - size if kind.signed and bits > kind.highest else bits for bits in point.absent),
        -most if point.minimum is None else max(point.minimum, -most),
        most if point.maximum is None else min(point.maximum, most),
        {scale: sign * 10 ** (scale + digits) for scale in scales},
    )


def reading_of(point: Point, raw: int | bytes, scale: int, at_ms: int = 0) -> Reading:
    """One point's value from its number (a float's bits, a text's bytes) and the exponent of its scale.

    A number finer than our unit is rounded to it, halves away from zero.
    """
    if isinstance(raw, bytes):
        return _text(point, raw)._replace(at_ms=at_ms)
    if raw % (1 << 16 * point.count) in point.absent:
        return Reading(None, "bad", "not_available", None, at_ms)
    if not -SCALE_MAX <= scale <= SCALE_MAX:
        return Reading(None, "bad", "scale_missing", None, at_ms)
    exponent = scale + DIGITS[point.unit]
    if point.kind.form == "float":
        number = number_of(raw, FLOAT32 if point.count == 2 else FLOAT64)
        if number is None:
            return Reading(None, "bad", "not_a_number", raw, at_ms)
        # A float's bits may be above what a signed number holds, and are kept as they are.
        value = round_half_away(number * Fraction(10) ** exponent)
        return judged(point, value, None, at_ms)._replace(raw=raw)
    value = raw * 10**exponent if exponent >= 0 else round_half_away(Fraction(raw, 10**-exponent))
    return judged(point, value, raw, at_ms)


def judged(point: Point, number: int, raw: int | None, at_ms: int) -> Reading:
    """The device's number in our unit, turned to our sign and held against what the point may be."""
    value = -number if point.flips else number
    if not -value_max(point) <= value <= value_max(point) or (raw is not None and not fits(raw)):
        return Reading(None, "bad", "out_of_range", None, at_ms)
    if point.fixed is not None and value != point.fixed:
        return Reading(None, "bad", "not_expected", raw, at_ms)
    if point.minimum is not None and value < point.minimum:
        return Reading(None, "bad", "out_of_range", raw, at_ms)
    if point.maximum is not None and value > point.maximum:
        return Reading(None, "bad", "out_of_range", raw, at_ms)
    if point.type == "sunssf" and not -SCALE_MAX <= value <= SCALE_MAX:
        return Reading(None, "bad", "out_of_range", raw, at_ms)
    return Reading(value, "good", None, raw, at_ms)


def swapped_words(point: Point, reading: Reading) -> bool:
    """Whether a number of two registers is out of range, and with its words the other way round is not."""
    whole = point.count == 2 and point.kind.form == "integer" and point.scale_point is None
    if not whole or reading.reason != "out_of_range" or reading.raw is None:
        return False
    size = 1 << 32
    bits = reading.raw % size
    turned = bits % (1 << 16) << 16 | bits >> 16
    raw = turned - size if point.kind.signed and turned > point.kind.highest else turned
    return reading_of(point, raw, point.scale).quality == "good"


def value_max(point: Point) -> int:
    """The largest value of it that is kept. A device's clock is kept in milliseconds, too."""
    return NUMBER_MAX // 1000 if point.unit == "s" else NUMBER_MAX


def _text(point: Point, raw: bytes) -> Reading:
    if int.from_bytes(raw, "big") in point.absent:
        return Reading(None, "bad", "not_available")
    if point.kind.form == "bytes":
        return Reading(raw.hex())
    try:
        return Reading(plain_text(raw.rstrip(b"\0").decode("utf-8")))
    except UnicodeDecodeError:
        return Reading(None, "bad", "text")


def _moved(point: Point, now: Reading, before: Reading | None, scale: int) -> Reading:
    """`now`, doubted where it is further from the last value than the point can have moved.

    Where one word more or less would bring it within reach, its words are of two moments: there is no value.
    """
    assert point.change_max_per_s is not None
    if now.raw is None or now.value is None or before is None or before.raw is None:
        return now
    distance = now.raw - before.raw
    if abs(distance) <= 1:
        return now
    exponent = scale + DIGITS[point.unit]
    elapsed_ms = max(now.at_ms - before.at_ms, 0)
    reach = Fraction(point.change_max_per_s * elapsed_ms, 1000) / Fraction(10) ** exponent + 1
    if abs(distance) <= reach:
        return now
    for words in range(1, point.count):
        step = 1 << 16 * words
        if min(abs(distance - step), abs(distance + step)) <= reach:
            return Reading(None, "bad", "torn", now.raw, now.at_ms)
    return now._replace(quality="suspect", reason="jump")


def _layout(block: Block, points: Sequence[Point]) -> str:
    """The block for the struct module: the points' numbers, and what lies between them left out."""
    parts = [">"]
    at = block.address
    for point in points:
        parts.append(f"{2 * (point.address - at)}x")
        parts.append(f"{2 * point.count}s" if point.text else point.kind.code)
        at = point.end
    parts.append(f"{2 * (block.address + block.count - at)}x")
    return "".join(parts)


def _order(block: Block, points: Sequence[Point]) -> list[int] | None:
    """Where each word comes from when those of swapped points are turned; None where none are."""
    order = list(range(block.count))
    for point in points:
        if point.words == "low_first":
            first, end = point.address - block.address, point.end - block.address
            order[first:end] = order[first:end][::-1]
    return None if order == list(range(block.count)) else order


def readers(profile: Profile) -> dict[Block, BlockReader]:
    """A reader for each block."""
    return {block: BlockReader(profile, block) for block in profile.blocks}
