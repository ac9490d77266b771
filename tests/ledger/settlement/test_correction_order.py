"""Original plus all deltas is a fresh settlement, in whatever order corrections arrive (DOMAIN.md 2.3).

Months with a year-to-date guarantee are settled and corrected as facts come: readings, prices, contract
versions, a market's orders; some before their month's initial run, some settled at once, some late. Beside
the ledger's runs stands the plainest model: settle everything once, in order, from what is known in the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import contract_file, market_rule_file, tariff_file
from ledger.accounting.account import Account as LedgerAccount
from ledger.accounting.book_journal import BookJournal, Recorded
from ledger.clauses import Guarantee
from ledger.contract import Contract
from ledger.exclusivity import policy_file
from ledger.grid_account import Account
from ledger.interval import Interval, Month, zone_of
from ledger.month_close import Closed, MonthClosed
from ledger.quantity import Money
from ledger.settlement.inputs import Inputs, Part, SiteInputs
from ledger.settlement.line import Source
from ledger.settlement.markets.month import MarketMonth
from ledger.settlement.result import Result
from ledger.settlement.run import RecordSettlement, Run, Runs
from ledger.settlement.settle import settle
from ledger.site import Site
from ledger.streams.capacity_compensation import CapacityLeased
from ledger.streams.service_income import ServiceOrdered, ServiceRule
from ledger.tariff import Tariff

EXAMPLES = Path(__file__).parents[3] / "examples"
ZONE = "Asia/Shanghai"
FIRST = Month(2026, 6)
HOUR_S = 3600
OWNER = "operator"

_FILE = EXAMPLES / "tariffs/shanghai_two_part_1-10kv.toml"
_BASE = tariff_file.parse_tariff(_FILE.read_text(encoding="utf-8"), name=_FILE.name)
_SCHEDULES = tuple(msgspec.structs.replace(one, float_rule=None) for one in _BASE.schedules)
_TABLE = msgspec.structs.replace(_BASE.tables[-1], components=None, demand=None, capacity=None)
_POLICY = policy_file.parse((EXAMPLES / "exclusivity/rule_based.toml").read_bytes())
_RULE = market_rule_file.parse((EXAMPLES / "market_rules/service_throughput.toml").read_bytes())
assert isinstance(_RULE, ServiceRule)
_LEASES = market_rule_file.parse((EXAMPLES / "market_rules/capacity_qinghai.toml").read_bytes())
_AGENCY = contract_file.parse((EXAMPLES / "contracts/agency-s3.toml").read_bytes())
_AGENCY = msgspec.structs.replace(
    _AGENCY,
    effective_from=FIRST.first_day,
    effective_to=date(2036, 6, 1),
    pool_streams=(*_AGENCY.pool_streams, "service"),
    cash_holder={**_AGENCY.cash_holder, "service": OWNER},
)
SITE = Site("S3", "Plant", ZONE, 800_000, 400_000, _BASE.id, Account(id="A", zone=ZONE, parts="single_part"))

Kind = Literal["meter", "price", "contract", "market", "market_rule", "exclusivity"]


class Fact(NamedTuple):
    """Something new about the month `number` (from 0); a contract version holds from that month on, a market
    rule and a policy everywhere."""

    kind: Kind
    number: int
    value: int


class Book:
    """One contract's months as the ledger keeps them: facts, runs and what the runs posted."""

    def __init__(self, months: int) -> None:
        self.months = [FIRST]
        while len(self.months) < months:
            self.months.append(self.months[-1].next())
        self.facts: dict[tuple[Kind, int], int] = {}
        self.sequence = 10
        self.amended_at: dict[int, int] = {}
        self.runs: dict[int, Runs] = {}
        self.told: set[int] = set()
        """Months of which something was learnt since they were settled themselves."""
        self.journal = BookJournal(OWNER)

    def learn(self, fact: Fact) -> None:
        """Record a fact; nothing is settled by it."""
        self.sequence += 1
        self.told.add(fact.number)
        if fact.kind == "contract":
            self.told.update(range(fact.number, len(self.months)))
            for later in range(fact.number, len(self.months)):
                self.facts["contract", later] = fact.value
                self.amended_at[later] = self.sequence
        elif fact.kind in ("market_rule", "exclusivity"):
            self.told.update(range(len(self.months)))
            self.facts[fact.kind, 0] = fact.value
        else:
            self.facts[fact.kind, fact.number] = fact.value

    def settle(self, number: int) -> list[Run]:
        """Settle a month and, when that changed it, every later month that has a run; as `settle_month`."""
        recorded: list[Run] = []
        self.told.discard(number)
        if self._settle_one(number, recorded):
            for later in range(number + 1, len(self.months)):
                if later in self.runs:
                    self._settle_one(later, recorded)
        return recorded

    def _settle_one(self, number: int, recorded: list[Run]) -> bool:
        self.sequence += 1
        inputs = self.inputs(number)
        result = settle(inputs)
        state = self.runs.get(number)
        latest = state.latest if state else None
        if latest is not None and latest.result.inputs_digest == result.inputs_digest:
            return False
        (event,) = RecordSettlement(result).decide(state, {})
        self.runs[number] = event.apply(state)
        self.journal.post(Recorded("settlement.x", date(2027, 6, 1), event, inputs.contract))
        recorded.append(event.run)
        return True

    def close(self, number: int) -> None:
        """Close the month in the journal."""
        closed = Closed(self.months[number], {}, (), "ada")
        self.journal.post(Recorded("closing.book", date(2027, 6, 1), MonthClosed(closed)))

    def inputs(self, number: int) -> Inputs:
        """What the month is settled from as far as is known now."""
        month = self.months[number]
        before = self.runs.get(number - 1)
        paid = before.latest if before else None
        version = Source(f"contract.{_AGENCY.id}", ((self.amended_at.get(number, 1),) * 2,))
        return Inputs(
            self.contract(number),
            month,
            self.sequence,
            (self._site(number, month),),
            None if paid is None else paid.result.carry,
            version,
            msgspec.structs.replace(_POLICY, title=f"as of {self.facts.get(('exclusivity', 0), 0)}"),
        )

    def contract(self, number: int) -> Contract:
        """The version in force: an amendment changes the share of the excess and the guarantee."""
        share = self.facts.get(("contract", number))
        if share is None:
            return _AGENCY
        clauses = tuple(
            msgspec.structs.replace(one, excess_share=f"{share}%", annual_amount=str(120_000 + share * 1000))
            if isinstance(one, Guarantee)
            else one
            for one in _AGENCY.clauses
        )
        return msgspec.structs.replace(_AGENCY, clauses=clauses)

    def _site(self, number: int, month: Month) -> SiteInputs:
        count = month.days * 24
        hours = np.arange(count)
        wh = self.facts.get(("meter", number), 100_000)
        charge = np.where(hours % 24 < 6, wh, 0).astype(np.int64)
        discharge = np.where((hours % 24 >= 18) & (hours % 24 < 22), wh, 0).astype(np.int64)
        ordered = self.facts.get(("market", number))
        return SiteInputs(
            SITE, self._tariff(number, month), HOUR_S, None, charge, discharge, None, (),
            None if ordered is None else _market(month, ordered, self.facts.get(("market_rule", 0), 100)),
        )  # fmt: skip

    def _tariff(self, number: int, month: Month) -> Tariff:
        flat = _TABLE.prices.flat
        peak = msgspec.structs.replace(flat, mantissa=self.facts.get(("price", number), 1_144_372))
        prices = msgspec.structs.replace(_TABLE.prices, peak=peak)
        table = msgspec.structs.replace(_TABLE, start=month, until=month.next(), prices=prices)
        return msgspec.structs.replace(_BASE, parts="single_part", schedules=_SCHEDULES, tables=(table,))

    def latest(self, number: int) -> Result:
        """What the month's newest run says."""
        latest = self.runs[number].latest
        assert latest is not None
        return latest.result

    def payable(self) -> list[dict[str, Money]]:
        """Per origin month and party, the sum of all that its runs said is payable."""
        zero = Money.zero("CNY")
        found: list[dict[str, Money]] = []
        for number in range(len(self.months)):
            sums: dict[str, Money] = defaultdict(lambda: zero)
            for run in self.runs[number].runs:
                for party, money in run.delta.items():
                    sums[party] += money
            found.append(dict(sums))
        return found

    def balances(self) -> dict[tuple[LedgerAccount, str], int]:
        """Per account and origin month, what the journal comes to."""
        found: dict[tuple[LedgerAccount, str], int] = defaultdict(int)
        for entry in self.journal.journal.entries:
            assert entry.reference is not None
            for posting in entry.postings:
                found[posting.account, str(entry.reference.month)] += posting.amount.minor
        return {account: minor for account, minor in found.items() if minor}


