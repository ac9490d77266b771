"""An operator's statement against our settlement, line by line, every difference by its cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final

from ledger.clauses.flow import exact_text
from ledger.interval import Interval
from ledger.quantity import Money
from ledger.reconciliation.allocation import SiteDifference, with_allocation
from ledger.reconciliation.background import Background
from ledger.reconciliation.difference import Part, Policy, Rival, parts_of, rounding_hint, run_reason
from ledger.reconciliation.figures import Figures, operator_figures, our_figures
from ledger.reconciliation.line_report import (
    DoubtfulLines,
    LineReport,
    MatchedLines,
    class_totals,
)
from ledger.reconciliation.lone_cause import LoneCauses
from ledger.reconciliation.lone_line import lone_totals
from ledger.reconciliation.match_lines import Pair, match_lines
from ledger.reconciliation.operator_line import OperatorLine, OperatorStatement, currency_of, sum_of
from ledger.reconciliation.our_line import OurLine, stream_of
from ledger.reconciliation.unit_shares import unit_parts
from ledger.refusal import Refused

_NONE: Final[Mapping[str, Sequence[OurLine]]] = {}
_Key = tuple[str, str, Interval]


def reconcile(
    statement: OperatorStatement,
    ours: Sequence[OurLine],
    *,
    run: str,
    other_runs: Mapping[str, Sequence[OurLine]] = _NONE,
    other_rules: Mapping[str, Sequence[OurLine]] = _NONE,
    policy: Policy | None = None,
    background: Background | None = None,
) -> LineReport:
    """Match every line and name the cause of every difference, and of every line that one side lacks.

    `run` is what our lines are of; `other_runs` (by name, newest first) and `other_rules` (by name of the
    rules' version) hold our lines of the same sites and periods as they were then, or would be under it.
    Without a `background` only the lines themselves explain.

    Raises:
        Refused: `currency` for several currencies, `no_lines` when we have none, `reference` for two of our
            lines with one reference.
    """
    if not ours:
        raise Refused("no_lines", "there is no line of ours to compare with", place="ours")
    _check_references(ours)
    amounts = [line.amount for line in statement.lines] + [line.amount for line in ours]
    currency = currency_of(amounts)
    runs = {name: _by_key(lines) for name, lines in other_runs.items()}
    rules = {name: _by_key(lines) for name, lines in other_rules.items()}
    known = background or Background()
    matching = match_lines(statement.lines, ours, known.unit_sites)
    found = [_found(pair, runs, rules, policy or Policy(), known) for pair in matching.pairs]
    matched = tuple(
        _matched(pair, one, parts)
        for pair, one, parts in zip(matching.pairs, found, with_allocation(found), strict=True)
    )
    followed = _followed(matched, other_runs)
    causes = LoneCauses(
        statement,
        matching.operator_only,
        matching.ours_only,
        run,
        other_runs,
        known,
        followed,
        matching.pairs,
    )
    operator_only = tuple(causes.of_theirs(line) for line in matching.operator_only)
    ours_only = tuple(causes.of_ours(line) for line in matching.ours_only)
    return LineReport(
        operator=statement.operator,
        ours=run,
        currency=currency,
        operator_total=statement.total,
        our_total=sum_of((line.amount for line in ours), currency),
        matched=matched,
        by_class=class_totals(matched, currency),
        by_cause=lone_totals(operator_only, ours_only, currency),
        operator_only=operator_only,
        ours_only=ours_only,
        doubtful=tuple(_doubtful(pair) for pair in matching.ambiguous),
        streams=tuple(sorted({stream_of(line.item) for line in statement.lines})),
    )


def _followed(matched: Iterable[MatchedLines], other_runs: Iterable[str]) -> frozenset[str]:
    """The other runs whose figures the operator's statement has where it differs from ours."""
    reasons = {part.reason for line in matched for part in line.parts if part.kind == "run"}
    return frozenset(name for name in other_runs if run_reason(name) in reasons)


def _check_references(ours: Iterable[OurLine]) -> None:
    seen: set[str] = set()
    for line in ours:
        if line.reference in seen:
            raise Refused("reference", f"two of our lines are called {line.reference}", place="ours")
        seen.add(line.reference)


def _key(line: OurLine) -> _Key:
    return line.item, line.site, line.interval


def _by_key(lines: Iterable[OurLine]) -> dict[_Key, list[OurLine]]:
    groups: dict[_Key, list[OurLine]] = defaultdict(list)
    for line in lines:
        groups[_key(line)].append(line)
    return groups


def _found(
    pair: Pair,
    runs: Mapping[str, Mapping[_Key, Sequence[OurLine]]],
    rules: Mapping[str, Mapping[_Key, Sequence[OurLine]]],
    policy: Policy,
    known: Background,
) -> SiteDifference:
    theirs, ours = operator_figures(pair.operator), our_figures(pair.ours)
    whole = _whole(pair)
    shares = known.units.get((pair.unit, stream_of(whole.item)))
    if shares is not None:
        refused = frozenset(one.site for one in known.refused if one.stream == stream_of(whole.item))
        equal = theirs.amount == ours.amount
        parts = () if equal else unit_parts(theirs.amount, _by_site(pair.ours), shares, refused)
    else:
        parts = parts_of(theirs, ours, _rivals(pair.ours, runs), _rivals(pair.ours, rules), policy)
    site = pair.unit or whole.site
    return SiteDifference(site, whole.item, whole.interval, theirs, ours, parts)


def _by_site(lines: Sequence[OurLine]) -> dict[str, Money]:
    sums: dict[str, Money] = {}
    for line in lines:
        sums[line.site] = sums[line.site] + line.amount if line.site in sums else line.amount
    return sums


def _rivals(ours: Sequence[OurLine], others: Mapping[str, Mapping[_Key, Sequence[OurLine]]]) -> list[Rival]:
    """All lines of the same sites, items and periods elsewhere, where each has one."""
    keys = list(dict.fromkeys(_key(line) for line in ours))
    found = []
    for name, by_key in others.items():
        if all(key in by_key for key in keys):
            lines = [line for key in keys for line in by_key[key]]
            exact = sum((Fraction(line.exact) for line in lines), Fraction(0))
            found.append(Rival(name, our_figures(lines), exact))
    return found


def _whole(pair: Pair) -> OperatorLine | OurLine:
    """The one line of the pair; the operator's where both sides have one."""
    return pair.operator[0] if len(pair.operator) == 1 else pair.ours[0]


def _matched(pair: Pair, one: SiteDifference, parts: tuple[Part, ...]) -> MatchedLines:
    return MatchedLines(
        site=one.site,
        item=one.item,
        interval=one.interval,
        operator=tuple(line.reference for line in pair.operator),
        ours=tuple(line.reference for line in pair.ours),
        reason=pair.reason,
        operator_amount=one.theirs.amount,
        our_amount=one.ours.amount,
        parts=parts,
        note="" if parts else _without_money(one.theirs, one.ours),
    )


def _without_money(theirs: Figures, ours: Figures) -> str:
    """Of figures that differ although no money does, in what."""
    if theirs.quantity is None or ours.quantity is None:
        return ""
    both = f"{exact_text(theirs.quantity)} against {exact_text(ours.quantity)} {ours.unit}".rstrip()
    if theirs.printed_otherwise(ours):
        return f"the quantity is printed rounded, {both}; amounts do not differ"
    if theirs.same(ours):
        return ""
    return f"quantities or prices differ, {both}; amounts do not{rounding_hint(theirs, ours)}"


def _doubtful(pair: Pair) -> DoubtfulLines:
    first = pair.operator[0]
    return DoubtfulLines(
        first.site,
        first.item,
        first.interval,
        tuple(line.reference for line in pair.operator),
        tuple(line.reference for line in pair.ours),
        pair.reason,
        _sum(pair.operator),
        _sum(pair.ours),
    )


def _sum(lines: Sequence[OperatorLine | OurLine]) -> Money:
    return sum_of((line.amount for line in lines), lines[0].amount.currency)
