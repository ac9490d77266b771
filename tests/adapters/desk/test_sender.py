"""What the sender makes of a market's answers, step by step; the market is a script."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import cast

import pytest

from adapters.desk.sender import Sender
from adapters.gateway.gateway import NotPublished, NotTaken, Offer, Taken, Unanswered
from adapters.postgres.database import Database
from ledger.refusal import Refused
from tests.adapters.desk.desk_book import MARKET, MW
from tests.adapters.desk.pure_desk import PureDesk, furnished
from tests.trading.test_bid_life import acknowledge, bound, offer, send, standing
from trading.clearing import Clearing
from trading.product import Market, Product
from trading.risk import ResumeTrading


class Script:
    """A market: what it holds of our bid, and what it says to the next requests."""

    def __init__(self) -> None:
        self.held: int | None = None
        self.gives_back = True
        self.answers = True
        self.takes: str | None = None
        self.asked: list[str] = []

    def send(self, offer: Offer) -> Taken:
        self.asked.append("send")
        if self.takes is not None:
            raise NotTaken(self.takes)
        self.held = offer.draft.revision
        if not self.answers:
            raise Unanswered("lost")
        return Taken(self.held, f"R{self.held}")

    def ask(self, offer: Offer) -> Taken | None:
        assert offer.unit_code
        self.asked.append("ask")
        return None if self.held is None else Taken(self.held, f"R{self.held}")

    def withdraw(self, offer: Offer) -> None:
        assert offer.unit_code
        self.asked.append("withdraw")
        if not self.gives_back:
            raise NotTaken("the gate is closed")
        self.held = None

    def result(self, market: Market, product: Product, day: date, offers: Collection[Offer]) -> Clearing:
        raise NotPublished(day.isoformat())


class PureSender(Sender):
    """Where it would read PostgreSQL, it reads the aggregates."""

    def __init__(self, desk: PureDesk, script: Script) -> None:
        super().__init__(desk, cast("Database", None), MARKET, {"none": script}, lambda: desk.pure.now)
        self.pure = desk

    def _live(self) -> list[str]:
        return [name for name, state in self.pure.bids().items() if state.live is not None]

    def outcomes(self) -> list[str]:
        return [done.outcome for done in self.step()]


def parts() -> tuple[PureDesk, Script, PureSender]:
    desk, script = furnished(), Script()
    return desk, script, PureSender(desk, script)


def test_a_stop_asks_back_what_stands_behind_a_revision_that_is_not_sent() -> None:
    desk, script, sender = parts()
    first = offer(desk, {72: MW})
    assert sender.outcomes() == ["acknowledged"]
    offer(desk, {73: MW})
    desk.stop("look", command_id="stop", actor="anna")
    assert [*sender.outcomes(), *sender.outcomes()] == ["withdrawing", "withdrawn"]
    assert (script.held, bound(desk, 72), standing(desk).status) == (None, 0, "withdrawn")
    assert first == 1


def test_a_stop_leaves_what_was_never_sent() -> None:
    desk, script, sender = parts()
    offer(desk, {72: MW})
    desk.stop("look", command_id="stop", actor="anna")
    assert sender.outcomes() == []
    assert (script.asked, standing(desk).status) == ([], "submitted")


def test_each_stop_asks_back_once() -> None:
    desk, script, sender = parts()
    offer(desk, {72: MW})
    assert sender.outcomes() == ["acknowledged"]
    script.gives_back = False
    for number in range(2):
        desk.stop("look", command_id=f"stop{number}", actor="anna")
        assert [*sender.outcomes(), *sender.outcomes(), *sender.outcomes()] == ["withdrawing", "kept"]
        resume = ResumeTrading("bert", "go on")
        desk.pure.execute(resume, command_id=f"resume{number}", actor="bert")
    assert script.asked.count("withdraw") == 2


def test_what_the_market_keeps_is_what_it_says_it_has() -> None:
    """Asked back too late: the revision that was never sent is none, the one behind it stands."""
    desk, script, sender = parts()
    first = offer(desk, {72: MW})
    assert sender.outcomes() == ["acknowledged"]
    offer(desk, {73: 2 * MW})
    desk.ask_withdrawal("b1", "wrong", command_id="w", actor="anna")
    script.gives_back = False
    assert sender.outcomes() == ["refused"]
    assert sender.outcomes() == ["kept"]
    assert (standing(desk).draft.revision, standing(desk).status) == (first, "acknowledged")
    assert (bound(desk, 72), bound(desk, 73)) == (MW, 0)


def test_what_the_market_never_had_is_withdrawn_whatever_it_answers() -> None:
    desk, script, sender = parts()
    offer(desk, {72: MW})
    desk.ask_withdrawal("b1", "wrong", command_id="w", actor="anna")
    script.gives_back = False
    assert sender.outcomes() == ["withdrawn"]
    assert bound(desk, 72) == 0


def test_a_wish_during_the_sending_is_carried_out_after_it() -> None:
    desk, script, sender = parts()
    first = offer(desk, {72: MW})
    send(desk, first)
    desk.ask_withdrawal("b1", "wrong", command_id="w", actor="anna")
    script.held = first
    acknowledge(desk, first)
    assert sender.outcomes() == ["withdrawn"]
    assert script.held is None


@pytest.mark.parametrize("said", ["", " ", "x" * 5000])
def test_any_words_of_the_market_are_a_refusal(said: str) -> None:
    desk, script, sender = parts()
    offer(desk, {72: MW})
    script.takes = said
    assert sender.outcomes() == ["refused"]
    assert standing(desk).reason


def test_an_answer_that_was_lost_is_asked_for_and_nothing_is_sent_twice() -> None:
    desk, script, sender = parts()
    offer(desk, {72: MW})
    script.answers = False
    assert [*sender.outcomes(), *sender.outcomes()] == ["uncertain", "acknowledged"]
    assert script.asked == ["send", "ask"]
    with pytest.raises(Refused):
        send(desk, 1)
