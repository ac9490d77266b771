"""Settling: stream earnings, then the contract's clauses, into numbered lines with their sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from fractions import Fraction
from operator import add
from typing import Any

import msgspec

from ledger.clauses.flow import exact_text
from ledger.exclusivity.refused_part import RefusedPart
from ledger.interval import Interval, Month
from ledger.metering.estimated_share import NOTHING_MEASURED
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement import provisional
from ledger.settlement.attribution import SiteEarnings
from ledger.settlement.behind_the_meter import RULES, earnings
from ledger.settlement.inputs import RULES_VERSION, Inputs, digest_of
from ledger.settlement.line import Line, Source
from ledger.settlement.line_sources import line_sources
from ledger.settlement.line_vat import with_vat
from ledger.settlement.result import RefusedSpan, Result
from ledger.settlement.sight import bills_seen, percentages, sites_seen
from ledger.settlement.site_month import with_markets
from ledger.settlement.site_notice import by_message
from ledger.settlement.split_basis import on_basis
from ledger.stored_energy import Stored
from ledger.waterfall import ClauseLine, Distribution, StreamItem, Throughput, distribute, on_split_basis


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
    shared: dict[tuple[object, ...], Any] = {}
    return [
        _result(inputs, [with_markets(inputs, site, next(earned), shared) for site in inputs.sites])
        for inputs in all_inputs
    ]


def _result(inputs: Inputs, earned: Sequence[SiteEarnings]) -> Result:
    contract = inputs.contract
    digests = inputs.digests(claimed=any(site.claimed for site in earned))
    sums: dict[tuple[str, str | None], int] = defaultdict(int)
    for site in earned:
        for one in site.earned:
            if one.amount.currency != contract.currency:
                raise Refused(
                    "currency",
                    f"{one.stream} of site {site.site} is paid in {one.amount.currency}, the contract is in"
                    f" {contract.currency}",
                    place=f"contract {contract.id}",
                )
            if one.pooled:
                sums[one.stream, contract.holder_of(one.stream, site.site)] += one.amount.minor
    items = [
        StreamItem(stream, Money(minor, contract.currency), holder)
        for (stream, holder), minor in sums.items()
    ]
    throughput = Throughput(
        sum(site.charge_wh for site in earned),
        sum(site.discharge_wh for site in earned),
        sum((site.charge_cost for site in earned), Fraction(0)),
        sum((site.discharge_value for site in earned), Fraction(0)),
    )
    tax_point = inputs.month.next().first_day - timedelta(days=1)
    split = distribute(
        contract,
        inputs.month,
        on_split_basis(contract, items, tax_point),
        throughput,
        inputs.prior,
        inputs.facts,
    )
    sources, of_site = _sources(inputs)
    lines = on_basis(contract, _stream_lines(inputs, earned, of_site), tax_point)
    estimated = sum((site.estimated for site in inputs.sites), NOTHING_MEASURED)
    by_clause = _clause_lines(split, len(lines), tuple(range(len(sources))), estimated.text)
    taxed = with_vat(inputs.owner, contract, [*lines, *by_clause], tax_point)
    return Result(
        contract=contract.id,
        title=contract.title,
        model=contract.model,
        month=inputs.month,
        currency=contract.currency,
        rules_version=RULES_VERSION,
        position=inputs.position,
        inputs_digest=digest_of(digests),
        pool=split.pool,
        lines=taxed.lines,
        sources=sources,
        bills=tuple(site.bill for site in earned if site.bill is not None),
        entitlement=split.entitlement,
        held=split.held,
        payable=split.payable,
        warnings=(
            *(() if inputs.through is None else (provisional.notice(inputs.through),)),
            *by_message((site.site, notice) for site in earned for notice in site.notices),
            *split.warnings,
        ),
        carry=split.carry,
        sees_pool=tuple(party.id for party in contract.parties if party.sees.pool_total),
        sees_bill=bills_seen(contract),
        sees_sites=sites_seen(contract, lines),
        sees_percentages=tuple(party.id for party in contract.parties if party.sees.others_percentages),
        percentages=percentages(contract),
        inputs=dict(digests),
        stored={site.site: site.closing for site in earned if site.closing != Stored()},
        opened={one.site.id: one.opening for one in inputs.sites if one.opening != Stored()},
        refused=tuple(span for site in earned for span in _spans(site.refused)),
        through=inputs.through,
        agent_parts=taxed.parts,
    )


def _spans(parts: Sequence[RefusedPart]) -> Iterator[RefusedSpan]:
    """Refused intervals that follow each other for the same reason, as one."""
    waiting: RefusedSpan | None = None
    for part in parts:
        span = RefusedSpan(
            part.claim,
            part.stream,
            part.site,
            part.interval,
            part.quantity,
            part.asked,
            part.granted,
            _reason(part),
        )
        if waiting is not None and _continues(waiting, span):
            merge = max if span.quantity.endswith("_w") else add
            waiting = msgspec.structs.replace(
                waiting,
                interval=Interval(waiting.interval.start, span.interval.end),
                asked=merge(waiting.asked, span.asked),
                granted=merge(waiting.granted, span.granted),
            )
            continue
        if waiting is not None:
            yield waiting
        waiting = span
    if waiting is not None:
        yield waiting


def _continues(waiting: RefusedSpan, span: RefusedSpan) -> bool:
    same = ("claim", "quantity", "reason")
    return waiting.interval.end == span.interval.start and all(
        getattr(waiting, field) == getattr(span, field) for field in same
    )


def _reason(part: RefusedPart) -> str:
    against = [f"{one.claim} ({one.stream}): {one.rule}" for one in part.against]
    return "; ".join([*(["more than there is"] if part.beyond else []), *against])


def _sources(inputs: Inputs) -> tuple[tuple[Source, ...], list[int]]:
    """All sources, the contract and its facts first; and for each site the position of its first."""
    sources: list[Source] = [inputs.contract_source, *inputs.fact_sources]
    of_site: list[int] = []
    for site in inputs.sites:
        of_site.append(len(sources))
        sources.extend(site.sources)
    return tuple(sources), of_site


def _stream_lines(inputs: Inputs, earned: Sequence[SiteEarnings], of_site: Sequence[int]) -> list[Line]:
    """One line a stream and site; streams that the contract does not share are shown under their host."""
    contract = inputs.contract
    host = next((party.id for party in contract.parties if party.role == "host"), contract.party_ids[0])
    lines: list[Line] = []
    for site, first, item in zip(earned, of_site, inputs.sites, strict=True):
        rests_on = {
            stream: line_sources(
                stream, item.sources, first, estimated=item.estimated.estimated_intervals > 0
            )
            for stream in {one.stream for one in site.earned}
        }
        for one in site.earned:
            holder = contract.holder_of(one.stream, site.site) if one.pooled else None
            discharged = one.stream == "arbitrage"
            lines.append(
                Line(
                    number=len(lines) + 1,
                    kind="stream",
                    code=one.stream,
                    clause=RULES[one.stream],
                    site=site.site,
                    party=holder or contract.hosts.get(site.site, host),
                    quantity=str(site.discharge_wh) if discharged else "",
                    unit="Wh discharged" if discharged else "",
                    price="",
                    exact=exact_text(one.exact),
                    amount=one.amount,
                    rounding=exact_text(one.amount.exact - one.exact),
                    basis=one.basis,
                    sources=rests_on[one.stream],
                    note=one.note,
                    estimated=item.estimated.text,
                    pooled=holder is not None,
                )
            )
    return lines


def _clause_lines(split: Distribution, before: int, sources: tuple[int, ...], estimated: str) -> list[Line]:
    """A clause divides what all sites earned, so its lines rest on everything that was settled."""
    numbered = enumerate(split.lines, before + 1)
    return [_clause_line(line, number, sources, estimated) for number, line in numbered]


def _clause_line(line: ClauseLine, number: int, sources: tuple[int, ...], estimated: str) -> Line:
    return Line(
        number=number,
        kind="clause",
        code=line.type,
        clause=f"clause {line.clause + 1}, {line.type}",
        site=None,
        party=line.party,
        quantity=line.quantity,
        unit=line.unit,
        price=line.price,
        exact=line.exact,
        amount=line.amount,
        rounding=line.rounding,
        basis=line.terms,
        sources=sources,
        note=line.basis,
        estimated=estimated,
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
