"""One contract's correction that comes too late does not hold up the others of the month."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.cli.session import Session
from adapters.main import application
from adapters.settings import Settings
from adapters.settling import MonthSettled, settle_month
from ledger.demand import ActualDemand
from ledger.effective import Period
from ledger.grid_account import Account
from ledger.meter import Meter, RegisterMeter
from ledger.refusal import Refused
from ledger.settlement.look_back import WaiveLookBack
from ledger.settlement.run_calendar import PublishRunCalendar, parse
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_corrections import AGENCY
from tests.adapters.test_corrections import record as record_flat
from tests.adapters.test_provisional import record_days
from tests.adapters.test_settling import AUGUST, CONTRACT, TARIFF, founded

CALENDAR = Path(__file__).parents[2] / "examples/calendars/shaanxi_v2.toml"
SIX_MONTHS = msgspec.structs.replace(CONTRACT, run_calendar="shaanxi_v2")
FROM_AUGUST = msgspec.structs.replace(AGENCY, effective_from=AUGUST.first_day)
LATE, IN_TIME = date(2027, 4, 1), date(2027, 2, 28)
REASON = "2026-08 is 8 months back on 2027-04-01"


def two_contracts(bench: Bench) -> None:
    """August metered under both: `eaas-s1` is corrected six months back, `agency-s3` without end."""
    founded(bench)
    account = Account(id="A", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand())
    site = Site("S3", "Plant", "Asia/Shanghai", 800_000, 400_000, TARIFF.id, account)
    storage = Meter("S3-STORAGE", "S3", "storage", ("charge", "discharge"), 900, 400_000, "Asia/Shanghai")
    calendar = parse(CALENDAR.read_bytes())
    commands = [
        PublishRunCalendar(Period(sample.FROM_2026.start), calendar),
        RegisterContract(SIX_MONTHS),
        RegisterSite(sample.FROM_2026, site),
        RegisterMeter(sample.FROM_2026, storage),
        *(sample.register_party(party) for party in AGENCY.party_ids if party not in CONTRACT.party_ids),
        RegisterContract(FROM_AUGUST),
    ]
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"two-{number}", actor="ada")
    record_days(bench, 0, 31, "first")
    record_flat(bench, AUGUST, 9_000, "first")


def settle(bench: Bench, today: date, *contracts: str) -> MonthSettled:
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        return settle_month(
            bench.door, bench.database, AUGUST, actor="finance", contracts=contracts, today=today
        )
    finally:
        projector.stop()
        thread.join()


def revised(bench: Bench, name: str) -> None:
    record_days(bench, 3, 1, name, discharge_wh=40_000 + len(name))
    record_flat(bench, AUGUST, 9_000 + len(name), name)


def told(found: MonthSettled) -> list[tuple[str, str]]:
    return [(one.result.contract, one.kind) for one in found.runs]


def test_the_others_are_settled_and_the_late_one_is_named(bench: Bench) -> None:
    two_contracts(bench)
    first = settle(bench, LATE)
    assert told(first) == [("agency-s3", "initial"), ("eaas-s1", "initial")], "a first run is never too late"
    assert first.refused == []
    assert [one.recorded for one in settle(bench, LATE).runs] == [False, False], "nothing to correct"
    revised(bench, "again")
    found = settle(bench, LATE)
    assert told(found) == [("agency-s3", "correction 1")]
    (late,) = found.refused
    assert (late.contract, late.month, late.code) == ("eaas-s1", AUGUST, "look_back")
    assert REASON in late.reason
    assert told(settle(bench, IN_TIME)) == [("agency-s3", "correction 1"), ("eaas-s1", "correction 1")]

    revised(bench, "once more")
    with pytest.raises(Refused, match="8 months back") as caught:
        settle(bench, LATE, "eaas-s1")
    assert (caught.value.code, caught.value.place) == ("look_back", "contract eaas-s1"), "nothing else to say"
    waiver = WaiveLookBack("eaas-s1", "2026-08", "the operator did too", "ada")
    bench.door.execute(waiver, command_id="waiver", actor="bob")
    waived = settle(bench, LATE)
    assert told(waived) == [("agency-s3", "correction 2"), ("eaas-s1", "correction 2")]
    assert waived.refused == []

    revised(bench, "and once more")
    both = msgspec.structs.replace(FROM_AUGUST, run_calendar="shaanxi_v2")
    bench.door.execute(RegisterContract(both), command_id="both", actor="ada")
    before = bench.recorder.max_notification_id()
    with pytest.raises(Refused) as caught:
        settle(bench, LATE)
    assert (caught.value.code, caught.value.place) == ("look_back", "contract agency-s3")
    assert "; contract eaas-s1 (look_back): 2026-08 is 8 months back" in caught.value.reason
    assert bench.recorder.max_notification_id() == before


def settings_of(bench: Bench) -> Settings:
    return Settings(
        book=bench.book,
        nats_url=bench.nats.url,
        nats_monitor_url=bench.nats.monitor_url,
        nats_seed=bench.nats.app_seed,
        nats_operator_seed=bench.nats.operator_seed,
        postgres_url=bench.postgres_url,
        state=bench.nats.folder,
    )


def test_the_terminal_and_the_api_name_it_too(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    two_contracts(bench)
    settle(bench, LATE)
    bench.now += timedelta(days=212)
    revised(bench, "again")
    api = Api(bench)
    try:
        terminal: Any = application(Session(settings_of(bench), bench.clock), ["settle"])
        assert terminal(("settle", "2026-08"), exit_on_error=False) == 2
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[1] for line in lines] == ["agency-s3", "eaas-s1"]
        assert "correction 1" in lines[0]
        assert "refused (look_back): 2026-08 is 8 months back" in lines[1]
        revised(bench, "once more")
        answer = api.post("/v1/settlements", {"month": "2026-08"}, "finance")
        assert answer.status_code == 201, answer.text
        assert [one["contract"] for one in answer.json()["runs"]] == ["agency-s3"]
        (late,) = answer.json()["refused"]
        assert (late["contract"], late["month"], late["code"]) == ("eaas-s1", "2026-08", "look_back")
        assert "8 months back" in late["detail"]
        named = {"month": "2026-08", "contracts": ["eaas-s1"]}
        problem(api.post("/v1/settlements", named, "finance"), 422, "look_back", "contract eaas-s1")
    finally:
        api.close()


def test_a_contract_without_its_calendar_is_refused_alone(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """A calendar that is published from September on tells nothing of August: the other contract is settled,
    and what is due of it is told."""
    two_contracts(bench)
    later = msgspec.structs.replace(parse(CALENDAR.read_bytes()), id="later_v1")
    named = msgspec.structs.replace(CONTRACT, run_calendar="later_v1")
    september = Period(datetime(2026, 8, 31, 16, tzinfo=UTC))
    for number, command in enumerate((PublishRunCalendar(september, later), RegisterContract(named))):
        bench.door.execute(command, command_id=f"later-{number}", actor="ada")
    assert len(told(settle(bench, LATE))) == 2, "a first run looks back nowhere"
    revised(bench, "again")
    found = settle(bench, LATE)
    assert told(found) == [("agency-s3", "correction 1")]
    (missing,) = found.refused
    assert (missing.contract, missing.code) == ("eaas-s1", "run_calendar_missing")
    assert "'later_v1', which is not published for 2026-08: publish it with wattledger" in missing.reason
    with pytest.raises(Refused) as caught:
        settle(bench, LATE, "eaas-s1")
    assert (caught.value.code, caught.value.place) == ("run_calendar_missing", "contract eaas-s1")

    api = Api(bench)
    try:
        terminal: Any = application(Session(settings_of(bench), bench.clock), ["runs"])
        asked = ("runs", "due", "--month", "2026-08", "--effective", "2026-09-20", "--all")
        assert terminal(asked, exit_on_error=False) == 2
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("2026-08  agency-s3 ")
        assert lines[-2] == f"2026-08  {'eaas-s1':<24} refused (run_calendar_missing): {missing.reason}"
        due = api.get("/v1/runs/due", "auditor", effective="2026-09-20", month="2026-08").json()
        assert [one["contract"] for one in due["items"]] == ["agency-s3"]
        assert [(one["contract"], one["month"], one["code"]) for one in due["refused"]] == [
            ("eaas-s1", "2026-08", "run_calendar_missing")
        ]
    finally:
        api.close()
