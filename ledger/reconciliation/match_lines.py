"""Which of our lines an operator's line is about. What could be matched in two ways is listed, not chosen."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from ledger.interval import Interval
from ledger.reconciliation.figures import operator_figures, our_figures
from ledger.reconciliation.operator_line import OperatorLine
from ledger.reconciliation.our_line import OurLine

PARTS_MAX: Final = 3000
"""The most lines that one line is compared with: a month of 15-minute intervals has up to 2,976."""

_SAME_KEY_MAX: Final = 50
"""More lines on both sides than this, of one site, item and period, are not told apart."""

L = TypeVar("L", OperatorLine, OurLine)
K = TypeVar("K")


class Pair(NamedTuple):
    """Lines that are about the same thing; of a match but a unit's, one side has exactly one."""

    operator: tuple[OperatorLine, ...]
    ours: tuple[OurLine, ...]
    reason: str
    unit: str = ""
    """The trading unit that the operator's lines are about, and ours are of its sites."""


class Matching(NamedTuple):
    pairs: list[Pair]
    ambiguous: list[Pair]
    """Lines of the same site, item and period of which it is not certain which belong together."""
    operator_only: list[OperatorLine]
    ours_only: list[OurLine]


class _Key(NamedTuple):
    item: str
    site: str
    interval: Interval


