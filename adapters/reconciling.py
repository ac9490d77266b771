"""Comparing what an operator or the bank states with the ledger, and recording what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from adapters.founded import book_of
from adapters.front_door import FrontDoor, Wish
from adapters.nats.log import Log
from adapters.postgres.database import Database
from adapters.queries import lives, registered, settlement_inputs
from adapters.queries.journal import journal
from adapters.queries.netting import contracts_of
from adapters.queries.registered import Recorded
from adapters.reconciliation import background
from adapters.reconciliation.bank_file import read_bank_statement
from adapters.reconciliation.bank_profile import bank_profile
from adapters.reconciliation.camt053 import read_camt053
from adapters.reconciliation.earlier import Earlier, earlier, recorded_before
from adapters.reconciliation.operator_file import read_operator_statement
from adapters.reconciliation.operator_profile import operator_profile
from adapters.settling import wait_until
from ledger.interval import Month, zone_of
from ledger.reconciliation.bank_payment import BankPayment, BankStatement, not_yet_imported
from ledger.reconciliation.difference import Policy
from ledger.reconciliation.line_report import LineReport
from ledger.reconciliation.market_receivable import market_receivables
from ledger.reconciliation.our_line import ItemFrom, our_lines
from ledger.reconciliation.payment_report import PaymentReport, reconcile_payments
from ledger.reconciliation.receivable import checked_payer, receivables
from ledger.reconciliation.reconcile import reconcile
from ledger.reconciliation.record import Reconciliation, RecordReconciliation
from ledger.reconciliation.recorded_cash import recorded_cash
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs
from ledger.settlement.run import Run, Runs
from ledger.settlement.settle import settle
from ledger.streams import Rule

_RULES_MAX: Final = 8
"""How many other versions of market rules a month is settled under, the newest first."""
_WAIT_S: Final = 60.0


class File(NamedTuple):
    """A statement's file and the name it came under."""

    name: str
    data: bytes


class Compared(NamedTuple):
    """What was recorded under `id` of a file of that name (`source`), now or before (`repeated`); `notices`
    say what could not be compared."""

    id: str
    source: str
    sequence: int
    report: LineReport | PaymentReport
    notices: tuple[str, ...] = ()
    repeated: bool = False


def compare_statement(
    door: FrontDoor,
    database: Database,
    file: File,
    profile: bytes,
    contract: str,
    month: Month,
    items: ItemFrom,
    *,
    id: str,
    actor: str,
    cut_off: datetime | None = None,
) -> Compared:
    """Hold an operator's statement against the latest run of a contract's month, and record the result.

    Differences are explained by the figures of earlier runs, and by those that the same inputs give under
    the other published versions of the market rules that the month was settled by. Lines that one side has
    are explained by what the ledger knows of their sites, and of what was recorded after `cut_off`, up to
    which the operator knew things (DOMAIN.md 3.10).

    Raises:
        Refused: `unknown_settlement`; what reading the profile and the file, comparing and recording refuse.
    """
    layout = operator_profile(profile)
    found = read_operator_statement(file.data, layout)
    runs = door.state(f"settlement.{contract}_{month}")
    if not isinstance(runs, Runs) or runs.latest is None:
        raise Refused("unknown_settlement", f"{contract} has no run of {month}", place="contract")
    latest = runs.latest
    own_zone = book_of(door).zone
    zone = zone_of(own_zone)
    position = _caught_up(door, database)
    rules, notices = _under_other_rules(door, database, latest, position)
    with database.reading(door.book) as connection:
        known = background.load(connection, position, latest, own_zone, cut_off)
        reconciled = recorded_before(connection, position)
    report = reconcile(
        found,
        our_lines(latest, zone, items=items),
        run=f"run {latest.number}",
        other_runs={
            f"run {run.number}": our_lines(run, zone, items=items)
            for run in reversed(runs.runs)
            if run is not latest
        },
        other_rules={name: our_lines(run, zone, items=items) for name, run in rules.items()},
        policy=Policy(layout.rounded_parts),
        background=known,
    )
    command = RecordReconciliation(id, file.name, found.digest, report)
    (done,) = _recorded(door, (command,), reconciled, actor)
    return done._replace(notices=notices)


