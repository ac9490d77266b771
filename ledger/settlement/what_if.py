"""A settled period under other documents: what each party would have had, beside what was recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from ledger.contract import Contract
from ledger.exclusivity.policy import Policy
from ledger.identity import checked_id
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs, SiteInputs
from ledger.settlement.line import Source
from ledger.settlement.result import Result
from ledger.settlement.settle import settle
from ledger.stored_energy import Stored
from ledger.tariff import Tariff

MONTHS_MAX: Final = 120

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Question(msgspec.Struct, frozen=True):
    """Contract `contract` from `first` to `last` (both included) under other documents.

    `instead` stands in for the contract in every month of the period, whatever its id; the accounts that
    the month before `first` carried are handed to it, as to a next version of the same contract. `tariffs`
    is keyed by the id of the tariff that each one stands in for. `policy` stands in for the exclusivity
    policy that the contract names. Without any of them, nothing changes.
    """

    contract: str
    first: Month
    last: Month
    instead: Contract | None = None
    tariffs: dict[str, Tariff] = {}
    policy: Policy | None = None

    def __post_init__(self) -> None:
        """Raises:
        Refused: `month` for a period that ends before it begins or is longer than MONTHS_MAX."""
        checked_id(self.contract, "contract")
        if self.last < self.first:
            raise Refused("month", f"{self.last} is before {self.first}", place="last")
        months = (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1
        if months > MONTHS_MAX:
            raise Refused("month", f"{months} months; ask for at most {MONTHS_MAX}", place="last")

    @property
    def months(self) -> list[Month]:
        """The months of the period, in order."""
        found = [self.first]
        while found[-1] < self.last:
            found.append(found[-1].next())
        return found

    @property
    def replaced(self) -> tuple[str, ...]:
        """Each document that stands in for another, in words, with the SHA-256 of its content."""
        found = []
        if self.instead is not None:
            digest = hashlib.sha256(_encode(self.instead)).hexdigest()
            found.append(
                f"contract {self.contract} -> {self.instead.id} ({self.instead.title}) {digest[:16]}"
            )
        for name, tariff in sorted(self.tariffs.items()):
            digest = hashlib.sha256(_encode(tariff)).hexdigest()
            found.append(f"tariff {name} -> {tariff.id} {digest[:16]}")
        if self.policy is not None:
            digest = hashlib.sha256(_encode(self.policy)).hexdigest()
            found.append(f"exclusivity policy -> {self.policy.id} {digest[:16]}")
        return tuple(found)


def substituted(inputs: Inputs, question: Question, named: Policy | None) -> Inputs:
    """A month's inputs with the question's documents in place of the recorded ones.

    `named` is the recorded exclusivity policy that the question's contract names; None when there is none.
    A document that equals the recorded one changes nothing, not even its source; another one's source is
    `hypothetical.` and its name, and rests on no event.

    Raises:
        Refused: `what_if_scope` when `instead` covers other sites or other days of the month than the
            recorded contract, because the inputs were read for those; `zone` for a tariff on other clocks
            than the site's.
    """
    contract, source, policy = inputs.contract, inputs.contract_source, inputs.policy
    if question.instead is not None and question.instead != contract:
        _check_scope(question.instead, contract, inputs.month)
        policy = policy if question.instead.exclusivity == contract.exclusivity else named
        contract = question.instead
        source = Source(f"hypothetical.contract.{contract.id}", ())
    by_name = {site.site.id: _priced(site, question) for site in inputs.sites}
    sites = tuple(by_name[name] for name in contract.sites)
    policy = question.policy if question.policy is not None else policy
    return inputs._replace(contract=contract, contract_source=source, sites=sites, policy=policy)


def _check_scope(instead: Contract, contract: Contract, month: Month) -> None:
    if sorted(instead.sites) != sorted(contract.sites):
        raise Refused(
            "what_if_scope",
            f"it covers {', '.join(sorted(instead.sites))}; contract {contract.id} in {month} covers"
            f" {', '.join(sorted(contract.sites))}: name the same sites",
            place="instead.sites",
        )
    if instead.zone != contract.zone:
        raise Refused(
            "what_if_scope",
            f"its days are on clocks in {instead.zone}, not {contract.zone}",
            place="instead.zone",
        )
    if instead.days_in(month) != contract.days_in(month):
        held, would = contract.days_in(month), instead.days_in(month)
        raise Refused(
            "what_if_scope",
            f"it would hold {would[0]} to {would[1]} in {month}; contract {contract.id} holds {held[0]} to"
            f" {held[1]}: let it hold on the same days",
            place="instead.effective_from",
        )


def _priced(site: SiteInputs, question: Question) -> SiteInputs:
    tariff = question.tariffs.get(site.tariff.id)
    if tariff is None or tariff == site.tariff:
        return site
    if tariff.zone != site.site.zone:
        raise Refused(
            "zone",
            f"site {site.site.id} is in {site.site.zone}, tariff {tariff.id} in {tariff.zone}",
            place=f"tariffs.{site.tariff.id}",
        )
    source = Source(f"hypothetical.tariff.{tariff.id}", ())
    recorded = f"tariff.{site.tariff.id}"
    sources = tuple(source if one.aggregate == recorded else one for one in site.sources)
    return site._replace(tariff=tariff, sources=sources)


def settle_chain(months: Sequence[Inputs]) -> list[Result]:
    """Settle consecutive months of one contract; each is handed what the one before it carried and stored.

    The first keeps the `prior` and the openings that it came with. The same inputs give the same bytes as
    the runs that were recorded of them.

    Raises:
        Refused: what `settle` refuses.
    """
    results: list[Result] = []
    for inputs in months:
        results.append(settle(_after(inputs, results[-1]) if results else inputs))
    return results


def _after(inputs: Inputs, before: Result) -> Inputs:
    sites = (
        site._replace(opening=before.stored.get(site.site.id, Stored()), opening_known=True)
        for site in inputs.sites
    )
    return inputs._replace(prior=before.carry, sites=tuple(sites))


class Owed(msgspec.Struct, frozen=True):
    """A party's month: `entitlement` = `held` + `payable`; above zero is receivable."""

    entitlement: Money
    held: Money
    payable: Money

    def __add__(self, other: Owed) -> Owed:
        return Owed(
            self.entitlement + other.entitlement, self.held + other.held, self.payable + other.payable
        )

    def __sub__(self, other: Owed) -> Owed:
        return Owed(
            self.entitlement - other.entitlement, self.held - other.held, self.payable - other.payable
        )