def _market(month: Month, ordered: int, rate: int) -> MarketMonth:
    """An order of the month's service, and a lease, which claims power and pays nothing."""
    assert isinstance(_RULE, ServiceRule)
    whole = month.interval(zone_of(ZONE))
    days = Interval(whole.start, whole.start + timedelta(days=ordered % 28 + 1))
    order = ServiceOrdered(
        id=f"o-{month}", site="S3", rule=_RULE.id, run=f"order {ordered}", customer="host-s3",
        interval=days, ordered_w=ordered,
    )  # fmt: skip
    lease = CapacityLeased(
        id=f"l-{month}", site="S3", rule=_LEASES.id, run="lease", interval=whole, leased_w=100_000
    )
    payments = tuple(msgspec.structs.replace(one, rate=f"0.{rate:04d}") for one in _RULE.payments)
    rules = {_RULE.id: msgspec.structs.replace(_RULE, payments=payments), _LEASES.id: _LEASES}
    return MarketMonth(whole, rules, (order, lease), None, None, None, ())


def fresh(book: Book, facts: Sequence[Fact]) -> Book:
    """Everything known first, then each month settled once, in order."""
    other = Book(len(book.months))
    for fact in facts:
        other.learn(fact)
    for number in range(len(other.months)):
        other.settle(number)
    return other