def compare_bank(
    door: FrontDoor,
    database: Database,
    file: File,
    profile: bytes | None,
    account: str,
    number: str,
    parties: Mapping[str, str],
    *,
    id: str,
    actor: str,
) -> tuple[Compared, ...]:
    """Hold a bank's statement (camt.053 without a profile) against what parties and markets still have to pay
    or to get, and against payments that are recorded already; and record the result. The owner's own
    statements, and those of contracts in which it has no part, are neither paid nor got by its account.

    `account` is our id of the account, `number` the bank's own, which a camt.053 must name.

    A booking that an earlier file, or an earlier statement of this one, had and that was matched then is not
    matched again; but for one that was to be recorded, as long as what it pays is open. Nothing is paid by
    it: a person records the payment.

    Raises:
        Refused: what reading the profile and the file, comparing and recording refuse; `reference_reused`.
            Nothing of the file is recorded then.
    """
    statements: tuple[BankStatement, ...] = (
        read_camt053(file.data, account, number)
        if profile is None
        else (read_bank_statement(file.data, bank_profile(profile), account),)
    )
    for payer in parties.values():
        checked_payer(payer)
    position = _caught_up(door, database)
    with database.reading(door.book) as connection:
        owner = book_of(door).owner
        between_us = contracts_of(connection, position, owner)
        open_lives = [
            life
            for life in lives.page(connection, position)
            if life.key.party != owner and life.key.contract in between_us
        ]
        booked = journal(connection, position).journal
        reconciled = recorded_before(connection, position)
    before, elsewhere = earlier(reconciled, account), earlier(reconciled).documents
    found: list[PaymentReport] = []
    for one in statements:
        wanted = [life for life in open_lives if life.amount.currency == one.currency]
        open_now = (*receivables(wanted), *market_receivables(booked, one.currency))
        recorded = recorded_cash(booked, one.currency)
        known = [each for each in recorded if each.document not in before.documents]
        now = before.without_waiting(open_now, {each.document for each in known})
        elsewhere |= before.under_other_names(now, known)
        report = reconcile_payments(
            one, _new(one, now), open_now, parties, recorded=known, elsewhere=elsewhere
        )
        before = before.joined(Earlier.of(report)).as_matched(report)
        found.append(report)
    answered = frozenset(name for report in found for name in Earlier.of(report).documents)
    commands = [
        RecordReconciliation(
            id if len(statements) == 1 else f"{id}-{at}",
            file.name,
            one.file_digest,
            report.without(answered),
        )
        for at, (one, report) in enumerate(zip(statements, found, strict=True), 1)
    ]
    return _recorded(door, commands, reconciled, actor)


def _caught_up(door: FrontDoor, database: Database) -> int:
    """The stream's end, once the projections have reached it.

    Raises:
        Behind: not in time.
    """
    log: Log = door.recorder.log
    last = log.client.run(log.last_sequence())
    wait_until(database, door.book, last, _WAIT_S)
    return last


def _recorded(
    door: FrontDoor,
    commands: Sequence[RecordReconciliation],
    before: Sequence[Recorded[Reconciliation]],
    actor: str,
) -> tuple[Compared, ...]:
    """Record all of a file or nothing; what is recorded already of the same file, with the same result, is
    answered as it was."""
    left = list(before)
    known: dict[str, Recorded[Reconciliation]] = {}
    for command in commands:
        same = next((one for one in left if _is_same(one.document, command)), None)
        if same is not None:
            left.remove(same)
            known[command.id] = same
    wishes = [Wish(one, f"reconcile:{one.id}") for one in commands if one.id not in known]
    receipts = iter(door.execute_all(wishes, actor=actor) if wishes else ())
    done: list[Compared] = []
    for one in commands:
        if (same := known.get(one.id)) is None:
            done.append(Compared(one.id, one.source, next(receipts).sequence, one.report))
        else:
            was = same.document
            done.append(Compared(was.id, was.source, same.sequence, was.report, repeated=True))
    return tuple(done)


def _is_same(one: Reconciliation, command: RecordReconciliation) -> bool:
    return (one.digest, one.report) == (command.digest, command.report)


def _new(statement: BankStatement, before: Earlier) -> tuple[BankPayment, ...]:
    not_yet_imported(statement, before.seen)
    return not_yet_imported(statement, before.matched).new


def _under_other_rules(
    door: FrontDoor, database: Database, latest: Run, position: int
) -> tuple[dict[str, Run], tuple[str, ...]]:
    """The month settled from what the run was settled from, with one other version of a rule each; and
    which versions could not be settled with, and why."""
    result = latest.result
    if not any(source.aggregate.startswith("market_rule.") for source in result.sources):
        return {}, ()
    with database.reading(door.book) as connection:
        (inputs,) = settlement_inputs.load(
            connection, door.book, result.month, result.position, (result.contract,)
        )
        rules: registered.Register[Rule] = registered.load(connection, "market_rule", Rule, position)  # type: ignore[arg-type]
    found: dict[str, Run] = {}
    notices: list[str] = []
    for name, version, rule in _other_versions(inputs, rules):
        title = f"{name} version {version}"
        try:
            other = settle(_with_rule(inputs, name, rule))
        except Refused as refused:
            notices.append(f"under {title} the month cannot be settled: {refused}")
            continue
        found[title] = Run(latest.number, latest.kind, other, other.digest(), {})
    return found, tuple(notices)


def _other_versions(inputs: Inputs, rules: registered.Register[Rule]) -> list[tuple[str, int, Rule]]:
    used = {
        name: rule
        for site in inputs.sites
        if site.market is not None
        for name, rule in site.market.rules.items()
    }
    others = [
        (version.sequence, name, version.version, version.document)
        for name, rule in used.items()
        for version in rules.versions.get(name, ())
        if version.document != rule
    ]
    return [(name, version, rule) for _, name, version, rule in sorted(others, key=_sequence, reverse=True)][
        :_RULES_MAX
    ]


def _sequence(other: tuple[int, str, int, Rule]) -> int:
    return other[0]


def _with_rule(inputs: Inputs, name: str, rule: Rule) -> Inputs:
    sites = tuple(
        site
        if site.market is None or name not in site.market.rules
        else site._replace(market=site.market._replace(rules=site.market.rules | {name: rule}))
        for site in inputs.sites
    )
    return inputs._replace(sites=sites)
