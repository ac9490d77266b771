"""To the reference market operator over HTTP (docs/reference-market.md).

Its revisions grow with every change of a unit's day, whichever bid changes: the next one is one above what it
holds. Which revision of which bid that was, its idempotency key says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

import httpx
import msgspec

from adapters.gateway.gateway import NotPublished, NotTaken, Offer, Taken, Unanswered
from ledger.interval import Instant
from ledger.refusal import Refused
from trading.bid import Bid
from trading.clearing import Award, Clearing
from trading.product import Market, Product

_TIMEOUT_S: Final = 5.0
_NOT_FOUND: Final = 404
_NOT_ABOUT_THE_BID: Final = frozenset({401, 403, 408, 425, 429})
"""Refusals that say nothing about the bid: it is uncertain until somebody mends the access."""
_NOT_LET_IN: Final = frozenset({401, 403})
_SERVER_ERROR: Final = 500
_LINES: Final = {"day_ahead": "day_ahead", "real_time": "real_time", "intraday": "real_time"}


class _Receipt(msgspec.Struct):
    state: str
    revision: int
    idempotency_key: str
    recorded_at: Instant

    @property
    def bid(self) -> tuple[str, int]:
        """The bid and its revision that the market holds; of none when it was not sent from here."""
        name, _, revision = self.idempotency_key.rpartition("-")
        return (name, int(revision)) if revision.isascii() and revision.isdigit() else ("", 0)


class _Held(msgspec.Struct):
    receipt: _Receipt


class _Interval(msgspec.Struct):
    start: Instant
    price_micro_per_kwh: int
    award_w: int


class _Result(msgspec.Struct):
    market: str
    product: str
    day: date
    participant: str
    run: int
    published_at: Instant
    currency: str
    interval_s: int
    offer_revision: int | None
    intervals: tuple[_Interval, ...]


class _Digested(msgspec.Struct):
    digest: str
    result: msgspec.Raw


class ReferenceMarket:
    """`tokens`: participant (the unit's code at the market) -> its token."""

    def __init__(self, url: str, tokens: Mapping[str, str]) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_S, trust_env=False)
        self._tokens = tokens

    def close(self) -> None:
        self._client.close()

    def check(self, offer: Offer) -> None:
        """See `Checking.check`. A market that cannot be reached is what `send` finds out."""
        unit = offer.unit_code
        if unit not in self._tokens:
            raise Refused("gateway_access", f"no token for {unit} is configured", place="unit")
        try:
            answer = self._client.get(_place(offer), headers=self._headers(unit))
        except httpx.HTTPError:
            return
        if answer.status_code in _NOT_LET_IN:
            wrong = f"the market answers {answer.status_code} to the token of {unit}: nothing was sent"
            raise Refused("gateway_access", wrong, place="unit")

    def send(self, offer: Offer) -> Taken:
        """See `Gateway.send`."""
        if offer.product.kind != "energy":
            raise NotTaken(f"this market trades energy, not {offer.product.kind}", 0)
        held = self._held(offer)
        bid, revision = offer.draft.bid, offer.draft.revision
        if held is None or held.bid != (bid.id, revision):
            body = msgspec.json.encode(_body(offer, 1 if held is None else held.revision + 1))
            headers = self._headers(offer.unit_code) | {
                "Idempotency-Key": f"{bid.id}-{revision}",
                "Content-Type": "application/json",
            }
            held = _decoded(self._ask("PUT", _place(offer), headers=headers, content=body), _Receipt)
        return Taken(revision, _reference(offer, held), held.recorded_at)

    def ask(self, offer: Offer) -> Taken | None:
        """See `Gateway.ask`."""
        held = self._held(offer)
        if held is None or held.bid[0] != offer.draft.bid.id:
            return None
        return Taken(held.bid[1], _reference(offer, held), held.recorded_at)

    def withdraw(self, offer: Offer) -> None:
        """See `Gateway.withdraw`."""
        held = self._held(offer)
        if held is None or held.bid[0] != offer.draft.bid.id:
            return
        headers = self._headers(offer.unit_code) | {"Idempotency-Key": f"{held.idempotency_key}-back"}
        self._ask("DELETE", _place(offer), headers=headers, params={"revision": held.revision + 1})

    def result(self, market: Market, product: Product, day: date, offers: Collection[Offer]) -> Clearing:
        """See `Gateway.result`."""
        told: dict[str, _Result] = {}
        sums: list[str] = []
        awards: dict[str, Award] = {}
        for offer in offers:
            one, digest = self._result(offer.unit_code, product, day)
            told[offer.draft.bid.id] = one
            sums.append(digest)
            if one.offer_revision is not None:
                award = self._award(offer, one)
                awards[award.bid] = award
        if not told:
            raise NotPublished("nothing was offered")
        runs = {one.run for one in told.values()}
        if len(runs) > 1:
            raise Unanswered(f"runs {sorted(runs)}: a new one came while it was read")
        first = next(iter(told.values()))
        starts = _starts(market, product, day)
        for one in told.values():
            _check(one, first, market, product, day, starts)
        return Clearing(
            market=market.id,
            product=product.id,
            day=day,
            run=str(first.run),
            published=first.published_at,
            price_u=tuple(one.price_micro_per_kwh for one in first.intervals),
            awards=tuple(awards.values()),
            source=str(self._client.base_url.join(f"/results/{_LINES[product.stage]}/{day}")),
            source_sha256=hashlib.sha256("".join(sums).encode()).hexdigest(),
        )

    def _held(self, offer: Offer) -> _Receipt | None:
        """What the market has for the unit's day, of whichever bid; a withdrawal too, as of no bid."""
        try:
            answer = self._ask("GET", _place(offer), headers=self._headers(offer.unit_code))
        except NotTaken as error:
            if error.args[1] == _NOT_FOUND:
                return None
            raise Unanswered(str(error)) from error
        held: _Held = _decoded(answer, _Held)
        return held.receipt

    def _award(self, offer: Offer, told: _Result) -> Award:
        held = self._held(offer)
        if held is None or held.revision != told.offer_revision or not held.bid[0]:
            wrong = f"the result is of revision {told.offer_revision}, which was not sent from here"
            raise Refused("clearing_file", wrong, place=f"results {told.day}")
        name, revision = held.bid
        power_w = offer.awarded(tuple(one.award_w for one in told.intervals))
        return Award(bid=name, power_w=power_w, revision=revision)

    def _result(self, participant: str, product: Product, day: date) -> tuple[_Result, str]:
        try:
            answer = self._ask(
                "GET", f"/results/{_LINES[product.stage]}/{day}", headers=self._headers(participant)
            )
        except NotTaken as error:
            if error.args[1] == _NOT_FOUND:
                raise NotPublished(str(error)) from error
            raise Unanswered(str(error)) from error
        digested = _decoded(answer, _Digested)
        if hashlib.sha256(digested.result).hexdigest() != digested.digest:
            raise Unanswered("the result is not what its digest says")
        try:
            return msgspec.json.decode(digested.result, type=_Result), digested.digest
        except msgspec.MsgspecError as error:
            raise Unanswered(f"the result cannot be read: {error}") from error

    def _headers(self, participant: str) -> dict[str, str]:
        if participant not in self._tokens:
            raise Unanswered(f"no token for {participant} is configured")
        return {"Authorization": f"Bearer {self._tokens[participant]}"}

    def _ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **how)
        except httpx.HTTPError as error:
            raise Unanswered(f"{method} {path}: {error!r}") from error
        if answer.status_code >= _SERVER_ERROR or answer.status_code in _NOT_ABOUT_THE_BID:
            raise Unanswered(f"{method} {path}: {answer.status_code}")
        if answer.is_success:
            return answer
        raise NotTaken(answer.text[:500], answer.status_code)


