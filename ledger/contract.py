"""A contract as data: who shares which pool, over what time, by which clauses in which order."""

from __future__ import annotations

from collections import Counter
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Final, Literal

import msgspec

from ledger import vat_terms
from ledger.clauses import BaseFee, Clause, Hurdle, StreamTier
from ledger.clauses.flow import POOL, Notice, exact_text, grouped, one_of
from ledger.clauses.share import Amount, amount
from ledger.identity import checked_id
from ledger.interval import Interval, Month, checked_year, midnight, zone_of
from ledger.quantity import MINOR_DIGITS
from ledger.refusal import Refused
from ledger.statement.terms import Terms
from ledger.stream import PassThroughCost, Stream

Id = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
DEFAULT_POLICY: Final = "rule_based"
DEFAULT_CALENDAR: Final = "plain"
Model = Literal["energy_storage_as_a_service", "co_investment", "agency_operation"]
Role = Literal["host", "operator", "platform", "equipment_owner", "investor", "lender"]
OwnerPosition = Literal["gross", "net"]
SplitBasis = vat_terms.SplitBasis

CAPITAL_CNY_PER_KWH: Final = Fraction(1800)
"""What storage costs where a contract does not say: 1.8 yuan/Wh (DOMAIN.md 2.1 Q04). Only to judge fees."""

SITE_HOST: Final = "site_host"
"""In `cash_holder`: each site's own host holds what its site earned, as of the saving on its grid bill."""


