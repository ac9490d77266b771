"""What a storage was seen to hold: recorded once a quarter-hour, never backwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dispatch.planning.stored_seen import SeeStored, StoredSeen, slot_of
from ledger.effective import History
from ledger.refusal import Refused
from tests.adapters import sample

NOON = datetime(2026, 8, 3, 12, tzinfo=UTC)


def seen(at: datetime = NOON, stored_wh: int = 500_000, charge_w: int = 0) -> StoredSeen:
    return StoredSeen(at, stored_wh, charge_w, 0)


def others() -> dict[str, object]:
    command = sample.register_site()
    (event,) = command.decide(None, {})
    return {"site.S1": event.apply(None)}


def test_it_is_recorded_for_a_registered_site_within_its_nameplate() -> None:
    command = SeeStored("S1", seen())
    assert (command.aggregate, command.reads) == ("stored.S1_2026-08-03", ("site.S1",))
    assert command.decide(None, others()) == (seen(),)
    held = others()["site.S1"]
    assert isinstance(held, History)
    most = held.latest.document.storage_energy_wh
    for wrong, code, place in (
        (seen(stored_wh=most + 1), "stored_energy", "stored_wh"),
        (seen(stored_wh=-1), "stored_energy", "stored_wh"),
        (seen(charge_w=-1), "negative", "charge_w"),
    ):
        with pytest.raises(Refused) as refused:
            SeeStored("S1", wrong).decide(None, others())
        assert (refused.value.code, refused.value.place) == (code, place)
    with pytest.raises(Refused) as refused:
        SeeStored("S1", seen()).decide(seen(), others())
    assert refused.value.code == "exists"
    later = seen(NOON + timedelta(seconds=1))
    assert SeeStored("S1", later).decide(seen(), others()) == (later,)
    with pytest.raises(Refused) as refused:
        SeeStored("S2", seen()).decide(None, {"site.S2": None})
    assert refused.value.code == "unknown_site"


def test_a_slot_begins_before_the_clocks_quarter_hour() -> None:
    for minute, second, begin in ((11, 59, -3), (12, 0, 12), (26, 59, 12), (27, 0, 27)):
        at = NOON + timedelta(minutes=minute, seconds=second)
        assert slot_of(at, 180) == NOON + timedelta(minutes=begin)
