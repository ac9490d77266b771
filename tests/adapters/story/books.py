"""A book with everything that a story tells: corrected, disputed, invoiced, netted, paid and closed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import cast

import numpy as np

from adapters import approving
from adapters.closing import checklist, close_command, final_run
from adapters.disclosing import disclosed
from adapters.front_door import Wish
from adapters.netting import net
from adapters.queries import statements
from adapters.spreading import Paying, pay
from ledger.approval import Approvable
from ledger.command import Command
from ledger.contract import Contract
from ledger.device import Device, RegisterDevice
from ledger.interval import Interval
from ledger.meter_import import CompleteImport, ImportOpened, OpenImport, RecordReadings
from ledger.metering.register_read import RecordRegisterReads, RegisterRead
from ledger.netting import AgreeNetting, NettingAgreement
from ledger.quantity import Money
from ledger.readings import run_of
from ledger.statement.dispute import CorrectDispute, DecideDispute, RaiseDispute
from ledger.statement.invoice import Invoice
from ledger.statement.issue import ApproveStatement, IssueStatement, ReviewStatement
from ledger.statement.life import Life, StatementKey
from ledger.statement.money import RecordInvoice
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api
from tests.adapters.http.test_contract_facts import ok
from tests.adapters.http.test_lives import TERMS
from tests.adapters.http.test_netting import OURS, THEIRS, issued_august
from tests.adapters.test_corrections import AUGUST

REVISED = "rev-1"
"""The import that brings a day of S3 anew."""
DIGEST = "ab" * 32
MONTH = "2026-08"
INVOICE = "发票 0001/26"
DAY = date(2026, 9, 1)


def lived(bench: Bench) -> Api:
    """August of two contracts in a book of two persons, from the readings to the close."""
    api = issued_august(bench, OURS, THEIRS, approvals="two_persons")
    try:
        _live(api)
    except BaseException:
        api.close()
        raise
    return api


def _live(api: Api) -> None:
    bench = api.bench
    device = Device("D3", "S3", "pcs", 400_000, 0)
    _do(api, RegisterDevice(sample.FROM_2026, device), "device")
    disputed = key(OURS, 1)
    lines = tuple(life(bench, disputed).lines)[:1]
    _do(
        api, RaiseDispute(disputed, "q1", lines, "our meter read more", "host-clerk", DAY), "dispute", "clerk"
    )
    _by_two(api, DecideDispute(disputed, "q1", "upheld", "it did", "ada"), "decide")
    _revised(api)
    ok(api.post("/v1/settlements", {"month": MONTH}, "finance"))
    for run, party in ((1, "operator"), (2, "host"), (2, "operator")):
        _issued(api, key(OURS, run, party))
    _issued(api, key(THEIRS, 1, "operator"))
    _do(api, CorrectDispute(disputed, "q1", 2), "correct")
    _netted_and_invoiced(api)
    for contract, run in ((OURS, 2), (THEIRS, 1)):
        runs = api.bench.door.state(f"settlement.{contract.id}_{MONTH}")
        _by_two(api, final_run(runs, contract.id, MONTH, run, "ada"), f"final-{contract.id}")
    api.wait()
    with bench.database.reading(bench.book) as connection:
        check = checklist(connection, AUGUST, _last(api))
        close = close_command(connection, check, _last(api), (), "ada")
    _by_two(api, close, "close")
    _do(api, RecordRegisterReads("S3-M", MONTH, (RegisterRead("discharge", sample.AUGUST, 5, 1),)), "reads")
    api.wait()
    with bench.database.reading(bench.book) as connection:
        first = statements.runs(connection, _last(api), month=MONTH, contract=OURS.id)[0]
    disclosed(bench.door, bench.database, first.sequence)
    api.wait()


def _revised(api: Api) -> None:
    """A day of S3's discharge comes again by a file, 3 Wh more each quarter."""
    values = np.full(96, 1_003, dtype=np.int64)
    run = run_of("S3-M", "discharge", sample.AUGUST, 900, values, "A")
    opened = ImportOpened(
        DIGEST,
        "s3.csv",
        "csv_long",
        ("S3-M",),
        Interval(sample.AUGUST, sample.AUGUST + timedelta(days=1)),
        1,
        96,
        "0",
    )
    _do(api, OpenImport(REVISED, opened), "open", "gateway")
    done = api.bench.door.execute(
        RecordReadings("S3-M", MONTH, REVISED, (run,)),
        command_id="block",
        actor="gateway",
        causation=f"import.{REVISED}",
    )
    assert not done.repeated
    _do(api, CompleteImport(REVISED), "complete", "gateway")
    api.wait()


def _netted_and_invoiced(api: Api) -> None:
    bench = api.bench
    agreement = NettingAgreement(effective_from=date(2026, 1, 1), evidence="framework 7")
    _by_two(api, AgreeNetting("host", agreement), "agree")
    api.wait()
    with bench.database.reading(bench.book) as connection:
        done = net(
            bench.door, connection, _last(api), name="n-1", party="host", currency="CNY", on=DAY, actor="ada"
        )
    assert done.submitted.proposal is not None
    approving.approve(bench.door, done.submitted.proposal, command_id="net-yes", actor="bob")
    asked = key(OURS, 1)
    gross = life(bench, asked).to_invoice("issued")
    zero = Money.zero("CNY")
    invoice = Invoice(number=INVOICE, direction="issued", on=DAY, net=gross, tax=zero, gross=gross)
    wishes = [Wish(one, "invoice") for one in RecordInvoice(asked, invoice).commands]
    bench.door.execute_all(wishes, actor="ada")
    api.wait()
    left = life(bench, asked).open_amount + life(bench, key(OURS, 2)).open_amount
    with bench.database.reading(bench.book) as connection:
        pay(
            bench.door,
            connection,
            _last(api),
            Paying(id="bank-1", party="host", amount=left, on=DAY, today=DAY, reference="slip 7/26"),
            actor="ada",
        )


def _issued(api: Api, of: StatementKey) -> None:
    name = of.aggregate
    _do(api, ReviewStatement(of, "ada"), f"{name}-review")
    _do(api, ApproveStatement(of, "bob"), f"{name}-approve", "bob")
    _do(api, IssueStatement(of, DAY, TERMS), f"{name}-issue")


def key(contract: Contract, run: int, party: str = "host") -> StatementKey:
    return StatementKey(contract.id, MONTH, party, run)


def life(bench: Bench, of: StatementKey) -> Life:
    found = bench.door.state(of.aggregate)
    assert isinstance(found, Life)
    return found


def _do(api: Api, command: Command, name: str, actor: str = "ada") -> None:
    api.bench.door.execute(command, command_id=name, actor=actor)


def _by_two(api: Api, command: Command, name: str) -> None:
    prepared = approving.submit(api.bench.door, cast("Approvable", command), command_id=name, actor="ada")
    assert prepared.proposal is not None
    approving.approve(api.bench.door, prepared.proposal, command_id=f"{name}-yes", actor="bob")


def _last(api: Api) -> int:
    last = api.bench.recorder.max_notification_id()
    assert last is not None
    return last
