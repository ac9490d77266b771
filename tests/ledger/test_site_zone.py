"""A site, its tariff and its earlier versions are on the same clocks: settlement would refuse its months."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from ledger.effective import History, Period
from ledger.refusal import Refused
from ledger.site import RegisterSite, Site
from ledger.tariff_file import parse_tariff
from tests.adapters.sample import register_site

EXAMPLES = Path(__file__).parents[2] / "examples/tariffs"
HERE = register_site().site
ELSEWHERE = msgspec.structs.replace(
    HERE, zone="Europe/Berlin", account=msgspec.structs.replace(HERE.account, zone="Europe/Berlin")
)
YEAR, OCTOBER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 10, 10, tzinfo=UTC)


def refused(site: Site, period: Period, state: History[Site] | None = None, tariff: object = None) -> str:
    with pytest.raises(Refused) as caught:
        RegisterSite(period, site).decide(state, {f"tariff.{site.tariff}": tariff})
    assert caught.value.code == "zone"
    return caught.value.place


def test_a_published_tariff_on_other_clocks() -> None:
    (file, *_) = sorted(EXAMPLES.glob("*.toml"))
    tariff = parse_tariff(file.read_text(), name=file.name)
    assert tariff.zone == HERE.zone
    assert refused(ELSEWHERE, Period(YEAR), tariff=tariff) == "site.tariff"
    names = {f"tariff.{HERE.tariff}": tariff}
    assert RegisterSite(Period(YEAR), HERE).decide(None, names)
    assert RegisterSite(Period(YEAR), ELSEWHERE).decide(None, {f"tariff.{HERE.tariff}": None}), (
        "not published"
    )


def test_a_version_that_leaves_an_earlier_one_in_another_zone() -> None:
    """Where none of it stays in force it is a correction, and is taken."""
    before = History[Site]().with_version(Period(YEAR), HERE)
    assert refused(ELSEWHERE, Period(OCTOBER), before) == "site.zone"
    assert RegisterSite(Period(YEAR), ELSEWHERE).decide(before, {})
    assert RegisterSite(Period(OCTOBER), msgspec.structs.replace(HERE, name="Renamed")).decide(before, {})
    corrected = before.with_version(Period(YEAR), ELSEWHERE)
    assert RegisterSite(Period(OCTOBER), ELSEWHERE).decide(corrected, {})
    assert refused(HERE, Period(OCTOBER), corrected) == "site.zone"
