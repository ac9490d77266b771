"""OpenADR 3 messages as they go over the wire (3.0.1 and 3.1, by the OpenADR Alliance's OpenAPI documents).

Unknown fields are ignored, as the specification asks; missing or mistyped ones are refused. Instants and
durations stay text and values stay raw JSON here: `timing` and `payload` read them exactly.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from adapters.decoder_refusal import decoder_refusal
from ledger.refusal import Refused

T = TypeVar("T")


def _wire_name(name: str) -> str:
    """`program_id` is `programID`, `callback_url` is `callbackUrl`."""
    first, *rest = name.split("_")
    return first + "".join("ID" if part == "id" else part.capitalize() for part in rest)


class _Wire(msgspec.Struct, frozen=True, kw_only=True, rename=_wire_name, omit_defaults=True):
    pass


ObjectId = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]+$", max_length=128)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Url = Annotated[str, msgspec.Meta(min_length=2, max_length=8000)]
ObjectType = Literal["PROGRAM", "EVENT", "REPORT", "SUBSCRIPTION", "VEN", "RESOURCE"]
Operation = Literal["READ", "CREATE", "UPDATE", "DELETE", "GET", "POST", "PUT"]
"""The first four in 3.1, DELETE and the last three in 3.0."""


class ValuesMap(_Wire, frozen=True, kw_only=True):
    """One or more values of a type; each value is JSON as it was written."""

    type: Name
    values: tuple[msgspec.Raw, ...]


Target = str | ValuesMap
"""A string in 3.1; a type and its values in 3.0."""
Targets = tuple[Target, ...] | None


class IntervalPeriod(_Wire, frozen=True, kw_only=True):
    start: str | None = None
    duration: str | None = None
    randomize_start: str | None = None


class Interval(_Wire, frozen=True, kw_only=True):
    """`id` is the sender's own number, not a sequence number."""

    id: int
    payloads: tuple[ValuesMap, ...]
    interval_period: IntervalPeriod | None = None


class EventPayloadDescriptor(_Wire, frozen=True, kw_only=True, omit_defaults=False):
    payload_type: Name
    object_type: str = "EVENT_PAYLOAD_DESCRIPTOR"
    units: str | None = None
    currency: str | None = None


