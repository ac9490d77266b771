"""To a market that takes and gives files in drop folders, as trading centres do.

A file cannot be asked about: until its acknowledgement lies in `ack` nobody knows whether the market has it,
and where none comes a person has to say (`wattledger bid acknowledge`, `refuse`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import date
from pathlib import Path

import msgspec

from adapters.gateway.drop_box import DropBox, Sent
from adapters.gateway.file_profile import FileProfile, filled
from adapters.gateway.gateway import Aside, NotPublished, NotTaken, Offer, Taken, Unanswered
from adapters.gateway.offer_file import offer_file, withdrawal_file
from adapters.gateway.result_file import Ack, Told, ack_of, result_of
from ledger.refusal import Refused
from trading.clearing import Award, Clearing
from trading.product import Market, Product


class FileExchange:
    """`folder` has a folder of each unit's code with the market's `in`, `ack` and `out`; `kept` is ours."""

    def __init__(self, profile: FileProfile, folder: Path, kept: Path) -> None:
        self._profile = profile
        self._folder = folder
        self._kept = kept

    def send(self, offer: Offer) -> Taken:
        """Lay the offer in `in`; once more the same file where nobody answered it. See `Gateway.send`."""
        box, revision = self._box(offer), offer.draft.revision
        try:
            word = self._profile.word(offer.product)
            data = offer_file(offer.bid, self._profile)
        except Refused as refused:
            raise NotTaken(f"{refused.code}: {refused}", 0) from refused
        with box.held():
            sent = _of(box, offer, "offer", revision)
            if sent is None:
                sent = self._make(box, offer, word, "offer", data)
            return self._answer(box, msgspec.structs.replace(sent, dropped=False), drops=True)

    def ask(self, offer: Offer) -> Taken | None:
        """What its acknowledgement says. See `Gateway.ask`."""
        box = self._box(offer)
        with box.held():
            sent = _of(box, offer, "offer", offer.draft.revision)
            return None if sent is None else self._answer(box, sent, drops=False)

    def withdraw(self, offer: Offer) -> None:
        """Lay the withdrawal in `in`. See `Gateway.withdraw`."""
        box = self._box(offer)
        with box.held():
            stands = self._stands(box, offer)
            if stands is None:
                return
            sent = _of(box, offer, "withdrawal", stands.revision, after=stands.number)
            if sent is None:
                data = withdrawal_file(self._profile)
                sent = self._make(box, offer, stands.product, "withdrawal", data, revision=stands.revision)
            self._answer(box, sent, drops=True)

    def result(self, market: Market, product: Product, day: date, offers: Collection[Offer]) -> Clearing:
        """The newest run that lies in `out` or was taken before. See `Gateway.result`.

        Raises:
            Aside: some of what came is not good.
        """
        word = self._profile.word(product)
        self._collect(market, product, word, day, offers)
        told: list[tuple[Told, str, Award | None]] = []
        for offer in offers:
            box = self._box(offer)
            with box.held():
                newest = self._newest(box, market, product, word, day)
                if newest is None:
                    raise NotPublished(f"no result of {word} on {day} in {self._folder / offer.unit_code}")
                one, digest = newest
                told.append((one, digest, _award(box, offer, word, one)))
        if not told:
            raise NotPublished("nothing was offered")
        first = told[0][0]
        if any(one.run != first.run for one, _, _ in told):
            runs = sorted({one.run for one, _, _ in told})
            raise Unanswered(f"runs {runs}: not every unit's file of the newest one is there")
        if any(one.price_u != first.price_u for one, _, _ in told):
            raise Refused(
                "clearing_file", "two units' files have two prices for one interval", place=str(day)
            )
        digests = [digest for _, digest, _ in told]
        return Clearing(
            market=market.id,
            product=product.id,
            day=day,
            run=str(first.run),
            published=first.published,
            price_u=first.price_u,
            awards=tuple(award for _, _, award in told if award is not None),
            source=filled(
                self._profile.result.names[0], **self._parts(word, day), run=str(first.run), delivery="1"
            ),
            source_sha256=digests[0]
            if len(digests) == 1
            else hashlib.sha256("".join(digests).encode()).hexdigest(),
        )

    # -------------------------------------------------------------------- offers

    def _box(self, offer: Offer) -> DropBox:
        code = offer.unit_code
        if "/" in code or "\0" in code or code.startswith("."):
            raise Unanswered(f"{code!r} cannot be the name of a folder")
        folder = self._folder / code
        for name in ("in", "ack", "out"):
            if not (folder / name).is_dir():
                raise Unanswered(f"there is no folder {folder / name}")
        return DropBox(folder, self._kept / code)

    def _parts(self, word: str, day: date) -> dict[str, str]:
        return {"product": word, "day": day.strftime(self._profile.day)}

    def _make(
        self,
        box: DropBox,
        offer: Offer,
        word: str,
        kind: str,
        data: bytes,
        *,
        revision: int | None = None,
    ) -> Sent:
        """The next file of the unit's day, kept; not dropped yet."""
        layout, bid = self._profile.offer, offer.draft.bid
        before = [one.number for one in box.sent() if (one.product, one.day) == (word, bid.day)]
        number = max(before, default=0) + 1
        template = layout.name if kind == "offer" else layout.withdrawal
        sent = Sent(
            bid=bid.id,
            revision=offer.draft.revision if revision is None else revision,
            kind="offer" if kind == "offer" else "withdrawal",
            product=word,
            day=bid.day,
            number=number,
            name=filled(template, **self._parts(word, bid.day), revision=str(number)) + layout.ending,
            sha256=hashlib.sha256(data).hexdigest(),
        )
        box.keep(sent, data)
        return sent

    def _answer(self, box: DropBox, sent: Sent, *, drops: bool) -> Taken:
        """What the market said to a file.

        Raises:
            NotTaken, Unanswered.
        """
        ack = self._ack(box, sent)
        if ack is None:
            if not sent.dropped and drops:
                try:
                    sent = box.drop(sent)
                except OSError as error:
                    raise Unanswered(f"{sent.name} could not be dropped: {error}") from error
            waits = "waits for its acknowledgement" if sent.dropped else "may or may not have been dropped"
            raise Unanswered(f"{sent.name} {waits}; where none comes, a person says what the market has")
        if not ack.accepted:
            raise NotTaken(f"{sent.name}: {ack.why or 'refused without a reason'}", 0)
        return Taken(sent.revision, sent.stem, ack.at)

    def _ack(self, box: DropBox, sent: Sent) -> Ack | None:
        """Raises:
        Unanswered: it cannot be read."""
        layout = self._profile.ack
        name = filled(layout.name, stem=sent.stem, sha8=sent.sha256[:8]) + layout.ending
        try:
            came = box.acknowledgement(name)
            return None if came is None else ack_of(came.data, layout, sent.name, sent.sha256)
        except Refused as refused:
            raise Unanswered(f"{name}: {refused.code}: {refused}") from refused

    def _stands(self, box: DropBox, offer: Offer) -> Sent | None:
        """The last offer of the bid that the market has, or may have."""
        found: Sent | None = None
        for sent in box.sent():
            if (sent.bid, sent.day) != (offer.draft.bid.id, offer.draft.bid.day):
                continue
            ack = self._ack(box, sent)
            if sent.kind == "offer" and (ack is None or ack.accepted):
                found = sent
            elif sent.kind == "withdrawal" and ack is not None and ack.accepted:
                found = None
        return found

    # ------------------------------------------------------------------- results

    def reject(self, product: Product, day: date, offers: Collection[Offer], run: str, why: Refused) -> None:
        """See `Rejecting.reject`."""
        word = self._profile.word(product)
        for offer in offers:
            box = self._box(offer)
            with box.held():
                for came in box.taken():
                    if str(self._profile.run_of(came.name, word, day)) == run:
                        box.reject(came, why)

    def _collect(
        self, market: Market, product: Product, word: str, day: date, offers: Collection[Offer]
    ) -> None:
        """Take what came for the day, all of it; what is not good is moved aside.

        Raises:
            Aside: the first that is not good, by its file's name, and how many others are not.
        """
        bad: list[Aside] = []
        for offer in offers:
            box = self._box(offer)
            with box.held():
                for name in box.names():
                    run = self._profile.run_of(name, word, day)
                    try:
                        if run is not None and (came := box.came(name)) is not None:
                            one = result_of(came.data, self._profile, market, product, day, run)
                            self._check_same(box, one, market, product, word, day)
                            _award(box, offer, word, one)
                            box.take(came)
                    except Refused as refused:
                        box.refuse(name, refused)
                        bad.append(Aside(refused.code, refused.reason, place=f"{name}: {refused.place}"))
        if bad:
            more = "".join(f"; {one.place} {one.code}" for one in bad[1:])
            raise Aside(bad[0].code, bad[0].reason + more, place=bad[0].place)

    def _check_same(
        self, box: DropBox, one: Told, market: Market, product: Product, word: str, day: date
    ) -> None:
        for came in box.taken():
            if self._profile.run_of(came.name, word, day) != one.run:
                continue
            before = result_of(came.data, self._profile, market, product, day, one.run)
            if before.said != one.said:
                wrong = f"run {one.run} was told with other content in {came.name}"
                raise Refused("clearing_run", wrong, place="run")

    def _newest(
        self, box: DropBox, market: Market, product: Product, word: str, day: date
    ) -> tuple[Told, str] | None:
        newest: tuple[Told, str] | None = None
        for came in box.taken():
            run = self._profile.run_of(came.name, word, day)
            if run is not None and (newest is None or run > newest[0].run):
                newest = result_of(came.data, self._profile, market, product, day, run), came.sha256
        return newest


def _of(box: DropBox, offer: Offer, kind: str, revision: int, after: int = 0) -> Sent | None:
    """What was made for a revision of the bid."""
    bid = offer.draft.bid
    for sent in reversed(box.sent()):
        if (sent.bid, sent.day, sent.kind, sent.revision) == (bid.id, bid.day, kind, revision):
            return sent if sent.number > after else None
    return None


def _award(box: DropBox, offer: Offer, word: str, told: Told) -> Award | None:
    """The award of whichever bid the market cleared.

    Raises:
        Refused: `clearing_file` for a revision that was not sent from here.
    """
    if not told.revised:
        return Award(bid=offer.draft.bid.id, power_w=offer.awarded(told.award_w))
    if told.revision is None:
        return None
    for sent in box.sent():
        if (sent.product, sent.day, sent.number) == (word, offer.draft.bid.day, told.revision):
            return Award(bid=sent.bid, power_w=offer.awarded(told.award_w), revision=sent.revision)
    wrong = f"the result is of revision {told.revision}, which was not sent from here"
    raise Refused("clearing_file", wrong, place=offer.unit_code)
