"""Registering a version of a contract: what can never be settled is refused at once, with its dates."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest

from ledger.contract import Contract
from ledger.effective import History, Period
from ledger.grid_account import Account
from ledger.refusal import Refused
from ledger.signed_contract import RegisterContract
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
        (date(2026, 3, 1), date(2026, 8, 15), ("2026-08-15", "2026-08-01", "2026-09-01")),
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
    assert caught.value.code == "contract_change"
    assert caught.value.place in {"effective_from", "effective_to"}
    for day in (*dates, "2026-01-01 to 2027-01-01"):
        assert day in caught.value.reason


def test_the_version_after_one_that_ended_in_mid_month_begins_on_a_first() -> None:
    """Both would hold in August, each for a part of it."""
    with pytest.raises(Refused) as caught:
        signed(version(date(2026, 1, 1), date(2026, 8, 15)), version(date(2026, 8, 15), date(2027, 1, 1)))
    assert (caught.value.code, caught.value.place) == ("contract_change", "effective_from")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2026, 8, 1), date(2027, 1, 1)),
        (date(2026, 3, 1), date(2026, 9, 1)),
        (date(2026, 1, 1), date(2027, 1, 15)),
        (date(2025, 12, 15), date(2027, 1, 1)),
        (date(2027, 1, 15), date(2027, 1, 20)),
    ],
)
def test_a_version_that_holds_its_months_alone_is_accepted(start: date, end: date) -> None:
    history = signed(version(*YEAR), version(start, end))
    assert history is not None
    assert len(history.versions) == 2


def test_every_earlier_version_counts() -> None:
    first, second = version(*YEAR), version(date(2026, 6, 1), date(2026, 7, 1))
    with pytest.raises(Refused, match="2026-01-01 to 2027-01-01"):
        signed(first, second, version(date(2026, 6, 1), date(2026, 6, 15)))
