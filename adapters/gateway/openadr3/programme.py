"""A demand response programme as a market's product: for which unit, and how its events tell power."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Final, Literal

import msgspec

from adapters.gateway.openadr3.event_watch import EventChange, KnownEvent, ProgrammeRules
from adapters.gateway.openadr3.payload import Payload
from adapters.gateway.openadr3.response_call import CallInterval, ResponseCall
from adapters.gateway.openadr3.wire import Name, ObjectId
from ledger.identity import checked_id
from ledger.refusal import Refused
from trading.product import MICRO, WHOLE_MAX, Id, Market, Product
from trading.response_call import Call, CalledInterval

_LEVELS: Final = 3
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_NOTICE_MAX: Final = 31 * 86_400
_PRICE: Final = "PRICE"


class Programme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One programme of a VTN for one trading unit: the product of the market that its calls are about.

    `programme` is its id at the VTN and `resource` our name for the unit there. `payload` is the type that
    tells the power, `positive` what a value above zero asks the storage for; of SIMPLE, `levels_w` are the
    powers of levels 1 to 3. `price`: what is paid per `price_unit` of the product where an event tells no
    PRICE. `offers`: a report of available capacity (`offer_type`), or nothing beyond being enrolled.
    `notice_s`: how long before its start a call must be heard. `gate_s`, `test_marks`: see `ProgrammeRules`.
    """

    market: Id
    product: Id
    unit: Id
    programme: ObjectId
    resource: Name
    price: str
    payload: Name = "DISPATCH_SETPOINT"
    positive: Literal["discharge", "charge"] = "discharge"
    levels_w: Annotated[tuple[int, ...], msgspec.Meta(max_length=_LEVELS)] = ()
    offers: Literal["report", "enrolment"] = "enrolment"
    offer_type: Name = "LOAD_SHED_DELTA_AVAILABLE"
    targets: tuple[Name, ...] = ()
    notice_s: int = 0
    gate_s: int = 0
    test_marks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for place in ("market", "product", "unit"):
            checked_id(getattr(self, place), place)
        if not _DECIMAL.fullmatch(self.price):
            raise Refused("number", f"{self.price!r} is not a plain decimal such as 0.85", place="price")
        if (self.payload == "SIMPLE") != (len(self.levels_w) == _LEVELS):
            wrong = f"{_LEVELS} powers in W with payload SIMPLE, none with another"
            raise Refused("levels", wrong, place="levels_w")
        if any(not 0 < power <= WHOLE_MAX for power in self.levels_w):
            raise Refused("levels", f"1 to {WHOLE_MAX} W", place="levels_w")
        for place in ("notice_s", "gate_s"):
            if not 0 <= getattr(self, place) <= _NOTICE_MAX:
                raise Refused("not_allowed", f"0 to {_NOTICE_MAX} seconds", place=place)

    @property
    def rules(self) -> ProgrammeRules:
        return ProgrammeRules(gate_s=self.gate_s, test_marks=frozenset(self.test_marks))

    def price_u(self, product: Product) -> int:
        """`price` in millionths of the currency per kWh (kW·h, kW).

        Raises:
            Refused: `price_scale`.
        """
        found = product.micro(self.price)
        if found.denominator != 1:
            raise Refused("price_scale", "finer than a millionth per kWh, kW·h or kW", place="price")
        return found.numerator

    def call(
        self,
        gateway: str,
        market: Market,
        product: Product,
        change: EventChange,
        known: Mapping[str, KnownEvent],
    ) -> Call:
        """A change's version as a call on the unit; what cannot be a power is said in `wrong`."""
        told = change.call
        assert told is not None, "a withdrawn event is no call"
        intervals: tuple[CalledInterval, ...] = ()
        wrong = why = ""
        try:
            intervals = tuple(
                self._interval(market, product, interval, number)
                for number, interval in enumerate(told.intervals)
            )
        except Refused as refused:
            wrong, why = refused.code, str(refused)
        return Call(
            gateway=gateway,
            market=market.id,
            product=product.id,
            unit=self.unit,
            programme=told.programme,
            event=told.event,
            version=told.version,
            digest=known[told.event].digest,
            received=told.received,
            start=told.start,
            end=told.end,
            intervals=intervals,
            name=told.name,
            priority=told.priority,
            targets=tuple(target.value for target in told.targets),
            randomize_s=told.randomize_s,
            trial=told.test,
            after_gate=change.after_gate,
            unused=self._unused(told),
            wrong=wrong,
            why=why,
        )

    def _unused(self, told: ResponseCall) -> tuple[str, ...]:
        types = {payload.type for interval in told.intervals for payload in interval.payloads}
        return tuple(sorted(types - {self.payload, _PRICE}))

    def _interval(self, market: Market, product: Product, told: CallInterval, number: int) -> CalledInterval:
        place = f"intervals[{number}]"
        if told.end is None:
            raise Refused("call_open_ended", "it has no end: what is settled ends", place=place)
        powers = [payload for payload in told.payloads if payload.type == self.payload]
        if len(powers) != 1:
            types = ", ".join(payload.type for payload in told.payloads) or "nothing"
            wrong = f"it tells {types}; one {self.payload} is what the programme calls by"
            raise Refused("call_payload", wrong, place=place)
        sign = 1 if self.positive == "discharge" else -1
        prices = [payload for payload in told.payloads if payload.type == _PRICE]
        price = _price_u(market, product, prices[0], place) if prices else None
        return CalledInterval(told.start, told.end, sign * self._power_w(powers[0]), price)

    def _power_w(self, told: Payload) -> int:
        if self.payload != "SIMPLE":
            return told.power_w
        level = told.values[0]
        assert isinstance(level, Fraction), "a SIMPLE level is a whole number"
        return 0 if level == 0 else self.levels_w[level.numerator - 1]


def _price_u(market: Market, product: Product, told: Payload, place: str) -> int:
    """A PRICE as whole millionths of the market's currency per kWh.

    Raises:
        Refused: `call_price`.
    """
    values = told.values
    if told.units != "KWH" or told.currency != market.currency or not product.timed or len(values) != 1:
        wrong = f"{len(values)} PRICE in {told.currency} per {told.units}; one in {market.currency} per KWH"
        raise Refused("call_price", wrong, place=place)
    found = values[0] * MICRO if isinstance(values[0], Fraction) else Fraction(1, 2)
    if found.denominator != 1 or abs(found) > WHOLE_MAX:
        raise Refused("call_price", f"{values[0]} is not of whole millionths", place=place)
    return found.numerator
