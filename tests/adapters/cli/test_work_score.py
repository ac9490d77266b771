"""Scores from work orders, recorded for a contract that divides by service: once, with their evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledger.recorded_service import ServiceScores
from ledger.refusal import Refused
from ledger.work_order import AssignWork, FinishWork, OpenWork, Outage, RateWork
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.test_contract_facts import book_of, measured


def test_a_score_is_recorded_once_and_anew_when_the_orders_say_otherwise(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = measured("refused")
    api = book_of(bench, contract)
    try:
        run = terminal_of(bench, capsys)
        due = bench.now + timedelta(days=5)
        start = datetime(2026, 7, 10, tzinfo=UTC)

        def done(name: str, hours: int, rating: int) -> None:
            outages = (Outage(start, start + timedelta(hours=hours)),)
            for number, command in enumerate((
                OpenWork(name, "ada", site="S3", kind="repair", planned=False, title="fan"),
                AssignWork(name, "ada", party="operator", due=due),
                FinishWork(name, "ada", done_at=outages[0].end, evidence="report", outages=outages),
                RateWork(name, "bob", rating=rating),
            )):  # fmt: skip
                bench.door.execute(command, command_id=f"{name}-{number}", actor="ada")

        def score(measure: str, *more: str) -> str:
            what = ("work", "score", contract.id, "2026-07", "operator", "--measure", measure)
            return run(*what, *more, "--as", "ada")

        with pytest.raises(Refused) as refused:
            score("satisfaction")
        assert refused.value.code == "not_rated"
        done("W1", 4, 4)
        told = score("availability", "--planned", "counts")
        assert told.startswith("score 740.000000 of operator for 2026-07: event")
        assert "less operator's work orders W1; planned work counts" in told
        sequence = bench.recorder.max_notification_id()
        assert score("availability", "--planned", "counts").endswith("on record already\n")
        assert bench.recorder.max_notification_id() == sequence
        done("W2", 6, 5)
        assert score("availability", "--planned", "counts").startswith("score 738.000000 of")
        assert score("satisfaction").startswith("score 4.500000 of operator for 2026-07: event")
        held = bench.door.state(f"service.{contract.id}")
        assert isinstance(held, ServiceScores)
        found = held.scores["2026-07"]["operator"]
        assert held.measures == {"2026-07": {"operator": "satisfaction"}}
        assert "(satisfaction)  event" in run("service-score", "list", contract.id)
        other = ("service-score", "record", contract.id, "2026-07", "investor", "720", "--evidence", "log")
        with pytest.raises(Refused, match="a score of operator of satisfaction") as refused:
            run(*other, "--measure", "availability", "--as", "ada")
        assert refused.value.code == "service_measure"
        assert "event" in run(*other, "--measure", "satisfaction", "--as", "ada")
        assert found.evidence == "satisfaction of operator's work orders that were done: W1, W2; 2 rated"
    finally:
        api.close()
