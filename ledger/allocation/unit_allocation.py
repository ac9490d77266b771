"""A unit's statement as its sites' shares and the operator's line: always the market's amount together."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import msgspec

from ledger.allocation.unit_fact import UnitFact, digest_of
from ledger.allocation.unit_rule import rule_digest
from ledger.effective import History
from ledger.interval import Interval
from ledger.quantity import Money
from ledger.streams import Rule
from ledger.trading_unit import TradingUnit, UnitStream, unit_digest

Sold = Literal["discharge_wh", "charge_wh", "up_w", "metered"]
"""What of a member's storage the unit sold: Wh of each meter interval, power kept ready, or all that its
meter shows."""


Change = Literal["statement", "unit", "rule", "readings", "calculation"]
"""What can differ when a statement is shared out again: the market's statement; the unit's members,
capabilities or terms; the rule; what the members' meters show, or what their baselines leave out; or, all of
that alike, how the shares are computed."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What no other stream may sell of the member's storage in `interval` (DOMAIN.md 4).

    `values`: Wh of each meter interval; for `up_w` one power in W; for `metered` empty.
    """

    interval: Interval
    sold: Sold
    values: tuple[int, ...]


class UnderAgc(msgspec.Struct, frozen=True, kw_only=True):
    """When AGC moved a member's storage, by equal settlement periods of `interval`, under the rule `rule`.

    `charged_wh` and `discharged_wh` are what of the metered energy that was; None where it is not told, and
    all that was metered in the periods that were `called` (1, else 0) counts.
    """

    rule: str
    interval: Interval
    called: tuple[int, ...]
    charged_wh: tuple[int, ...] | None
    discharged_wh: tuple[int, ...] | None


class ShareTerm(msgspec.Struct, frozen=True, kw_only=True):
    """A site's part of one item of the statement: `weight` of all sites' `weights`, exact, as text.

    Both are empty where the part is no fraction of the item but a site's own price x quantity. `exact` is the
    part in major units before rounding; `amount` what the site is due, above zero receivable.
    """

    item: str
    weight: str
    weights: str
    unit: str
    exact: str
    amount: Money


class SiteShare(msgspec.Struct, frozen=True, kw_only=True):
    """A member's share: a term for each item of the statement, and what of its storage that was."""

    interval: Interval
    """From when it stood in the unit to when, within the statement's time."""
    terms: tuple[ShareTerm, ...]
    taken: tuple[Taken, ...]
    note: str
    under_agc: UnderAgc | None = None
    """Of regulation, where AGC called the member; its energy is the site's own, and in no term."""

    @property
    def amount(self) -> Money:
        zero = Money.zero(self.terms[0].amount.currency)
        return sum((term.amount for term in self.terms), zero)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An item of the statement: sites' terms + `kept` + `rounding` = `total`."""

    name: str
    total: Money
    kept: Money
    """What the unit's terms leave to its operator or pool."""
    rounding: Money
    note: str


class SiteAllocation(msgspec.Struct, frozen=True, kw_only=True):
    """What settling a site's month takes of an allocation: no other member's share is in it."""

    fact: str
    unit: str
    unit_code: str
    operator: str
    stream: UnitStream
    run: str
    document: str
    statement: Money
    totals: dict[str, Money]
    share: SiteShare


class UnitAllocation(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of the market shared out (DOMAIN.md 3.9): sites + operator = `statement`, to the fen.

    `rounding` is what the statement's total differs from its own items. `inputs_digest` is of everything
    that the shares follow from, and of them; the other digests are of its parts: the statement, the unit, the
    rule, and what was read of the members' meters with the baselines made of it.
    """

    fact: str
    unit: str
    unit_code: str
    operated_by: str
    """The party that the market pays, and that has the operator's line."""
    stream: UnitStream
    rule: str
    run: str
    document: str
    interval: Interval
    statement: Money
    items: tuple[Item, ...]
    rounding: Money
    sites: dict[str, SiteShare]
    fact_digest: str
    unit_digest: str
    rule_digest: str
    metered_digest: str
    inputs_digest: str

    def __post_init__(self) -> None:
        zero = Money.zero(self.statement.currency)
        for item in self.items:
            own = [
                term.amount for share in self.sites.values() for term in share.terms if term.item == item.name
            ]
            assert sum(own, item.kept + item.rounding) == item.total, f"{item.name} is shared out whole"
        assert sum((item.total for item in self.items), self.rounding) == self.statement, "items and rounding"
        whole = sum((share.amount for share in self.sites.values()), self.operator)
        assert whole == self.statement + zero, "sites and the operator's line are the statement"

    @property
    def operators_rounding(self) -> Money:
        """The operator's rounding line (DOMAIN.md 5: statement total against the sum of sites)."""
        return sum((item.rounding for item in self.items), self.rounding)

    @property
    def kept(self) -> Money:
        """What the terms leave to the operator or pool."""
        return sum((item.kept for item in self.items), Money.zero(self.statement.currency))

    @property
    def operator(self) -> Money:
        """The operator's line: what it keeps, and the rounding."""
        return self.kept + self.operators_rounding

    def outdated_by(self, fact: UnitFact, history: History[TradingUnit], rule: Rule) -> Change | None:
        """What changed since it was shared out, as far as it is known without the meters; None for nothing.

        The unit and the rule are looked at for the statement's time alone.
        """
        if self.fact_digest != digest_of(fact):
            return "statement"
        if self.unit_digest != unit_digest(history, fact.interval, self.stream):
            return "unit"
        if self.rule_digest != rule_digest(fact, rule):
            return "rule"
        return None

    def differs_from(self, now: UnitAllocation) -> Change | None:
        """What of the same statement shared out now is another; None when the two are the same."""
        if self.inputs_digest == now.inputs_digest:
            return None
        parts: tuple[tuple[Change, str, str], ...] = (
            ("statement", self.fact_digest, now.fact_digest),
            ("unit", self.unit_digest, now.unit_digest),
            ("rule", self.rule_digest, now.rule_digest),
            ("readings", self.metered_digest, now.metered_digest),
        )
        return next((name for name, before, after in parts if before != after), "calculation")

    def stale(self, changed: Change) -> str:
        """In words, what is no longer as it was when the statement was shared out."""
        after = f"changed after statement {self.fact} was allocated"
        match changed:
            case "statement":
                return f"statement {self.fact} changed after it was allocated"
            case "unit":
                return f"unit {self.unit} {after}"
            case "rule":
                return f"rule {self.rule} {after}"
            case "readings":
                return f"readings of members of unit {self.unit}, or their baselines, {after}"
            case "calculation":
                return f"how shares are computed {after}"

    def of(self, site: str) -> SiteAllocation:
        """The part that the site's settlement takes."""
        return SiteAllocation(
            fact=self.fact,
            unit=self.unit,
            unit_code=self.unit_code,
            operator=self.operated_by,
            stream=self.stream,
            run=self.run,
            document=self.document,
            statement=self.statement,
            totals={item.name: item.total for item in self.items},
            share=self.sites[site],
        )


def part_of(term: ShareTerm) -> Fraction:
    """The site's fraction of the item by weight; 0 where nobody has a weight, or there is none."""
    whole = Fraction(term.weights or 0)
    return Fraction(term.weight) / whole if whole else Fraction(0)
