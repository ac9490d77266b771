"""What a register bears in a day."""

from __future__ import annotations

from datetime import date

import pytest

from dispatch.devices.write_budget import WriteBudget
from dispatch.devices.writing import heartbeat_write, setpoint_writes
from ledger.refusal import Refused
from tests.dispatch.devices.profile_samples import PLAIN, parse

DAY, NEXT = date(2026, 9, 1), date(2026, 9, 2)
PROFILE = parse(PLAIN.replace('"set", address = 20,', '"set", writes_per_day = 2, address = 20,'))


def test_a_register_is_written_as_often_as_it_bears_and_again_the_next_day() -> None:
    value, timer, enable = setpoint_writes(PROFILE, 500, 60, {})
    budget = WriteBudget(DAY)
    assert (budget.left(PROFILE, "set", DAY), budget.left(PROFILE, "on", DAY)) == (2, 9000)
    for _ in range(2):
        for write in (value, timer, enable):
            budget = budget.spent(PROFILE, write, DAY)
    assert budget.written == {20: 2, 21: 2, 22: 2, 23: 2}
    with pytest.raises(Refused) as refused:
        budget.spent(PROFILE, value, DAY)
    assert (refused.value.code, refused.value.place) == ("write_budget_spent", "set")
    budget = budget.spent(PROFILE, heartbeat_write(PROFILE, 0), DAY)
    assert budget.left(PROFILE, "on", DAY) == 8998
    assert budget.left(PROFILE, "set", NEXT) == 2
    assert budget.spent(PROFILE, value, NEXT) == WriteBudget(NEXT, {20: 1, 21: 1})
