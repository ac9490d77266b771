"""Settling a past period under other documents: read, settled and compared in memory, never recorded.

It is given a connection that reads and a sequence number, and nothing that could write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from adapters.integrity.registered_rows import Read, check_read
from adapters.postgres.database import Connection
from adapters.queries import positions, registered, settlement_inputs, statements
from ledger.clauses.flow import grouped
from ledger.contract import Contract
from ledger.effective import History, Period
from ledger.exclusivity.policy import Policy
from ledger.exclusivity.published import PublishExclusivity
from ledger.interval import Month
from ledger.party import Party
from ledger.published_tariff import PublishTariff
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs
from ledger.settlement.run import PROVISIONAL
from ledger.settlement.run_calendar import RunCalendar
from ledger.settlement.what_if import (
    MonthChange,
    Owed,
    PartyChange,
    Question,
    RecordedMonth,
    WhatIf,
    month_change,
    settle_chain,
    substituted,
    totals,
)
from ledger.signed_contract import RegisterContract
from ledger.site import Site


def what_if(connection: Connection, book: str, position: int, question: Question) -> WhatIf:
    """Settle the question's months twice as of `position`, with the recorded documents and with its own.

    The inputs are those that settling at `position` would read; both chains hand on what each month
    carries. With the recorded documents alone both give the bytes that settling recorded, as long as
    nothing they rest on has changed since.

    Raises:
        Refused: `as_of` for a position that is not projected yet; `unknown_tariff` for a tariff that
            prices none of the sites; what registering the contract and publishing the tariffs refuses
            (`unknown_site`, `unknown_party`, `contract_change` ...); what loading, settling and comparing
            refuse (`unknown_contract`, `no_contract`, `missing_readings`, `what_if_scope`, `currency` ...).
        Discontinuity: as `check_read`, of whatever the months or the documents were read from.
    """
    reached = min(positions.reached(connection).values())
    if not 0 < position <= reached:
        raise Refused(
            "as_of", f"{position} is not between 1 and {reached}, the last projected", place="as_of"
        )
    check_read(connection, _documents_read(question), position)
    _check_documents(connection, position, question)
    months = [_load(connection, book, month, position, question.contract) for month in question.months]
    check_read(connection, Read.by((question.contract,), months), position)
    _check_tariffs_used(months, question)
    unchanged = settle_chain(months)
    named = _policy_named(connection, position, question)
    hypothetical = settle_chain([substituted(inputs, question, named) for inputs in months])
    changes = tuple(
        month_change(_recorded(connection, question.contract, before.month, position), before, after)
        for before, after in zip(unchanged, hypothetical, strict=True)
    )
    return WhatIf(question.contract, position, question.replaced, changes, totals(changes))


def _load(connection: Connection, book: str, month: Month, position: int, contract: str) -> Inputs:
    (inputs,) = settlement_inputs.load(connection, book, month, position, (contract,))
    return inputs


def _documents_read(question: Question) -> Read:
    """The contract's own documents; what another contract is decided on, and the policy that it names."""
    own = Read.by((question.contract,), ())
    if question.instead is None:
        return own
    command = RegisterContract(question.instead)
    policy = f"exclusivity.{question.instead.exclusivity}"
    return Read(own.aggregates | {command.aggregate, policy, *command.reads}, own.prices)


def _check_documents(connection: Connection, position: int, question: Question) -> None:
    """What the front door would check of the same documents, decided on the same states."""
    for tariff in question.tariffs.values():
        PublishTariff(tariff).decide(None, {})
    if question.policy is not None:
        PublishExclusivity(question.policy).decide(None, {})
    if question.instead is None:
        return
    command = RegisterContract(question.instead)
    others = {
        **_histories(registered.load(connection, "site", Site, position), "site"),
        **_histories(registered.load(connection, "party", Party, position), "party"),
        **_histories(registered.load(connection, "run_calendar", RunCalendar, position), "run_calendar"),
    }
    contracts = registered.load(connection, "contract", Contract, position)
    command.decide(_histories(contracts, "contract").get(command.aggregate), others)


def _policy_named(connection: Connection, position: int, question: Question) -> Policy | None:
    if question.instead is None:
        return None
    policies = registered.load(connection, "exclusivity", Policy, position)
    versions = policies.versions.get(question.instead.exclusivity)
    return versions[-1].document if versions else None


def _histories(register: registered.Register[registered.T], kind: str) -> Mapping[str, History[registered.T]]:
    found: dict[str, History[registered.T]] = {}
    for name, versions in register.versions.items():
        history = History[registered.T]()
        for version in versions:
            assert isinstance(version.period, Period), f"{kind} {name} holds for a time"
            history = history.with_version(version.period, version.document)
        found[f"{kind}.{name}"] = history
    return found