_VALUES: dict[Kind, tuple[int, int]] = {
    "meter": (0, 400_000),
    "price": (800_000, 1_600_000),
    "contract": (10, 90),
    "market": (1, 9_999),
    "market_rule": (1, 9_999),
    "exclusivity": (1, 99),
}


@st.composite
def stories(draw: st.DrawFn) -> tuple[int, list[Fact], list[tuple[str, int]], list[int]]:
    """So many months, the facts, the order in which facts are told, months settled and months closed, and the
    order in which the months that are still to be corrected are settled in the end."""
    months = draw(st.integers(3, 6))
    kinds: list[Kind] = draw(st.permutations(list(_VALUES)))
    extra: list[Kind] = draw(st.lists(st.sampled_from(kinds), max_size=4))
    facts = [
        Fact(kind, draw(st.integers(0, months - 1)), draw(st.integers(*_VALUES[kind])))
        for kind in [*kinds, *extra]
    ]
    steps = [("learn", index) for index in range(len(facts))]
    steps += [("first", number) for number in range(months)]
    steps += [("again", draw(st.integers(0, months - 1))) for _ in range(draw(st.integers(0, 5)))]
    steps += [("close", 0)] * draw(st.integers(0, 2))
    return months, facts, draw(st.permutations(steps)), draw(st.permutations(range(months)))


