"""A month to run again, described in a TOML file that names files which the importers read too.

Nothing of a book is needed: portfolio, contract, tariff, terms, meter readings and prices are files
(docs/backtest.md, examples/backtest).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec
import numpy as np

from adapters import meters, portfolio_file, price_file
from adapters.backtest.priced_day import PriceHistory, Timing
from adapters.backtest.site_case import SiteKnown, scaled_micro
from adapters.decoder_refusal import decoder_refusal
from dispatch.forecasts.day_table import local_slots
from dispatch.forecasts.forecast import Subject
from dispatch.forecasts.known import Known
from dispatch.plan_check import Whole
from dispatch.planning.storage_terms import StorageTerms
from dispatch.value.site_month import table_of
from ledger import contract_file, market_rule_file, tariff_file
from ledger.contract import Contract
from ledger.exclusivity import policy_file
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.market_price import PriceSeries
from ledger.meter import Meter
from ledger.power_factor import Reactive
from ledger.readings import REACTIVE, Run, unpack
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs, SiteInputs
from ledger.settlement.line import Source
from ledger.settlement.markets.month import MarketMonth, SpotPricesOf
from ledger.settlement.provisional import check_through, to_date
from ledger.site import Site
from ledger.streams.spot import SpotClearing, SpotRule
from ledger.tariff import Tariff
from ledger.toml_file import TomlFile

_MISSING: Final = -1
_HISTORY_DAYS: Final = 56
_HOUR_S: Final = 3600

T = TypeVar("T")

Read = Callable[[Path, str], bytes]


class Readings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of meter readings, and the profile that reads it."""

    file: str
    profile: str


class SpotPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file of a spot market's prices, as `wattledger register prices` takes it, and the rule settled by."""

    file: str
    rule: str
    market: str
    node: str
    currency: str
    interval_s: int = _HOUR_S
    zone: str | None = None


class CaseFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file's fields; names of files are relative to it. `storage` names each site's terms in JSON, as
    `wattledger storage terms` takes them.

    `through` ends the month early. `issued` and `published` are local clocks of the day before: when a plan
    is made, and when prices are told.
    """

    month: str
    portfolio: str
    contract: str
    tariffs: tuple[str, ...]
    storage: dict[str, str]
    through: date | None = None
    policy: str | None = None
    readings: tuple[Readings, ...] = ()
    spot: SpotPrices | None = None
    issued: str = "09:00"
    published: str = "17:30"


class Case(NamedTuple):
    """What `backtest` takes."""

    inputs: Inputs
    known: dict[str, SiteKnown]
    timing: Timing


def load(file: Path, read: Read) -> Case:
    """The month that a file describes; `read` answers the bytes of a file that should hold something.

    Raises:
        Refused: what is wrong with any of the files; `missing_readings` for an interval of the month without
            a reading, `price_missing` for one without a price, `unknown_site`, `unknown_tariff`.
    """
    toml = TomlFile(read(file, "a backtest case in TOML (examples/backtest has some)"))
    return _Loading(file.parent, toml.struct(CaseFile, toml.root, ()), read).case()


class _Loading:
    def __init__(self, folder: Path, described: CaseFile, read: Read) -> None:
        self._folder, self._file, self._read = folder, described, read
        self._month = Month.parse(described.month)
        self._contract = self._parsed(described.contract, contract_file.parse)
        self._portfolio = self._parsed(described.portfolio, portfolio_file.parse)
        self._tariffs: dict[str, Tariff] = {}
        for name in described.tariffs:
            text = self._parsed(name, bytes.decode)
            found = tariff_file.parse_tariff(text, name=name)
            self._tariffs[found.id] = found
        self._timing = Timing.parse(described.issued, described.published)

    def case(self) -> Case:
        through = self._file.through
        contract = self._contract
        if through is not None:
            check_through(self._month, through)
            contract = to_date(contract, through)
        runs = self._runs()
        sites: list[SiteInputs] = []
        known: dict[str, SiteKnown] = {}
        prices = self._prices(contract)
        for name in contract.sites:
            site = next((one for one in self._portfolio.sites if one.id == name), None)
            if site is None:
                raise Refused("unknown_site", f"the portfolio has no site {name!r}", place="portfolio")
            loaded = self._site(site, contract, runs, prices)
            sites.append(loaded.inputs)
            known[name] = SiteKnown(
                self._terms(name),
                loaded.known_w,
                None if prices is None else prices.history,
                tuple(one for one in self._portfolio.meters if one.site == name),
            )
        policy = None if self._file.policy is None else self._parsed(self._file.policy, policy_file.parse)
        inputs = Inputs(
            contract,
            self._month,
            0,
            tuple(sites),
            None,
            Source(f"contract.{contract.id}", ()),
            policy,
            through=through,
            owner=self._portfolio.book.owner,
        )
        return Case(inputs, known, self._timing)

    def _parsed(self, name: str, parse: Callable[[bytes], T]) -> T:
        try:
            return parse(self._bytes(name))
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=f"{name}, {refused.place}") from None

    def _bytes(self, name: str) -> bytes:
        return self._read(self._folder / name, "what the case names")

    def _terms(self, site: str) -> StorageTerms:
        name = self._file.storage.get(site)
        if name is None:
            raise Refused("storage_unstated", f"storage names no terms of {site}", place="storage")
        try:
            return msgspec.json.decode(self._bytes(name), type=StorageTerms)
        except msgspec.ValidationError as error:
            refused = decoder_refusal(error, StorageTerms)
            raise Refused(refused.code, refused.reason, place=f"{name}, {refused.place}") from None
        except msgspec.DecodeError as error:
            raise Refused("json", f"this is not JSON: {error}", place=name) from None

    def _runs(self) -> dict[tuple[str, str], list[Run]]:
        specs = {one.id: one.spec for one in self._portfolio.meters}
        found: dict[tuple[str, str], list[Run]] = {}
        for one in self._file.readings:
            profile = self._parsed(one.profile, meters.profile_of)
            parsed = meters.read(self._bytes(one.file), profile, specs)
            parsed.require_whole()
            for run in parsed.runs:
                found.setdefault((run.meter, run.register), []).append(run)
        return found

    def _site(self, site: Site, contract: Contract, runs: _Runs, prices: _Prices | None) -> _Loaded:
        tariff = self._tariffs.get(site.tariff)
        if tariff is None:
            raise Refused("unknown_tariff", f"no tariff {site.tariff!r} is among the files", place="tariffs")
        own = [one for one in self._portfolio.meters if one.site == site.id]
        lengths = {one.interval_s for one in own}
        if len(lengths) != 1:
            wrong = f"its meters read every {sorted(lengths)} s; one length is needed"
            raise Refused("meter_layout", wrong, place=f"site {site.id}")
        interval_s = lengths.pop()
        zone = zone_of(site.zone)
        month = self._month.interval(zone)
        net = _net(site, own, runs, interval_s, month)
        count = month.seconds // interval_s
        none = np.zeros(count, dtype=np.int64)
        inputs = SiteInputs(
            site,
            tariff,
            interval_s,
            None if net is None else net.month_wh,
            none,
            none.copy(),
            _reactive(own, runs, month, interval_s),
            (Source(f"site.{site.id}", ()), Source(f"tariff.{tariff.id}", ())),
            None if prices is None else prices.month_of(site, contract, self._month),
        )
        known_w = np.zeros((0, 86_400 // interval_s), dtype=np.int64) if net is None else net.known_w
        return _Loaded(inputs, known_w)

    def _prices(self, contract: Contract) -> _Prices | None:
        told = self._file.spot
        if told is None:
            return None
        rule = self._parsed(told.rule, market_rule_file.parse)
        if not isinstance(rule, SpotRule):
            raise Refused("spot_rule", f"{told.rule} is no rule of a spot market", place="spot.rule")
        both = self._parsed(
            told.file,
            lambda data: price_file.parse(
                data,
                market=told.market,
                node=told.node,
                currency=told.currency,
                interval_s=told.interval_s,
                zone=told.zone,
            ),
        )
        subject = Subject("price", f"{told.market}:{told.node}:day_ahead")
        history = PriceHistory.published(
            subject, told.currency, contract.zone, known_of(both[0]), self._timing
        )
        return _Prices(rule, SpotPricesOf(both[0], both[1], None), history)


_Runs = Mapping[tuple[str, str], Sequence[Run]]


class _Loaded(NamedTuple):
    inputs: SiteInputs
    known_w: Whole


class _Prices(NamedTuple):
    rule: SpotRule
    series: SpotPricesOf
    history: PriceHistory

    def month_of(self, site: Site, contract: Contract, month: Month) -> MarketMonth:
        """A month at spot in which nothing was sold yet."""
        first, end = contract.days_in(month)
        zone = zone_of(site.zone)
        whole = Interval(midnight(first, zone).astimezone(UTC), midnight(end, zone).astimezone(UTC))
        nothing = SpotClearing(
            id=f"cleared-{site.id}",
            site=site.id,
            rule=self.rule.id,
            run="none",
            interval=whole,
            injected_wh=(0,),
            withdrawn_wh=(0,),
        )
        return MarketMonth(whole, {self.rule.id: self.rule}, (nothing,), self.series, None, None, ())


class _Net(NamedTuple):
    """Net import without the storage: Wh of the month's intervals, and W of the days before."""

    month_wh: Whole
    known_w: Whole


