"""Why the other side has no such line: the causes that the ledger knows, to the fen, or what to ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final, TypeVar

from ledger.interval import Interval
from ledger.quantity import Money
from ledger.reconciliation.background import Background, Held
from ledger.reconciliation.difference import DifferenceClass, Policy, parts_of
from ledger.reconciliation.figures import operator_figures, our_figures
from ledger.reconciliation.lone_line import LoneKind, LoneLine, LonePart
from ledger.reconciliation.match_lines import Pair
from ledger.reconciliation.operator_line import OperatorLine, OperatorStatement
from ledger.reconciliation.our_line import ROUNDING, OurLine, stream_of
from ledger.settlement.result import RefusedSpan
from ledger.stream import BILL_EFFECT

Either = OperatorLine | OurLine
L = TypeVar("L", OperatorLine, OurLine)
_Found = str | tuple[LonePart, ...]
"""A cause of all that is left of the line (empty for none), or parts that leave the rest to other causes."""
_Key = tuple[str, str, Interval]
_NAMED_MAX: Final = 3
"""More gaps or claims than this are counted, not named."""


class LoneCauses:
    """Of one comparison: `theirs` and `ours` are the lines that found no partner, `run` is ours, and
    `other_runs` are our lines as they were then, newest first. `followed` are those of them whose figures the
    operator's statement has where it differs from `run`. `pairs` are the lines of either side that did find
    one."""

    def __init__(
        self,
        statement: OperatorStatement,
        theirs: Sequence[OperatorLine],
        ours: Sequence[OurLine],
        run: str,
        other_runs: Mapping[str, Sequence[OurLine]],
        background: Background,
        followed: Collection[str] = (),
        pairs: Sequence[Pair] = (),
    ) -> None:
        self._operator, self._run, self._known = statement.operator, run, background
        self._followed = frozenset(followed)
        self._streams = {stream_of(line.item) for line in statement.lines}
        self._theirs, self._ours = _Lone(theirs), _Lone(ours)
        self._matched = {_key(line): pair for pair in pairs for line in pair.ours}
        self._then = {name: {_key(line): line for line in lines} for name, lines in other_runs.items()}

    def of_theirs(self, line: OperatorLine) -> LoneLine:
        """A line that only the operator has."""
        checks: tuple[tuple[LoneKind, Callable[[OperatorLine], _Found]], ...] = (
            ("nothing_paid", _nothing_paid),
            ("named_otherwise", lambda one: self._named_otherwise(one, self._theirs, self._ours)),
            ("other_period", self._other_period),
            ("incomplete_period", lambda one: self._incomplete(one, self._theirs, self._ours)),
            ("unit", self._unit_of_theirs),
            ("late", self._gone),
            ("unknown_site", self._unknown_site),
            ("no_contract", self._no_contract),
            ("other_contract", self._other_contract),
            ("not_in_force", self._not_in_force),
            ("exclusivity", self._exclusivity),
            ("not_told", self._not_told),
        )
        where = f"{line.item} of {_site(line)} for {self._known.span(line.interval)}"
        ask = (
            f"ask {self._operator} what its line {line.reference} ({where}) rests on: the clearing, award or"
            " instruction, the meter data and the run"
        )
        return _lone(line, checks, ask, self._beside(line))

    def of_ours(self, line: OurLine) -> LoneLine:
        """A line that only we have."""
        checks: tuple[tuple[LoneKind, Callable[[OurLine], _Found]], ...] = (
            ("nothing_paid", _nothing_paid),
            ("rounding", _rounding),
            ("named_otherwise", lambda one: self._named_otherwise(one, self._ours, self._theirs)),
            ("incomplete_period", lambda one: self._incomplete(one, self._ours, self._theirs)),
            ("unit", self._unit_of_ours),
            ("bill_effect", self._bill_effect),
            ("run", self._of_earlier_run),
            ("late", self._late),
            ("estimated", _estimated),
        )
        where = f"{line.item} of {_site(line)} for {self._known.span(line.interval)}"
        ask = (
            f"ask {self._operator} whether it states {where} elsewhere, and if it does not, which data of it"
            f" are missing; ours is {line.amount:,} {line.amount.currency} ({line.reference})"
        )
        return _lone(line, checks, ask, self._not_known(line))

    def _named_otherwise(self, line: Either, own: _Lone, others: _Lone) -> str:
        """The other side's one line of the same period and money, under another item or at another site."""
        there = others.alike(line)
        if len(there) != 1 or len(own.alike(there[0])) != 1:
            return ""
        other = there[0]
        what = f"item {other.item!r}" if other.site == line.site else f"site {_site(other)}"
        return f"{other.reference} is the same money under {what}: translate it in the profile"

    def _incomplete(self, line: Either, own: _Lone, others: _Lone) -> str:
        """A line and lines inside it that do not fill it, so that they are not compared."""
        parts = [one for one in others.of(line) if _inside(one.interval, line.interval)]
        if parts:
            gaps = list(_gaps(line.interval, parts))
            missing = f"leave out {self._spans(gaps)}" if gaps else "overlap"
            return f"{len(parts)} lines of the other side lie inside it and {missing}"
        whole = next((one for one in others.of(line) if _inside(line.interval, one.interval)), None)
        if whole is None:
            return ""
        count = sum(1 for one in own.of(line) if _inside(one.interval, whole.interval))
        return f"one of {count} lines inside {whole.reference}, which they do not fill"

    def _spans(self, spans: Sequence[Interval]) -> str:
        named = "; ".join(self._known.span(one) for one in spans[:_NAMED_MAX])
        return f"{named} and {len(spans) - _NAMED_MAX} more" if len(spans) > _NAMED_MAX else named

    def _other_period(self, line: OperatorLine) -> str:
        period = self._known.period
        if period is None or period.overlaps(line.interval):
            return ""
        return f"it is about {self._known.span(line.interval)}, compared is {self._known.span(period)}"

    def _unit_of_theirs(self, line: OperatorLine) -> str:
        if line.site not in self._known.unit_sites:
            return ""
        shares = self._known.units.get((line.site, stream_of(line.item)))
        if shares is None:
            return f"nothing of {stream_of(line.item)} of this trading unit is shared out yet: allocate"
        return f"no line of its sites ({', '.join(sorted(shares.sites))}) is compared under this item"

    def _unit_of_ours(self, line: OurLine) -> str:
        for (name, stream), shares in self._known.units.items():
            if stream == line.stream and line.site in shares.sites:
                return f"a share of what the market stated of trading unit {name}, which is not listed here"
        return ""

    def _bill_effect(self, line: OurLine) -> str:
        if line.stream not in BILL_EFFECT or not BILL_EFFECT.isdisjoint(self._streams):
            return ""
        return (
            "a saving on the host's own electricity bill: no market pays it, the grid company's bill shows it"
        )

    def _lacking(self, line: OurLine) -> list[str]:
        """The other runs of ours that had no such line, newest first."""
        return [name for name, lines in self._then.items() if _key(line) not in lines]

    @property
    def _changed(self) -> str:
        return f"; corrected: {self._known.corrected}" if self._known.corrected else ""

    def _of_earlier_run(self, line: OurLine) -> str:
        """That the operator's statement is of an earlier run: where another of its lines says so."""
        if self._known.cut_off is not None:
            return ""
        name = next((one for one in self._lacking(line) if one in self._followed), None)
        if name is None:
            return ""
        return (
            f"other lines of the statement have the figures of {self._when(name)}, which had no such line"
            f"{self._changed}"
        )

    def _not_known(self, line: OurLine) -> str:
        """What is known of the line where its cause is not: that a run of ours lacked it says nothing of what
        the operator knew when it wrote its statement."""
        lacking = self._lacking(line)
        if not lacking or self._known.cut_off is not None:
            return ""
        return (
            f"; {self._when(lacking[0])} had no such line{self._changed}: state the operator's cut-off to"
            " tell whether it came too late"
        )

    def _late(self, line: OurLine) -> _Found:
        """That the operator could not know by its cut-off: by our run of then, or by when events were
        recorded."""
        known, cut_off, changed = self._known, self._known.cut_off, self._changed
        if cut_off is None:
            return ""
        lacking = self._lacking(line)
        recorded = known.recorded_at.get(self._run)
        if recorded is None or recorded <= cut_off:
            return ""
        before = next((name for name in self._then if self._recorded_by(name, cut_off)), None)
        if before is not None:
            last = f"{self._when(before)}, the last before the cut-off {known.instant(cut_off)}"
            if before in lacking:
                return f"{last}, had no such line{changed}"
            then = self._then[before][_key(line)].amount
            return (LonePart("late", line.amount - then, f"{last}, had {then:,} of it{changed}"),)
        newest = known.newest.get(line.site)
        if newest is None or newest.recorded_at <= cut_off:
            return ""
        when = f"recorded {known.instant(newest.recorded_at)}, after the cut-off {known.instant(cut_off)}"
        return f"it rests on {newest.aggregate}, {when}"

    def _recorded_by(self, name: str, cut_off: datetime) -> bool:
        recorded = self._known.recorded_at.get(name)
        return recorded is not None and recorded <= cut_off

    def _when(self, name: str) -> str:
        recorded = self._known.recorded_at.get(name)
        return name if recorded is None else f"{name} (recorded {self._known.instant(recorded)})"

    def _beside(self, line: OperatorLine) -> str:
        """That our line of the same thing has another partner."""
        pair = self._matched.get(_key(line))
        if pair is None:
            return ""
        ours, theirs = (", ".join(one.reference for one in side) for side in (pair.ours, pair.operator))
        return f"; ours of it ({ours}) is matched with {theirs}: a supplement, or stated twice"

    def _gone(self, line: OperatorLine) -> _Found:
        """What an earlier run of ours had in its place, and by what the line differs from that; nothing where
        our compared run has it."""
        if _key(line) in self._matched:
            return ""
        for name, lines in self._then.items():
            then = lines.get(_key(line))
            if then is None:
                continue
            changed = f" ({self._known.corrected})" if self._known.corrected else ""
            reason = f"{self._when(name)} had it with {then.amount:,}; {self._run}{changed} has none"
            rest = parts_of(operator_figures([line]), our_figures([then]), (), (), Policy())
            known = tuple(
                LonePart(kind, part.amount, part.reason)
                for part in rest
                for kind in (_LONE_KIND.get(part.kind),)
                if kind is not None
            )
            return (LonePart("late", then.amount, reason), *known)
        return ""

    def _unknown_site(self, line: OperatorLine) -> str:
        sites = self._known.sites
        if sites is None or not line.site or line.site in sites:
            return ""
        return f"no site {line.site!r} is registered: translate the operator's word in the profile"

    def _no_contract(self, line: OperatorLine) -> str:
        sites = self._known.sites
        if sites is None or not line.site or sites[line.site]:
            return ""
        return f"site {line.site} is under no contract: what markets pay of it falls to nobody"

    def _other_contract(self, line: OperatorLine) -> str:
        held = self._held(line)
        if any(one.contract == self._known.contract and one.interval.overlaps(line.interval) for one in held):
            return ""
        names = sorted({one.contract for one in held if one.interval.overlaps(line.interval)})
        return f"site {line.site} is under {', '.join(names)} then: compare it with that" if names else ""

    def _not_in_force(self, line: OperatorLine) -> str:
        held = self._held(line)
        if not held or any(one.interval.overlaps(line.interval) for one in held):
            return ""
        spans = "; ".join(f"{one.contract} {self._known.span(one.interval)}" for one in held)
        return f"site {line.site} is under a contract at other times only: {spans}"

    def _held(self, line: OperatorLine) -> Sequence[Held]:
        return () if self._known.sites is None else self._known.sites.get(line.site, ())

    def _exclusivity(self, line: OperatorLine) -> _Found:
        stream = stream_of(line.item)
        spans = [
            one
            for one in self._known.refused
            if one.stream == stream and line.site in ("", one.site) and one.interval.overlaps(line.interval)
        ]
        if not spans:
            return ""
        named = [
            f"{one.claim} got {one.granted} of {one.asked} {one.quantity}"
            f" on {self._known.span(one.interval)}: {one.reason}"
            for one in spans[:_NAMED_MAX]
        ]
        more = [f"and {len(spans) - _NAMED_MAX} more"] if len(spans) > _NAMED_MAX else []
        reason = f"refused, so that nothing is paid twice: {'; '.join([*named, *more])}"
        part = _refused_amount(line, spans)
        return reason if part is None else (LonePart("exclusivity", part, reason),)

    def _not_told(self, line: OperatorLine) -> str:
        told, stream = self._known.told, stream_of(line.item)
        if told is None or stream in BILL_EFFECT:
            return ""
        if any(of == stream and line.site in ("", site) for site, of in told):
            return ""
        return f"no result of {stream} is recorded of {_site(line)} then: record it, and settle again"


