"""How a contract that ends before its time is settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction
from typing import Final, Literal

import msgspec

from ledger.clauses.carry import HurdleUnpaid
from ledger.clauses.divided import divided
from ledger.clauses.flow import Flow, Outcome, Part, Phase, Stated, Terms, one_of
from ledger.clauses.share import Amount, Shares, amount, weights
from ledger.clauses.telling import Product, Told, stated, times
from ledger.refusal import Refused

UnpaidHurdle = Literal["due", "lapses"]


class TerminationStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is paid when the contract ends on `since` or later, up to the next step."""

    since: date
    amount: Amount

    def __post_init__(self) -> None:
        amount(self.amount, "amount")


class EarlyTermination(Terms, frozen=True, kw_only=True, omit_defaults=True, tag="early_termination"):
    """In the last month `payer` pays the schedule's amount, and the hurdle's unpaid return where it is due.

    Without `on` nothing happens yet. `on` is the first day without the contract: every clause that counts by
    days counts the last month up to it, and what was carried ends. An unpaid hurdle that `lapses` is lost.
    """

    on: date | None = None
    evidence: str | None = None
    """The notice or agreement, stated exactly with `on`."""
    payer: str
    schedule: tuple[TerminationStep, ...]
    """Ascending; empty when nothing but the hurdle is paid."""
    payment_shares: Shares | None = None
    """Who receives the schedule's amount; stated exactly when there is a schedule."""
    unpaid_hurdle: UnpaidHurdle
    hurdle_shares: Shares | None = None
    """Who receives the unpaid return; stated exactly when it is due."""

    def __post_init__(self) -> None:
        one_of(self.unpaid_hurdle, UnpaidHurdle, "unpaid_hurdle")
        if (self.on is None) != (self.evidence is None) or self.evidence == "":
            raise Refused("evidence", "state the notice with the day, and only then", place="evidence")
        _check_shares(self.payment_shares, self.payer, "payment_shares", wanted=bool(self.schedule))
        _check_shares(self.hurdle_shares, self.payer, "hurdle_shares", wanted=self.unpaid_hurdle == "due")
        for index, step in enumerate(self.schedule[1:], 1):
            if step.since <= self.schedule[index - 1].since:
                text = f"{step.since} is not after the step before"
                raise Refused("termination_schedule", text, place=f"schedule[{index}].since")
        if self.on is not None and self.schedule and self.on < self.schedule[0].since:
            text = f"{self.on} is before the first step, {self.schedule[0].since}"
            raise Refused("termination_schedule", text, place="on")

    @property
    def phase(self) -> Phase:
        return "after_split"

    def ends(self) -> date | None:
        return self.on

    @property
    def percentages(self) -> tuple[Stated, ...]:
        stated = (
            (self.payment_shares, "the termination payment"),
            (self.hurdle_shares, "the unpaid return on capital"),
        )
        return tuple(Stated(shares, of) for shares, of in stated if shares is not None)

    def named_parties(self) -> Iterator[tuple[str, str]]:
        yield "payer", self.payer
        for field in ("payment_shares", "hurdle_shares"):
            for party in getattr(self, field) or ():
                yield f"{field}.{party}", party

    def apply(self, flow: Flow) -> Outcome:
        """What is due in the month in which the contract ends; nothing in any other."""
        if self.on is None or self.on != flow.end:
            return Outcome(0, ())
        parts: tuple[Part, ...] = ()
        steps = [step for step in self.schedule if step.since <= self.on]
        if steps and self.payment_shares is not None:
            due = flow.minor(amount(steps[-1].amount, "amount"))
            parts = self._paid(flow, due, self.payment_shares, f"termination payment on {self.on}")
        if self.hurdle_shares is not None:
            unpaid = sum(
                account.amount.minor
                for account in flow.accounts.values()
                if isinstance(account, HurdleUnpaid)
            )
            parts += self._paid(flow, unpaid, self.hurdle_shares, "unpaid return on capital")
        return Outcome(0, parts)

    def tell(self, flow: Flow) -> tuple[Told, ...]:
        """The step of the schedule that is paid, then the returns that the hurdles of this month left."""
        if self.on is None or self.on != flow.end:
            return ()
        found: list[Told] = []
        steps = [step for step in self.schedule if step.since <= self.on]
        if steps and self.payment_shares is not None:
            label = f"termination payment from {steps[-1].since}"
            told = stated(flow, label, amount(steps[-1].amount, "amount"), _ONE)
            found.extend(_each(told, self.payment_shares))
        if self.hurdle_shares is not None:
            unpaid: Told = tuple(
                (_ONE, Product(f"left unpaid by {name}", account.amount.exact, flow.currency, _ONE))
                for name, account in flow.accounts.items()
                if isinstance(account, HurdleUnpaid) and account.counts
            )
            found.extend(_each(unpaid, self.hurdle_shares))
        return tuple(found)

    def _paid(self, flow: Flow, due: int, shares: Mapping[str, str], what: str) -> tuple[Part, ...]:
        if not due:
            return ()
        basis = f"{what} {flow.money(due)}"
        received = divided(flow, due, shares, weights(shares, "shares"), what)
        return (Part(self.payer, Fraction(-due, flow.unit), -due, basis), *received)


def _each(told: Told, shares: Shares) -> tuple[Told, ...]:
    """What the payer pays, and each receiver's part of it; nothing for nothing."""
    if not told:
        return ()
    parts = sorted(weights(shares, "shares").items())
    return (times(-_ONE, told), *(times(weight, told) for _, weight in parts))


def _check_shares(shares: Shares | None, payer: str, place: str, *, wanted: bool) -> None:
    if wanted != (shares is not None):
        text = "it must be stated who receives it" if wanted else "there is nothing to receive: leave it out"
        raise Refused("termination_shares", text, place=place)
    if shares is not None:
        weights(shares, place)
        if set(shares) == {payer}:
            raise Refused("fee_parties", f"{payer!r} cannot pay itself", place=place)


_ONE: Final = Fraction(1)