class PayloadDescriptor(_Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Of a report; a programme may hold these and those of events."""

    payload_type: Name
    object_type: str = "REPORT_PAYLOAD_DESCRIPTOR"
    reading_type: str | None = None
    units: str | None = None
    currency: str | None = None
    confidence: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None


class ReportDescriptor(_Wire, frozen=True, kw_only=True):
    payload_type: Name
    reading_type: str | None = None
    units: str | None = None
    targets: Targets = None
    aggregate: bool = False
    start_interval: int = -1
    num_intervals: int = -1
    historical: bool = True
    frequency: int = -1
    repeat: int = 1
    report_intervals: str | None = None


class ProgramRequest(_Wire, frozen=True, kw_only=True):
    program_name: Name
    program_long_name: str | None = None
    interval_period: IntervalPeriod | None = None
    binding_events: bool | None = None
    """3.0: the programme's events are fixed once they are sent."""
    payload_descriptors: tuple[PayloadDescriptor, ...] | None = None
    attributes: tuple[ValuesMap, ...] | None = None
    targets: Targets = None


class EventRequest(_Wire, frozen=True, kw_only=True):
    program_id: ObjectId
    event_name: str | None = None
    duration: str | None = None
    priority: Annotated[int, msgspec.Meta(ge=0)] | None = None
    targets: Targets = None
    report_descriptors: tuple[ReportDescriptor, ...] | None = None
    payload_descriptors: tuple[EventPayloadDescriptor, ...] | None = None
    interval_period: IntervalPeriod | None = None
    intervals: tuple[Interval, ...] | None = None


class ReportResource(_Wire, frozen=True, kw_only=True):
    resource_name: Name
    intervals: tuple[Interval, ...]
    interval_period: IntervalPeriod | None = None


class ReportRequest(_Wire, frozen=True, kw_only=True):
    event_id: ObjectId
    client_name: Name
    resources: tuple[ReportResource, ...]
    program_id: ObjectId | None = None
    """Required in 3.0, gone in 3.1."""
    report_name: str | None = None
    payload_descriptors: tuple[PayloadDescriptor, ...] | None = None


class ObjectOperation(_Wire, frozen=True, kw_only=True):
    objects: tuple[ObjectType, ...]
    operations: tuple[Operation, ...]
    callback_url: Url
    bearer_token: str | None = None


class SubscriptionRequest(_Wire, frozen=True, kw_only=True):
    client_name: Name
    object_operations: tuple[ObjectOperation, ...]
    program_id: ObjectId | None = None
    targets: Targets = None


class BlVenRequest(_Wire, frozen=True, kw_only=True, tag_field="objectType", tag="BL_VEN_REQUEST"):
    client_id: Name
    ven_name: Name
    targets: Targets = None
    attributes: tuple[ValuesMap, ...] | None = None


class VenVenRequest(_Wire, frozen=True, kw_only=True, tag_field="objectType", tag="VEN_VEN_REQUEST"):
    ven_name: Name
    attributes: tuple[ValuesMap, ...] | None = None


class BlResourceRequest(_Wire, frozen=True, kw_only=True, tag_field="objectType", tag="BL_RESOURCE_REQUEST"):
    client_id: Name
    resource_name: Name
    ven_id: ObjectId
    targets: Targets = None
    attributes: tuple[ValuesMap, ...] | None = None


class VenResourceRequest(
    _Wire, frozen=True, kw_only=True, tag_field="objectType", tag="VEN_RESOURCE_REQUEST"
):
    resource_name: Name
    ven_id: ObjectId
    attributes: tuple[ValuesMap, ...] | None = None


# What a VTN provides of every object stands in each of the following: id, two stamps and the type. 3.0 calls
# them optional; without them nothing has a version, so they are required here.


class Program(ProgramRequest, frozen=True, kw_only=True):
    id: ObjectId
    created_date_time: str
    modification_date_time: str
    object_type: Literal["PROGRAM"] | None = None


class Event(EventRequest, frozen=True, kw_only=True):
    id: ObjectId
    created_date_time: str
    modification_date_time: str
    object_type: Literal["EVENT"] | None = None


class Report(ReportRequest, frozen=True, kw_only=True):
    id: ObjectId
    created_date_time: str
    modification_date_time: str
    object_type: Literal["REPORT"] | None = None
    client_id: str | None = None


class Subscription(SubscriptionRequest, frozen=True, kw_only=True):
    id: ObjectId
    created_date_time: str
    modification_date_time: str
    object_type: Literal["SUBSCRIPTION"] | None = None
    client_id: str | None = None


class Ven(_Wire, frozen=True, kw_only=True):
    id: ObjectId
    created_date_time: str
    modification_date_time: str
    ven_name: Name
    object_type: Literal["VEN", "BL_VEN_REQUEST", "VEN_VEN_REQUEST"] | None = None
    client_id: str | None = None
    targets: Targets = None
    attributes: tuple[ValuesMap, ...] | None = None


class Resource(_Wire, frozen=True, kw_only=True):
    id: ObjectId
    created_date_time: str
    modification_date_time: str
    resource_name: Name
    ven_id: ObjectId
    object_type: Literal["RESOURCE", "BL_RESOURCE_REQUEST", "VEN_RESOURCE_REQUEST"] | None = None
    client_id: str | None = None
    targets: Targets = None
    attributes: tuple[ValuesMap, ...] | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, in the form that the specification takes from Zalando."""

    type: str = "about:blank"
    title: str | None = None
    status: int | None = None
    detail: str | None = None


class AuthServer(_Wire, frozen=True, kw_only=True):
    token_url: Url = msgspec.field(name="tokenURL")


class Token(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An access token (RFC 6749 section 5.1). Shown without its secret."""

    access_token: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    token_type: str
    expires_in: int | None = None
    scope: str | None = None

    def __repr__(self) -> str:
        return f"Token(token_type={self.token_type!r}, expires_in={self.expires_in!r})"


class AuthError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str | None = None


BODY_BYTES_MAX: Final = 8 * 2**20
"""No answer or request body is longer: 50 events of a year's hours fit."""


def decoded(body: bytes | msgspec.Raw, kind: type[T], place: str = "") -> T:
    """A message of this kind.

    Raises:
        Refused: `json` when it is not JSON, such as a body cut short; `field_missing`, `field_type`,
            `not_allowed` with the field.
    """
    found: T = _decoded(body, kind, place)
    return found


def _decoded(body: bytes | msgspec.Raw, kind: Any, place: str) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        found = decoder_refusal(error, kind)
        at = ".".join(part for part in (place, found.place) if part)
        raise Refused(found.code, found.reason, place=at) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused("json", f"this is not JSON: {error}", place=place) from None


def encoded(message: Any) -> bytes:
    """The message as JSON; what has its default is left out."""
    return msgspec.json.encode(message)
