"""Alarms: each once, acknowledged once, cleared."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatch.health.alarm import (
    AcknowledgeAlarm,
    AlarmKind,
    Alarms,
    ClearAlarm,
    RaiseAlarm,
    alarm_id,
)
from ledger.device import Device
from ledger.effective import History, Period
from ledger.refusal import Refused
from tests.adapters.sample import AUGUST

OTHERS = {
    "device.B1": History[Device]().with_version(
        Period(AUGUST), Device("B1", "S1", "battery", 250_000, 500_000)
    )
}
NOW = AUGUST + timedelta(days=1)


def raised(state: Alarms | None, kind: AlarmKind = "cell_spread", hours: int = 0) -> Alarms:
    command = RaiseAlarm("B1", kind, AUGUST + timedelta(hours=hours), "health", "warning", "31 mV")
    (event,) = command.decide_at(NOW, state, OTHERS)
    return event.apply(state)


def test_an_alarm_is_raised_acknowledged_and_cleared() -> None:
    state = raised(None)
    (seen,) = AcknowledgeAlarm("B1", "cell_spread", AUGUST, "ada", "on our list").decide_at(NOW, state, {})
    state = seen.apply(state)
    assert [(one.acknowledged_by, one.note) for one in state.open] == [("ada", "on our list")]
    (over,) = ClearAlarm("B1", "cell_spread", AUGUST, "health", "8 mV").decide_at(NOW, state, {})
    assert over.apply(state).open == ()


def test_the_same_alarm_is_raised_once_whether_or_not_it_is_open() -> None:
    state = raised(None)
    assert code(lambda: raised(state)) == "alarm_repeated"
    (over,) = ClearAlarm("B1", "cell_spread", AUGUST, "health", "8 mV").decide_at(NOW, state, {})
    cleared = over.apply(state)
    assert code(lambda: raised(cleared)) == "alarm_repeated"
    assert [one.since for one in raised(cleared, hours=1).open] == [AUGUST + timedelta(hours=1)]
    assert code(lambda: raised(state, hours=1)) == "alarm_open"
    assert len(raised(state, "efficiency_low").open) == 2


def test_what_is_not_open_is_neither_acknowledged_nor_cleared() -> None:
    state = raised(None)
    late = AUGUST + timedelta(hours=1)
    assert code(lambda: ClearAlarm("B1", "cell_spread", late, "ada", "x").decide_at(NOW, state, {})) == (
        "unknown_alarm"
    )
    seen = AcknowledgeAlarm("B1", "cell_spread", AUGUST, "ada", "x")
    after = seen.decide_at(NOW, state, {})[0].apply(state)
    assert code(lambda: seen.decide_at(NOW, after, {})) == "alarm_acknowledged"


def test_an_alarm_of_the_future_or_of_no_device_is_refused() -> None:
    assert code(lambda: raised(None, hours=48)) == "time_ahead"
    command = RaiseAlarm("B2", "cell_spread", AUGUST, "health", "warning", "x")
    assert code(lambda: command.decide_at(NOW, None, {})) == "unknown_device"


def test_an_alarms_command_id_is_its_device_kind_and_instant() -> None:
    ids = {
        alarm_id(device, kind, AUGUST + timedelta(seconds=seconds))
        for device in ("B1", "B2")
        for kind in ("cell_spread", "efficiency_low")
        for seconds in (0, 1)
    }
    assert len(ids) == 8
    assert alarm_id("B1", "cell_spread", AUGUST) == alarm_id("B1", "cell_spread", AUGUST)


def code(work: object) -> str:
    with pytest.raises(Refused) as refused:
        work()  # type: ignore[operator]
    return refused.value.code
