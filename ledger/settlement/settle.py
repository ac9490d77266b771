"""Settling: stream earnings, then the contract's clauses, into numbered lines with their sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from fractions import Fraction
from operator import add
from typing import Any, Final

import msgspec
import numpy as np

from ledger.clauses.flow import exact_text
from ledger.contract import Contract
from ledger.demand import averaging_s
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.refused_part import RefusedPart
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.metering.estimated_share import NOTHING_MEASURED
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement import provisional
from ledger.settlement.attribution import SiteEarnings, site_earnings
from ledger.settlement.behind_the_meter import RULES, earnings
from ledger.settlement.inputs import RULES_VERSION, Inputs, SiteInputs, digest_of
from ledger.settlement.line import Line, Source
from ledger.settlement.line_vat import with_vat
from ledger.settlement.markets import MarketEarnings, market_earnings
from ledger.settlement.markets.bill import bill_excludes_itself
from ledger.settlement.markets.case import Case, MeteredDemand, OnBill
from ledger.settlement.markets.month import nothing_told
from ledger.settlement.result import Percentage, RefusedSpan, Result
from ledger.settlement.split_basis import on_basis
from ledger.storage_saving import FeederEnergy
from ledger.stored_energy import Stored
from ledger.stream import Stream
from ledger.waterfall import ClauseLine, Distribution, StreamItem, Throughput, distribute, on_split_basis

_RETAIL: Final[frozenset[Stream]] = frozenset({"arbitrage", "pv_time_shift", "interaction"})
"""What does not exist in a month whose energy was settled on the spot market (DOMAIN.md 4, A and T
against SP): the two-part charges stay."""


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
        _result(inputs, [_with_markets(inputs, site, next(earned), shared) for site in inputs.sites])
        for inputs in all_inputs
    ]


def _with_markets(
    inputs: Inputs, site: SiteInputs, behind: SiteEarnings, shared: dict[tuple[object, ...], Any]
) -> SiteEarnings:
    """What the site earned behind its meter, and what markets and customers paid."""
    policy = inputs.policy
    if site.market is None and (policy is None or not bill_excludes_itself(policy)):
        return behind
    if policy is None:
        raise Refused(
            "exclusivity_missing",
            f"no exclusivity policy {inputs.contract.exclusivity!r} is published, and markets paid this site",
            place=f"site {site.site.id}",
        )
    key = ("conflicts", policy.id)
    conflicts = shared.get(key) or shared.setdefault(key, Conflicts(policy))
    market = site.market or nothing_told(_settled_days(inputs, site))
    start = midnight(inputs.month.first_day, zone_of(site.site.zone))
    first = int((market.interval.start - start).total_seconds()) // site.interval_s
    days = slice(first, first + market.interval.seconds // site.interval_s)
    energy = site.month_energy or site
    case = Case(
        site.site,
        site.tariff,
        inputs.month,
        site.interval_s,
        energy.charge_wh[days],
        energy.discharge_wh[days],
        market,
        shared,
        _on_bill(site, behind, days),
    )
    paid = market_earnings(case, conflicts)
    if site.site.account.anchor_day != 1:
        _check_cycle(site, paid)
    if not paid.left.whole:
        behind = site_earnings(behind.measured, paid.left, days)
    kept = [one for one in behind.earned if paid.retail or one.stream not in _RETAIL]
    notices = (*behind.notices, *paid.notices)
    return behind._replace(
        earned=(*kept, *paid.earned), refused=paid.refused, notices=notices, claimed=paid.claimed
    )


def _settled_days(inputs: Inputs, site: SiteInputs) -> Interval:
    first, end = inputs.contract.days_in(inputs.month)
    zone = zone_of(site.site.zone)
    return Interval(midnight(first, zone), midnight(end, zone))


def _on_bill(site: SiteInputs, behind: SiteEarnings, days: slice) -> OnBill | None:
    """What the storage does on the bill in the settled days; None where the bill is of other days, and where
    there is none."""
    if site.load_wh is None or site.site.account.anchor_day != 1:
        return None
    from_pv = behind.measured.from_pv
    nothing = np.zeros(days.stop - days.start, dtype=np.int64)
    supplies = site.feeders or (FeederEnergy("", site.load_wh, site.charge_wh, site.discharge_wh),)
    account = site.site.account
    terms = [one.demand for one in account.feeders] if account.feeders else [account.demand]
    return OnBill(
        nothing if from_pv is None else from_pv.charge_wh[days],
        nothing if from_pv is None else from_pv.discharge_wh[days],
        tuple(
            MeteredDemand(one.load_wh, one.charge_wh, one.discharge_wh, averaged)
            for one, demand in zip(supplies, terms, strict=True)
            if demand is not None and (averaged := averaging_s(demand)) is not None
        ),
        days,
    )


def _check_cycle(site: SiteInputs, paid: MarketEarnings) -> None:
    """A bill of other days than the market's month cannot be told apart by what the markets had in it."""
    if not paid.retail:
        raise Refused(
            "spot_cycle",
            "a spot month replaces the retail price of the calendar month, and the account is billed from day"
            f" {site.site.account.anchor_day}: such an account has anchor day 1",
            place=f"site {site.site.id}",
        )
    for taken in paid.left.taken:
        wh = int(taken.charge_wh.sum() + taken.discharge_wh.sum())
        raise Refused(
            "tagged_cycle",
            f"{wh} Wh of the calendar month are {taken.taker}'s and not counted as {taken.stream}, and the"
            f" account is billed from day {site.site.account.anchor_day}: such an account has anchor day 1",
            place=f"site {site.site.id}",
        )


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
            *(notice for site in earned for notice in site.notices),
            *split.warnings,
        ),
        carry=split.carry,
        sees_pool=tuple(party.id for party in contract.parties if party.sees.pool_total),
        sees_bill=_bills_seen(contract),
        sees_sites=_sites_seen(contract, lines),
        sees_percentages=tuple(party.id for party in contract.parties if party.sees.others_percentages),
        percentages=_percentages(contract),
        inputs=dict(digests),
        stored={site.site: site.closing for site in earned if site.closing != Stored()},
        opened={one.site.id: one.opening for one in inputs.sites if one.opening != Stored()},
        refused=tuple(span for site in earned for span in _spans(site.refused)),
        through=inputs.through,
        agent_parts=taxed.parts,
    )


