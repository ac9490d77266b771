"""At a terminal: a payment's id names it once, what is due first is paid first, and what is late says so."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from adapters.documents.readable import readable_money, readable_sum
from ledger.clauses.flow import grouped
from ledger.quantity import Money
from ledger.refusal import Refused
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api
from tests.adapters.http.test_lives import TERMS
from tests.adapters.test_provisional import record_days
from tests.adapters.test_settling import CONTRACT, founded

MONTH = "2026-08"
OWNERS = "equipment-owner"


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    """August is settled, and corrected: the host owes us by both runs."""
    founded(bench, msgspec.structs.replace(CONTRACT, statement_terms=TERMS))
    record_days(bench, 0, 31, "all")
    api = Api(bench)
    made = terminal_of(bench, capsys)
    issue(made)
    record_days(bench, 2, 1, "more", discharge_wh=60_000)
    issue(made)
    yield made
    api.close()


def issue(run: Terminal) -> None:
    run("settle", MONTH)
    for step, who in (("review", "ada"), ("approve", "bob"), ("issue", "ada")):
        run("statements", step, MONTH, "--as", who)


def pay(run: Terminal, name: str, amount: str, *more: str, party: str = HOST, month: str = MONTH) -> str:
    start = ("record", "payment", CONTRACT.id, month, party, "--id", name, "--as", "ada", *more)
    return run(*start, "--", amount)


def refused(code: str, run: Terminal, *arguments: str, **more: str) -> Refused:
    with pytest.raises(Refused) as caught:
        pay(run, *arguments, **more)
    assert caught.value.code == code
    return caught.value


def account(run: Terminal, *more: str) -> list[str]:
    return run("account", HOST, *more).splitlines()


def amount_in(lines: list[str], start: str) -> list[str]:
    (line,) = [line for line in lines if line.strip().startswith(start)]
    return [word for word in line.replace(",", "").split() if word.lstrip("-").replace(".", "").isdigit()]


def test_what_is_due_first_is_paid_first_and_the_rest_goes_on(run: Terminal) -> None:
    """One payment pays the first run, then the correction; what no statement asks for is paid in advance."""
    owed = Money.parse(amount_in(account(run), "closing")[0], "CNY")
    told = pay(run, "b1", str(-(owed + Money(500, "CNY"))), "--on", "2026-09-01").splitlines()
    assert told[0].startswith(
        f"payment b1: {readable_sum(-(owed + Money(500, 'CNY')))} over 2 statements, event "
    )
    assert [line.split()[:4] for line in told[1:]] == [
        [CONTRACT.id, MONTH, "run", one] for one in ("1:", "2:")
    ]
    assert told[2].endswith(", 5.00 of it in advance")
    lines = account(run)
    assert amount_in(lines, "closing") == ["-5.00"]
    assert amount_in(lines, "paid to us beyond its statements") == ["5.00"]
    (row,) = [one for one in run("trial-balance", "2026-09").splitlines() if "AdvanceReceived:" in one]
    assert row.split()[-1] == "-5.00", "a credit balance, and nothing is receivable"
    rows = [one.split() for one in run("trial-balance", "2026-09").splitlines() if "Receivable" in one]
    assert {row[-1] for row in rows if HOST in " ".join(row)} <= {"0.00"}


def test_an_id_names_one_payment(run: Terminal) -> None:
    first = pay(run, "b1", "-100.00", "--on", "2026-09-01")
    assert pay(run, "b1", "-100.00", "--on", "2026-09-01") == first, "given again it is the same payment"
    assert pay(run, "b1", "-100.00") == first, "whose day is not stated again"
    spread = ("record", "payment", "--spread", HOST, "-100.00", "--id", "b1", "--as", "ada")
    assert run(*spread) == first, "by whichever way"
    for name, amount, more, party in (
        ("b1", "-100.01", (), HOST),
        ("b1", "-100.00", ("--on", "2026-08-31"), HOST),
        ("b1", "-100.00", ("--reference", "slip"), HOST),
        ("b1", "-100.00", ("--run", "2"), HOST),
        ("b1", "-100.00", ("--kind", "late_interest"), HOST),
        ("b1", "100.00", (), OWNERS),
    ):
        with pytest.raises(Refused, match=r"payment b1 is recorded already: payment of -100\.00") as caught:
            pay(run, name, amount, *more, party=party)
        assert caught.value.code == "exists", more
    charge = pay(run, "c1", "3.00", "--kind", "bank_charge")
    assert pay(run, "c1", "3.00", "--kind", "bank_charge") == charge
    refused("exists", run, "c1", "3.00")


def test_a_payment_that_was_moved_on_is_known_by_the_month_it_was_given_with(run: Terminal) -> None:
    """No statement of July asks for it: it pays August's. The same again is answered, of June not."""
    first = pay(run, "b1", "-100.00", "--on", "2026-09-01", month="2026-07")
    assert f"    {CONTRACT.id} {MONTH} run 1: -100.00\n" in first
    assert pay(run, "b1", "-100.00", "--on", "2026-09-01", month="2026-07") == first
    assert pay(run, "b1", "-100.00") == first, "the month that it pays"
    assert refused("exists", run, "b1", "-100.00", month="2026-06").place == "id"


