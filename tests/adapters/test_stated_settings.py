"""How the book is kept is on record once, and again where it changed, with who did it."""

from __future__ import annotations

import pytest

from adapters.nats import access_stream, telemetry_stream
from adapters.stated_settings import state_settings
from ledger.refusal import Refused
from ledger.setting_record import StateSetting
from tests.adapters.conftest import Bench
from tests.adapters.transparency.books import published_log


def test_a_setting_is_on_record_when_it_changed_and_only_then(bench: Bench) -> None:
    published = published_log(bench, bench.nats.folder)
    first = state_settings(bench.door, published, actor="ops")
    assert {one.name for one in first} == {
        "stream-max-bytes",
        "stream-replicas",
        "access-log-days",
        "access-log-max-bytes",
        "telemetry-days",
        "log-key",
    }
    assert bench.door.state("setting.stream-max-bytes") == str(64 << 20)
    assert state_settings(bench.door, published, actor="ops") == ()
    access_stream.keep(bench.operator, bench.book, days=400)
    assert state_settings(bench.door, published, actor="eve") == (StateSetting("access-log-days", "400"),)
    assert telemetry_stream.keep(bench.operator, bench.book, days=30) == telemetry_stream.DAYS
    assert telemetry_stream.keep(bench.operator, bench.book, days=30) == 30
    assert state_settings(bench.door, published, actor="eve") == (StateSetting("telemetry-days", "30"),)
    bench.project()
    found = bench.query("SELECT payload FROM ledger.envelope WHERE aggregate = 'setting.access-log-days'")
    assert [b'"actor":"eve"' in payload for (payload,) in found] == [False, True]  # type: ignore[operator]
    signer = published.signer()
    assert signer is not None
    assert bench.door.state("setting.log-key") == str(signer.key), "its public half"


@pytest.mark.parametrize("value", ["", "a\nb", "x" * 401])
def test_a_value_that_cannot_be_one_is_refused(value: str) -> None:
    with pytest.raises(Refused) as caught:
        StateSetting("log-key", value)
    assert caught.value.code == "setting_value"