@settings(max_examples=100)
@given(stories())
def test_any_order_of_arrival_ends_in_a_fresh_settlement(
    story: tuple[int, list[Fact], list[tuple[str, int]], list[int]],
) -> None:
    """Only a month of which something was learnt is settled by anybody: the later ones follow it."""
    months, facts, steps, last = story
    book = Book(months)
    told: list[Fact] = []
    settled = closed = 0
    for step, at in steps:
        if step == "learn":
            book.learn(facts[at])
            told.append(facts[at])
        elif step == "first":
            book.settle(settled)
            settled += 1
        elif step == "again" and at < settled:
            book.settle(at)
        elif step == "close" and closed < settled:
            book.close(closed)
            closed += 1
    for number in last:
        if number in book.told:
            book.settle(number)
    once = fresh(book, told)
    assert book.payable() == once.payable(), "itemised by origin month"
    assert book.balances() == once.balances(), "the journal too, each amount under its origin month"
    for number in range(months):
        assert book.latest(number).entitlement == once.latest(number).entitlement
        runs = book.runs[number].runs
        assert [run.kind for run in runs[:1]] == ["initial"]
        assert all(run.causes for run in runs[1:]), "every correction says why"
        assert sum(money.minor for run in runs for money in run.delta.values()) == 0
    assert not any(book.settle(number) for number in range(months)), "nothing is left to correct"


def test_each_kind_of_fact_is_labelled_and_carried_on() -> None:
    """One correction of each kind in the second of three months; the third follows it by its carry."""
    told: list[Fact] = []
    book = Book(3)
    for number in range(3):
        book.settle(number)
    labels: dict[Kind, Part | str] = {
        "meter": "meter",
        "price": "price",
        "market": "market",
        "contract": "retroactive_amendment",
        "market_rule": "market_rule",
    }
    for kind, expected in labels.items():
        value = {"market": 4_321, "contract": 83, "market_rule": 777}.get(kind, 1_300_000 // 7)
        fact = Fact(kind, 1, value)
        book.learn(fact)
        told.append(fact)
        second, third = book.settle(1)
        assert second.causes == (expected,)
        assert third.causes == (("retroactive_amendment",) if kind == "contract" else ("earlier_month",))
        assert book.payable() == fresh(book, told).payable()
    assert [run.kind for run in book.runs[0].runs] == ["initial"], "the month before is left alone"


def test_a_rule_and_a_policy_correct_only_the_months_in_which_they_were_used() -> None:
    """Published for all three months, they are settled again: only the second had an order and a lease. Both
    are rule changes (清算); the policy's moves nobody's money here."""
    book = Book(3)
    for number in range(3):
        book.settle(number)
    for kind, value in (("market_rule", 8_000), ("exclusivity", 7)):
        book.learn(Fact(kind, 0, value))  # type: ignore[arg-type]
        assert [book.settle(number) for number in range(3)] == [[], [], []], f"no {kind} was used yet"
    book.learn(Fact("market", 1, 4_321))
    (told, *_) = book.settle(1)
    assert (told.causes, told.classes) == (("market",), ("data_error",))
    for kind, value in (("market_rule", 9_000), ("exclusivity", 8)):
        book.learn(Fact(kind, 0, value))  # type: ignore[arg-type]
        assert book.settle(0) == []
        pool = book.latest(1).pool
        second, *later = book.settle(1)
        assert (second.causes, second.classes) == ((kind,), ("rule_or_price_change",))
        assert (second.result.pool != pool) == (kind == "market_rule")
        assert [run.causes for run in later] == ([("earlier_month",)] if kind == "market_rule" else [])
        assert book.settle(2) == []


def test_a_month_corrected_behind_its_chain_would_be_seen() -> None:
    """The property can fail: unless later months follow, the totals are not a fresh settlement's."""
    book = Book(3)
    for number in range(3):
        book.settle(number)
    fact = Fact("meter", 0, 390_000)
    book.learn(fact)
    book._settle_one(0, [])
    assert book.payable() != fresh(book, [fact]).payable()