class _Lone:
    """The lone lines of one side, by site and item, and by what could be the same money."""

    def __init__(self, lines: Sequence[Either]) -> None:
        self._by_item: dict[tuple[str, str], list[Either]] = defaultdict(list)
        self._by_money: dict[tuple[Interval, int], list[Either]] = defaultdict(list)
        for line in lines:
            self._by_item[line.site, line.item].append(line)
            self._by_money[line.interval, line.amount.minor].append(line)

    def of(self, line: Either) -> list[Either]:
        return self._by_item.get((line.site, line.item), [])

    def alike(self, line: Either) -> list[Either]:
        """Of the same period and money, with either the same site or the same item."""
        same = self._by_money.get((line.interval, line.amount.minor), [])
        return [one for one in same if (one.site == line.site) != (one.item == line.item)]


_LONE_KIND: Final[Mapping[DifferenceClass, LoneKind]] = {
    "volume": "volume",
    "price": "price",
    "rounding": "rounding",
}
"""What of a difference to an earlier line is a cause of its own; what is `unexplained` is left to others."""


def _lone(
    line: L, checks: Sequence[tuple[LoneKind, Callable[[L], _Found]]], ask: str, beside: str = ""
) -> LoneLine:
    """`beside` is what is known of the line, and no cause of it."""
    parts: list[LonePart] = []
    left = line.amount
    for kind, check in checks:
        found = check(line)
        if isinstance(found, str):
            found = (LonePart(kind, left, found),) if found else ()
        for part in found:
            if part.amount.minor or not line.amount.minor:
                parts.append(part)
                left -= part.amount
        if parts and not left.minor:
            break
    if left.minor or not parts:
        parts.append(LonePart("unknown", left, f"cause unknown{beside}"))
    said = ask if any(part.kind == "unknown" for part in parts) else ""
    return LoneLine(line.reference, line.site, line.item, line.interval, line.amount, tuple(parts), said)


