"""The registers that a device shows: a profile's points as bytes, put in by our units."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final

from dispatch.devices.float_bits import FLOAT32, FLOAT64, bits_of
from dispatch.devices.point import DIGITS, Point, Table
from dispatch.devices.profile import Profile
from dispatch.devices.reading import reading_of
from dispatch.devices.writing import absent_words, encoded
from ledger.refusal import Refused


class RegisterMap:
    """Each table of a profile from its first register to its last; what lies between points holds 0."""

    def __init__(self, profile: Profile, power_w: int, energy_wh: int) -> None:
        self.profile = profile
        self.scales: Final = _scales(profile, power_w, energy_wh)
        self._first: Final[dict[Table, int]] = {}
        self._words: Final[dict[Table, bytearray]] = {}
        for table in ("holding", "input"):
            spans = [(point.address, point.end) for point in profile.points if point.table == table]
            spans += [
                (each.address, each.address + each.count) for each in profile.blocks if each.table == table
            ]
            if spans:
                self._first[table] = min(first for first, _ in spans)
                self._words[table] = bytearray(2 * (max(end for _, end in spans) - self._first[table]))
        self._written_by: Final = {
            address: point
            for point in profile.points
            if point.access == "rw"
            for address in range(point.address, point.end)
        }
        for point in profile.points:
            self._begin(point)

    def bytes_of(self, table: Table, address: int, count: int) -> bytes | None:
        """`count` registers; None where the device has not all of them."""
        words = self._words.get(table)
        if words is None:
            return None
        start = 2 * (address - self._first[table])
        if start < 0 or start + 2 * count > len(words):
            return None
        return bytes(words[start : start + 2 * count])

    def written(self, address: int, data: bytes) -> list[Point] | None:
        """The points that `data`, put into holding registers, touches; None where not all can be written."""
        touched: dict[str, Point] = {}
        for at in range(address, address + len(data) // 2):
            point = self._written_by.get(at)
            if point is None:
                return None
            touched[point.name] = point
        start = 2 * (address - self._first["holding"])
        self._words["holding"][start : start + len(data)] = data
        return list(touched.values())

    def value(self, point: Point) -> int | None:
        """What the point holds now, in our unit and sign."""
        found = reading_of(point, self.raw(point), self._scale(point)).value
        assert not isinstance(found, str)
        return found

    def raw(self, point: Point) -> int:
        """The point's own number."""
        data = self.bytes_of(point.table, point.address, point.count)
        assert data is not None
        return int.from_bytes(_turned(point, data), "big", signed=point.kind.signed)

    def put(self, point: Point, value: int) -> None:
        """`value` (our unit and sign) as near as the registers come to it."""
        scaled = Fraction(-value if point.flips else value) / Fraction(10) ** (
            self._scale(point) + DIGITS[point.unit]
        )
        if point.kind.form == "float":
            self.put_raw(point, bits_of(scaled, FLOAT32 if point.count == 2 else FLOAT64))
            return
        kind = point.kind
        self.put_raw(point, max(kind.lowest, min(kind.highest, round(scaled))))

    def put_fast(self, point: Point, value: int) -> None:
        """The same, rounded towards zero and faster: for what changes each second."""
        if point.kind.form == "float":
            self.put(point, value)
            return
        exponent = self._scale(point) + DIGITS[point.unit]
        size = abs(value)
        raw = size // 10**exponent if exponent >= 0 else size * 10**-exponent
        if (value < 0) != point.flips:
            raw = -raw
        self.put_raw(point, max(point.kind.lowest, min(point.kind.highest, raw)))

    def put_raw(self, point: Point, raw: int) -> None:
        """The point's own number, whatever it means."""
        data = (raw % (1 << 16 * point.count)).to_bytes(2 * point.count, "big")
        self._store(point, _turned(point, data))

    def _begin(self, point: Point) -> None:
        """What is fixed, the scale factors, 0 for what is written; all that is not modelled has no value."""
        if point.fixed is not None:
            self.put(point, point.fixed)
        elif point.name in self.scales:
            self.put_raw(point, self.scales[point.name])
        elif point.type == "string":
            self._store_words(point, encoded(point, "example"[: 2 * point.count]))
        elif point.access == "r" and point.absent:
            self._store_words(point, absent_words(point))

    def _scale(self, point: Point) -> int:
        return point.scale if point.scale_point is None else self.scales[point.scale_point]

    def _store_words(self, point: Point, words: Iterable[int]) -> None:
        self._store(point, b"".join(struct.pack(">H", word) for word in words))

    def _store(self, point: Point, data: bytes) -> None:
        start = 2 * (point.address - self._first[point.table])
        self._words[point.table][start : start + len(data)] = data


def _turned(point: Point, data: bytes) -> bytes:
    """The bytes with their words in the point's order, or back."""
    if point.words == "high_first":
        return data
    return b"".join(data[at : at + 2] for at in range(len(data) - 2, -1, -2))


def _scales(profile: Profile, power_w: int, energy_wh: int) -> Mapping[str, int]:
    """An exponent for each scale factor, with which everything that it scales has room.

    Raises:
        Refused: `peer_profile` where no factor does.
    """
    most = {"W": 2 * power_w, "VA": 2 * power_w, "var": 2 * power_w, "Wh": 2 * energy_wh}
    found: dict[str, int] = {}
    for point in profile.points:
        if point.scale_point is None:
            continue
        finest = {"%": -1, "V": -1, "A": -1, "Hz": -2, "°C": -1}.get(point.unit, 0)
        exponent = max(finest, found.get(point.scale_point, finest))
        while most.get(point.unit, 0) > point.kind.highest * 10 ** max(exponent, 0):
            exponent += 1
        if exponent > 10:
            raise Refused("peer_profile", f"no scale factor fits {point.name}", place="profile")
        found[point.scale_point] = exponent
    return found