def match_lines(
    operator: Sequence[OperatorLine],
    ours: Sequence[OurLine],
    units: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> Matching:
    """Match by site, item and period; then one line with the parts of its period, or with all its sites'; and
    the lines of a trading unit, by the name that the operator has for it, with those of its sites."""
    pairs: list[Pair] = []
    ambiguous: list[Pair] = []
    their_left: list[OperatorLine] = []
    our_left: list[OurLine] = []
    theirs, own = _grouped(operator, _key), _grouped(ours, _key)
    for key in sorted(theirs.keys() | own.keys(), key=_order):
        made, left, doubtful = _match_key(theirs.get(key, []), own.get(key, []))
        pairs += made
        if doubtful:
            ambiguous.append(left)
        else:
            their_left += left.operator
            our_left += left.ours
    for by_sites, reason in ((False, PERIODS), (True, SITES)):
        for line, parts in _with_parts(their_left, our_left, by_sites=by_sites):
            pairs.append(Pair((line,), tuple(parts), reason.format(len(parts), "our")))
            their_left, our_left = _without(their_left, [line]), _without(our_left, parts)
        for own_line, pieces in _with_parts(our_left, their_left, by_sites=by_sites):
            pairs.append(Pair(tuple(pieces), (own_line,), reason.format(len(pieces), "the operator's")))
            their_left, our_left = _without(their_left, pieces), _without(our_left, [own_line])
    for of_unit in _of_units(their_left, our_left, units):
        pairs.append(of_unit)
        their_left = _without(their_left, of_unit.operator)
        our_left = _without(our_left, of_unit.ours)
    return Matching(pairs, ambiguous, their_left, our_left)


def _of_units(
    operator: Sequence[OperatorLine], ours: Sequence[OurLine], units: Mapping[str, Collection[str]]
) -> list[Pair]:
    """All lines of a unit and item inside one period of ours, with our lines of its sites; none where one of
    those could be of two units."""
    found: list[Pair] = []
    times: Counter[str] = Counter()
    for (item, name), lines in _grouped(operator, lambda line: (line.item, line.site)).items():
        own = [line for line in ours if line.item == item and line.site in units.get(name, ())]
        periods = {line.interval for line in own}
        if len(periods) == 1 and all(_within(line.interval, own[0].interval) for line in lines):
            found.append(Pair(tuple(lines), tuple(own), UNIT.format(name, len(own)), name))
            times.update(line.reference for line in own)
    return [pair for pair in found if all(times[line.reference] == 1 for line in pair.ours)]


def _within(one: Interval, whole: Interval) -> bool:
    return whole.start <= one.start and one.end <= whole.end


def _without(lines: Sequence[L], gone: Sequence[L]) -> list[L]:
    references = {line.reference for line in gone}
    return [line for line in lines if line.reference not in references]


ONLY: Final = "the only lines of this site, item and period"
EQUAL: Final = "equal figures among the lines of this site, item and period"
REST: Final = "what is left of this site, item and period"
TOGETHER: Final = "all lines of this site, item and period together"
PERIODS: Final = "the period is made up of {} of {} lines"
SITES: Final = "all sites together are {} of {} lines"
UNIT: Final = "unit {} is {} of our lines of its sites"
DOUBTFUL: Final = "several lines of this site, item and period could belong together"


def _key(line: OperatorLine | OurLine) -> _Key:
    return _Key(line.item, line.site, line.interval)


def _order(key: _Key) -> tuple[str, str, object, object]:
    return key.item, key.site, key.interval.start, key.interval.end


def _grouped(lines: Sequence[L], by: Callable[[OperatorLine | OurLine], K]) -> dict[K, list[L]]:
    groups: dict[K, list[L]] = defaultdict(list)
    for line in lines:
        groups[by(line)].append(line)
    return groups


def _match_key(theirs: list[OperatorLine], ours: list[OurLine]) -> tuple[list[Pair], Pair, bool]:
    """Matches among lines of one site, item and period, what is left, and whether that is doubtful."""
    if not theirs or not ours:
        return [], Pair(tuple(theirs), tuple(ours), ""), False
    if len(theirs) == len(ours) == 1:
        return [Pair(tuple(theirs), tuple(ours), ONLY)], Pair((), (), ""), False
    everything = Pair(tuple(theirs), tuple(ours), DOUBTFUL)
    if min(len(theirs), len(ours)) > _SAME_KEY_MAX:
        return [], everything, True
    own_figures = [our_figures([own]) for own in ours]
    alike = {
        at: [to for to, own in enumerate(own_figures) if operator_figures([line]).same(own)]
        for at, line in enumerate(theirs)
    }
    lone = len(theirs) == 1 or len(ours) == 1
    equal_sums = operator_figures(theirs).same(our_figures(ours))
    if any(alike.values()) and lone and equal_sums:
        return [], everything, True
    chosen: dict[int, int] = {}
    for to in alike.values():
        rivals = [at for at, others in alike.items() if set(others) & set(to)]
        if to and (len(rivals) != len(to) or any(alike[at] != to for at in rivals)):
            return [], everything, True
        chosen.update(zip(rivals, to, strict=True) if to else ())
    pairs = [Pair((theirs[at],), (ours[to],), EQUAL) for at, to in chosen.items()]
    their_rest = tuple(line for at, line in enumerate(theirs) if at not in chosen)
    our_rest = tuple(line for to, line in enumerate(ours) if to not in chosen.values())
    rest = Pair(their_rest, our_rest, DOUBTFUL)
    if not their_rest or not our_rest:
        return pairs, rest, False
    if min(len(their_rest), len(our_rest)) > 1 or max(len(their_rest), len(our_rest)) > PARTS_MAX:
        return pairs, rest, True
    one_each = len(their_rest) == len(our_rest) == 1
    reason = REST if one_each else TOGETHER
    return [*pairs, Pair(their_rest, our_rest, reason)], Pair((), (), ""), False


Whole = TypeVar("Whole", OperatorLine, OurLine)
Part = TypeVar("Part", OperatorLine, OurLine)


def _with_parts(
    wholes: Sequence[Whole], parts: Sequence[Part], *, by_sites: bool
) -> list[tuple[Whole, list[Part]]]:
    """Each line whose parts are all there and are no other line's parts too."""
    groups = _grouped(parts, lambda line: _group(line, by_sites=by_sites))
    for group in groups.values():
        group.sort(key=_start)
    found: list[tuple[Whole, list[Part]]] = []
    times: dict[str, int] = defaultdict(int)
    for whole in wholes:
        if by_sites and whole.site:
            continue
        candidates = groups.get(_group(whole, by_sites=by_sites), [])
        own = [part for part in candidates if part.site] if by_sites else _inside(whole, candidates)
        if own and len(own) <= PARTS_MAX and (by_sites or _follow(whole, own)):
            found.append((whole, own))
            for part in own:
                times[part.reference] += 1
    return [(whole, own) for whole, own in found if all(times[part.reference] == 1 for part in own)]


def _group(line: OperatorLine | OurLine, *, by_sites: bool) -> tuple[str, str | Interval]:
    return line.item, line.interval if by_sites else line.site


def _start(line: OperatorLine | OurLine) -> datetime:
    return line.interval.start


def _inside(whole: OperatorLine | OurLine, ordered: Sequence[Part]) -> list[Part]:
    first = bisect_left(ordered, whole.interval.start, key=_start)
    last = bisect_left(ordered, whole.interval.end, key=_start)
    return list(ordered[first:last])


def _follow(whole: OperatorLine | OurLine, parts: Sequence[OperatorLine | OurLine]) -> bool:
    """That the parts, in order, lead from the whole's start to its end without gap or overlap."""
    at = whole.interval.start
    for part in parts:
        if part.interval.start != at:
            return False
        at = part.interval.end
    return at == whole.interval.end