def test_interest_of_a_day_on_which_nothing_is_late_is_recorded_and_said(run: Terminal) -> None:
    told = pay(run, "i1", "-3.21", "--kind", "late_interest", "--run", "1", "--on", "2026-09-01")
    assert "note: late interest i1 is of 2026-09-01, and run 1 of" in told
    assert "is due on 2026-09-" in told
    assert told.endswith(": nothing was late yet\n")
    assert "note" not in pay(run, "i2", "3.21", "--kind", "bank_charge", "--run", "1", "--on", "2026-09-01")


def test_the_account_as_of_a_day_is_what_was_open_then(run: Terminal) -> None:
    """Nothing was stated by 30 August, and 100.00 were paid in advance on the 31st."""
    pay(run, "b1", "-100.00", "--on", "2026-08-31")
    for day, closing, beyond in (("2026-08-30", "0.00", []), ("2026-08-31", "-100.00", ["100.00"])):
        then = account(run, "--effective", day)
        assert amount_in(then, "closing") == [closing]
        assert amount_in(then, "not due") == ["0.00", "0.00"]
        assert [amount_in([one], "paid to us")[0] for one in then if "paid to us" in one] == beyond
    now = account(run)
    assert amount_in(now, "not due")[0] == amount_in(now, "closing")[0] != "0.00"


def test_a_booking_of_a_closed_month_says_when_it_is_posted(run: Terminal) -> None:
    run("finalise", MONTH, "--as", "ada")
    run("close", MONTH, "--as", "ada")
    assert "note" not in pay(run, "b1", "-1.00", "--on", "2026-09-01")
    note = "note: 2026-08 is closed: posted on 2026-09-01, with value date 2026-08-30\n"
    assert pay(run, "b2", "-1.00", "--on", "2026-08-30").endswith(note)
    receipt = ("record", "market-receipt", "spot", "7.00", "2026-08-30", "m1", "--as", "ada")
    assert run(*receipt).endswith(note)


def test_a_market_receipt_that_matches_nothing_is_listed(run: Terminal) -> None:
    run("record", "market-receipt", "spot", "7.00", "2026-08-30", "m1", "--as", "ada")
    line = "market receipt m1 of 2026-08-30 for spot: 7.00 of 7.00 CNY match nothing"
    assert f"unmatched: {line}" in run("invoices", "--check")
    assert f"unmatched: {line}" in run("invoices", MONTH)
    assert line not in run("invoices", "2026-07")
    assert line not in run("invoices", "--party", HOST)
    assert f"unmatched: {line}" in run("month", MONTH)


def test_an_invoice_is_not_older_than_its_statement(run: Terminal) -> None:
    invoice = ("record", "invoice", CONTRACT.id, MONTH, HOST, "--direction", "issued", "--number", "F1")
    with pytest.raises(Refused, match="from 2026-09-") as caught:
        run(*invoice, "--net", "1.00", "--tax", "0.00", "--on", "2026-08-31", "--as", "ada")
    assert (caught.value.code, caught.value.place) == ("invoice_date", "on")


