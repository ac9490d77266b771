"""A trading unit's month: its sites' reports as one, and a site that cannot be counted is named."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from adapters.backtest.book import Question
from adapters.backtest.unit_value import value_of_any
from adapters.backtest.value import value
from dispatch.planning.storage_terms import StateStorage
from ledger.refusal import Refused
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api
from tests.adapters.test_backtest import TERMS
from tests.adapters.test_settling import AUGUST, filled
from tests.ledger.test_unit_allocation import RESPONSE

THIRD = date(2026, 8, 3)


def furnish(bench: Bench, *sites: str) -> None:
    filled(bench)
    bench.door.record(StateStorage("S1", sample.FROM_2026, TERMS), actor="ada")
    for name in sites:
        if name != "S1":
            bench.door.execute(sample.register_site(name), command_id=name, actor="ada")
    unit = TradingUnit(
        id="vpp", name="VPP", market="shandong", unit_code="C", operator="operator", zone="Asia/Shanghai",
        members=tuple(Member(site=name, capability_w=100_000) for name in sites), terms=(RESPONSE,),
        rounding_max="1",
    )  # fmt: skip
    bench.door.execute(RegisterTradingUnit(sample.FROM_2026, unit), command_id="unit", actor="ada")
    bench.project()


def test_a_unit_is_worth_what_its_sites_are(bench: Bench) -> None:
    furnish(bench, "S1", "S2")
    at = bench.recorder.max_notification_id()
    with bench.database.reading(bench.book) as connection:
        whole = value_of_any(connection, bench.book, Question("vpp", AUGUST, at, THIRD))
        alone = value(connection, bench.book, Question("S1", AUGUST, at, THIRD))
        assert value_of_any(connection, bench.book, Question("S1", AUGUST, at, THIRD)) == alone
    assert whole.total == alone.total
    assert whole.rows == alone.rows
    assert whole.notes[0].startswith("S2 is left out: no contract")
    assert whole.notes[0].endswith("(no_contract)")


def test_a_unit_of_which_no_site_counts_is_refused(bench: Bench) -> None:
    furnish(bench, "S2")
    with bench.database.reading(bench.book) as connection, pytest.raises(Refused) as found:
        value_of_any(connection, bench.book, Question("vpp", AUGUST, bench.recorder.max_notification_id()))
    assert found.value.code == "no_contract"


def test_files_are_written_where_they_are_named(
    bench: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    furnish(bench, "S1")
    api = Api(bench)
    run = terminal_of(bench, capsys)
    for suffix, head in ((".pdf", b"%PDF"), (".xlsx", b"PK")):
        out = tmp_path / f"value{suffix}"
        told = run(
            "value", "vpp", "2026-08", "--format", suffix[1:], "--out", str(out), "--through", "2026-08-03"
        )
        assert out.read_bytes().startswith(head)
        assert str(out) in told
    with pytest.raises(Refused) as found:
        run("value", "vpp", "2026-08", "--format", "pdf")
    assert found.value.code == "out"
    api.close()