def _refused_amount(line: OperatorLine, spans: Sequence[RefusedSpan]) -> Money | None:
    """What the refused energy is of the line, at its own price; None where it is all of it, or no energy."""
    if line.quantity is None or line.price is None or line.quantity.unit != "kWh":
        return None
    if any(not span.quantity.endswith("_wh") for span in spans):
        return None
    refused = Fraction(sum(span.asked - span.granted for span in spans), 1000)
    whole = line.quantity.exact
    if refused >= abs(whole):
        return None
    return Money.round(refused * (1 if whole > 0 else -1) * Fraction(line.price), line.amount.currency)


def _nothing_paid(line: Either) -> str:
    return "" if line.amount.minor else "its amount is zero: nothing is missing"


def _rounding(line: OurLine) -> str:
    if line.item != f"{line.stream}: {ROUNDING}":
        return ""
    return "what rounding each term by itself leaves of the line's amount"


def _estimated(line: OurLine) -> str:
    if not line.estimated:
        return ""
    return (
        f"{line.estimated} of the site's energy is estimated or substituted: actual readings may be awaited"
    )


def _key(line: Either) -> _Key:
    return line.item, line.site, line.interval


def _site(line: Either) -> str:
    return line.site or "all sites"


def _inside(one: Interval, whole: Interval) -> bool:
    return one != whole and whole.start <= one.start and one.end <= whole.end


def _gaps(whole: Interval, parts: Sequence[Either]) -> Iterator[Interval]:
    """The times of `whole` that no part covers."""
    reached = whole.start
    for one in sorted((part.interval for part in parts), key=lambda interval: interval.start):
        if reached < one.start:
            yield Interval(reached, one.start)
        reached = max(reached, one.end)
    if reached < whole.end:
        yield Interval(reached, whole.end)
