"""A demand response programme as a gateway: offers as OpenADR 3 lets them be told, calls, and our answers.

OpenADR 3 has no bid and no award. A programme that takes offers asks for them by an event with a report
descriptor of available capacity, which a report answers; where a programme takes none, being enrolled is what
makes a unit one that is called. What is called is the award (`adapters.desk.calling`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Final, TypeVar

from adapters.gateway.gateway import NotPublished, NotTaken, Offer, Taken, Unanswered
from adapters.gateway.openadr3 import wire
from adapters.gateway.openadr3.connection import VtnUnavailable
from adapters.gateway.openadr3.event_watch import KnownEvent, Seen
from adapters.gateway.openadr3.payload import raw_number
from adapters.gateway.openadr3.programme import Programme
from adapters.gateway.openadr3.report import Decision, opt_report
from adapters.gateway.openadr3.response_call import CallInterval, ResponseCall, call_of
from adapters.gateway.openadr3.timing import duration_text, instant_of, instant_text
from adapters.gateway.openadr3.ven import VenClient
from adapters.gateway.openadr3.vtn_session import VtnSession
from ledger.refusal import Refused
from trading.clearing import Clearing
from trading.product import Market, Product
from trading.response_call import Call
from trading.segments import offered_range_w

_W_PER_KW: Final = 1000
T = TypeVar("T")


class OpenAdrGateway:
    """One VTN as one client. `ven` is our name there; each programme is polled every `poll_s` seconds."""

    def __init__(
        self, name: str, session: VtnSession, ven: str, programmes: Sequence[Programme], poll_s: int
    ) -> None:
        self.name = name
        self._session = session
        self._ven = ven
        self._programmes = tuple(programmes)
        self._poll = timedelta(seconds=poll_s)
        self._next: dict[int, datetime] = {}

    # ---------------------------------------------------------------------- calls

    def programmes(self, market: str) -> list[Programme]:
        """Those whose calls are about a market's products."""
        return [one for one in self._programmes if one.market == market]

    def heard(
        self, programme: Programme, known: Callable[[], Mapping[str, KnownEvent]], now: datetime
    ) -> Seen | None:
        """What became of the programme's events; None before it is due again.

        Raises:
            Unanswered: the VTN does not answer; nothing of it is taken.
            Refused: as `VenClient.poll`.
        """
        number = self._programmes.index(programme)
        if now < self._next.get(number, now):
            return None
        self._next[number] = now + self._poll
        try:
            return self._client(programme).poll(programme.programme, known(), programme.rules)
        except VtnUnavailable as error:
            raise Unanswered(str(error)) from error

    def answered(self, programme: Programme, call: Call, decision: Decision) -> str:
        """Have the VTN know whether the unit follows a call; its id of our report.

        Raises:
            Unanswered: it is not known whether it was taken; call again.
            Refused: as `VenClient.reported`.
        """
        told = ResponseCall(
            programme=call.programme,
            event=call.event,
            version=call.version,
            received=call.received,
            name=call.name,
            priority=call.priority,
            targets=(),
            intervals=self._numbered(programme, call),
        )
        report = opt_report(told, self._ven, [programme.resource], decision)
        try:
            return self._client(programme).reported(report).id
        except VtnUnavailable as error:
            raise Unanswered(str(error)) from error

    def _numbered(self, programme: Programme, call: Call) -> tuple[CallInterval, ...]:
        """The intervals under the VTN's own numbers, as the event has them now.

        Raises:
            Unanswered: the event is no longer as it was decided on.
        """
        event = self._client(programme).event(call.event)
        if event is None or instant_of(event.modification_date_time, "modificationDateTime") != call.version:
            raise Unanswered(f"event {call.event} is no longer of version {call.version}")
        return call_of(event, call.received).intervals

    # --------------------------------------------------------------------- offers

    def send(self, offer: Offer) -> Taken:
        """See `Gateway.send`."""
        programme = self._of(offer)
        revision = offer.draft.revision
        if programme.offers == "enrolment":
            return Taken(revision, self._asked(lambda: self._enrolled(programme)))
        return Taken(revision, self._asked(lambda: self._offered(programme, offer)))

    def ask(self, offer: Offer) -> Taken | None:
        """See `Gateway.ask`. Being enrolled has no revisions: it is of whichever is asked about."""
        programme = self._of(offer)
        if programme.offers == "enrolment":
            client = self._client(programme)
            found = self._asked(lambda: client.found_resource(self._ven, programme.resource))
            return None if found is None else Taken(offer.draft.revision, found.id)
        for report in self._asked(lambda: self._reports(programme)):
            revision = _revision(report, offer.draft.bid.id)
            if revision is not None:
                return Taken(revision, report.id, instant_of(report.modification_date_time, "report"))
        return None

    def withdraw(self, offer: Offer) -> None:
        """See `Gateway.withdraw`."""
        programme = self._of(offer)
        if programme.offers == "enrolment":
            raise NotTaken("an enrolled unit is called until the programme lets it go: opt out of a call")
        for report in self._asked(lambda: self._reports(programme)):
            if _revision(report, offer.draft.bid.id) is not None:
                self._asked(partial(self._client(programme).taken_back, report.id))

    def result(self, market: Market, product: Product, day: date, _: Collection[Offer]) -> Clearing:
        """See `Gateway.result`: never, since what is called is heard as it is called."""
        raise NotPublished(f"{market.id} has no results of {product.id} for {day}: its calls are the awards")

    def _of(self, offer: Offer) -> Programme:
        bid = offer.draft.bid
        for one in self._programmes:
            if (one.market, one.product, one.unit) == (bid.market, bid.product, bid.unit):
                return one
        raise NotTaken(f"gateway {self.name} has no programme for unit {bid.unit} and product {bid.product}")

    def _enrolled(self, programme: Programme) -> str:
        client = self._client(programme)
        return client.resource(client.enrolled(self._ven).id, programme.resource).id

    def _offered(self, programme: Programme, offer: Offer) -> str:
        """One report for each bid: a later revision is put in its place."""
        event = self._announcement(programme, offer)
        held = [
            one
            for one in self._reports(programme)
            if one.event_id == event.id and _revision(one, offer.draft.bid.id) is not None
        ]
        report = _offer_report(programme, offer, event, self._ven)
        return self._client(programme).placed(report, held[0].id if held else None).id

    def _announcement(self, programme: Programme, offer: Offer) -> wire.Event:
        """The event that asks for offers of the bid's delivery day.

        Raises:
            NotTaken: there is none.
        """
        day = offer.draft.bid.day
        first, last = offer.market.start_of(day), offer.market.start_of(day + timedelta(days=1))
        for event in self._client(programme).events(programme.programme):
            asked = {one.payload_type for one in event.report_descriptors or ()}
            if programme.offer_type not in asked:
                continue
            call = call_of(event, self._session.clock())
            if call.start < last and (call.end is None or call.end > first):
                return event
        wrong = f"no event of programme {programme.programme} asks for {programme.offer_type} on {day}"
        raise NotTaken(f"{wrong}: OpenADR 3 has no bid but a report that an event asks for")

    def _reports(self, programme: Programme) -> Iterable[wire.Report]:
        return self._client(programme).reports(programme.programme, self._ven)

    def _client(self, programme: Programme) -> VenClient:
        return VenClient(self._session, programme.targets)

    def _asked(self, ask: Callable[[], T]) -> T:
        """Raises:
        NotTaken, Unanswered."""
        try:
            return ask()
        except VtnUnavailable as error:
            raise Unanswered(str(error)) from error
        except Refused as refused:
            if refused.code == "vtn_refused":
                raise NotTaken(str(refused)) from refused
            raise Unanswered(f"{refused.code}: {refused}") from refused


