"""Registering a version of a contract: what can never be settled is refused at once, with its dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses.early_termination import EarlyTermination
from ledger.contract import Contract
from ledger.effective import History, Period
from ledger.grid_account import Account
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.signed_contract import HeldDays, RegisterContract, held_days, version_in
from ledger.site import Site
from tests.ledger.contract_samples import eaas


def version(start: date, end: date) -> Contract:
    return msgspec.structs.replace(eaas(), effective_from=start, effective_to=end)


def signed(*versions: Contract) -> History[Contract] | None:
    """The contract's history once each version was accepted in turn."""
    history: History[Contract] | None = None
    for one in versions:
        others = {name: _registered(name) for name in RegisterContract(one).reads}
        for event in RegisterContract(one).decide(history, others):
            history = event.apply(history)
    return history


def _registered(name: str) -> History[object]:
    """A party, or a site in Shanghai."""
    account = Account(id="A", zone="Asia/Shanghai", parts="single_part")
    site = Site(name.partition(".")[2], "Plant", "Asia/Shanghai", 1, 1, "t", account)
    period = Period(datetime(2020, 1, 1, tzinfo=UTC))
    return History[object]().with_version(period, site)


def test_a_contract_is_in_the_zone_of_its_sites() -> None:
    """A month in another zone would leave hours of the sites' bills to nobody."""
    with pytest.raises(Refused) as caught:
        signed(msgspec.structs.replace(eaas(), zone="Europe/Berlin"))
    assert (caught.value.code, caught.value.place) == ("zone", "zone")


def test_a_contract_keeps_its_currency() -> None:
    with pytest.raises(Refused) as caught:
        signed(eaas(), msgspec.structs.replace(eaas(), currency="EUR"))
    assert (caught.value.code, caught.value.place) == ("currency", "currency")


YEAR = (date(2026, 1, 1), date(2027, 1, 1))


@pytest.mark.parametrize(
    ("start", "end", "dates"),
    [
        (date(2026, 8, 15), date(2027, 1, 1), ("2026-08-15", "2026-08-01", "2026-09-01")),
        (date(2026, 8, 10), date(2026, 8, 20), ("2026-08-10", "2026-08-01", "2026-09-01")),
        (date(2026, 12, 31), date(2028, 1, 1), ("2026-12-31", "2026-12-01", "2027-01-01")),
    ],
)
def test_a_version_that_splits_a_month_with_another_is_refused(
    start: date, end: date, dates: tuple[str, str, str]
) -> None:
    with pytest.raises(Refused) as caught:
        signed(version(*YEAR), version(start, end))
    assert (caught.value.code, caught.value.place) == ("contract_change", "effective_from")
    for day in (*dates, "2026-01-01 to 2027-01-01"):
        assert day in caught.value.reason


@pytest.mark.parametrize("ends", [date(2026, 8, 15), date(2026, 8, 2)])
def test_the_version_after_one_that_ended_in_mid_month_begins_on_a_first(ends: date) -> None:
    """Both would hold in August, each for a part of it; so too where the first was terminated on that day."""
    for first in (version(date(2026, 1, 1), ends), terminated(ends)):
        with pytest.raises(Refused) as caught:
            signed(first, version(ends, date(2027, 1, 1)))
        assert (caught.value.code, caught.value.place) == ("contract_change", "effective_from")
        assert f"2026-01-01 to {ends}" in caught.value.reason


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2026, 8, 1), date(2027, 1, 1)),
        (date(2026, 3, 1), date(2026, 9, 1)),
        (date(2026, 3, 1), date(2026, 8, 15)),
        (date(2026, 1, 1), date(2027, 1, 15)),
        (date(2025, 12, 15), date(2027, 1, 1)),
        (date(2027, 1, 15), date(2027, 1, 20)),
    ],
)
def test_a_version_that_holds_its_months_alone_is_accepted(start: date, end: date) -> None:
    history = signed(version(*YEAR), version(start, end))
    assert history is not None
    assert len(history.versions) == 2


def test_every_earlier_version_that_still_holds_counts() -> None:
    """March is still the first one's; from June on the first was replaced, and what replaced it has ended."""
    first, second = version(*YEAR), version(date(2026, 6, 1), date(2026, 7, 1))
    with pytest.raises(Refused, match="2026-01-01 to 2026-06-01"):
        signed(first, second, version(date(2026, 3, 15), date(2026, 5, 1)))
    for begin in (date(2026, 6, 1), date(2026, 7, 15), date(2026, 10, 15)):
        assert signed(first, second, version(begin, date(2027, 1, 1))) is not None


def terminated(on: date) -> Contract:
    """The year's contract, ended early on a day."""
    ending = EarlyTermination(on=on, evidence="notice", payer="host", schedule=(), unpaid_hurdle="lapses")
    contract = version(*YEAR)
    return msgspec.structs.replace(contract, clauses=(*contract.clauses, ending))


def held(*versions: Contract) -> str:
    """Month by month of 2026 the number of the version under which it is settled, from 1; - for none."""
    found = [version_in(versions, Month(2026, number)) for number in range(1, 13)]
    return "".join("-" if number is None else str(number + 1) for number in found)


