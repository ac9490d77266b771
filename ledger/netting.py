"""Netting: what the book's owner and a counterparty owe each other over all contracts is set off.

(DOMAIN.md 2.3, step 6.) An agreement says from when they do. A netting pays statements of both sides with
each other, as much of one as of the other; no money moves. What was paid beyond a statement is owed back, and
is set off like anything else that is owed: afterwards a party either owes or is owed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date

import msgspec

from ledger import book
from ledger.book import Book
from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import checked_year
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.issue import ISSUED, at
from ledger.statement.life import Life, Payment, StatementKey
from ledger.statement.money import PaymentRecorded


class OpenStatement(msgspec.Struct, frozen=True):
    """What an issued statement has open, without what is disputed: above zero the owner owes it.

    An `advance` is what was paid beyond it, a credit on account: the statement asks for nothing any more.
    """

    key: StatementKey
    due_on: date | None
    open: Money
    advance: bool = False


class NettedStatement(msgspec.Struct, frozen=True):
    """What is set off of a statement, as on it: above zero the party receives it."""

    key: StatementKey
    amount: Money


class CounterpartyPosition(msgspec.Struct, frozen=True):
    """From the owner's side: the party owes `receivable`, the owner owes `payable`; neither is below zero.

    Advances are in both: what the owner paid beyond a statement the party owes, and the other way round.
    """

    party: str
    currency: str
    receivable: Money
    payable: Money
    statements: tuple[OpenStatement, ...]

    @property
    def net(self) -> Money:
        """Above zero the party owes the owner, below zero the owner owes the party."""
        return self.receivable - self.payable

    def set_off(self) -> tuple[NettedStatement, ...]:
        """The smaller side whole against the same sum of the other; advances are used up first, then those
        due first are paid first."""
        left = {-1: 0, 1: 0}
        left[-1] = left[1] = min(self.receivable.minor, self.payable.minor)
        parts = []
        for one in sorted(self.statements, key=_rank):
            side = 1 if one.open.minor > 0 else -1
            taken = min(abs(one.open.minor), left[side])
            left[side] -= taken
            if taken:
                parts.append(NettedStatement(one.key, Money(side * taken, self.currency)))
        return tuple(parts)


def _rank(one: OpenStatement) -> tuple[bool, date, str]:
    return not one.advance, one.due_on or date.max, one.key.aggregate


def positions(
    owner: str, lives: Iterable[Life], contracts: Collection[str]
) -> tuple[CounterpartyPosition, ...]:
    """Each counterparty's position by currency, over the statements that are issued and on which something is
    open: not paid yet, or paid too much.

    `contracts` are those in which the owner is a party: of others the owner owes nothing.
    """
    found: dict[tuple[str, str], list[OpenStatement]] = defaultdict(list)
    for life in lives:
        left = life.open_amount
        ours = life.key.party != owner and life.key.contract in contracts
        if ours and life.status in ISSUED and left.minor:
            one = OpenStatement(life.key, life.due_on, left, life.item.is_advance)
            found[life.key.party, left.currency].append(one)
    return tuple(
        CounterpartyPosition(
            party,
            currency,
            Money(-sum(min(one.open.minor, 0) for one in open_ones), currency),
            Money(sum(max(one.open.minor, 0) for one in open_ones), currency),
            tuple(sorted(open_ones, key=lambda one: one.key.aggregate)),
        )
        for (party, currency), open_ones in sorted(found.items())
    )


class NettingAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """From `effective_from`, up to and without `effective_to`, owner and party net what is due."""

    effective_from: date
    effective_to: date | None = None
    evidence: str

    def __post_init__(self) -> None:
        checked_year(self.effective_from, "effective_from")
        if self.effective_to is not None and self.effective_to <= self.effective_from:
            text = f"{self.effective_to} is not after effective_from {self.effective_from}"
            raise Refused("effective", text, place="effective_to")
        if not self.evidence.strip():
            raise Refused("evidence", "state the agreement's document", place="evidence")

    def holds_on(self, day: date) -> bool:
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)


class Netting(msgspec.Struct, frozen=True, kw_only=True):
    """One netting: its parts of each side add up to `amount`, and together to zero."""

    id: str
    party: str
    on: date
    amount: Money
    parts: tuple[NettedStatement, ...]

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        checked_id(self.party, "party")
        for index, part in enumerate(self.parts):
            if part.key.party != self.party:
                text = f"a statement of {part.key.party} in a netting with {self.party}"
                raise Refused("netting_part", text, place=f"parts[{index}]")
        if len({part.key for part in self.parts}) != len(self.parts):
            raise Refused("duplicate", "a statement is named twice", place="parts")
        zero = Money.zero(self.amount.currency)
        paid = sum((part.amount for part in self.parts if part.amount.minor > 0), zero)
        if self.amount.minor <= 0 or paid != self.amount or sum((p.amount for p in self.parts), zero) != zero:
            text = f"the parts are not {self.amount:,} of each side"
            raise Refused("netting_total", text, place="parts")


class Nettings(msgspec.Struct, frozen=True):
    """All that was agreed and netted with one party, oldest first; the last agreement holds."""

    agreements: tuple[NettingAgreement, ...] = ()
    nettings: tuple[Netting, ...] = ()


class NettingAgreed(msgspec.Struct, frozen=True, tag_field="kind", tag="netting.agreed.v1"):
    party: str
    agreement: NettingAgreement

    def apply(self, state: Nettings | None) -> Nettings:
        before = state or Nettings()
        return msgspec.structs.replace(before, agreements=(*before.agreements, self.agreement))


class NettingRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="netting.recorded.v1"):
    netting: Netting

    def apply(self, state: Nettings | None) -> Nettings:
        before = state or Nettings()
        return msgspec.structs.replace(before, nettings=(*before.nettings, self.netting))


class AgreeNetting(msgspec.Struct, frozen=True, tag_field="command", tag="netting.agree"):
    """Record that the owner and a party net, or that they do on other terms from now on."""

    party: str
    agreement: NettingAgreement

    def __post_init__(self) -> None:
        checked_id(self.party, "party")

    @property
    def aggregate(self) -> str:
        return f"netting.{self.party}"

    @property
    def reads(self) -> tuple[str, ...]:
        return f"party.{self.party}", book.AGGREGATE

    def decide(self, _: Nettings | None, others: Mapping[str, object]) -> tuple[NettingAgreed]:
        """Raises:
        Refused: `unknown_party`; `netting_part` for the owner with itself."""
        known(others, f"party.{self.party}", History)
        if known(others, book.AGGREGATE, Book).owner == self.party:
            raise Refused("netting_part", "the book's owner does not net with itself", place="party")
        return (NettingAgreed(self.party, self.agreement),)


class RecordNetting(msgspec.Struct, frozen=True, tag_field="command", tag="netting.record"):
    """Set statements off against each other; `payments` of the same save pay them."""

    netting: Netting

    @property
    def aggregate(self) -> str:
        return f"netting.{self.netting.party}"

    @property
    def reads(self) -> tuple[str, ...]:
        keys = [part.key for part in self.netting.parts]
        contracts = sorted({f"contract.{key.contract}" for key in keys})
        return (*(key.aggregate for key in keys), *contracts, book.AGGREGATE)

    @property
    def payments(self) -> tuple[PayByNetting, ...]:
        """What pays each statement: given to the front door together with this."""
        return tuple(PayByNetting(part, self.netting.id, self.netting.on) for part in self.netting.parts)

    @property
    def commands(self) -> tuple[RecordNetting | PayByNetting, ...]:
        """What the front door accepts together or not at all."""
        return self, *self.payments

    def decide(self, state: Nettings | None, others: Mapping[str, object]) -> tuple[NettingRecorded]:
        """Raises:
        Refused: `netting_not_agreed`, `exists`, `owner_not_party`; `statement_status`, `currency` and
            `netting_part` for a statement that has not so much open."""
        netting, before = self.netting, state or Nettings()
        if not before.agreements or not before.agreements[-1].holds_on(netting.on):
            text = f"no agreement to net with {netting.party} is in force on {netting.on}"
            raise Refused("netting_not_agreed", text, place="party")
        if any(one.id == netting.id for one in before.nettings):
            raise Refused("exists", f"netting {netting.id} is recorded already", place="id")
        owner = known(others, book.AGGREGATE, Book).owner
        for part in netting.parts:
            history = known(others, f"contract.{part.key.contract}", History)
            if not any(owner in version.document.party_ids for version in history.versions):
                text = f"the book's owner {owner} is no party of contract {part.key.contract}"
                raise Refused("owner_not_party", text, place=part.key.aggregate)
            life = others[part.key.aggregate]
            _check_open(life if isinstance(life, Life) else None, part)
        return (NettingRecorded(netting),)


class PayByNetting(msgspec.Struct, frozen=True):
    """Pay a statement by a netting; only together with its `RecordNetting`."""

    part: NettedStatement
    netting: str
    on: date

    @property
    def aggregate(self) -> str:
        return self.part.key.aggregate

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[PaymentRecorded]:
        """Raises:
        Refused: `statement_status`, `currency`, `exists`, `netting_part`."""
        life = _check_open(state, self.part)
        if any(one.id == self.netting for one in life.payments):
            raise Refused("exists", f"payment {self.netting} is recorded already", place="id")
        payment = Payment(
            id=self.netting,
            on=self.on,
            amount=self.part.amount,
            kind="netting",
            reference=f"netting {self.netting}",
        )
        return (PaymentRecorded(payment),)


def _check_open(state: Life | None, part: NettedStatement) -> Life:
    life = at(state, part.key, *ISSUED)
    left, place = life.open_amount, part.key.aggregate
    if left.currency != part.amount.currency:
        raise Refused(
            "currency", f"the statement is in {left.currency}, not {part.amount.currency}", place=place
        )
    if left.minor * part.amount.minor <= 0 or abs(part.amount.minor) > abs(left.minor):
        raise Refused("netting_part", f"{left:,} is open, not {part.amount:,}", place=place)
    return life