def _place(offer: Offer) -> str:
    line = _LINES[offer.product.stage]
    return f"/participants/{offer.unit_code}/offers/{line}/{offer.draft.bid.day}"


def _reference(offer: Offer, receipt: _Receipt) -> str:
    return f"{offer.unit_code}/{offer.draft.bid.day}/{receipt.revision}"


def _body(offer: Offer, revision: int) -> dict[str, object]:
    bid = offer.bid
    starts = _starts(offer.market, offer.product, bid.day)
    return {
        "revision": revision,
        "curves": [
            {
                "start": starts[number],
                "segments": [
                    {"start_w": low, "end_w": high, "price_micro_per_kwh": price}
                    for low, high, price in curve
                ],
            }
            for number, curve in enumerate(bid.curves)
            if curve
        ],
        "blocks": _blocks(bid, starts),
    }


def _blocks(bid: Bid, starts: list[datetime]) -> list[dict[str, object]]:
    if any(block.parent is not None for block in bid.blocks):
        raise NotTaken("this market links no blocks", 0)
    return [
        {
            "id": block.id,
            "intervals": [
                {"start": starts[block.first + number], "power_w": power}
                for number, power in enumerate(block.profile_w)
            ],
            "price_micro_per_kwh": block.price_u,
            "group": block.group,
        }
        for block in bid.blocks
    ]


def _starts(market: Market, product: Product, day: date) -> list[datetime]:
    begins = market.start_of(day)
    return [
        begins + timedelta(seconds=product.interval_s * number)
        for number in range(market.intervals(product, day))
    ]


def _decoded(answer: httpx.Response, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.MsgspecError as error:
        raise Unanswered(f"the answer cannot be read: {error}") from error


def _check(
    one: _Result, first: _Result, market: Market, product: Product, day: date, starts: list[datetime]
) -> None:
    """Raises:
    Refused: `clearing_file` for a result of another product or day, of other intervals, or of two prices."""
    wrong = ""
    if one.product != _LINES[product.stage]:
        wrong = f"the result is of {one.product}"
    elif one.day != day or one.currency != market.currency:
        wrong = f"the result is of {one.day} in {one.currency}"
    elif [interval.start for interval in one.intervals] != starts:
        wrong = f"the result has {len(one.intervals)} intervals, and the day {len(starts)}"
    elif [i.price_micro_per_kwh for i in one.intervals] != [i.price_micro_per_kwh for i in first.intervals]:
        wrong = "the result has two prices for one interval"
    if wrong:
        raise Refused("clearing_file", wrong, place=f"results {day}")
