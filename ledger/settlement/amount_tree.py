"""From a run's result to the tree of any of its amounts.

A reader who may see only part of the result gets the rest as one withheld leaf, so that the sum stays exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import groupby
from typing import Final, Literal

from ledger.clauses.flow import exact_text
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.amount_form import AmountForms, Form
from ledger.settlement.clause_background import Background, EarlierRun
from ledger.settlement.explanation import (
    AmountExplained,
    Branch,
    Leaf,
    LeafKind,
    Term,
    explained,
    rounding_leaves,
    term_leaves,
)
from ledger.settlement.line import Line
from ledger.settlement.result import BillItem, Result, SiteBill
from ledger.stream import BILL_EFFECT, OF_THE_BILL

AmountName = Literal["entitlement", "held", "payable", "delta", "pool", "bill_without", "bill_with"]

_ATTRIBUTED: Final = BILL_EFFECT - {"interaction"}
_ZERO: Final = Fraction(0)
_ONE: Final = Fraction(1)


class AmountTrees:
    """The trees of one result's amounts, as `reader` may see them; None reads everything.

    With the run's `background` limits, tiers, guarantees and what earlier months left are told in full.
    """

    def __init__(
        self, result: Result, reader: str | None = None, background: Background | None = None
    ) -> None:
        self._result, self._reader = result, reader
        self._lines = {line.number: line for line in result.lines}
        self._forms = AmountForms(result, reader, background)

    @property
    def earlier_runs(self) -> tuple[EarlierRun, ...]:
        """The runs of earlier months that the trees made so far rest on, in the order of their events."""
        return tuple(run for _, run in sorted(self._forms.earlier_used.items()))

    def line(self, number: int) -> AmountExplained:
        """A line's amount.

        Raises:
            Refused: `unknown_line` for a line that is not there or is another party's.
        """
        line = self._lines.get(number)
        if line is None or not self._own(line):
            raise Refused("unknown_line", f"there is no line {number}", place="line")
        if line.kind == "stream":
            return explained(line.amount, self._stream_branch(line))
        form = self._forms.rounded(line)
        return explained(line.amount, self._tree(f"line {number}", line.clause, line.amount.exact, form))

    def amount(
        self,
        name: AmountName,
        *,
        party: str = "",
        site: str = "",
        before: Result | None = None,
        background_before: Background | None = None,
    ) -> AmountExplained:
        """An amount that is no line: a party's totals, the pool, a site's bill.

        `before` is the run that paid before this one, which a first run has not. `delta` is payable less its
        payable; a provisional run's is zero. A party that only `before` names, because a correction left it
        out, has totals of nothing here, and all that it had is taken back.

        Raises:
            Refused: `unknown_party`, `unknown_site`; `not_shown` for what the contract does not show the
                reader.
        """
        if name in ("bill_without", "bill_with"):
            return self._bill(name, site)
        if name == "pool":
            if self._reader is not None and self._reader not in self._result.sees_pool:
                raise Refused(
                    "not_shown", "the contract does not show the pool to this party", place="amount"
                )
            return self._total("pool", self._result.pool, self._forms.pool())
        parties = dict.fromkeys(self._result.entitlement)
        if before is not None and self._result.through is None:
            parties |= dict.fromkeys(before.entitlement)
        if party not in parties or self._reader not in (None, party):
            known = ", ".join(parties) if self._reader is None else self._reader
            raise Refused(
                "unknown_party", f"{party!r} has no amounts here; there are: {known}", place="party"
            )
        if name == "delta":
            return self._delta(party, before, background_before)
        if party not in self._result.entitlement:
            return self._left_out(f"{name} of {party}")
        form = Form()
        if name in ("entitlement", "payable"):
            form.add(self._forms.entitlement(party))
        if name in ("held", "payable"):
            form.add(self._forms.held(party), _ONE if name == "held" else -_ONE)
        amounts = {
            "entitlement": self._result.entitlement,
            "held": self._result.held,
            "payable": self._result.payable,
        }
        return self._total(f"{name} of {party}", amounts[name][party], form)

    def _own(self, line: Line) -> bool:
        return self._reader is None or line.party == self._reader

    def _total(self, name: str, amount: Money, form: Form) -> AmountExplained:
        return explained(amount, self._tree(name, name, amount.exact, form))

    def _left_out(self, name: str) -> AmountExplained:
        """A total of a party that the run before named and this one does not."""
        why = "no party of the contract that this run was settled with; the run before named it"
        leaf = Leaf(kind="event", reference=name, label=why, exact="0")
        nothing = Money.zero(self._result.currency)
        return explained(nothing, Branch(reference=name, label=name, exact="0", parts=(leaf,)))

    def _delta(self, party: str, before: Result | None, background: Background | None) -> AmountExplained:
        name, through = f"delta of {party}", self._result.through
        amount = Money.zero(self._result.currency)
        parts: list[Leaf | Branch] = []
        if through is not None:
            why = f"provisional up to {through}: nothing is payable, and nothing changes"
            parts.append(Leaf(kind="event", reference=name, label=why, exact="0"))
        elif party in self._result.payable:
            now = self.amount("payable", party=party)
            if before is None or party not in before.payable:
                return now
            amount += now.amount
            parts.append(_ratio(now.tree, _ONE))
        if through is None and before is not None:
            then = AmountTrees(before, self._reader, background).amount("payable", party=party)
            amount -= then.amount
            parts.append(_ratio(then.tree, -_ONE, f"{then.tree.reference}, in the run before"))
        return explained(
            amount, Branch(reference=name, label=name, exact=exact_text(amount.exact), parts=tuple(parts))
        )

    def _tree(self, reference: str, label: str, exact: Fraction, form: Form) -> Branch:
        parts: list[Leaf | Branch] = []
        withheld = _ZERO
        shown: list[tuple[str, Fraction, Line]] = []
        for number, ratio in form.lines.items():
            line = self._lines[number]
            if ratio and self._own(line):
                shown.append((line.code, ratio, line))
            else:
                withheld += ratio * line.amount.exact
        for constant, ratio in form.constants.items():
            if not ratio:
                continue
            if constant.owner is not None and not self._own(self._lines[constant.owner]):
                withheld += ratio * constant.exact
            elif ratio == 1:
                parts += constant.leaves
            else:
                parts.append(
                    Branch(
                        reference=constant.reference,
                        label=constant.label,
                        exact=exact_text(constant.exact),
                        ratio=exact_text(ratio),
                        parts=constant.leaves,
                    )
                )
        for (code, ratio), group in groupby(sorted(shown, key=_by_stream), key=lambda one: one[:2]):
            parts.append(self._stream(code, ratio, [line for *_, line in group]))
        if withheld:
            parts.append(_withheld(reference, "lines of others, in one sum", withheld))
        return Branch(reference=reference, label=label, exact=exact_text(exact), parts=tuple(parts))

    def _stream(self, code: str, ratio: Fraction, lines: list[Line]) -> Branch:
        total = sum((line.amount.exact for line in lines), _ZERO)
        return Branch(
            reference=f"stream {code}",
            label=code,
            exact=exact_text(total),
            ratio=exact_text(ratio),
            parts=tuple(self._stream_branch(line) for line in lines),
        )

    def _stream_branch(self, line: Line) -> Branch:
        name = f"line {line.number}"
        if line.code in OF_THE_BILL and not self._sees_bill(line.site):
            parts: tuple[Leaf | Branch, ...] = (
                _withheld(name, "of the host's electricity bill", Fraction(line.exact)),
            )
        else:
            parts = tuple(self._stream_parts(line))
        return Branch(
            reference=name,
            label=f"{line.code} at {line.site}",
            exact=exact_text(line.amount.exact),
            parts=(*parts, *rounding_leaves(name, Fraction(line.rounding))),
            sources=line.sources if self._reader is None else (),
        )

    def _stream_parts(self, line: Line) -> Iterator[Leaf | Branch]:
        name = f"line {line.number}"
        bill = next((one for one in self._result.bills if one.site == line.site), None)
        if line.code == "interaction" and bill is not None:
            parts = self._of_bills(line, bill)
            if parts:
                yield from parts
                return
        if not line.basis:
            yield Leaf(kind="event", reference=name, label=line.note or line.code, exact=line.exact)
        kind: LeafKind = "price" if line.code in OF_THE_BILL else "event"
        for term in line.basis:
            value = Fraction(term.exact)
            yield from term_leaves(
                Term(kind, name, term.label, term.quantity, term.unit, term.factor, value),
                self._result.currency,
            )

    def _of_bills(self, line: Line, bill: SiteBill) -> list[Leaf | Branch]:
        """The bill without storage, less the bill with it, less the streams that the effect is told as."""
        others = [
            one for one in self._result.lines
            if one.kind == "stream" and one.site == line.site and one.code in _ATTRIBUTED
        ]  # fmt: skip
        left = bill.without_storage.exact - bill.with_storage.exact - line.amount.exact
        if left != sum((one.amount.exact for one in others), _ZERO):
            return []
        parts: list[Leaf | Branch] = [
            _ratio(self._bill_branch("bill_without", bill), _ONE),
            _ratio(self._bill_branch("bill_with", bill), -_ONE),
        ]
        for one in others:
            if self._own(one):
                parts.append(_ratio(self._stream_branch(one), -_ONE))
            else:
                parts.append(_withheld(f"line {line.number}", "a line of others", -one.amount.exact))
        return parts

    def _sees_bill(self, site: str | None) -> bool:
        return self._reader is None or site in self._result.sees_bill.get(self._reader, ())

    def _bill(self, name: AmountName, site: str) -> AmountExplained:
        if not self._sees_bill(site):
            raise Refused("not_shown", "the contract does not show that bill to this party", place="amount")
        bill = next((one for one in self._result.bills if one.site == site), None)
        if bill is None:
            known = ", ".join(one.site for one in self._result.bills) or "none"
            raise Refused("unknown_site", f"no bill of {site!r}; there are bills of: {known}", place="site")
        amount = bill.without_storage if name == "bill_without" else bill.with_storage
        return explained(amount, self._bill_branch(name, bill))

    def _bill_branch(self, name: AmountName, bill: SiteBill) -> Branch:
        without = name == "bill_without"
        total = bill.without_storage if without else bill.with_storage
        items = bill.items_without if without else bill.items_with
        label = "bill without storage" if without else "bill with storage"
        return Branch(
            reference=f"{name} of {bill.site}",
            label=label,
            exact=exact_text(total.exact),
            parts=tuple(self._item_leaves(f"{name} of {bill.site}", items)),
        )

    def _item_leaves(self, name: str, items: Iterable[BillItem]) -> Iterator[Leaf]:
        for item in items:
            label = " ".join(text for text in (item.item, item.period, item.part) if text)
            factors = [text for text in (item.price, item.rate) if text is not None and text != "1"]
            quantity, unit = item.quantity, item.unit
            if unit in _PER_THOUSAND:
                quantity, unit = exact_text(Fraction(quantity) / 1000), f"k{unit}"
            price = " x ".join(factors or ["1"])
            yield from term_leaves(
                Term("price", name, label, quantity, unit, price, item.amount.exact), self._result.currency
            )


_PER_THOUSAND: Final = frozenset({"W", "VA"})
"""What is priced by the thousand."""


def _by_stream(one: tuple[str, Fraction, Line]) -> tuple[str, Fraction, int]:
    code, ratio, line = one
    return code, ratio, line.number


def _ratio(branch: Branch, ratio: Fraction, reference: str = "") -> Branch:
    return Branch(
        reference=reference or branch.reference,
        label=branch.label,
        exact=branch.exact,
        ratio=exact_text(ratio),
        parts=branch.parts,
        sources=branch.sources,
    )


def _withheld(reference: str, label: str, exact: Fraction) -> Leaf:
    return Leaf(kind="withheld", reference=reference, label=label, exact=exact_text(exact))
