"""What a participant sends for one product and day: net curves and blocks, checked against the market."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated

import msgspec

from adapters.decoder_refusal import decoder_refusal
from adapters.reference_market.parameters import Parameters, Participant
from ledger.interval import Instant
from ledger.refusal import Refused

BlockName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `start_w` to `end_w` of net power from this price on; below zero is charging."""

    start_w: int
    end_w: int
    price_micro_per_kwh: int
    """Millionths of the currency per kWh: thousandths per MWh."""


class IntervalCurve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One interval's segments, from charging to discharging, each beginning where the last one ended."""

    start: Instant
    segments: tuple[Segment, ...]


class BlockInterval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    start: Instant
    power_w: int


class OfferedBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All or nothing over its intervals; above zero with a least mean price, below with a highest one."""

    id: BlockName
    intervals: tuple[BlockInterval, ...]
    price_micro_per_kwh: int
    group: BlockName | None = None
    """At most one block of a group is accepted."""


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A participant's offer; an interval without a curve is not offered."""

    revision: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    curves: tuple[IntervalCurve, ...] = ()
    blocks: tuple[OfferedBlock, ...] = ()


def offer_of(body: bytes) -> Offer:
    """The offer in a JSON body.

    Raises:
        Refused: `offer_json` for what is not JSON, `field_missing`, `field_unknown`, `field_type` and
            `not_allowed` with the field's path.
    """
    try:
        return msgspec.json.decode(body, type=Offer)
    except msgspec.ValidationError as error:
        raise decoder_refusal(error, Offer) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("offer_json", f"not valid JSON: {error}") from None


def check(offer: Offer, parameters: Parameters, participant: Participant, starts: Sequence[datetime]) -> None:
    """That the market can take the offer for a day whose intervals begin at `starts`.

    Raises:
        Refused: `offer_empty`, `offer_interval`, `offer_duplicate`, `offer_segments`, `offer_contiguous`,
            `offer_descending`, `offer_zero`, `offer_lot`, `offer_price`, `offer_power`, `offer_block_sign`;
            the place is the field's path.
    """
    if not offer.curves and not offer.blocks:
        raise Refused("offer_empty", "an offer has a curve or a block; withdraw it with DELETE")
    _check_starts([curve.start for curve in offer.curves], starts, "curves")
    for index, curve in enumerate(offer.curves):
        _check_segments(curve.segments, parameters, participant, f"curves[{index}]")
    names = [block.id for block in offer.blocks]
    for index, block in enumerate(offer.blocks):
        if names.index(block.id) < index:
            raise Refused("offer_duplicate", f"block {block.id} is there twice", place=f"blocks[{index}].id")
        _check_block(block, parameters, participant, starts, f"blocks[{index}]")
    _check_sums(offer, participant)


def _check_starts(given: Sequence[datetime], starts: Sequence[datetime], place: str) -> None:
    for index, start in enumerate(given):
        at = f"{place}[{index}].start"
        if start not in starts:
            reason = f"{start.isoformat()} starts no interval of the day; the first is {_text(starts[0])}"
            raise Refused("offer_interval", reason, place=at)
        if given.index(start) < index:
            raise Refused("offer_duplicate", f"{start.isoformat()} is there twice", place=at)


def _check_segments(
    segments: Sequence[Segment], parameters: Parameters, participant: Participant, place: str
) -> None:
    if not 1 <= len(segments) <= parameters.segments_max:
        reason = f"{len(segments)} segments; 1 to {parameters.segments_max}"
        raise Refused("offer_segments", reason, place=place)
    for index, segment in enumerate(segments):
        at = f"{place}.segments[{index}]"
        if segment.end_w <= segment.start_w:
            raise Refused("offer_contiguous", "a segment ends above its start", place=at)
        _check_lots((segment.start_w, segment.end_w), parameters, at)
        _check_price(segment.price_micro_per_kwh, parameters, at)
    for index, (before, after) in enumerate(pairwise(segments), 1):
        at = f"{place}.segments[{index}]"
        if before.end_w != after.start_w:
            reason = f"begins at {after.start_w} W, not where the last one ended, {before.end_w} W"
            raise Refused("offer_contiguous", reason, place=at)
        if before.price_micro_per_kwh > after.price_micro_per_kwh:
            raise Refused("offer_descending", "prices do not fall along the curve", place=at)
    first, last = segments[0].start_w, segments[-1].end_w
    if not first <= 0 <= last:
        raise Refused("offer_zero", f"{first} W to {last} W leaves out 0 W, doing nothing", place=place)
    _check_power((first, last), participant, place)


def _check_block(
    block: OfferedBlock,
    parameters: Parameters,
    participant: Participant,
    starts: Sequence[datetime],
    place: str,
) -> None:
    powers = [interval.power_w for interval in block.intervals]
    if not powers or not (min(powers) > 0 or max(powers) < 0):
        reason = "a block has intervals, all of power above zero (supply) or all below (demand)"
        raise Refused("offer_block_sign", reason, place=place)
    _check_starts([interval.start for interval in block.intervals], starts, f"{place}.intervals")
    _check_lots(powers, parameters, place)
    _check_power(powers, participant, place)
    _check_price(block.price_micro_per_kwh, parameters, place)


def _check_sums(offer: Offer, participant: Participant) -> None:
    """That curve and blocks together can be delivered, whatever of them is accepted."""
    up: dict[datetime, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    down: dict[datetime, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for curve in offer.curves:
        up[curve.start][""] = curve.segments[-1].end_w
        down[curve.start][""] = curve.segments[0].start_w
    for block in offer.blocks:
        choice = f"group {block.group}" if block.group else f"block {block.id}"
        for interval in block.intervals:
            up[interval.start][choice] = max(up[interval.start][choice], interval.power_w)
            down[interval.start][choice] = min(down[interval.start][choice], interval.power_w)
    for start, most in up.items():
        both = sum(down[start].values()), sum(most.values())
        _check_power(both, participant, f"curve and blocks at {_text(start)}")


def _check_lots(powers_w: Iterable[int], parameters: Parameters, place: str) -> None:
    for power_w in powers_w:
        if power_w % parameters.lot_w:
            reason = f"{power_w} W is not in whole lots of {parameters.lot_w} W"
            raise Refused("offer_lot", reason, place=place)


def _check_price(price: int, parameters: Parameters, place: str) -> None:
    low, high = parameters.price_min_micro_per_kwh, parameters.price_max_micro_per_kwh
    if not low <= price <= high:
        raise Refused("offer_price", f"{price} is not within the market's {low}..{high}", place=place)


def _check_power(powers_w: Iterable[int], participant: Participant, place: str) -> None:
    low, high = -participant.charge_w_max, participant.discharge_w_max
    for power_w in powers_w:
        if not low <= power_w <= high:
            reason = f"{power_w} W is not within the registered {low}..{high} W"
            raise Refused("offer_power", reason, place=place)


def _text(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
