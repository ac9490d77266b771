"""Settings that cannot work are refused before anything starts, by the variable's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.settings import Settings
from ledger.refusal import Refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", "99999"),
        ("HTTP_PORT", "-1"),
        ("HTTP_PORT", "65536"),
        ("HTTP_PORT", "http"),
        ("HTTP_HOST", ""),
        ("HTTP_HOST", "a b"),
        ("NATS_REPLICAS", "-1"),
        ("NATS_REPLICAS", "0"),
        ("NATS_REPLICAS", "6"),
        ("TELEMETRY_DAYS", "2"),
        ("TELEMETRY_DAYS", "36526"),
        ("STREAM_MAX_BYTES", "0"),
        ("STREAM_MAX_BYTES", "-1"),
        ("STREAM_MAX_BYTES", str(2**63)),
        ("STATE", ""),
        ("NATS_URL", " "),
        ("NATS_SEED", ""),
        ("LOG_KEY", ""),
        ("LOG_ORIGIN", "a b"),
        ("LOG_ORIGIN", "a+b"),
        ("SURPRISE", "1"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(Refused) as caught:
        Settings.from_environment({f"WATTLEDGER_{name}": value})
    assert caught.value.code == "settings"
    assert name.lower() in str(caught.value).lower()
    assert "$" not in str(caught.value)


def test_the_bounds_themselves_are_allowed() -> None:
    for port in ("0", "1", "65535"):
        assert Settings.from_environment({"WATTLEDGER_HTTP_PORT": port}).http_port == int(port)
    for replicas in ("1", "5"):
        assert Settings.from_environment({"WATTLEDGER_NATS_REPLICAS": replicas}).nats_replicas == int(
            replicas
        )
    assert Settings.from_environment({"WATTLEDGER_STATE": "x", "PATH": ""}).state == Path("x")


def test_a_program_that_sets_them_wrongly_is_refused_alike() -> None:
    for wrong in ({"http_port": 99999}, {"nats_replicas": 0}, {"stream_max_bytes": 0}):
        with pytest.raises(Refused, match=next(iter(wrong)).upper()) as caught:
            Settings(**wrong)  # type: ignore[arg-type]
        assert caught.value.code == "settings"


def test_every_book_has_a_log_of_its_own() -> None:
    one, other = (Settings(book=book, checkpoints=Path("kept"), log_origin="ledger.example") for book in "ab")
    assert (one.origin, other.origin) == ("ledger.example/a", "ledger.example/b")
    assert (one.checkpoint_folder, other.checkpoint_folder) == (Path("kept/a"), Path("kept/b"))
    assert Settings(state=Path("s"), book="a").checkpoint_folder == Path("s/checkpoints/a")
    assert Settings(state=Path("s"), book="a").log_key_file == Path("s/log.key")
