"""The market operator: takes offers until the gate, clears them, publishes and corrects results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final

from adapters.reference_market.auction import auction, auction_block
from adapters.reference_market.clearing import COMBINATIONS_MAX, combinations
from adapters.reference_market.clock import Clock, SteppedClock
from adapters.reference_market.day_result import DayResult
from adapters.reference_market.entry import (
    ClockSet,
    Entry,
    OfferAccepted,
    OfferWithdrawn,
    Opened,
    PublicationDelayed,
    ResultPublished,
)
from adapters.reference_market.journal import Journal
from adapters.reference_market.offer import Offer, check
from adapters.reference_market.offer_book import OfferBook, Place, Receipt, State, revision_of, sha256_of
from adapters.reference_market.parameters import Parameters, Product
from adapters.reference_market.published_prices import PublishedPrices
from adapters.reference_market.trading_day import Gate, gate, starts
from ledger.interval import checked_year
from ledger.refusal import Refused

CORRECTED: Final = "corrected"
REPUBLISHED: Final = "republished"


class Market:
    """One market; every change is in the journal before it is answered, and is read back at the start.

    Raises:
        Refused: `market_journal_other`, `market_journal`.
    """

    def __init__(
        self, parameters: Parameters, prices: PublishedPrices, journal: Journal, clock: Clock
    ) -> None:
        self.parameters = parameters
        self.clock = clock
        self._prices = prices
        self._journal = journal
        self.book = OfferBook()
        self._runs: dict[tuple[Product, date], list[DayResult]] = {}
        self.deliveries: Counter[tuple[Product, date, int]] = Counter()
        """How often each run is delivered again."""
        self._delayed: dict[tuple[Product, date], datetime] = {}
        opened = Opened(
            parameters.market,
            parameters.node,
            parameters.currency,
            parameters.zone,
            parameters.interval_s,
            parameters.lot_w,
        )
        if not journal.entries:
            journal.append(opened)
        elif journal.entries[0] != opened:
            reason = f"the journal is of {journal.entries[0]}, not of {opened}"
            raise Refused("market_journal_other", reason)
        for entry in journal.entries[1:]:
            self._apply(entry)

    def _apply(self, entry: Entry) -> None:
        match entry:
            case OfferAccepted() | OfferWithdrawn():
                self.book.apply(entry)
            case ResultPublished(result):
                runs = self._runs.setdefault((result.product, result.day), [])
                assert result.run == len(runs) + 1, "runs are numbered in order"
                runs.append(result)
            case PublicationDelayed(product, day, until):
                self._delayed[product, day] = until
            case ClockSet(now):
                if isinstance(self.clock, SteppedClock) and now > self.clock.now():
                    self.clock.set(now)
            case Opened():
                raise Refused("market_journal", "a second opening entry")

    def _record(self, entry: Entry) -> None:
        self._journal.append(entry)
        self._apply(entry)

    # Offers

    def put_offer(self, place: Place, key: str, sha256: str, offer: Offer) -> Receipt:
        """Accept an offer, or the next revision of one; the same request again has the first answer.

        Refused in this order: a reused key, an unknown day, the gate, the revision, the content.

        Raises:
            Refused: `idempotency_key_reused`, `unknown_day`, `gate_not_open`, `gate_closed`,
                `revision_behind`, `block_combinations`, and what `offer.check` refuses.
        """
        entry = self.book.repeated(place, key, sha256=sha256, revision=offer.revision)
        if entry is None:
            self._check_taken(place, offer.revision)
            participant = self.parameters.participants[place.participant]
            check(offer, self.parameters, participant, starts(self.parameters, place.day))
            self._check_combinations(place, offer)
            now = self.clock.now()
            entry = OfferAccepted(*place, key, sha256, now, offer)
            self._record(entry)
        return self._receipt(entry, "accepted" if isinstance(entry, OfferAccepted) else "withdrawn")

    def withdraw(self, place: Place, key: str, revision: int) -> Receipt:
        """Withdraw what is held; a later revision may offer again before the gate.

        Raises:
            Refused: as `put_offer`, and `unknown_offer` when no offer stands.
        """
        entry = self.book.repeated(place, key, sha256=None, revision=revision)
        if entry is None:
            self._check_taken(place, revision)
            if not isinstance(self.book.held(place), OfferAccepted):
                raise Refused("unknown_offer", "no offer stands to be withdrawn", place="day")
            entry = OfferWithdrawn(*place, key, revision, self.clock.now())
            self._record(entry)
        return self._receipt(entry, "withdrawn")

    def offer(self, place: Place) -> tuple[Receipt, Offer | None]:
        """What the market holds now, and the offer unless it was withdrawn.

        Raises:
            Refused: `unknown_offer`, `unknown_day`.
        """
        self._prices.of(place.product, place.day)
        entry = self.book.held(place)
        if entry is None:
            raise Refused("unknown_offer", "the market holds no offer of this day", place="day")
        if isinstance(entry, OfferWithdrawn):
            return self._receipt(entry, "withdrawn"), None
        now = self.clock.now()
        state: State = "accepted"
        if now >= self.published_at(place.product, place.day):
            state = "cleared"
        elif now >= gate(self.parameters, place.product, place.day).closes:
            state = "sealed"
        return self._receipt(entry, state), entry.offer

    def _receipt(self, entry: OfferAccepted | OfferWithdrawn, state: State) -> Receipt:
        return Receipt(
            participant=entry.participant,
            product=entry.product,
            day=entry.day,
            state=state,
            revision=revision_of(entry),
            idempotency_key=entry.key,
            sha256=sha256_of(entry),
            recorded_at=entry.accepted_at if isinstance(entry, OfferAccepted) else entry.withdrawn_at,
            gate_closes=gate(self.parameters, entry.product, entry.day).closes,
        )

    def _check_taken(self, place: Place, revision: int) -> None:
        self._prices.of(place.product, place.day)
        times = gate(self.parameters, place.product, place.day)
        now = self.clock.now()
        if now < times.opens:
            reason = f"the gate opens at {times.opens.isoformat()}; it is {now.isoformat()}"
            raise Refused("gate_not_open", reason, place="day")
        if now >= times.closes:
            reason = f"the gate closed at {times.closes.isoformat()}; it is {now.isoformat()}"
            raise Refused("gate_closed", reason, place="day")
        self.book.check_revision(place, revision)

    def _check_combinations(self, place: Place, offer: Offer) -> None:
        """That the day can still be cleared exactly with this offer's blocks."""
        others = [other for other in self.book.standing(place.product, place.day) if other[0] != place[0]]
        blocks = [
            auction_block(self.parameters, name, block, place.day)
            for name, of in [*others, (place.participant, offer)]
            for block in of.blocks
        ]
        if (count := combinations(blocks)) > COMBINATIONS_MAX:
            reason = f"all blocks of the day have {count} combinations; up to {COMBINATIONS_MAX}"
            raise Refused("block_combinations", reason, place="blocks")

    # Results

    def gate(self, product: Product, day: date) -> Gate:
        """The product's times of a day; its publication as it is due, not as delayed.

        Raises:
            Refused: `unknown_day`.
        """
        self._prices.of(product, day)
        return gate(self.parameters, product, day)

    def published_at(self, product: Product, day: date) -> datetime:
        """When the first run is published, a delay counted."""
        due = gate(self.parameters, product, day).published
        return max(due, self._delayed.get((product, day), due))

    def result(self, product: Product, day: date, run: int | None = None) -> DayResult:
        """A published run, the newest unless one is named; clears what is due and nobody asked for yet.

        Raises:
            Refused: `unknown_day`, `not_published`, `unknown_run`.
        """
        self._prices.of(product, day)
        if (product, day) not in self._runs:
            due = self.published_at(product, day)
            if self.clock.now() < due:
                raise Refused("not_published", f"published at {due.isoformat()} at the earliest", place="day")
            self._record(ResultPublished(self._cleared(product, day, due)))
        runs = self._runs[product, day]
        if run is not None and not 1 <= run <= len(runs):
            raise Refused("unknown_run", f"there are runs 1 to {len(runs)}", place="run")
        return runs[-1 if run is None else run - 1]

    def delay(self, product: Product, day: date, until: datetime) -> None:
        """Publish later than due.

        Raises:
            Refused: `unknown_day`, `already_published`, `year`.
        """
        self._prices.of(product, day)
        if self.clock.now() >= self.published_at(product, day):
            raise Refused("already_published", "the result is out", place="day")
        checked_year(until.date(), "until")
        self._record(PublicationDelayed(product, day, until.astimezone(UTC)))

    def correct(
        self,
        product: Product,
        day: date,
        prices: Mapping[datetime, int],
        awards: Mapping[str, Mapping[datetime, int]],
    ) -> DayResult:
        """Publish a further run with these prices and awards of some intervals, the rest as before.

        Raises:
            Refused: `not_published`, `correction_empty`, `offer_interval`, `offer_lot`,
                `unknown_participant`.
        """
        last = self.result(product, day)
        of_day = starts(self.parameters, day)
        if not prices and not any(awards.values()):
            raise Refused("correction_empty", "a correction changes a price or an award")
        for start in [*prices, *(start for award in awards.values() for start in award)]:
            if start not in of_day:
                raise Refused("offer_interval", f"{start.isoformat()} starts no interval of the day")
        changed = dict(last.awards_w)
        for name, powers in awards.items():
            self.check_participant(name)
            if any(power % self.parameters.lot_w for power in powers.values()):
                raise Refused("offer_lot", f"awards are in lots of {self.parameters.lot_w} W", place="awards")
            before = changed.get(name, (0,) * len(of_day))
            changed[name] = tuple(
                powers.get(start, power) for start, power in zip(of_day, before, strict=True)
            )
        corrected = tuple(
            prices.get(start, price) for start, price in zip(of_day, last.prices_micro_per_kwh, strict=True)
        )
        return self._further(last, corrected, changed, CORRECTED)

    def republish(self, product: Product, day: date) -> DayResult:
        """Publish the same prices and awards as a further run.

        Raises:
            Refused: `not_published`, `unknown_day`.
        """
        last = self.result(product, day)
        return self._further(last, last.prices_micro_per_kwh, last.awards_w, REPUBLISHED)

    def deliver_again(self, product: Product, day: date) -> DayResult:
        """Have the newest run delivered once more as a file, byte by byte the same.

        Raises:
            Refused: `not_published`, `unknown_day`.
        """
        last = self.result(product, day)
        self.deliveries[product, day, last.run] += 1
        return last

    def _further(
        self, last: DayResult, prices: tuple[int, ...], awards_w: dict[str, tuple[int, ...]], reason: str
    ) -> DayResult:
        result = DayResult(
            last.product,
            last.day,
            last.run + 1,
            self.clock.now(),
            prices,
            awards_w,
            last.blocks,
            last.revisions,
            reason,
        )
        self._record(ResultPublished(result))
        return result

    def check_participant(self, name: str) -> None:
        """That the market knows the participant.

        Raises:
            Refused: `unknown_participant`.
        """
        if name not in self.parameters.participants:
            raise Refused("unknown_participant", f"{name!r} is not registered", place="participant")

    def _cleared(self, product: Product, day: date, published_at: datetime) -> DayResult:
        carried = self._day_ahead_awards(day) if product == "real_time" else {}
        prices, offers = self._prices.of(product, day), dict(self.book.standing(product, day))
        return auction(self.parameters, product, day, published_at, prices, offers, carried)

    def _day_ahead_awards(self, day: date) -> Mapping[str, tuple[int, ...]]:
        """Those of the newest run, or of what will be published."""
        if runs := self._runs.get(("day_ahead", day)):
            return runs[-1].awards_w
        return self._cleared("day_ahead", day, self.published_at("day_ahead", day)).awards_w

    def set_clock(self, to: datetime) -> None:
        """Move the stepped clock on.

        Raises:
            Refused: `clock_real` when the market's clock is the computer's, `clock_backward`, `year`.
        """
        if not isinstance(self.clock, SteppedClock):
            raise Refused("clock_real", "this market runs on the computer's clock: start it with --clock")
        checked_year(to.date(), "now")
        self.clock.check(to)
        self._record(ClockSet(to.astimezone(UTC)))

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()
