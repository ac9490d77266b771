"""Settling: stream earnings, then the contract's clauses, into numbered lines with their sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

from ledger.clauses.flow import exact_text
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.behind_the_meter import RULES, SiteEarnings, earnings
from ledger.settlement.inputs import RULES_VERSION, Inputs
from ledger.settlement.line import Line, Source
from ledger.settlement.result import Result
from ledger.waterfall import ClauseLine, Distribution, StreamItem, Throughput, distribute


def settle(inputs: Inputs) -> Result:
    """Settle one contract's month; see `settle_all`."""
    return settle_all([inputs])[0]


def settle_all(all_inputs: Sequence[Inputs]) -> list[Result]:
    """Settle contracts of one month together: the same inputs always give the same results.

    Raises:
        Refused: what the streams and the clauses refuse; `month` when the inputs are of several months.
    """
    months = {inputs.month for inputs in all_inputs}
    if len(months) > 1:
        raise Refused("month", "settle one month at a time")
    if not all_inputs:
        return []
    month: Month = months.pop()
    sites = [site for inputs in all_inputs for site in inputs.sites]
    earned = iter(earnings(sites, month))
    return [_result(inputs, [next(earned) for _ in inputs.sites]) for inputs in all_inputs]


def _result(inputs: Inputs, earned: Sequence[SiteEarnings]) -> Result:
    contract = inputs.contract
    sums: dict[str, int] = defaultdict(int)
    for site in earned:
        for one in site.earned:
            if one.amount.currency != contract.currency:
                raise Refused(
                    "currency",
                    f"the tariff is in {one.amount.currency}, the contract in {contract.currency}",
                    place=f"contract {contract.id}",
                )
            sums[one.stream] += one.amount.minor
    items = [StreamItem(stream, Money(minor, contract.currency)) for stream, minor in sums.items()]
    throughput = Throughput(sum(site.charge_wh for site in earned), sum(site.discharge_wh for site in earned))
    split = distribute(contract, inputs.month, items, throughput, inputs.prior)
    sources, of_site = _sources(inputs)
    lines = _stream_lines(inputs, earned, of_site)
    lines += _clause_lines(split, len(lines), throughput)
    return Result(
        contract=contract.id,
        title=contract.title,
        model=contract.model,
        month=inputs.month,
        currency=contract.currency,
        rules_version=RULES_VERSION,
        position=inputs.position,
        inputs_digest=inputs.digest(),
        pool=split.pool,
        lines=tuple(lines),
        sources=sources,
        bills=tuple(site.bill for site in earned if site.bill is not None),
        entitlement=split.entitlement,
        held=split.held,
        payable=split.payable,
        warnings=(*(notice for site in earned for notice in site.notices), *split.warnings),
        carry=split.carry,
        sees_pool=tuple(party.id for party in contract.parties if party.sees.pool_total),
    )


def _sources(inputs: Inputs) -> tuple[tuple[Source, ...], list[tuple[int, ...]]]:
    """All sources, the contract first; and for each site the positions of its own."""
    sources: list[Source] = [inputs.contract_source]
    of_site: list[tuple[int, ...]] = []
    for site in inputs.sites:
        of_site.append(tuple(range(len(sources), len(sources) + len(site.sources))))
        sources.extend(site.sources)
    return tuple(sources), of_site


def _stream_lines(
    inputs: Inputs, earned: Sequence[SiteEarnings], of_site: Sequence[tuple[int, ...]]
) -> list[Line]:
    """One line a stream and site; streams that the contract does not share are shown under their host."""
    contract = inputs.contract
    host = next((party.id for party in contract.parties if party.role == "host"), contract.party_ids[0])
    lines: list[Line] = []
    for site, own in zip(earned, of_site, strict=True):
        for one in site.earned:
            pooled = one.stream in contract.cash_holder
            discharged = one.stream == "arbitrage"
            lines.append(
                Line(
                    number=len(lines) + 1,
                    kind="stream",
                    code=one.stream,
                    clause=RULES[one.stream] + ("" if pooled else "; not in this contract's pool"),
                    site=site.site,
                    party=contract.cash_holder[one.stream] if pooled else host,
                    quantity=str(site.discharge_wh) if discharged else "",
                    unit="Wh discharged" if discharged else "",
                    price="",
                    exact=exact_text(one.exact),
                    amount=one.amount,
                    rounding=exact_text(one.amount.exact - one.exact),
                    basis=one.basis,
                    sources=own,
                    note=one.note,
                )
            )
    return lines


def _clause_lines(split: Distribution, before: int, throughput: Throughput) -> list[Line]:
    return [_clause_line(line, before + number, throughput) for number, line in enumerate(split.lines, 1)]


def _clause_line(line: ClauseLine, number: int, throughput: Throughput) -> Line:
    metered = line.type == "service_fee"
    return Line(
        number=number,
        kind="clause",
        code=line.type,
        clause=f"clause {line.clause + 1}, {line.type}",
        site=None,
        party=line.party,
        quantity=str(throughput.discharge_wh) if metered else "",
        unit="Wh discharged" if metered else "",
        price="",
        exact=line.exact,
        amount=line.amount,
        rounding=line.rounding,
        basis=(),
        sources=(0,),
        note=line.basis,
    )


def check_line(line: Line) -> None:
    """That a line explains itself: its terms sum to its exact amount, which rounds to what is paid.

    Raises:
        AssertionError: when it does not.
    """
    exact = Fraction(line.exact)
    if line.basis:
        assert sum((Fraction(term.exact) for term in line.basis), Fraction(0)) == exact, line.number
    assert exact + Fraction(line.rounding) == line.amount.exact, line.number
