"""What a project's key figures rest on and no meter tells: capital, operating cost, life, discount rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final

import msgspec

from ledger.identity import checked_id
from ledger.quantity import Money, exact
from ledger.refusal import Refused
from ledger.toml_file import TomlFile

_YEARS_MAX: Final = 50


class SiteEconomics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One site's money, decimals in the document's currency. `operating_cost_alone` is what a year would
    cost if nobody shared it; left out, the comparison of costs is not made."""

    site: str
    capital: str
    operating_cost: str
    """Of a year."""
    operating_cost_alone: str | None = None
    source: str

    def __post_init__(self) -> None:
        checked_id(self.site, "site")
        for place in ("capital", "operating_cost", "operating_cost_alone"):
            text = getattr(self, place)
            if text is not None and exact(text) < 0:
                raise Refused("economics", f"{text} is below zero", place=place)
        if exact(self.capital) == 0:
            raise Refused("economics", "the capital is above zero", place="capital")
        if not self.source.strip():
            raise Refused("empty", "say where the numbers come from", place="source")


class Economics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shares are decimals such as `0.06`. `residual` is the part of the capital that is left after `years`;
    energy and earnings lose `fade` of themselves every year after the first.

    `entry_power_w` is what a market asks of who enters it by itself; left out, sites by themselves are not
    compared with the aggregate.
    """

    id: str
    title: str
    currency: str
    years: int
    discount_rate: str
    fade: str
    residual: str
    entry_power_w: int | None = None
    entry_source: str = ""
    sites: tuple[SiteEconomics, ...]

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        Money.zero(self.currency)
        if not 1 <= self.years <= _YEARS_MAX:
            raise Refused("economics", f"{self.years} is not 1 to {_YEARS_MAX} years", place="years")
        for place in ("discount_rate", "fade", "residual"):
            if not 0 <= exact(getattr(self, place)) < 1:
                wrong = f"{getattr(self, place)} is not a share from 0 up to 1, such as 0.06"
                raise Refused("economics", wrong, place=place)
        if self.entry_power_w is not None and (self.entry_power_w <= 0 or not self.entry_source.strip()):
            raise Refused("economics", "above zero, with its entry_source", place="entry_power_w")
        if not self.sites:
            raise Refused("empty", "state at least one site", place="sites")
        seen: set[str] = set()
        for number, one in enumerate(self.sites):
            if one.site in seen:
                raise Refused("site_twice", f"{one.site} is stated already", place=f"sites[{number}].site")
            seen.add(one.site)
            for field in ("capital", "operating_cost", "operating_cost_alone"):
                if (text := getattr(one, field)) is not None:
                    self._money(text, f"sites[{number}].{field}")

    def _money(self, text: str, place: str) -> Money:
        try:
            return Money.parse(text, self.currency)
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=place) from None

    def missing(self, sites: Iterable[str]) -> tuple[str, ...]:
        """The sites of which nothing is stated."""
        stated = {one.site for one in self.sites}
        return tuple(site for site in sites if site not in stated)

    def capital(self, sites: Iterable[str]) -> Money:
        """The capital of the sites together; each of them is stated."""
        return self._sum(one.capital for one in self._of(sites))

    def operating_cost(self, sites: Iterable[str]) -> Money:
        """What the sites cost in a year, together as they are."""
        return self._sum(one.operating_cost for one in self._of(sites))

    def share(self, name: str) -> Fraction:
        """`discount_rate`, `fade` or `residual`."""
        return exact(getattr(self, name))

    def site(self, name: str) -> SiteEconomics:
        """What is stated of a site; it is."""
        (found,) = self._of((name,))
        return found

    def _of(self, sites: Iterable[str]) -> list[SiteEconomics]:
        stated = {one.site: one for one in self.sites}
        return [stated[site] for site in sites]

    def _sum(self, texts: Iterable[str]) -> Money:
        return sum((Money.parse(text, self.currency) for text in texts), Money.zero(self.currency))


def parse_economics(text: str | bytes) -> Economics:
    """The economics in a TOML text, such as `examples/economics/demo.toml`.

    Raises:
        Refused: names the line and the field.
    """
    file = TomlFile(text)
    return file.struct(Economics, file.root, ())


class EconomicsStated(msgspec.Struct, frozen=True, tag_field="kind", tag="economics.stated.v1"):
    economics: Economics

    def apply(self, _: object) -> Economics:
        return self.economics


class StateEconomics(msgspec.Struct, frozen=True, tag_field="command", tag="economics.state"):
    """State what the key figures of an investment rest on, or state it anew."""

    economics: Economics

    @property
    def aggregate(self) -> str:
        return f"economics.{self.economics.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: object, __: Mapping[str, object]) -> tuple[EconomicsStated]:
        return (EconomicsStated(self.economics),)