class PartyChange(msgspec.Struct, frozen=True):
    """One party: as recorded, as the recorded documents would give now, as the question's would.

    None where it was no party, or nothing was recorded; it counts as nothing in a difference, because who
    is no party is owed nothing. `difference` is hypothetical less recorded, None without a recorded run;
    `by_documents` is hypothetical less unchanged: what the other documents alone do.
    """

    party: str
    recorded: Owed | None
    unchanged: Owed | None
    hypothetical: Owed | None
    difference: Owed | None
    by_documents: Owed


class MonthChange(msgspec.Struct, frozen=True):
    """One month. `same_as_recorded` says whether the recorded documents still give the recorded bytes.

    Where they do not, readings, prices or the rules have changed since `run`, and `difference` holds that
    change too; `by_documents` never does. `..._inputs` is the digest of what a result was
    settled from, `..._digest` its own.
    """

    month: Month
    run: int | None
    recorded_inputs: str | None
    unchanged_inputs: str
    recorded_digest: str | None
    unchanged_digest: str
    hypothetical_digest: str
    pool_recorded: Money | None
    pool_unchanged: Money
    pool_hypothetical: Money
    parties: tuple[PartyChange, ...]
    result: Result
    """The hypothetical settlement, whole."""

    @property
    def same_as_recorded(self) -> bool | None:
        """None when the month has no recorded run."""
        return None if self.recorded_digest is None else self.recorded_digest == self.unchanged_digest

    @property
    def identical(self) -> bool:
        """Whether the hypothetical inputs and result are those of the recorded run, or as contracted."""
        now = (self.result.inputs_digest, self.hypothetical_digest)
        if self.run is None:
            return (self.unchanged_inputs, self.unchanged_digest) == now
        return (self.recorded_inputs, self.recorded_digest) == now