def test_a_named_run_says_what_is_paid_in_advance_too(run: Terminal) -> None:
    """Of 5.00 more than run 1 asks for, 5.00 are in advance, and so is all that follows."""
    owed = Money.parse(pay(run, "b0", "-1.00", "--run", "1") and run_open(run), "CNY")
    told = pay(run, "b1", str(owed - Money(500, "CNY")), "--run", "1")
    assert f"run 1: {readable_money(owed - Money(500, 'CNY'))}, 5.00 of it in advance\n" in told
    assert pay(run, "b1", str(owed - Money(500, "CNY")), "--run", "1") == told, "given again it says the same"
    assert "run 1: -7.00, 7.00 of it in advance\n" in pay(run, "b2", "-7.00", "--run", "1")
    assert "in advance" not in pay(run, "b3", "12.00", "--run", "1"), "paid back"


def run_open(run: Terminal) -> str:
    """What run 1 has open, as the refusal of a write-off above it says."""
    with pytest.raises(Refused) as caught:
        start = ("record", "write-off", CONTRACT.id, MONTH, HOST, "--id", "w1", "--reason", "x", "--run", "1")
        run(*start, "--as", "ada", "--", "-999999.00")
    return caught.value.reason.split()[0].replace(",", "")


def test_every_issued_statement_is_checked_before_the_close(run: Terminal) -> None:
    """Run 2 asks for nothing and run 1 is not invoiced: the month says so, and of suppliers' money too."""
    wanting = [line for line in run("month", MONTH).splitlines() if "invoices do not add up" in line]
    assert wanting
    assert OWNERS in wanting[0], "its correction is of nothing, and run 1 has to be invoiced"
    run("record", "supplier-payment", "insurance", "7.00", "2026-08-30", "s1", "--as", "ada")
    assert "unmatched: supplier payment s1 of 2026-08-30" in run("month", MONTH)


def owed_by(run: Terminal, number: int) -> Money:
    """What the host owes by the statement of a run."""
    (line,) = [one for one in run("netting", "show", HOST).splitlines() if f" run {number}: " in one]
    return -Money.parse(line.split(": ")[1].rsplit(", due", 1)[0].replace(",", ""), "CNY")


def test_an_id_names_one_credit(run: Terminal) -> None:
    """5.00 paid beyond the first run go to the correction; given again, nothing is left to give."""
    owed = owed_by(run, 1)
    pay(run, "b1", str(-(owed + Money(500, "CNY"))), "--run", "1")
    given = ("record", "credit", CONTRACT.id, MONTH, HOST, "5.00", "--to", CONTRACT.id, MONTH, "--as", "ada")
    told = run(*given, "--id", "k1")
    assert told.startswith("credit k1: recorded, event ")
    assert run(*given, "--id", "k1") == told, "given again it is the same credit"
    assert run(*given, "--id", "k1", "--run", "1", "--to-run", "2") == told
    with pytest.raises(
        Refused, match=r"credit k1 is recorded already: 5\.00 CNY from statement\."
    ) as refusal:
        run(*given, "--id", "k1", "--run", "2")
    assert (refusal.value.code, refusal.value.place) == ("exists", "id")
    other = ("record", "credit", CONTRACT.id, MONTH, HOST, "4.00", *given[6:], "--id", "k1")
    with pytest.raises(Refused) as refusal:
        run(*other)
    assert refusal.value.code == "exists"


def test_a_receipt_for_which_nothing_is_due_says_how_it_is_recorded_in_advance(run: Terminal) -> None:
    """Named as the refusal says, it stands on account."""
    owed = Money.parse(amount_in(account(run), "closing")[0], "CNY")
    pay(run, "b1", str(-owed))
    with pytest.raises(Refused, match=rf"record payment {CONTRACT.id} {MONTH} {HOST} --run 2") as spread:
        run("record", "payment", "--spread", HOST, "--id", "b2", "--as", "ada", "--", "-7.00")
    assert spread.value.code == "payment_spread"
    asked = refused("run_needed", run, "b2", "-7.00")
    said = asked.reason.partition("such as: wattledger ")[2]
    command, _, amount = said.partition(" ... -- ")
    assert "over 1 statement" in run(*command.split(), "--id", "b2", "--as", "ada", "--", amount)
    assert amount_in(account(run), "paid to us beyond its statements") == ["7.00"]
    later = refused("unknown_statement", run, "b3", "-7.00", month="2026-09")
    assert f"such as: wattledger record payment {CONTRACT.id} {MONTH} {HOST} --run 2" in later.reason


