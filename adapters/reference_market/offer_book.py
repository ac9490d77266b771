"""The offers that the market holds: what was accepted, withdrawn and answered, folded from its journal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Literal, NamedTuple

import msgspec

from adapters.reference_market.entry import OfferAccepted, OfferWithdrawn
from adapters.reference_market.offer import Offer
from adapters.reference_market.parameters import Product
from ledger.interval import Instant
from ledger.refusal import Refused

State = Literal["accepted", "withdrawn", "sealed", "cleared"]


class Place(NamedTuple):
    """Where an offer stands."""

    participant: str
    product: Product
    day: date


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the market holds of an offer: as it answered it then, or asked for it, as it is now."""

    participant: str
    product: Product
    day: date
    state: State
    """`accepted` or `withdrawn` before the gate, `sealed` after it, `cleared` once the result is out."""
    revision: int
    idempotency_key: str
    sha256: str | None
    """Of the body or file as it was sent; none for a withdrawal."""
    recorded_at: Instant
    gate_closes: Instant


class OfferBook:
    """The newest entry of each participant, product and day, and what every idempotency key was used for."""

    def __init__(self) -> None:
        self._held: dict[Place, OfferAccepted | OfferWithdrawn] = {}
        self._by_key: dict[tuple[str, str], OfferAccepted | OfferWithdrawn] = {}

    def apply(self, entry: OfferAccepted | OfferWithdrawn) -> None:
        place = Place(entry.participant, entry.product, entry.day)
        assert place not in self._held or revision_of(self._held[place]) < revision_of(entry)
        assert (entry.participant, entry.key) not in self._by_key
        self._held[place] = entry
        self._by_key[entry.participant, entry.key] = entry

    def held(self, place: Place) -> OfferAccepted | OfferWithdrawn | None:
        """The newest of this place, a withdrawal too."""
        return self._held.get(place)

    def standing(self, product: Product, day: date) -> Iterator[tuple[str, Offer]]:
        """Every participant's offer in force, by name."""
        for place in sorted(self._held):
            entry = self._held[place]
            if (place.product, place.day) == (product, day) and isinstance(entry, OfferAccepted):
                yield place.participant, entry.offer

    def places(self, participant: str) -> list[Place]:
        """Everything that the participant ever offered or withdrew, by product and day."""
        return sorted(place for place in self._held if place.participant == participant)

    def repeated(
        self, place: Place, key: str, *, sha256: str | None, revision: int
    ) -> OfferAccepted | OfferWithdrawn | None:
        """What this key was first used for, when this is the same request again; none for a new key.

        Raises:
            Refused: `idempotency_key_reused` when the key was used for something else.
        """
        entry = self._by_key.get((place.participant, key))
        if entry is None:
            return None
        same = place == (entry.participant, entry.product, entry.day) and revision == revision_of(entry)
        if not same or sha256 != sha256_of(entry):
            reason = (
                f"used for revision {revision_of(entry)} of {entry.product} {entry.day} with other content"
            )
            raise Refused("idempotency_key_reused", reason, place="Idempotency-Key")
        return entry

    def check_revision(self, place: Place, revision: int) -> None:
        """That a revision follows what is held.

        Raises:
            Refused: `revision_behind`.
        """
        entry = self._held.get(place)
        if entry is not None and revision <= revision_of(entry):
            reason = f"revision {revision_of(entry)} is held; the next is above it"
            raise Refused("revision_behind", reason, place="revision")


def revision_of(entry: OfferAccepted | OfferWithdrawn) -> int:
    return entry.offer.revision if isinstance(entry, OfferAccepted) else entry.revision


def sha256_of(entry: OfferAccepted | OfferWithdrawn) -> str | None:
    return entry.sha256 if isinstance(entry, OfferAccepted) else None