class WhatIf(msgspec.Struct, frozen=True):
    """The answer to a question, as of one sequence number; nothing of it is recorded."""

    contract: str
    position: int
    replaced: tuple[str, ...]
    months: tuple[MonthChange, ...]
    total: tuple[PartyChange, ...]
    """Per party over the months; `recorded` and `difference` are None unless every month was recorded."""


class RecordedMonth(msgspec.Struct, frozen=True):
    """The latest paying run of a month."""

    run: int
    outputs_digest: str
    result: Result


def month_change(recorded: RecordedMonth | None, unchanged: Result, hypothetical: Result) -> MonthChange:
    """Compare a month's three settlements.

    Raises:
        Refused: `currency` when the hypothetical one is in another.
    """
    if hypothetical.currency != unchanged.currency:
        raise Refused(
            "currency",
            f"{hypothetical.currency} cannot be compared with the recorded {unchanged.currency}",
            place="instead.currency",
        )
    before = None if recorded is None else recorded.result
    names = {*unchanged.entitlement, *hypothetical.entitlement, *(before.entitlement if before else ())}
    return MonthChange(
        month=unchanged.month,
        run=None if recorded is None else recorded.run,
        recorded_inputs=None if before is None else before.inputs_digest,
        unchanged_inputs=unchanged.inputs_digest,
        recorded_digest=None if recorded is None else recorded.outputs_digest,
        unchanged_digest=unchanged.digest(),
        hypothetical_digest=hypothetical.digest(),
        pool_recorded=None if before is None else before.pool,
        pool_unchanged=unchanged.pool,
        pool_hypothetical=hypothetical.pool,
        parties=tuple(
            _change(
                name,
                before is not None,
                None if before is None else _owed(before, name),
                _owed(unchanged, name),
                _owed(hypothetical, name),
                unchanged.currency,
            )
            for name in sorted(names)
        ),
        result=hypothetical,
    )


def totals(months: Sequence[MonthChange]) -> tuple[PartyChange, ...]:
    """Each party over the whole period."""
    whole = all(month.run is not None for month in months)
    names = sorted({party.party for month in months for party in month.parties})
    found = []
    for name in names:
        own = [party for month in months for party in month.parties if party.party == name]
        found.append(
            _change(
                name,
                whole,
                _sum([party.recorded for party in own]) if whole else None,
                _sum([party.unchanged for party in own]),
                _sum([party.hypothetical for party in own]),
                months[0].pool_unchanged.currency,
            )
        )
    return tuple(found)


def _change(
    party: str,
    settled: bool,  # noqa: FBT001
    recorded: Owed | None,
    unchanged: Owed | None,
    hypothetical: Owed | None,
    currency: str,
) -> PartyChange:
    nothing = Owed(Money.zero(currency), Money.zero(currency), Money.zero(currency))
    after = hypothetical or nothing
    difference = after - (recorded or nothing) if settled else None
    return PartyChange(party, recorded, unchanged, hypothetical, difference, after - (unchanged or nothing))


def _owed(result: Result, party: str) -> Owed | None:
    if party not in result.entitlement:
        return None
    return Owed(result.entitlement[party], result.held[party], result.payable[party])


def _sum(parts: Sequence[Owed | None]) -> Owed | None:
    total: Owed | None = None
    for part in parts:
        if part is not None:
            total = part if total is None else total + part
    return total