def test_nothing_revives_after_a_newer_version_has_ended() -> None:
    """Published as one version, a change for the summer ends the contract with it; as two, it goes on."""
    year, summer = version(*YEAR), version(date(2026, 6, 1), date(2026, 9, 1))
    onward = version(date(2026, 9, 1), date(2027, 1, 1))
    assert held(year) == "1" * 12
    assert held(year, summer) == "11111222----"
    assert held(year, summer, onward) == "111112223333"
    assert held(year, onward, summer) == "11111333----", "recorded last, so it replaced the autumn too"
    assert held(year, version(date(2026, 3, 1), date(2026, 8, 15))) == "11222222----"
    assert held(year, onward, version(*YEAR)) == "3" * 12, "replaced whole"
    assert held_days((year, onward, year))[:2] == (None, None)


def test_a_contract_that_was_terminated_early_has_no_days_any_more_and_none_revives() -> None:
    year, ended = version(*YEAR), terminated(date(2026, 8, 15))
    assert held(year, ended) == "22222222----"
    assert held_days((year, ended)) == (None, HeldDays(date(2026, 1, 1), date(2026, 8, 15)))
    assert held(year, ended, version(date(2026, 9, 1), date(2027, 1, 1))) == "222222223333"
    assert held(ended, version(date(2026, 8, 1), date(2027, 1, 1))) == "111111122222", "withdrawn"


def test_a_party_that_leaves_in_mid_month_leaves_on_a_first() -> None:
    """A month is settled under one version: half of one without the party is refused, a whole one is not."""
    year = version(*YEAR)

    def without_one(begin: date) -> Contract:
        left = tuple(one for one in year.parties if one.id in {"host", "operator"})
        assert len(left) < len(year.parties)
        return msgspec.structs.replace(version(begin, YEAR[1]), parties=left)

    with pytest.raises(Refused, match="begin on 2026-08-01 or 2026-09-01") as caught:
        signed(year, without_one(date(2026, 8, 17)))
    assert caught.value.code == "contract_change"
    for begin, months in ((date(2026, 8, 1), "111111122222"), (date(2026, 9, 1), "111111112222")):
        history = signed(year, without_one(begin))
        assert history is not None
        assert held(*(one.document for one in history.versions)) == months


DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 30))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Contract, ...]:
    """Up to six versions in whatever order of their dates, some of them terminated early."""
    found = []
    for _ in range(draw(st.integers(1, 6))):
        start, end = sorted(draw(st.lists(DAYS, min_size=2, max_size=2, unique=True)))
        one = version(start, end)
        length = (end - start).days
        if length > 1 and draw(st.booleans()):
            on = start + timedelta(days=draw(st.integers(1, length - 1)))
            ending = EarlyTermination(
                on=on, evidence="notice", payer="host", schedule=(), unpaid_hurdle="lapses"
            )
            one = msgspec.structs.replace(one, clauses=(*one.clauses, ending))
        found.append(one)
    return tuple(found)


def newest(versions: tuple[Contract, ...], day: date) -> int | None:
    """The plainest reading: of those that have begun, the newest recorded, unless its end has passed."""
    begun = [number for number, one in enumerate(versions) if one.effective_from <= day]
    if not begun:
        return None
    last = versions[begun[-1]]
    return begun[-1] if day < (last.terminated_on or last.effective_to) else None


@settings(derandomize=True, max_examples=200)
@given(histories(), st.lists(DAYS, min_size=1, max_size=20))
def test_the_newest_version_that_has_begun_holds_or_none(
    versions: tuple[Contract, ...], days: list[date]
) -> None:
    """At any instant the version in force is the newest-recorded among those whose start is not after it, if
    its end has not passed; else none."""
    for day in {*days, *(one.effective_from for one in versions), *(one.effective_to for one in versions)}:
        holding = [
            number
            for number, span in enumerate(held_days(versions))
            if span is not None and span.first <= day < span.end
        ]
        wanted = newest(versions, day)
        assert holding == ([] if wanted is None else [wanted])


@settings(derandomize=True, max_examples=100)
@given(histories(), histories())
def test_what_was_registered_never_splits_a_month(
    accepted: tuple[Contract, ...], offered: tuple[Contract, ...]
) -> None:
    """Of any versions offered, those that are accepted leave every month under one version or none."""
    history: History[Contract] | None = None
    kept: list[Contract] = []
    for one in (*accepted, *offered):
        others = {name: _registered(name) for name in RegisterContract(one).reads}
        try:
            (event,) = RegisterContract(one).decide(history, others)
        except Refused as refused:
            assert refused.code == "contract_change"
            split = [*kept, one]
            assert any(_is_split(split, month) for month in MONTHS), "refused only where it would split one"
            continue
        history = event.apply(history)
        kept.append(one)
    assert not any(_is_split(kept, month) for month in MONTHS)


MONTHS = [Month(year, number) for year in (2026, 2027) for number in range(1, 13)]


def _is_split(versions: list[Contract], month: Month) -> bool:
    days = [month.first_day + timedelta(days=number) for number in range(month.days)]
    return len({newest(tuple(versions), day) for day in days} - {None}) > 1


def test_a_run_calendar_is_published_before_a_contract_names_it() -> None:
    named = msgspec.structs.replace(eaas(), run_calendar="shaanxi_v2")
    command = RegisterContract(named)
    assert "run_calendar.shaanxi_v2" in command.reads
    others = {name: _registered(name) for name in command.reads}
    assert command.decide(None, others)
    del others["run_calendar.shaanxi_v2"]
    with pytest.raises(Refused, match="'shaanxi_v2', which is not published") as caught:
        command.decide(None, others)
    assert (caught.value.code, caught.value.place) == ("run_calendar_missing", "run_calendar")
    assert not [name for name in RegisterContract(eaas()).reads if name.startswith("run_calendar.")]
