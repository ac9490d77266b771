"""Meter data at a terminal: what is missing, which method is chosen, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.refusal import Refused
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api
from tests.adapters.test_substituting import with_gap

GAP = ("--from", "2026-08-01T07:45+08:00", "--until", "2026-08-01T08:30+08:00", "--reason", "gateway down")


@pytest.fixture
def terminal(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    api = Api(with_gap(bench))
    api.wait()
    yield terminal_of(bench, capsys)
    api.close()


def test_a_gap_is_found_substituted_and_gone(terminal: Terminal) -> None:
    assert terminal("meter-data", "validate", "2026-08") == (
        "S1 2026-08: 1 finding, 0.0 % estimated\n"
        "  missing            S1-STORAGE/charge: 2026-07-31T23:45:00Z to 2026-08-01T00:30:00Z, 3 intervals\n"
    )
    shown = (
        "  not hold_flat: no PV hours are given\n"
        "  linear_interpolation: 15019 Wh\n"
        "S1-STORAGE/charge 2026-07: 1 interval, 5006 Wh, quality E: {}\n"
        "S1-STORAGE/charge 2026-08: 2 intervals, 10013 Wh, quality E: {}\n"
    )
    dry = terminal("meter-data", "substitute", "S1-STORAGE/charge", *GAP, "--dry-run")
    assert dry == shown.format("not recorded", "not recorded")
    done = terminal("meter-data", "substitute", "S1-STORAGE/charge", *GAP)
    numbers = [line.rpartition(" ")[2] for line in done.splitlines()[2:]]
    assert done == shown.format(*(f"event {number}" for number in numbers))
    assert terminal("meter-data", "validate", "2026-08", "--site", "S1").startswith(
        "S1 2026-08: 0 findings, 0."
    )


def test_a_read_is_recorded(terminal: Terminal) -> None:
    told = terminal("meter-data", "read", "S1-STORAGE/charge", "2026-08-03T00:00+08:00", "900000")
    assert told.startswith("S1-STORAGE/charge read 900000 at 2026-08-02T16:00:00Z: event ")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("S1-STORAGE", *GAP), "register"),
        (("S1-STORAGE/charge", *GAP, "--method", "guess"), "not_allowed"),
        (("S1-STORAGE/charge", *GAP, "--method", "reference_meter"), "required"),
        (("S1-STORAGE/charge", *GAP, "--pv-hours", "noon"), "pv_hours"),
        (("S1-STORAGE/charge", *GAP[:1], "2026-08-01T07:45", *GAP[2:]), "naive_time"),
        (("S1-STORAGE/charge", *GAP[:1], "yesterday", *GAP[2:]), "instant"),
        (
            ("S1-STORAGE/charge", *GAP, "--method", "multiplier_error", "--error-since",
             "2026-08-01T00:00Z", "--error-until", "2026-08-02T00:00Z", "--multiplier", "20"),
            "multiplier",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(terminal: Terminal, arguments: tuple[str, ...], code: str) -> None:
    with pytest.raises(Refused) as refused:
        terminal("meter-data", "substitute", *arguments)
    assert refused.value.code == code
