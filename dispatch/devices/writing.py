"""Values as registers: what is written for a setpoint, a heartbeat, a release. Nothing is rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

import msgspec

from dispatch.devices.control import Control, Limits, WriteStep
from dispatch.devices.float_bits import FLOAT32, FLOAT64, FloatForm, bits_of, number_of
from dispatch.devices.point import DIGITS, Point
from dispatch.devices.profile import Profile
from dispatch.devices.reading import reading_of
from dispatch.devices.register_type import SCALE_MAX
from ledger.quantity import round_half_away
from ledger.refusal import Refused

WORDS_MAX: Final = 123
"""What one request of function 16 holds (MODBUS Application Protocol 1.1b3, 6.12)."""


class RegisterWrite(msgspec.Struct, frozen=True):
    """One request: function 06 or 16 on holding registers from `address` on."""

    point: str
    function: int
    address: int
    words: tuple[int, ...]


def encoded(point: Point, value: int | str, scale: int = 0) -> tuple[int, ...]:
    """The words that read back as `value` (our unit and sign). `scale`: the exponent that `scale_point` has.

    Raises:
        Refused: `value_range` beyond the point's limits or its registers, `value_unrepresentable` when only
            another value could be written, `value_sentinel` when it would mean that there is none,
            `value_type` for a text in place of a number, `scale_missing` for an exponent beyond -10 to 10.
    """
    if point.text:
        return _turned(point, _text_bits(point, value))
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused("value_type", f"{point.name} is a whole number", place=point.name)
    if not _within(point, value):
        raise Refused(
            "value_range", f"{value} is beyond {point.minimum} to {point.maximum}", place=point.name
        )
    scale = _scale(point, scale)
    raw = _raw(point, value, scale)
    bits = raw % (1 << 16 * point.count)
    if bits in point.absent:
        raise Refused("value_sentinel", f"{value} means that there is no value", place=point.name)
    if reading_of(point, raw, scale).value != value:
        wrong = f"{value} is not a multiple of what one step of the register is"
        raise Refused("value_unrepresentable", wrong, place=point.name)
    return _turned(point, bits)


def absent_words(point: Point) -> tuple[int, ...]:
    """The words that mean that there is no value.

    Raises:
        Refused: `value_sentinel` where the point has no such words.
    """
    if not point.absent:
        raise Refused("value_sentinel", "the point always has a value", place=point.name)
    return _turned(point, point.absent[0])


def nearest_within(point: Point, value: int, scale: int = 0) -> int:
    """The value that can be written, of the same sign and not further from zero.

    1234 W are 1230 W where the register counts tens.
    """
    exponent = _scale(point, scale) + DIGITS[point.unit]
    if point.kind.form == "float" or exponent <= 0:
        return value
    step: int = 10**exponent
    size = abs(value) // step * step
    return size if value >= 0 else -size


def setpoint_writes(
    profile: Profile, power_w: int, revert_s: int | None, scales: Mapping[str, int]
) -> tuple[RegisterWrite, ...]:
    """The writes that make a device hold `power_w` (above zero discharges), in order: all or none are sent.

    `revert_s`: after how long it falls back by itself; None only where it has no such timer. `scales`: what
    the scale points held when they were last read.

    Raises:
        Refused: as `encoded`; `control_missing` for a device that is not written, `revert_missing` for a
            setpoint without an end on a device that could have one.
    """
    control = _control(profile)
    if revert_s is None and "revert_timer" in profile.roles:
        raise Refused("revert_missing", "state the seconds until the setpoint reverts", place="revert_s")
    limits = profile.limits
    values = {"setpoint": power_w, "revert_timer": revert_s}
    setpoint = profile.point_of("setpoint")
    assert setpoint is not None
    assert limits is not None
    if not -limits.charge_w_max <= power_w <= limits.discharge_w_max:
        wrong = f"{power_w} W is beyond -{limits.charge_w_max} to {limits.discharge_w_max} W"
        raise Refused("value_range", wrong, place="power_w")
    if setpoint.unit == "%":
        values["setpoint"] = percent_of(power_w, limits)
    return _writes(profile, control, control.steps, values, scales)


def in_requests(profile: Profile, writes: Sequence[RegisterWrite]) -> tuple[RegisterWrite, ...]:
    """The same writes in as few requests as the device bears: those side by side in one, in their order,
    where it applies together what it gets together. Elsewhere each is its own."""
    if profile.control is None or not profile.control.together:
        return tuple(writes)
    made: list[RegisterWrite] = []
    for write in writes:
        last = made[-1] if made else None
        beside = last is not None and last.address + len(last.words) == write.address
        if last is not None and beside and len(last.words) + len(write.words) <= WORDS_MAX:
            words = last.words + write.words
            made[-1] = RegisterWrite(f"{last.point}, {write.point}", 16, last.address, words)
        else:
            made.append(write)
    return tuple(made)


def release_writes(profile: Profile, scales: Mapping[str, int]) -> tuple[RegisterWrite, ...]:
    """The writes that give the device back to its own control.

    Raises:
        Refused: as `encoded`; `control_missing` for a device that is not written.
    """
    control = _control(profile)
    return _writes(profile, control, control.release, {}, scales)


def heartbeat_write(profile: Profile, beat: int) -> RegisterWrite:
    """The `beat`-th refresh (from 0) of the watchdog: its counter never repeats the value before.

    Raises:
        Refused: `control_missing` for a device without a watchdog.
    """
    control = _control(profile)
    if control.watchdog is None:
        raise Refused("control_missing", f"{profile.id} has no watchdog", place="control.watchdog")
    point = profile.point(control.watchdog.point)
    return _write(control, point, encoded(point, control.watchdog.count(beat)))


def percent_of(power_w: int, limits: Limits) -> int:
    """A power as thousandths of a percent of the most in its direction, exactly.

    Raises:
        Refused: `value_unrepresentable` when it is between two thousandths.
    """
    most = limits.discharge_w_max if power_w >= 0 else limits.charge_w_max
    share = Fraction(power_w * 100_000, most)
    if share.denominator != 1:
        wrong = f"{power_w} W is between two thousandths of a percent of {most} W"
        raise Refused("value_unrepresentable", wrong, place="power_w")
    return share.numerator


def settable_w(profile: Profile, power_w: int, scales: Mapping[str, int]) -> int:
    """The power nearest to `power_w` that can be written, of the same sign and not further from zero.

    Raises:
        Refused: `control_missing` for a device that is not written.
    """
    _control(profile)
    point, limits = profile.point_of("setpoint"), profile.limits
    assert point is not None
    assert limits is not None
    scale = 0 if point.scale_point is None else _known(scales, point.scale_point)
    size = min(abs(power_w), limits.discharge_w_max if power_w >= 0 else limits.charge_w_max)
    if point.unit == "W":
        size = abs(nearest_within(point, size, scale))
        return size if power_w >= 0 else -size
    most = limits.discharge_w_max if power_w >= 0 else limits.charge_w_max
    step = Fraction(most * 10 ** max(_scale(point, scale) + DIGITS["%"], 0), 100_000)
    # A whole number of steps that is also a whole number of W: every `denominator`-th step is one.
    steps = size // (step * step.denominator)
    found = int(steps * step * step.denominator)
    return found if power_w >= 0 else -found


def _control(profile: Profile) -> Control:
    if profile.control is None or "setpoint" not in profile.roles:
        raise Refused("control_missing", f"{profile.id} is read only", place="control")
    return profile.control


def _writes(
    profile: Profile,
    control: Control,
    steps: Sequence[WriteStep],
    values: Mapping[str, int | None],
    scales: Mapping[str, int],
) -> tuple[RegisterWrite, ...]:
    written = []
    for step in steps:
        point = profile.point(step.point)
        value = step.constant if step.gives == "constant" else values[step.gives]
        assert value is not None, "the profile's checks"
        scale = 0 if point.scale_point is None else _known(scales, point.scale_point)
        written.append(_write(control, point, encoded(point, value, scale)))
    return tuple(written)


def _write(control: Control, point: Point, words: tuple[int, ...]) -> RegisterWrite:
    function = 6 if len(words) == 1 and 6 in control.functions else 16
    return RegisterWrite(point.name, function, point.address, words)


def _known(scales: Mapping[str, int], name: str) -> int:
    if name not in scales:
        raise Refused("scale_missing", f"{name} was not read", place=name)
    return scales[name]


def _within(point: Point, value: int) -> bool:
    above = point.minimum is None or value >= point.minimum
    below = point.maximum is None or value <= point.maximum
    return above and below and (point.fixed is None or value == point.fixed)


def _scale(point: Point, scale: int) -> int:
    chosen = point.scale if point.scale_point is None else scale
    if not -SCALE_MAX <= chosen <= SCALE_MAX:
        raise Refused("scale_missing", f"10^{chosen} is no scale factor", place=point.name)
    return chosen


def _raw(point: Point, value: int, scale: int) -> int:
    """The register's number next to the value; a float's as its bits."""
    number = Fraction(-value if point.flips else value) / Fraction(10) ** (scale + DIGITS[point.unit])
    if point.kind.form == "float":
        form = FLOAT32 if point.count == 2 else FLOAT64
        return _float_bits(number, form, point)
    raw = round_half_away(number)
    if not point.kind.lowest <= raw <= point.kind.highest:
        raise Refused("value_range", f"{value} does not fit {point.type}", place=point.name)
    return raw


def _float_bits(number: Fraction, form: FloatForm, point: Point) -> int:
    try:
        bits = bits_of(number, form)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=point.name) from None
    assert number_of(bits, form) is not None
    return bits


def _text_bits(point: Point, value: int | str) -> int:
    if not isinstance(value, str):
        raise Refused("value_type", f"{point.name} is a text", place=point.name)
    size = 2 * point.count
    if point.kind.form == "bytes":
        try:
            raw = bytes.fromhex(value)
        except ValueError:
            raise Refused("value_type", f"{size} bytes as hexadecimal digits", place=point.name) from None
        if len(raw) != size:
            raise Refused("value_range", f"{size} bytes as hexadecimal digits", place=point.name)
    else:
        raw = value.encode("utf-8")
        if len(raw) > size or "\0" in value:
            raise Refused("value_range", f"up to {size} bytes without NUL", place=point.name)
        raw = raw.ljust(size, b"\0")
    bits = int.from_bytes(raw, "big")
    if bits in point.absent:
        raise Refused("value_sentinel", f"{value!r} means that there is no value", place=point.name)
    return bits


def _turned(point: Point, bits: int) -> tuple[int, ...]:
    """The bits as words in the point's order."""
    words = tuple(bits >> 16 * number & 0xFFFF for number in range(point.count))
    return words if point.words == "low_first" else words[::-1]
