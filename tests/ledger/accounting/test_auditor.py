"""A second, simpler model audits the journal: a few sums per party against any sequence of postings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting import cash, netting
from ledger.accounting.account import Account, Role
from ledger.accounting.invoice import invoice_entry
from ledger.accounting.journal import Journal, JournalEntry
from ledger.accounting.run_effect import Settled, run_effect
from ledger.accounting.run_entries import run_entries, statement_entry
from ledger.accounting.statement_payment import payment_entries
from ledger.accounting.trial_balance import trial_balance
from ledger.accounting.vat import line_from_net
from ledger.contract import Contract
from ledger.interval import Month
from ledger.quantity import Money, decimal_text
from ledger.statement.invoice import Billed, BilledAccount, Billing, Invoice
from ledger.statement.life import Payment, PaymentKind, StatementKey
from ledger.statement.open_item import OpenItem
from ledger.stream import BILL_EFFECT
from ledger.vat_terms import SplitBasis
from tests.ledger.accounting.runs import OWNER, renumbered, runs_of, with_streams
from tests.ledger.contract_samples import co_investment, eaas, plain_split

PARTIES = ("host", "a-investor", "b-platform")
HOLDERS = {
    "arbitrage": "host",
    "demand_charge": "a-investor",
    "interaction": OWNER,
    "demand_response": OWNER,
    "spot": "b-platform",
    "insurance": OWNER,
    "maintenance": "host",
}
MONTHS = (Month(2026, 3), Month(2026, 4))
DAY = date(2026, 6, 1)

amount = st.integers(-200_000_00, 200_000_00).map(lambda minor: decimal_text(minor, 2))
streams = st.fixed_dictionaries(dict.fromkeys(HOLDERS, amount))
contracts = st.builds(
    lambda make, position: with_streams(make(), HOLDERS, position=position),
    st.sampled_from([eaas, co_investment, plain_split]),
    st.sampled_from(["gross", "net"]),
)
step = st.one_of(
    st.tuples(st.just("run"), st.integers(0, 1), streams),
    st.tuples(st.just("state"), st.integers(0, 1), st.sampled_from(PARTIES)),
    st.tuples(
        st.sampled_from(["receipt", "payment", "interest", "net", "write_off", "invoice"]),
        st.sampled_from(PARTIES),
        st.integers(1, 300_000_00),
    ),
)


class Auditor:
    """What one would note on paper: what each party was told, has paid, and what the owner earned."""

    def __init__(self) -> None:
        self.told: dict[str, int] = defaultdict(int)
        """What each party owes by statements, interest and tax, less payments; below zero it is owed."""
        self.settled: dict[str, int] = defaultdict(int)
        """What each party owes by the latest runs."""
        self.earned = 0
        self.bank = 0
        self.tax = 0


class Bench:
    def __init__(self, terms: Contract) -> None:
        self.terms = terms
        self.journal = Journal()
        self.auditor = Auditor()
        self.revisions: dict[int, list[dict[str, str]]] = {0: [], 1: []}
        self.runs: dict[int, list[Settled]] = {0: [], 1: []}
        self.stated: dict[tuple[int, str], int] = {}
        """How many runs of a month were stated to a party."""
        self.run_journal: dict[int, list[JournalEntry]] = {0: [], 1: []}

    def owed(self, role: Role, party: str) -> Money:
        return self.journal.balance(Account(role, (party,)), "CNY")

    def post(self, entry: JournalEntry | None) -> bool:
        if entry is not None:
            self.journal = self.journal.posted([entry])
        return entry is not None

    def run(self, month: int, amounts: dict[str, str]) -> None:
        self.revisions[month].append(amounts)
        before = self.runs[month][-1] if self.runs[month] else None
        self.runs[month] = runs_of(self.terms, self.revisions[month], MONTHS[month])
        now = self.runs[month][-1]
        entries = run_entries(OWNER, now, DAY, recognised=before)
        self.run_journal[month] += entries
        self.journal = self.journal.posted(entries)
        for sign, settled in ((1, now), (-1, before)):
            if settled is not None:
                result = settled.run.result
                for party in PARTIES:
                    self.auditor.settled[party] -= sign * result.payable[party].minor
                own_bill = sum(
                    line.amount.minor
                    for line in result.lines
                    if line.kind == "stream" and line.party == OWNER and line.code in BILL_EFFECT
                )
                self.auditor.earned += sign * (result.entitlement[OWNER].minor - own_bill)

    def state(self, month: int, party: str) -> None:
        """The oldest run that was not stated yet."""
        done = self.stated.get((month, party), 0)
        if done == len(self.runs[month]):
            return
        now, before = self.runs[month][done], self.runs[month][done - 1] if done else None
        self.post(statement_entry(OWNER, now, party, DAY, before=before))
        self.stated[month, party] = done + 1
        self.auditor.told[party] -= now.run.delta[party].minor

    def settle(self, party: str, minor: int, kind: PaymentKind) -> None:
        """`minor` above zero to the party, on a statement that asks for all that is open with it."""
        zero = Money.zero("CNY")
        open_now = OpenItem(-(self.owed("receivable", party) + self.owed("payable", party)), zero)
        one = Payment(id="p", on=DAY, amount=Money(minor, "CNY"), kind=kind)
        for entry in payment_entries(party, one, open_now):
            self.post(entry)
        self.auditor.told[party] += minor

    def receipt(self, party: str, minor: int) -> None:
        self.settle(party, -minor, "payment")
        self.auditor.bank += minor

    def payment(self, party: str, minor: int) -> None:
        self.settle(party, minor, "payment")
        self.auditor.bank -= minor

    def interest(self, party: str, minor: int) -> None:
        sign = 1 if minor % 2 else -1
        charge = cash.late_interest_charged if sign > 0 else cash.late_interest_owed
        self.post(charge(party, Money(minor, "CNY"), DAY, "i"))
        self.auditor.told[party] += sign * minor
        self.auditor.earned += sign * minor

    def net(self, party: str, _: int) -> None:
        receivable, payable = self.owed("receivable", party), -self.owed("payable", party)
        amount = Money(min(receivable.minor, payable.minor), "CNY")
        if amount.minor <= 0:
            return  # after corrections an account may be on the other side: nothing is owed both ways
        zero = Money.zero("CNY")
        parts = [(OpenItem(-receivable, zero), -amount), (OpenItem(payable, zero), amount)]
        self.post(netting.netting_entry(party, parts, DAY, "n"))
        assert 0 in (self.owed("receivable", party).minor, self.owed("payable", party).minor)

    def write_off(self, party: str, minor: int) -> None:
        written = min(minor, self.owed("receivable", party).minor)
        if written > 0:
            self.settle(party, -written, "write_off")
            self.auditor.earned -= written

    def invoice(self, party: str, minor: int) -> None:
        amount = Money(minor, "CNY")
        line = line_from_net("fee", amount, Fraction(6, 100))
        fee = BilledAccount(Account("clause_income", ("service_fee",)), amount, None, (1,))
        basis: SplitBasis = "tax_exclusive" if minor % 2 else "tax_inclusive"
        billing = Billing(basis, Billed(amount, (fee,)), Billed(Money.zero("CNY")))
        one = Invoice(number="1", direction="issued", on=DAY, net=line.net, tax=line.tax, gross=line.gross)
        key = StatementKey(self.terms.id, str(MONTHS[0]), party, 1)
        if self.post(invoice_entry(key, billing, one, DAY)):
            tax = line.tax.minor
            self.auditor.tax += tax
            if basis == "tax_exclusive":
                self.auditor.told[party] += tax
            else:
                self.auditor.earned -= tax

    def audit(self) -> None:
        balance = trial_balance(self.journal, "CNY", date(2026, 1, 1), date(2027, 1, 1))
        held: dict[str, int] = defaultdict(int)
        for row in balance.rows:
            held[row.account.role if row.account.party is None else str(row.account)] += row.closing.minor
        for party in PARTIES:
            told = sum(
                held[f"{role}:{party}"]
                for role in ("receivable", "payable", "advance_received", "advance_paid")
            )
            accrued = held[f"accrued_receivable:{party}"] + held[f"accrued_payable:{party}"]
            stated = -sum(
                self.runs[month][done - 1].run.result.payable[party].minor
                for (month, of), done in self.stated.items()
                if of == party
            )
            assert told == self.auditor.told[party], party
            assert accrued == self.auditor.settled[party] - stated, party
        earned = -sum(row.closing.minor for row in balance.rows if row.account.type in ("income", "expense"))
        assert earned == self.auditor.earned
        assert held["bank"] == self.auditor.bank
        assert -held["vat_output"] == self.auditor.tax
        assert held["memo_contra"] == -sum(
            row.closing.minor for row in balance.rows if row.account.role == "memo_saving"
        )


@settings(max_examples=150)
@given(contracts, st.lists(step, min_size=1, max_size=14))
def test_any_sequence_balances_and_receivable_is_what_statements_say_less_payments(
    terms: Contract, steps: list[tuple[str, int, object]]
) -> None:
    bench = Bench(terms)
    for name, first, second in steps:
        act: Callable[[object, object], None] = getattr(bench, name)
        act(first, second)
        bench.audit()
    for month, settled in bench.runs.items():
        if settled:
            latest = renumbered(settled[-1], 1, "initial")
            fresh = Journal().posted(run_entries(OWNER, latest, DAY))
            chain = Journal().posted(bench.run_journal[month])
            accounts = {p.account for one in (*fresh, *chain) for p in one.postings}
            for account in accounts:
                assert chain.balance(account, "CNY") == fresh.balance(account, "CNY"), account


@settings(max_examples=150)
@given(contracts, streams)
def test_a_principal_and_an_agent_owe_and_earn_the_same(terms: Contract, amounts: dict[str, str]) -> None:
    """Gross or net is how it is shown: what is due and what is left are the same."""
    ends = []
    for position in ("gross", "net"):
        (settled,) = runs_of(with_streams(terms, HOLDERS, position=position), [amounts])
        effects = run_effect(OWNER, settled)
        due = {a: e.minor for a, e in effects.items() if a.type in ("asset", "liability")}
        ends.append((due, sum(e.minor for a, e in effects.items() if a.type in ("income", "expense"))))
    assert ends[0] == ends[1]