class Visibility(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a party may see beside its own lines."""

    pool_total: bool
    """The pool's sum and what each clause did with it; who is no host also sees how the storages ran."""
    others_percentages: bool
    """What the clauses' text gives to the other parties, and none of their money."""
    host_bill: bool
    """Every site's electricity bill; a host sees those of its own sites, whatever stands here."""


class ContractParty(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A party's part in this contract."""

    id: Id
    role: Role
    sees: Visibility
    sites: tuple[Id, ...] = ()
    """Of a host: the sites that are its own. A single host that names none is the host of all."""

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        if self.id == POOL:
            raise Refused("party_id", f"{POOL!r} means the pool itself and cannot be a party", place="id")
        if self.id == SITE_HOST:
            raise Refused("party_id", f"{SITE_HOST!r} means each site's own host, no party", place="id")
        one_of(self.role, Role, "role")
        if self.sites and self.role != "host":
            raise Refused("host_sites", f"only a host names sites, not a party as {self.role}", place="sites")


class Contract(
    msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One version of a contract; what the source documents leave open, it states (DOMAIN.md 2.3).

    It holds from `effective_from` up to and without `effective_to`, local days in `zone`, unless an
    `early_termination` ends it before: then it stays the version in force and has no days any more. `model`
    is a label: what is computed stands in `clauses` alone. Each month's pool is N = the streams in
    `pool_streams` less `pass_through_costs`, on the `split_basis`, and flows through the clauses in order.
    """

    id: Id
    title: str
    model: Model
    sites: tuple[Id, ...]
    currency: str
    zone: str
    effective_from: date
    effective_to: date
    parties: tuple[ContractParty, ...]
    owner_position: OwnerPosition
    """Whether the book's owner shows the pool gross (principal) or only its own part, net (agent)."""
    split_basis: SplitBasis
    pool_streams: tuple[Stream, ...]
    pass_through_costs: tuple[PassThroughCost, ...]
    """May be empty, and is stated all the same."""
    cash_holder: dict[Stream | PassThroughCost, Id]
    """The party that receives each stream's cash, or pays each cost, before the parties settle; `site_host`
    where each site's own host does."""
    clauses: tuple[Clause, ...]
    capital_cost: Amount | None = None
    """What the storage cost, in major units: only to judge whether a fee can be meant."""
    statement_terms: Terms | None = None
    """Without them statements are computed, and cannot be issued."""
    exclusivity: Id = DEFAULT_POLICY
    """The published policy of who may be paid for which kWh and kW (DOMAIN.md 4)."""
    run_calendar: Id = DEFAULT_CALENDAR
    """The calendar of when its runs are due, and how far back they are corrected (DOMAIN.md 3.10)."""
    forbidden_streams: tuple[Stream, ...] = ()
    """What the sites' storage may not be offered for: no bid takes it."""
    vat: vat_terms.VatTerms | None = None
    """Rates by stream and party; without them a tax-exclusive pool cannot be made of inclusive prices."""
    withdrawn: str | None = None
    """Why it was withdrawn before its first run, and holds on no day. Withdrawing states it, no file does."""

    def __post_init__(self) -> None:
        _name_defaults(self)
        checked_id(self.id, "id")
        if not self.title.strip():
            raise Refused("empty", "a contract needs a title", place="title")
        one_of(self.model, Model, "model")
        one_of(self.owner_position, OwnerPosition, "owner_position")
        one_of(self.split_basis, SplitBasis, "split_basis")
        _check_scope(self)
        _check_parties(self)
        _check_pool(self)
        _check_clauses(self)
        _check_tiers_by_stream(self)
        _check_termination(self)
        _check_vat(self)
        if self.capital_cost is not None:
            amount(self.capital_cost, "capital_cost")

    @cached_property
    def party_ids(self) -> tuple[str, ...]:
        """In ascending order."""
        return tuple(sorted(party.id for party in self.parties))

    @cached_property
    def hosts(self) -> dict[str, str]:
        """The host of each site that has one: by the sites that hosts name, or the only host of all sites."""
        hosts = [party for party in self.parties if party.role == "host"]
        if len(hosts) == 1 and not hosts[0].sites:
            return dict.fromkeys(self.sites, hosts[0].id)
        return {site: party.id for party in hosts for site in party.sites}

    def holder_of(self, item: str, site: str | None) -> str | None:
        """The party that holds a stream's cash, or pays a cost, of `site`; None outside the pool.

        Raises:
            Refused: `cash_holder` where each site's host does, and no site of the contract is given.
        """
        holder = next((party for name, party in self.cash_holder.items() if name == item), None)
        if holder != SITE_HOST:
            return holder
        if site is None or site not in self.hosts:
            text = f"each site's host holds the cash of {item!r}; {site!r} is no site with a host here"
            raise Refused("cash_holder", text, place=f"cash_holder.{item}")
        return self.hosts[site]

    @property
    def effective(self) -> Interval:
        """The instants at which the contract holds."""
        zone = zone_of(self.zone)
        return Interval(midnight(self.effective_from, zone), midnight(self.effective_to, zone))

    @cached_property
    def terminated_on(self) -> date | None:
        """The first day on which it no longer holds, when it was ended early or withdrawn."""
        if self.withdrawn is not None:
            return self.effective_from
        return next((day for clause in self.clauses if (day := clause.ends()) is not None), None)

    def has_days_in(self, month: Month) -> bool:
        """Whether the contract holds on a day of `month`."""
        last = self.terminated_on or self.effective_to
        return max(self.effective_from, month.first_day) < min(last, month.next().first_day)

    def days_in(self, month: Month) -> tuple[date, date]:
        """The local days [first, end) of `month` on which the contract holds.

        Raises:
            Refused: `not_in_force` when there are none.
        """
        first = max(self.effective_from, month.first_day)
        last = self.terminated_on or self.effective_to
        end = min(last, month.next().first_day)
        if first >= end:
            held = f"{self.effective_from} to {last}"
            raise Refused("not_in_force", f"contract {self.id} holds {held}, not in {month}", place="month")
        return first, end

    @cached_property
    def clause_types(self) -> tuple[str, ...]:
        """The `type` of each clause, in order."""
        return tuple(str(type(clause).__struct_config__.tag) for clause in self.clauses)

    @cached_property
    def account_names(self) -> tuple[str, ...]:
        """What each clause's carried account is called in every version of the contract: `hurdle#1`."""
        seen: Counter[str] = Counter()
        names = []
        for kind in self.clause_types:
            seen[kind] += 1
            names.append(f"{kind}#{seen[kind]}")
        return tuple(names)

    @cached_property
    def stated_capital(self) -> Fraction | None:
        """`capital_cost`, or else the capital of the first hurdle; None when neither is stated."""
        if self.capital_cost is not None:
            return amount(self.capital_cost, "capital_cost")
        hurdles = (clause for clause in self.clauses if isinstance(clause, Hurdle))
        return next((amount(hurdle.capital, "capital") for hurdle in hurdles), None)

    @cached_property
    def notices(self) -> tuple[Notice, ...]:
        """What a person should look at before signing: base fees above half of the capital a year.

        Nothing is refused for it. The capital is the stated one, else that of the contracted kWh at
        `CAPITAL_CNY_PER_KWH`; a fee per kW, or in another currency, is not judged without a stated one
        (DOMAIN.md 2.1 Q04). A fee above the month's pool is only seen when the month is settled.
        """
        found: list[Notice] = []
        for index, clause in enumerate(self.clauses):
            capital = self._capital_behind(clause) if isinstance(clause, BaseFee) else None
            if isinstance(clause, BaseFee) and capital is not None and 2 * clause.annual > capital:
                whose = "stated" if self.stated_capital is not None else "at 1.8 CNY/Wh, as none is stated"
                text = (
                    f"clauses[{index}]: the base fee is {self._money(clause.annual)} a year, above half"
                    f" of the capital of {self._money(capital)} ({whose}); it will be computed as written:"
                    f" are rate, unit ({clause.unit}) and quantity meant?"
                )
                found.append(Notice("implausible_fee", text, index))
        return tuple(found)

    def _capital_behind(self, fee: BaseFee) -> Fraction | None:
        if self.stated_capital is not None:
            return self.stated_capital
        if self.currency != "CNY" or not fee.unit.startswith("kWh."):
            return None
        return CAPITAL_CNY_PER_KWH * amount(fee.quantity, "quantity")

    def _money(self, value: Fraction) -> str:
        return f"{grouped(exact_text(value))} {self.currency}"


def _name_defaults(contract: Contract) -> None:
    """What is named as the default is written as what names none, so that both have one digest: the encoder
    leaves out a default by identity."""
    for field, default in (("exclusivity", DEFAULT_POLICY), ("run_calendar", DEFAULT_CALENDAR)):
        if getattr(contract, field) == default:
            msgspec.structs.force_setattr(contract, field, default)


def _check_scope(contract: Contract) -> None:
    one_of(contract.currency, Literal[tuple(MINOR_DIGITS)], "currency")
    try:
        zone_of(contract.zone)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place="zone") from None
    _check_each_once(contract.sites, "sites", "site")
    for index, site in enumerate(contract.sites):
        checked_id(site, f"sites[{index}]")
    checked_year(contract.effective_from, "effective_from")
    checked_year(contract.effective_to, "effective_to")
    if contract.effective_to <= contract.effective_from:
        raise Refused(
            "effective",
            f"{contract.effective_to} is not after effective_from {contract.effective_from}",
            place="effective_to",
        )


def _check_parties(contract: Contract) -> None:
    _check_each_once(tuple(party.id for party in contract.parties), "parties", "party")
    _check_hosts(contract)


def _check_hosts(contract: Contract) -> None:
    """Where hosts name their sites, every site has one; nobody is left to be guessed.

    Raises:
        Refused: `host_sites`.
    """
    named: dict[str, str] = {}
    for number, party in enumerate(contract.parties):
        for index, site in enumerate(party.sites):
            place = f"parties[{number}].sites[{index}]"
            if site not in contract.sites:
                raise Refused("host_sites", f"{site} is no site of this contract", place=place)
            if site in named:
                raise Refused("host_sites", f"{named[site]} is named as the host of {site}", place=place)
            named[site] = party.id
    missing = [site for site in contract.sites if site not in contract.hosts]
    if missing and (named or SITE_HOST in contract.cash_holder.values()):
        wrong = f"no host names {', '.join(missing)}; every site needs its host"
        raise Refused("host_sites", wrong, place="parties")


def _check_pool(contract: Contract) -> None:
    _check_each_once(contract.pool_streams, "pool_streams", "stream")
    for index, stream in enumerate(contract.pool_streams):
        one_of(stream, Stream, f"pool_streams[{index}]")
    if contract.pass_through_costs:
        _check_each_once(contract.pass_through_costs, "pass_through_costs", "cost")
    for index, cost in enumerate(contract.pass_through_costs):
        one_of(cost, PassThroughCost, f"pass_through_costs[{index}]")
    for index, stream in enumerate(contract.forbidden_streams):
        place = f"forbidden_streams[{index}]"
        one_of(stream, Stream, place)
        if stream in contract.pool_streams:
            raise Refused("stream", f"{stream!r} is forbidden and in pool_streams", place=place)
    items = (*contract.pool_streams, *contract.pass_through_costs)
    for item in items:
        if item not in contract.cash_holder:
            raise Refused("cash_holder", f"who holds the cash of {item!r} is not stated", place="cash_holder")
    for item, party in contract.cash_holder.items():
        if item not in items:
            raise Refused(
                "cash_holder",
                f"{item!r} is neither in pool_streams nor in pass_through_costs",
                place=f"cash_holder.{item}",
            )
        if party != SITE_HOST:
            _check_party(contract, party, f"cash_holder.{item}")


def _check_clauses(contract: Contract) -> None:
    """The order of the phases, and that gain and loss are both exhausted.

    Raises:
        Refused: `clause_order`, `pool_not_exhausted`, `loss_not_borne`, `party_unknown`.
    """
    if not contract.clauses:
        raise Refused("pool_not_exhausted", "a contract needs clauses", place="clauses")
    for index, clause in enumerate(contract.clauses):
        for field, party in clause.named_parties():
            _check_party(contract, party, f"clauses[{index}].{field}")
    phases = [clause.phase for clause in contract.clauses]
    rests = [index for index, phase in enumerate(phases) if phase == "rest"]
    if len(rests) != 1:
        raise Refused(
            "pool_not_exhausted",
            "exactly one remainder_split, tiered_share, floored_split or guarantee must take what is left,"
            f" not {len(rests)}",
            place=f"clauses[{rests[1]}]" if rests else "clauses",
        )
    _check_order(contract, rests[0])
    losses = [index for index, phase in enumerate(phases) if phase == "loss"]
    if contract.clauses[rests[0]].bears_loss:
        if losses:
            raise Refused(
                "loss_not_borne",
                f"a {contract.clause_types[rests[0]]} already says who bears a loss; remove the loss_split",
                place=f"clauses[{losses[0]}]",
            )
    elif len(losses) != 1:
        raise Refused(
            "loss_not_borne",
            f"exactly one loss_split must say who bears a negative pool, not {len(losses)}",
            place=f"clauses[{losses[1]}]" if losses else "clauses",
        )


def _check_order(contract: Contract, rest: int) -> None:
    split_begun = False
    for index, clause in enumerate(contract.clauses):
        kind, place = contract.clause_types[index], f"clauses[{index}]"
        if clause.phase == "before_split" and split_begun:
            raise Refused("clause_order", f"this {kind} is before_split and comes after a split", place=place)
        if clause.phase == "after_split" and index < rest:
            raise Refused("clause_order", f"this {kind} is after_split and comes before one", place=place)
        if clause.phase in ("tier", "loss") and index > rest:
            raise Refused("clause_order", f"nothing is left for this {kind}: move it up", place=place)
        split_begun = split_begun or clause.phase in ("tier", "loss", "rest")


def _check_tiers_by_stream(contract: Contract) -> None:
    """Every stream is named in at most one tier; the rest clause takes those that none names."""
    taken: dict[str, int] = {}
    for index, clause in enumerate(contract.clauses):
        if not isinstance(clause, StreamTier):
            continue
        for number, stream in enumerate(clause.streams):
            place = f"clauses[{index}].streams[{number}]"
            if stream not in contract.pool_streams:
                raise Refused("stream", f"{stream!r} is not in pool_streams", place=place)
            if stream in taken:
                raise Refused("stream", f"clauses[{taken[stream]}] takes {stream!r} already", place=place)
            taken[stream] = index


def _check_termination(contract: Contract) -> None:
    """Raises:
    Refused: `duplicate` for two early terminations, `termination_date` for one outside the contract."""
    kinds = contract.clause_types
    found = [index for index, kind in enumerate(kinds) if kind == "early_termination"]
    if len(found) > 1:
        text = f"clauses[{found[0]}] says already how the contract ends early"
        raise Refused("duplicate", text, place=f"clauses[{found[1]}]")
    day = contract.terminated_on if contract.withdrawn is None else None
    if day is not None and not contract.effective_from < day < contract.effective_to:
        held = f"{contract.effective_from} and {contract.effective_to}"
        text = f"{day} is not between {held}, where the contract would hold"
        raise Refused("termination_date", text, place=f"clauses[{found[0]}].on")


def _check_vat(contract: Contract) -> None:
    """That each party has a taxpayer type, and each stream, cost and clause a category.

    Raises:
        Refused: `vat_party`, `vat_category`.
    """
    if contract.vat is not None:
        items = (*contract.pool_streams, *contract.pass_through_costs, *contract.clause_types)
        contract.vat.check(contract.party_ids, items)


def _check_party(contract: Contract, party: str, place: str) -> None:
    if party not in contract.party_ids:
        known = ", ".join(contract.party_ids)
        raise Refused("party_unknown", f"{party!r} is not a party here; they are {known}", place=place)


def _check_each_once(values: tuple[str, ...], place: str, noun: str) -> None:
    if not values:
        raise Refused("empty", f"name at least one {noun}", place=place)
    for index, value in enumerate(values):
        if value in values[:index]:
            raise Refused("duplicate", f"{value!r} is named twice", place=f"{place}[{index}]")
