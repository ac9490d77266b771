"""What is recorded after a run: what corrects it, what does not, and who is told."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import pytest

from adapters.closing import ContractCheck, checklist, close_command
from adapters.settling import MonthSettled, lowest_position, settle_month
from ledger.interval import Month
from ledger.published_tariff import PublishTariff
from ledger.refusal import Refused
from ledger.settlement import inputs
from ledger.settlement.inputs import SiteInputs
from ledger.signed_contract import RegisterContract
from tests.adapters.conftest import Bench
from tests.adapters.test_corrections import (
    AGENCY,
    AUGUST,
    JULY,
    SEPTEMBER,
    SUMMER,
    founded,
    record,
    settle,
)

_encode = msgspec.json.Encoder(order="deterministic").encode
DECEMBER = msgspec.structs.replace(
    SUMMER,
    tables=(
        *SUMMER.tables,
        msgspec.structs.replace(SUMMER.tables[-1], start=Month(2026, 12), until=Month(2027, 1)),
    ),
)
DEARER = msgspec.structs.replace(
    SUMMER,
    schedules=tuple(msgspec.structs.replace(one, float_rule=None) for one in SUMMER.schedules),
    tables=tuple(
        msgspec.structs.replace(
            one, components=None, prices=msgspec.structs.replace(one.prices, flat=one.prices.peak)
        )
        for one in SUMMER.tables
    ),
)


def publish(bench: Bench, name: str, tariff: object = DECEMBER) -> None:
    bench.door.execute(PublishTariff(tariff), command_id=name, actor="ada")  # type: ignore[arg-type]


def told(bench: Bench, month: Month) -> MonthSettled:
    bench.project()
    return settle_month(bench.door, bench.database, month, actor="finance")


def checked(bench: Bench, month: Month) -> ContractCheck:
    bench.project()
    with bench.database.reading(bench.book) as connection:
        (one,) = checklist(connection, month, lowest_position(connection)).contracts
    return one


@pytest.fixture
def settled(bench: Bench) -> Bench:
    founded(bench)
    for month, wh in ((JULY, 1_000), (AUGUST, 12_000), (SEPTEMBER, 3_000)):
        record(bench, month, wh, "first")
    settle(bench, JULY, AUGUST, SEPTEMBER)
    return bench


def whole_tariffs(sites: Sequence[SiteInputs], _: Month) -> str:
    """As price digests were made before."""
    whole = [[hashlib.sha256(_encode(one.tariff)).hexdigest(), None] for one in sites]
    return hashlib.sha256(_encode(whole)).hexdigest()


def test_another_months_prices_correct_nothing(settled: Bench) -> None:
    publish(settled, "december")
    assert [checked(settled, month).stale for month in (JULY, AUGUST)] == ["", ""]
    assert [one.recorded for one in settle(settled, JULY, AUGUST, SEPTEMBER)] == [False, False, False]
    publish(settled, "dearer", DEARER)
    assert checked(settled, JULY).stale == "prices recorded since run 1"
    (july, *_) = settle(settled, JULY)
    assert (july.recorded, july.causes) == (True, ("price",))


def test_runs_of_whole_tariffs_are_compared_by_the_prices_in_force(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    founded(bench)
    record(bench, JULY, 1_000, "first")
    with monkeypatch.context() as before:
        before.setattr(inputs, "_price_digest", whole_tariffs)
        settle(bench, JULY)
    assert [one.recorded for one in settle(bench, JULY)] == [False]
    publish(bench, "december")
    assert checked(bench, JULY).stale == ""
    assert [one.recorded for one in settle(bench, JULY)] == [False]
    longer = msgspec.structs.replace(AGENCY, title="Amended in its title")
    bench.door.execute(RegisterContract(longer), command_id="longer", actor="ada")
    record(bench, JULY, 2_000, "revised")
    (revised,) = settle(bench, JULY)
    assert (revised.recorded, revised.causes) == (True, ("retroactive_amendment", "meter"))


def test_a_real_change_of_prices_since_a_run_of_whole_tariffs_is_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    founded(bench)
    record(bench, JULY, 1_000, "first")
    with monkeypatch.context() as before:
        before.setattr(inputs, "_price_digest", whole_tariffs)
        settle(bench, JULY)
    publish(bench, "dearer", DEARER)
    (july,) = settle(bench, JULY)
    assert (july.recorded, july.causes) == (True, ("price",))


def test_a_month_is_not_closed_on_runs_that_settling_would_change(settled: Bench) -> None:
    assert checked(settled, JULY).stale == ""
    record(settled, JULY, 9_000, "revised")
    found = checked(settled, JULY)
    assert (found.run, found.stale) == (1, "readings recorded since run 1")
    assert checked(settled, AUGUST).stale == "", "not of this month"
    with settled.database.reading(settled.book) as connection:
        position = lowest_position(connection)
        check = checklist(connection, JULY, position)
        assert not check.ready
        with pytest.raises(Refused, match="readings recorded since run 1: settle 2026-07 again") as caught:
            close_command(connection, check, position, (), "ada")
    assert caught.value.code == "stale_run"
    settle(settled, JULY)
    assert [checked(settled, month).stale for month in (JULY, AUGUST)] == ["", ""]


def test_the_same_readings_again_leave_a_run_as_it_is(settled: Bench) -> None:
    """Compared is what settling compares, not that something was recorded."""
    record(settled, JULY, 1_000, "again")
    assert checked(settled, JULY).stale == ""


def test_a_version_of_the_contract_counts_where_it_changes_the_month(settled: Bench) -> None:
    title = msgspec.structs.replace(AGENCY, title="Another title")
    settled.door.execute(RegisterContract(title), command_id="title", actor="ada")
    assert checked(settled, JULY).stale == "a contract version recorded since run 1"
    assert next(one.recorded for one in settle(settled, JULY))
    assert title.statement_terms is not None
    terms = msgspec.structs.replace(title.statement_terms, query_working_days=9)
    shown = msgspec.structs.replace(title, statement_terms=terms)
    settled.door.execute(RegisterContract(shown), command_id="shown", actor="ada")
    assert checked(settled, JULY).stale == "", "no month is settled from them"
    assert [one.recorded for one in settle(settled, JULY)] == [False] * 3


def test_an_earlier_month_with_newer_inputs_is_named(settled: Bench) -> None:
    assert told(settled, SEPTEMBER).earlier == ()
    record(settled, JULY, 9_000, "revised")
    found = told(settled, SEPTEMBER)
    assert [one.recorded for one in found.runs] == [False]
    (one,) = found.earlier
    assert one.words == (
        f"contract {AGENCY.id}: 2026-07 has newer inputs, readings recorded since run 1: settle it first"
    )
    with settled.database.reading(settled.book) as connection:
        check = checklist(connection, SEPTEMBER, lowest_position(connection))
    assert check.uncorrected == (f"{AGENCY.id} 2026-07 (readings recorded since run 1)",)
    settle(settled, JULY)
    assert told(settled, SEPTEMBER).earlier == ()


def test_what_cannot_be_settled_any_more_is_shown(settled: Bench) -> None:
    """The run stays as it is, and the month can be closed on it."""
    later = msgspec.structs.replace(
        SUMMER, tables=tuple(msgspec.structs.replace(one, start=AUGUST) for one in SUMMER.tables)
    )
    publish(settled, "later", later)
    found = checked(settled, JULY)
    assert found.stale == ""
    assert found.not_settleable.startswith("what is recorded since run 1 cannot be settled: ")