def _offer_report(programme: Programme, offer: Offer, event: wire.Event, ven: str) -> wire.ReportRequest:
    """The power that is offered in each interval of the delivery day, in exact kW, from 0.

    Raises:
        NotTaken: for a bid whose price depends on the power, which no report can tell.
    """
    bid = offer.draft.bid
    if bid.blocks or any(len(curve) > 1 for curve in bid.curves):
        raise NotTaken("a report of available capacity tells one power an interval: no segments, no blocks")
    low, high = offered_range_w(bid)
    start, step = offer.market.start_of(bid.day), timedelta(seconds=offer.product.interval_s)
    intervals = tuple(
        wire.Interval(
            id=number,
            interval_period=wire.IntervalPeriod(
                start=instant_text(start + step * number), duration=duration_text(step)
            ),
            payloads=(
                wire.ValuesMap(
                    type=programme.offer_type,
                    values=(raw_number(Fraction(max(int(high[number]), -int(low[number])), _W_PER_KW)),),
                ),
            ),
        )
        for number in range(len(bid.curves))
    )
    about = wire.PayloadDescriptor(payload_type=programme.offer_type, reading_type="FORECAST", units="KW")
    return wire.ReportRequest(
        program_id=programme.programme,
        event_id=event.id,
        client_name=ven,
        report_name=f"{_PREFIX}{bid.id}.{offer.draft.revision}",
        payload_descriptors=(about,),
        resources=(wire.ReportResource(resource_name=programme.resource, intervals=intervals),),
    )


_PREFIX: Final = "offer-"


def _revision(report: wire.Report, bid: str) -> int | None:
    """Which revision of the bid a report tells; None for a report of something else."""
    name, _, number = (report.report_name or "").rpartition(".")
    return int(number) if name == f"{_PREFIX}{bid}" and number.isascii() and number.isdigit() else None