def _net(site: Site, own: Sequence[Meter], runs: _Runs, interval_s: int, month: Interval) -> _Net | None:
    """What the site would import without its storage (see `SiteInputs`); None where no meter tells it."""
    grid = [one for one in own if one.position == "grid"]
    loads = [one for one in own if one.position == "load"]
    signs: dict[tuple[str, str], int] = {}
    if grid:
        signs = {(one.id, name): sign for one in grid for name, sign in (("import", 1), ("export", -1))}
        storage = [one for one in own if one.position == "storage"]
        told = any((one.id, "charge") in runs for one in storage)
        if told:
            signs |= {
                (one.id, name): sign for one in storage for name, sign in (("discharge", 1), ("charge", -1))
            }
    elif loads:
        signs = {(one.id, "load"): 1 for one in loads}
        signs |= {(one.id, "pv"): -1 for one in own if one.position == "pv"}
    else:
        return None
    named = {one.id: one for one in own}
    signs = {key: sign for key, sign in signs.items() if key[1] in named[key[0]].registers}
    zone = zone_of(site.zone)
    first = month.start.astimezone(zone).date()
    begins = [midnight(first - timedelta(days=back), zone) for back in range(_HISTORY_DAYS, 0, -1)]
    total = sum(
        sign * _laid_out(key, runs.get(key, ()), interval_s, month, needed=True)
        for key, sign in signs.items()
    )
    days: list[Whole] = []
    for begin, end in zip(begins, [*begins[1:], month.start], strict=True):
        day = Interval(begin.astimezone(UTC), end.astimezone(UTC))
        rows = [_laid_out(key, runs.get(key, ()), interval_s, day, needed=False) for key in signs]
        if any((row == _MISSING).any() for row in rows):
            days.clear()
            continue
        wh = sum(sign * row for row, sign in zip(rows, signs.values(), strict=True))
        days.append(_by_slot(np.asarray(wh), day, interval_s, site.zone))
    known = np.array(days, dtype=np.int64).reshape(len(days), 86_400 // interval_s)
    return _Net(np.asarray(total), known * _HOUR_S // interval_s)


def _by_slot(wh: Whole, day: Interval, interval_s: int, zone: str) -> Whole:
    """A local day of 23, 24 or 25 hours by the slots of the wall clock."""
    start = int(day.start.timestamp()) + interval_s * np.arange(len(wh), dtype=np.int64)
    _, slot = local_slots(start, interval_s, zone)
    found: Whole = table_of(wh, np.zeros(len(wh), dtype=np.int64), slot, 86_400 // interval_s)[0]
    return found


def _laid_out(
    key: tuple[str, str], runs: Iterable[Run], interval_s: int, span: Interval, *, needed: bool
) -> Whole:
    """Wh of every interval of a time; what is not there is refused where it is needed, and never zero."""
    found = np.full(span.seconds // interval_s, _MISSING, dtype=np.int64)
    for run in runs:
        first = int((run.start - span.start).total_seconds()) // interval_s
        values = unpack(run.wh)
        low, high = max(first, 0), min(first + len(values), len(found))
        if low < high:
            found[low:high] = values[low - first : high - first]
    missing = np.flatnonzero(found == _MISSING)
    if needed and len(missing):
        at = span.start + timedelta(seconds=interval_s * int(missing[0]))
        raise Refused(
            "missing_readings",
            f"{len(missing)} intervals of register {key[1]} are missing, the first at"
            f" {at.astimezone(UTC):%Y-%m-%dT%H:%MZ}; missing is not zero",
            place=f"meter {key[0]}",
        )
    return found


def _reactive(own: Sequence[Meter], runs: _Runs, month: Interval, interval_s: int) -> Reactive | None:
    sums = dict.fromkeys(REACTIVE, 0)
    told = False
    for one in own:
        if one.position == "storage":
            continue
        for register in REACTIVE & frozenset(one.registers):
            told = True
            key = (one.id, register)
            sums[register] += int(_laid_out(key, runs.get(key, ()), interval_s, month, needed=True).sum())
    return Reactive(sums["reactive_lagging"], sums["reactive_leading"]) if told else None


def known_of(series: PriceSeries) -> Known:
    """A series as forecasts take it, in 10^-6 of money per kWh; known since it was for."""
    starts, values = [], []
    for block in series.blocks:
        count = len(block.mantissas)
        starts.append(int(block.start.timestamp()) + series.interval_s * np.arange(count, dtype=np.int64))
        values.append(scaled_micro(block.mantissas, block.scale).astype(np.float64))
    start = np.concatenate(starts)
    return Known(
        interval_s=series.interval_s, start=start, value=np.concatenate(values), known_at=start.copy()
    )
