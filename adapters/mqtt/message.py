"""The messages of a device behind MQTT, as JSON (docs/telemetry.md).

A point of the device's profile is a field of the message; a dot in its name leads into an object. Addresses
and blocks of such a profile say no more than the period in which a point comes. Numbers are the device's: its
unit, its scale and its sign are the point's, as a register's number is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

import msgspec

from dispatch.devices import writing
from dispatch.devices.control import WriteStep
from dispatch.devices.point import DIGITS, Point
from dispatch.devices.profile import Profile
from dispatch.devices.quality import Reading, plain_text
from dispatch.devices.reading import judged
from ledger.quantity import round_half_away
from ledger.refusal import Refused

TELEMETRY: Final = "telemetry"
COMMAND: Final = "command"
ANSWER: Final = "answer"
_NUMBER_LENGTH_MAX: Final = 40
_MISSING: Final = object()

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Command(msgspec.Struct, frozen=True):
    """What is to be set: `fields` as the telemetry names them, in the order in which they are to be taken.

    A device does not take a command after `until_ms` (milliseconds since 1970 UTC), however long a broker
    kept it, nor one whose `id` it has taken already: that one it answers again.
    """

    id: str
    until_ms: int
    fields: Mapping[str, int | Decimal]

    def encoded(self) -> bytes:
        return _encode({"id": self.id, "until_ms": self.until_ms, "set": self.fields})


class Answer(msgspec.Struct, frozen=True):
    """`set`: what the fields of the command hold now, read back by the device."""

    id: str
    ok: bool
    why: str = ""
    set: dict[str, Any] = {}


def object_of(content: bytes) -> dict[str, Any]:
    """A message's fields, its numbers exact.

    Raises:
        Refused: `mqtt_message` for what is no JSON object, and at the field for what is no number.
    """
    try:
        found = json.loads(content, parse_float=_exact, parse_int=_exact, parse_constant=_never)
    except (ValueError, RecursionError) as error:
        raise Refused("mqtt_message", f"this is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Refused("mqtt_message", "a JSON object")
    _check_numbers(found)
    return found


class _NoNumber(NamedTuple):
    why: str


def _exact(text: str) -> Fraction | _NoNumber:
    if len(text) > _NUMBER_LENGTH_MAX or len(text.lower().partition("e")[2]) > 3:
        return _NoNumber(f"{text[:20]} is too long a number")
    return Fraction(text)


def _never(text: str) -> _NoNumber:
    return _NoNumber(f"{text} is no number")


def _check_numbers(fields: dict[str, Any]) -> None:
    """However deep they are."""
    left: list[tuple[str, object]] = [("", fields)]
    while left:
        place, value = left.pop()
        if isinstance(value, _NoNumber):
            raise Refused("mqtt_message", value.why, place=plain_text(place))
        if isinstance(value, dict):
            left += [(f"{place}.{name}" if place else name, inner) for name, inner in value.items()]
        elif isinstance(value, list):
            left += [(f"{place}[{number}]", inner) for number, inner in enumerate(value)]


def answer_of(content: bytes) -> Answer:
    """Raises:
    Refused: `mqtt_message`.
    """
    found = object_of(content)
    named, ok, why, shown = (found.get(name) for name in ("id", "ok", "why", "set"))
    if not isinstance(named, str) or not isinstance(ok, bool):
        raise Refused("mqtt_message", "an answer has the id of its command, and ok true or false")
    return Answer(named, ok, text_of(why), shown if isinstance(shown, dict) else {})


def text_of(value: object) -> str:
    """What a device said, as it may be shown; "" for what is neither text nor number."""
    return plain_text(str(value)) if isinstance(value, Fraction | str | bool) else ""


def readings_of(profile: Profile, fields: Mapping[str, Any], at_ms: int) -> dict[str, Reading]:
    """Each point that the message has, by name; one that is not in it was not read."""
    found: dict[str, Reading] = {}
    for point in profile.points:
        value = field_of(fields, point.name)
        if value is not _MISSING:
            found[point.name] = reading_of(point, value, at_ms)
    return found


def field_of(fields: Mapping[str, Any], name: str) -> object:
    """The field at a dotted name."""
    value: object = fields
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return value


def reading_of(point: Point, value: object, at_ms: int) -> Reading:
    """A field as a reading in our unit and sign, rounded to it, halves away from zero."""
    if value is None:
        return Reading(None, "bad", "not_available", None, at_ms)
    if point.text:
        return (
            Reading(plain_text(value), "good", None, None, at_ms)
            if isinstance(value, str)
            else _bad("text", at_ms)
        )
    if not isinstance(value, Fraction):
        return _bad("not_a_number", at_ms)
    number = round_half_away(value * Fraction(10) ** (point.scale + DIGITS[point.unit]))
    return judged(point, number, value.numerator if value.denominator == 1 else None, at_ms)


def _bad(reason: str, at_ms: int) -> Reading:
    return Reading(None, "bad", "text" if reason == "text" else "not_a_number", None, at_ms)


def number_of(point: Point, value: int) -> int | Decimal:
    """Our value as the device's number, exactly."""
    shift = point.scale + DIGITS[point.unit]
    number = -value if point.flips else value
    if shift > 0:
        exact = Decimal(number).scaleb(-shift)
        whole = int(exact)
        return whole if exact == whole else exact
    larger: int = 10**-shift
    return number * larger


def setpoint_fields(profile: Profile, power_w: int, revert_s: int | None) -> dict[str, int | Decimal]:
    """What makes the device hold `power_w`, in the profile's order.

    Raises:
        Refused: as dispatch.devices.writing.setpoint_writes.
    """
    writing.setpoint_writes(profile, power_w, revert_s, {})
    assert profile.control is not None
    assert profile.limits is not None
    setpoint = profile.point_of("setpoint")
    assert setpoint is not None
    power = writing.percent_of(power_w, profile.limits) if setpoint.unit == "%" else power_w
    given = {"setpoint": power, "revert_timer": revert_s}
    return dict(_field(profile, step, given) for step in profile.control.steps)


def release_fields(profile: Profile) -> dict[str, int | Decimal]:
    """What gives the device back to its own control.

    Raises:
        Refused: as dispatch.devices.writing.release_writes.
    """
    writing.release_writes(profile, {})
    assert profile.control is not None
    return dict(_field(profile, step, {}) for step in profile.control.release)


def beat_fields(profile: Profile, number: int) -> dict[str, int | Decimal]:
    """The `number`-th refresh of the watchdog; empty for a device without one."""
    if profile.control is None or profile.control.watchdog is None:
        return {}
    watchdog = profile.control.watchdog
    return {watchdog.point: number_of(profile.point(watchdog.point), watchdog.count(number))}


def _field(profile: Profile, step: WriteStep, given: Mapping[str, int | None]) -> tuple[str, int | Decimal]:
    point = profile.point(step.point)
    value = step.constant if step.gives == "constant" else given[step.gives]
    assert value is not None
    return point.name, number_of(point, value)


def check_profile(profile: Profile) -> None:
    """That nothing is asked of the profile that a message does not have.

    Raises:
        Refused: `mqtt_profile` for a scale factor that is read.
    """
    for number, point in enumerate(profile.points):
        if point.scale_point is not None:
            wrong = f"{point.name}: state a scale; a message has no scale factors"
            raise Refused("mqtt_profile", wrong, place=f"points[{number}].scale_point")
