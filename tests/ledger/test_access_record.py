"""An access record says who saw what, and cannot say what makes no sense."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.access_record import AccessRecord, checked_action, checked_request
from ledger.refusal import Refused

RIGHT: dict[str, Any] = {
    "at": datetime(2026, 9, 1, tzinfo=UTC),
    "request": "r1",
    "actor": "ada",
    "role": "partner",
    "party": "host-s1",
    "action": "statement",
    "what": {"month": "2026-08"},
    "outcome": "answered",
}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"actor": "ada lovelace"}, "id"),
        ({"actor": "a.b"}, "id"),
        ({"request": ""}, "request_id"),
        ({"role": "king"}, "role"),
        ({"action": "look"}, "access_action"),
        ({"outcome": "refused"}, "access_outcome"),
        ({"code": "forbidden"}, "access_outcome"),
        ({"what": {"month": "x" * 201}}, "access_value"),
        ({"what": {"x" * 201: ""}}, "access_value"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as caught:
        AccessRecord(**RIGHT | wrong)
    assert caught.value.code == code


def test_it_concerns_its_action_and_what_was_asked_for() -> None:
    record = AccessRecord(**RIGHT | {"outcome": "refused", "code": "unknown_statement"})
    assert [record.concerns(text) for text in ("statement", "2026-08", "2026", "month", "ada")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_names_of_actions_and_requests() -> None:
    assert checked_action("export") == "export"
    assert checked_request("a.B_1-") == "a.B_1-"
    with pytest.raises(Refused):
        checked_request("a b")