def _check_tariffs_used(months: list[Inputs], question: Question) -> None:
    used = {site.tariff.id for inputs in months for site in inputs.sites}
    for name in question.tariffs:
        if name not in used:
            raise Refused(
                "unknown_tariff",
                f"no site of contract {question.contract} is under tariff {name!r}; they are under"
                f" {', '.join(sorted(used))}",
                place=f"tariffs.{name}",
            )


def _recorded(connection: Connection, contract: str, month: Month, position: int) -> RecordedMonth | None:
    runs = statements.runs(connection, position, month=str(month), contract=contract)
    paying = [run for run in runs if run.run_kind != PROVISIONAL]
    if not paying:
        return None
    latest = paying[-1]
    result = statements.result(connection, contract, str(month), latest.run)
    assert result is not None, "a run that is listed has its result"
    return RecordedMonth(latest.run, latest.outputs_digest, result)


_LABEL: Final = 40
_COLUMN: Final = 20
_SHOWN: Final = 16
"""Of a digest's 64 hexadecimal digits."""


def text(found: WhatIf) -> str:
    """The answer on a hundred columns: per month and party recorded, hypothetical and difference."""
    first, last = found.months[0].month, found.months[-1].month
    out = [
        f"what if: contract {found.contract}, {first} to {last}, as of event {found.position}",
        "  computed in memory: nothing of it is recorded",
        *(f"  instead   {document}" for document in found.replaced or ("nothing is replaced",)),
    ]
    for month in found.months:
        out.extend(_month(month))
    if len(found.months) > 1:
        settled = all(month.run is not None for month in found.months)
        out.append(_head(f"{first} to {last}", settled=settled))
        for party in found.total:
            out.extend(_party(party, settled=settled))
    return "\n".join(out)


def _month(month: MonthChange) -> Iterator[str]:
    settled = month.run is not None
    yield _head(f"{month.month}  " + (f"run {month.run}" if settled else "not settled"), settled=settled)
    yield from _digests(month)
    before = month.pool_recorded if month.pool_recorded is not None else month.pool_unchanged
    yield _row("pool", before, month.pool_hypothetical, month.pool_hypothetical - before)
    for party in month.parties:
        yield from _party(party, settled=settled)
    if month.same_as_recorded is False:
        yield f"note: readings, prices or rules have changed since run {month.run}; of the differences:"
        for party in month.parties:
            assert party.difference is not None, "the month has a recorded run"
            by_facts = party.difference - party.by_documents
            for label, facts, documents in zip(
                _MEASURES, _money(by_facts), _money(party.by_documents), strict=True
            ):
                yield f"  {party.party} {label}: facts {_cell(facts)}, documents {_cell(documents)}"
    for notice in month.result.warnings:
        yield f"note: {notice.message}"


def _digests(month: MonthChange) -> Iterator[str]:
    before = "as contracted" if month.run is None else f"run {month.run}"
    inputs, outputs = month.recorded_inputs, month.recorded_digest
    now = month.result.inputs_digest, month.hypothetical_digest
    if month.identical:
        yield f"  identical to {before}: inputs {now[0][:_SHOWN]}, outputs {now[1][:_SHOWN]}"
        return
    was = inputs or month.unchanged_inputs, outputs or month.unchanged_digest
    for label, one, other in zip(("inputs", "outputs"), was, now, strict=True):
        change = "identical" if one == other else f"hypothetical {other[:_SHOWN]}"
        yield f"  {label:<8} {before} {one[:_SHOWN]}, {change}"


_MEASURES: Final = ("entitlement", "already held", "payable")


def _money(owed: Owed) -> tuple[Money, Money, Money]:
    return owed.entitlement, owed.held, owed.payable


def _party(party: PartyChange, *, settled: bool) -> Iterator[str]:
    before = party.recorded if settled else party.unchanged
    change = party.difference if settled else party.by_documents
    assert change is not None
    for number, label in enumerate(_MEASURES):
        yield _row(
            f"{party.party if number == 0 else '':<24}{label}",
            None if before is None else _money(before)[number],
            None if party.hypothetical is None else _money(party.hypothetical)[number],
            _money(change)[number],
        )


def _head(label: str, *, settled: bool) -> str:
    before = "recorded" if settled else "as contracted"
    return f"{label:<{_LABEL}}{before:>{_COLUMN}}{'hypothetical':>{_COLUMN}}{'difference':>{_COLUMN}}"


def _row(label: str, before: Money | None, after: Money | None, change: Money) -> str:
    return f"{label:<{_LABEL}}" + "".join(f"{_cell(money):>{_COLUMN}}" for money in (before, after, change))


def _cell(money: Money | None) -> str:
    return "no party" if money is None else grouped(str(money))