def _bills_seen(contract: Contract) -> dict[str, tuple[str, ...]]:
    """A host sees the bills of its own sites, whatever the contract shows to others."""
    seen: dict[str, tuple[str, ...]] = {}
    for party in contract.parties:
        if party.role == "host":
            seen[party.id] = tuple(site for site in contract.sites if contract.hosts.get(site) == party.id)
        elif party.sees.host_bill:
            seen[party.id] = contract.sites
    return seen


def _sites_seen(contract: Contract, lines: Sequence[Line]) -> dict[str, tuple[str, ...]]:
    """A host sees how its own storage ran, and the holder of a site's cash that site; who is no host and is
    shown the pool, all that earn it."""
    held = {(line.party, line.site) for line in lines}
    return {
        party.id: tuple(
            site
            for site in contract.sites
            if (party.sees.pool_total and party.role != "host")
            or contract.hosts.get(site) == party.id
            or (party.id, site) in held
        )
        for party in contract.parties
    }


def _percentages(contract: Contract) -> tuple[Percentage, ...]:
    return tuple(
        Percentage(f"clause {number}, {kind}", stated.of, party, share)
        for number, (kind, clause) in enumerate(zip(contract.clause_types, contract.clauses, strict=True), 1)
        for stated in clause.percentages
        for party, share in sorted(stated.shares.items())
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


def _sources(inputs: Inputs) -> tuple[tuple[Source, ...], list[tuple[int, ...]]]:
    """All sources, the contract and its facts first; and for each site the positions of its own."""
    sources: list[Source] = [inputs.contract_source, *inputs.fact_sources]
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
    for site, own, item in zip(earned, of_site, inputs.sites, strict=True):
        for one in site.earned:
            holder = contract.holder_of(one.stream, site.site)
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
                    sources=own,
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
