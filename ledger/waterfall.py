"""A month's pool, split by a contract: entitlement, cash already held and cash payable per party."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from functools import lru_cache

import msgspec

from ledger.clauses import Clause
from ledger.clauses.carry import Carry
from ledger.clauses.facts import NO_FACTS, MonthFacts
from ledger.clauses.flow import Flow, Notice, Outcome, Part, Throughput, exact_text
from ledger.contract import Contract
from ledger.interval import Month
from ledger.quantity import MINOR_DIGITS, Money, decimal_text
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.stream import PASS_THROUGH_COSTS, STREAMS
from ledger.vat_terms import VatTerms, vat

__all__ = [
    "ClauseLine",
    "Distribution",
    "MonthFacts",
    "PriorMonth",
    "StreamItem",
    "Throughput",
    "distribute",
    "on_split_basis",
]


class StreamItem(msgspec.Struct, frozen=True):
    """Money of one stream or pass-through cost in the month, on the contract's split basis.

    A stream's amount is positive when it was earned. A cost's is positive when it is owed: the pool is the
    streams LESS the costs. `holder` is who holds its cash; None where the contract names one party for the
    stream.
    """

    stream: str
    amount: Money
    holder: str | None = None

    def __post_init__(self) -> None:
        if self.stream not in STREAMS and self.stream not in PASS_THROUGH_COSTS:
            allowed = ", ".join((*STREAMS, *PASS_THROUGH_COSTS))
            raise Refused("stream", f"{self.stream!r} is not one of {allowed}", place="stream")


class PriorMonth(msgspec.Struct, frozen=True):
    """What the settled months up to `settled_to` (a local day, not included) hand on to the next.

    `accounts` are by name, such as `hurdle#1`: the first clause of that type in any version of the contract.
    """

    month: Month
    settled_to: date
    accounts: dict[str, Carry]


class ClauseLine(msgspec.Struct, frozen=True):
    """What one clause gives to one party; positive is receivable.

    `exact` and `rounding` are exact decimals, or numerator/denominator, in major units:
    amount = exact + rounding. `clause` counts from 0.
    """

    clause: int
    type: str
    party: str
    exact: str
    amount: Money
    rounding: str
    basis: str
    quantity: str
    unit: str
    price: str
    terms: tuple[Basis, ...] = ()
    """What `exact` is the sum of; none where it is one sum that the clause states by itself."""


class Distribution(msgspec.Struct, frozen=True):
    """A month's pool, split to the fen.

    Per party, entitlement = held + payable; the entitlements add up to the pool and the payables to zero.
    """

    contract: str
    month: Month
    pool: Money
    lines: tuple[ClauseLine, ...]
    entitlement: dict[str, Money]
    held: dict[str, Money]
    payable: dict[str, Money]
    outside_pool: tuple[StreamItem, ...]
    """Items of streams and costs that the contract does not share: shown, never split."""
    warnings: tuple[Notice, ...]
    carry: PriorMonth
    """The `prior` of the next month."""


def distribute(
    contract: Contract,
    month: Month,
    items: Iterable[StreamItem],
    throughput: Throughput | None,
    prior: PriorMonth | None,
    facts: MonthFacts = NO_FACTS,
) -> Distribution:
    """Split the month's pool by the contract's clauses in order (DOMAIN.md 2.3).

    `prior` is what the latest settled month carried; None where the contract begins. Items of one stream
    add up. A stream in the pool without any item counts as nothing, with a warning: state zero to say zero.
    `facts` are what the contract's carve-outs and capital accounts rest on. Where the contract ends early,
    its last month hands nothing on.

    Raises:
        Refused: `not_in_force` for a month without a day of the contract; `currency` for money in another;
            `prior_missing`, `prior_gap` or `prior_account` when the months before are not settled in order;
            `throughput_missing` for a service fee without metered energy; `party_unknown` for capital of
            a stranger; and what the clauses refuse to apply.
    """
    first, end = contract.days_in(month)
    _check_prior(contract, month, first, prior)
    _check_facts(contract, facts)
    streams, held, outside = _streams_of(contract, items)
    pool = sum(held.values())
    accounts = prior.accounts if prior is not None else {}
    covered = _ONE if (end - first).days == month.days else Fraction((end - first).days, month.days)
    remaining = pool
    outcomes: list[Outcome] = []
    reached: list[int] = []
    kept: dict[str, Carry] = {}
    for clause, name in zip(contract.clauses, contract.account_names, strict=True):
        outcome = clause.apply(
            Flow(
                month=month,
                covered=covered,
                currency=contract.currency,
                pool=pool,
                remaining=remaining,
                streams=streams,
                throughput=throughput,
                capital_cost=contract.stated_capital,
                carried=accounts.get(name),
                first=first,
                end=end,
                facts=facts,
                accounts=kept,
            )
        )
        reached.append(remaining)
        remaining -= outcome.taken
        outcomes.append(outcome)
        if outcome.carry is not None:
            kept[name] = outcome.carry
    assert remaining == 0, f"contract {contract.id} left {remaining} of {month}'s pool"
    entitlement = _entitlement(contract, outcomes)
    assert sum(entitlement.values()) == pool
    return Distribution(
        contract=contract.id,
        month=month,
        pool=Money(pool, contract.currency),
        lines=_lines(contract, outcomes, reached, streams),
        entitlement=_money(contract, entitlement),
        held=_money(contract, held),
        payable=_money(contract, {party: entitlement[party] - held[party] for party in entitlement}),
        outside_pool=outside,
        warnings=_warnings(contract, streams, outcomes, accounts, kept),
        carry=PriorMonth(month, end, {} if contract.terminated_on == end else kept),
    )


def on_split_basis(
    contract: Contract, items: Iterable[StreamItem], tax_point: date
) -> tuple[StreamItem, ...]:
    """Tax-inclusive amounts as the contract divides them: without their tax where it is tax-exclusive.

    The rate of a stream or cost is that of the party that holds its cash (DOMAIN.md 3.8). Items outside the
    pool stay as they are. Give one item a stream and holder: each is rounded on its own.

    Raises:
        Refused: `vat_terms_missing` for a tax-exclusive contract without terms; `vat_rate_missing`.
    """
    if contract.split_basis == "tax_inclusive":
        return tuple(items)
    if contract.vat is None:
        text = f"contract {contract.id} divides amounts without tax and states no rates"
        raise Refused("vat_terms_missing", text, place="vat")
    return tuple(_without_tax(contract, contract.vat, item, tax_point) for item in items)


def _without_tax(contract: Contract, terms: VatTerms, item: StreamItem, tax_point: date) -> StreamItem:
    if item.stream not in contract.cash_holder:
        return item
    line = vat(item.stream, item.amount, terms, "tax_inclusive", _holder(contract, item), tax_point)
    return msgspec.structs.replace(item, amount=line.net)


def _holder(contract: Contract, item: StreamItem) -> str:
    """Who holds the cash of an item of the pool."""
    holder = item.holder or contract.holder_of(item.stream, None)
    if holder not in contract.party_ids:
        text = f"{holder!r} holds {item.stream} and is no party of contract {contract.id}"
        raise Refused("party_unknown", text, place=f"items.{item.stream}")
    return holder


def _check_prior(contract: Contract, month: Month, first: date, prior: PriorMonth | None) -> None:
    if prior is not None:
        if prior.settled_to != first:
            text = f"settled up to {prior.settled_to}, but {month} of contract {contract.id} begins {first}"
            raise Refused("prior_gap", text, place="prior")
        for clause, name in zip(contract.clauses, contract.account_names, strict=True):
            if name in prior.accounts:
                _check_account(contract, clause, name, prior.accounts[name])
    elif first > contract.effective_from:
        for index, clause in enumerate(contract.clauses):
            if clause.needs_prior(month):
                kind = contract.clause_types[index]
                text = f"clauses[{index}] ({kind}) needs the months before {month}, settled in order"
                raise Refused("prior_missing", text, place="prior")


def _check_facts(contract: Contract, facts: MonthFacts) -> None:
    for party in facts.capital or ():
        if party not in contract.party_ids:
            text = f"{party!r} has capital and is no party of contract {contract.id}"
            raise Refused("party_unknown", text, place=f"facts.capital.{party}")


def _check_account(contract: Contract, clause: Clause, name: str, before: Carry) -> None:
    money = before.money
    if clause.account is None or not isinstance(before, clause.account):
        raise Refused("prior_account", f"a {type(before).__name__} is not what {name} carries", place="prior")
    if money is not None and money.currency != contract.currency:
        raise Refused("currency", f"{money.currency} carried in {contract.currency}", place=f"prior.{name}")


def _streams_of(
    contract: Contract, items: Iterable[StreamItem]
) -> tuple[dict[str, int], dict[str, int], tuple[StreamItem, ...]]:
    """Each pool stream's and cost's sum in minor units, as given; the cash that each party has from them,
    less what it paid for costs; and the items outside the pool."""
    sums: dict[str, int] = {}
    held = dict.fromkeys(contract.party_ids, 0)
    outside: list[StreamItem] = []
    for item in items:
        if item.amount.currency != contract.currency:
            text = f"{item.amount.currency} in a contract in {contract.currency}"
            raise Refused("currency", text, place=f"items.{item.stream}")
        if item.stream in contract.cash_holder:
            minor = item.amount.minor
            sums[item.stream] = sums.get(item.stream, 0) + minor
            held[_holder(contract, item)] += -minor if item.stream in PASS_THROUGH_COSTS else minor
        else:
            outside.append(item)
    return sums, held, tuple(outside)


def _entitlement(contract: Contract, outcomes: Iterable[Outcome]) -> dict[str, int]:
    entitlement = dict.fromkeys(contract.party_ids, 0)
    for outcome in outcomes:
        for part in outcome.parts:
            entitlement[part.party] += part.minor
    return entitlement


def _money(contract: Contract, minors: Mapping[str, int]) -> dict[str, Money]:
    return {party: Money(minor, contract.currency) for party, minor in minors.items()}


def _lines(
    contract: Contract, outcomes: Iterable[Outcome], reached: Sequence[int], streams: Mapping[str, int]
) -> tuple[ClauseLine, ...]:
    unit = 10 ** MINOR_DIGITS[contract.currency]
    return tuple(
        ClauseLine(
            clause=index,
            type=kind,
            party=part.party,
            exact=(exact := exact_text(part.exact)),
            amount=Money(part.minor, contract.currency),
            rounding=exact_text(Fraction(part.minor, unit) - part.exact),
            basis=part.basis,
            quantity=part.quantity,
            unit=part.unit,
            price=part.price,
            terms=_terms(contract.currency, part, exact, reached[index], streams),
        )
        for index, (kind, outcome) in enumerate(zip(contract.clause_types, outcomes, strict=True))
        for part in outcome.parts
    )


def _terms(
    currency: str, part: Part, exact: str, reached: int, streams: Mapping[str, int]
) -> tuple[Basis, ...]:
    """What reached the clause and what the pool's streams earned, each at the part's ratio; then what
    earlier months left, and the rest, which is the clause's own."""
    digits = MINOR_DIGITS[currency]
    if not (part.per_stream or part.earlier):
        ratio = part.per_remaining
        if not ratio:
            return ()
        whole = part.exact.numerator * ratio.denominator * 10**digits
        if whole == reached * ratio.numerator * part.exact.denominator:
            quantity = decimal_text(reached, digits)
            return (Basis(_REACHED, quantity, currency, _ratio_text(ratio), exact, "remaining"),)
    found: list[Basis] = []
    rest = part.exact - part.earlier
    ratios = [("remaining", reached, part.per_remaining)]
    ratios += [(f"stream:{name}", streams.get(name, 0), ratio) for name, ratio in part.per_stream.items()]
    for of, minor, ratio in ratios:
        if minor and ratio:
            money = Fraction(minor * ratio.numerator, 10**digits * ratio.denominator)
            rest -= money
            label = _REACHED if of == "remaining" else of.removeprefix("stream:")
            quantity = decimal_text(minor, digits)
            found.append(Basis(label, quantity, currency, exact_text(ratio), exact_text(money), of))
    if part.earlier:
        found.append(_stated("earlier months", part.earlier, currency, "earlier_month"))
    if rest:
        found.append(_stated("the clause's own terms", rest, currency, "clause"))
    return tuple(found)


@lru_cache(maxsize=1024)
def _ratio_text(ratio: Fraction) -> str:
    """A thousand contracts share few ratios."""
    return exact_text(ratio)


def _stated(label: str, exact: Fraction, currency: str, of: str) -> Basis:
    text = exact_text(exact)
    return Basis(label, text, currency, "1", text, of)


def _warnings(
    contract: Contract,
    streams: Mapping[str, int],
    outcomes: Iterable[Outcome],
    accounts: Mapping[str, Carry],
    kept: Mapping[str, Carry],
) -> tuple[Notice, ...]:
    missing = (
        Notice("missing_stream", f"no {stream} item this month: counted as nothing")
        for stream in (*contract.pool_streams, *contract.pass_through_costs)
        if stream not in streams
    )
    fees = (
        msgspec.structs.replace(notice, clause=index)
        for index, outcome in enumerate(outcomes)
        for notice in outcome.notices
    )
    dropped = (
        Notice("carry_dropped", f"no clause of this version takes up {name} of the months before")
        for name, before in accounts.items()
        if name not in kept and before.counts
    )
    return (*missing, *fees, *dropped)


_ONE = Fraction(1)
_REACHED = "what reached the clause"