def test_who_approves_a_write_off_is_said(run: Terminal) -> None:
    told = " ".join(run("record", "write-off", "--help").split())
    assert "In a book of one person it is done at once." in told
    assert "waits as a proposal until another one approves it: wattledger approve PROPOSAL" in told
    one = ("record", "write-off", CONTRACT.id, MONTH, HOST, "--id", "w1", "--reason", "a cent", "--as", "ada")
    assert run(*one, "--", "-0.01").startswith("write-off w1: recorded, event ")
    as_payment = refused("write_off", run, "w2", "-0.01", "--kind", "write_off")
    assert "at once in a book of one person" in as_payment.reason


def test_a_netting_uses_up_what_was_paid_in_advance(run: Terminal) -> None:
    """5.00 paid beyond the first run are set off against what the correction asks for."""
    owed, more = owed_by(run, 1), owed_by(run, 2)
    pay(run, "b1", str(-(owed + Money(500, "CNY"))), "--run", "1")
    shown = run("netting", "show", HOST)
    assert f"    {CONTRACT.id} {MONTH} run 1: 5.00, paid in advance\n" in shown
    assert shown.startswith(f"{HOST:<24} receivable {grouped(str(more))}, payable 5.00, net ")
    run("netting", "agree", HOST, "--from", "2026-01-01", "--evidence", "letter 7", "--as", "ada")
    told = run("netting", "set-off", HOST, "n1", "--as", "ada").splitlines()
    assert told[0].startswith("netting n1: 5.00 CNY each way, event ")
    assert [line.rpartition(" run ")[2] for line in told[1:]] == ["1: 5.00", "2: -5.00"]
    assert owed_by(run, 2) == more - Money(500, "CNY")
    assert "journal and statements differ" not in run("month", MONTH)
    rows = [one.split() for one in run("trial-balance", "2026-09").splitlines() if "AdvanceReceived:" in one]
    assert [row[-1] for row in rows] == ["0.00"]


def test_an_advance_says_which_statements_ask_for_it(run: Terminal) -> None:
    """5.00 beyond run 1 stay in advance while run 2 is open; the command that is named pays it with them."""
    owed, more = owed_by(run, 1), owed_by(run, 2)
    told = pay(run, "b1", str(-(owed + Money(500, "CNY"))), "--run", "1")
    note = next(line for line in told.splitlines() if line.startswith("note: "))
    assert note == (
        f"note: 5.00 CNY is paid in advance on {CONTRACT.id} {MONTH} {HOST} run 1, while 1 other statement"
        f" asks for {more} CNY; to pay with it those due first:"
    )
    command = told.splitlines()[-1].removeprefix("    wattledger ").split()
    run(*command, "--id", "k1", "--as", "ada")
    assert owed_by(run, 2) == more - Money(500, "CNY")
    assert "note" not in pay(run, "b2", str(-owed_by(run, 2)))


def test_a_balance_that_is_paid_says_what_is_left_to_net(run: Terminal) -> None:
    """One fen too much on run 1 and one too little on run 2: both stay open, and the balance is nothing."""
    owed, more = owed_by(run, 1), owed_by(run, 2)
    pay(run, "b1", str(-(owed + Money(1, "CNY"))), "--run", "1")
    spread = ("record", "payment", "--spread", HOST, "--id", "b2", "--as", "ada", "--")
    told = run(*spread, str(-(more - Money(1, "CNY"))))
    command = f"wattledger netting set-off {HOST} NAME --currency CNY"
    note = f"note: the balance with {HOST} is 0.00 CNY, while 0.01 is open each way; to set it off: {command}"
    assert told.splitlines()[-1] == f"{note}, once it is agreed: wattledger netting agree {HOST}"
    run("netting", "agree", HOST, "--from", "2026-01-01", "--evidence", "letter 7", "--as", "ada")
    again = run(*spread, str(-(more - Money(1, "CNY"))))
    assert again.splitlines()[-1] == note
    run(*command.replace("NAME", "n1").split()[1:], "--as", "ada")
    assert run("netting", "show", HOST) == f"nothing is open with {HOST}\n"
