"""When a device is read: its grid, its periods, its silence."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.driving.turns import BACK_OFF_S_MAX, HURRY_S, Turns
from dispatch.devices.profile import PERIOD_S, Period

ALL: tuple[Period, ...] = ("fast", "normal", "slow")
SINCE = 86_400.25


def test_a_minute_of_turns() -> None:
    """60 of the fast block, 12 of the normal, 1 or 2 of the slow, all on the grid of the device's phase."""
    turns = Turns(ALL, 7.5, SINCE)
    counts = dict.fromkeys(ALL, 0)
    assert turns.due() == ALL
    for second in range(60):
        assert abs(turns.next_at - (86_400.5 + second)) < 1e-6
        for period in turns.due():
            counts[period] += 1
        turns.answered(turns.next_at + 0.01)
    assert counts["fast"] == 60
    assert counts["normal"] in (12, 13)
    assert counts["slow"] in (1, 2)


def test_a_meter_without_fast_blocks_is_read_when_it_is_due() -> None:
    turns = Turns(("normal",), 0.0, 1000.0)
    seen = []
    for _ in range(4):
        seen.append(turns.next_at)
        assert turns.due() == ("normal",)
        turns.answered(turns.next_at + 0.2)
    assert seen == [1000, 1005, 1010, 1015]


def test_the_longer_it_is_silent_the_later_it_is_asked() -> None:
    turns = Turns(ALL, 0.25, 1000.0)
    waited = []
    for _ in range(152):
        ended = turns.next_at + 0.5
        turns.failed(ended)
        waited.append(turns.next_at - ended)
        assert turns.due() == ALL
        assert (turns.next_at - 0.25) % 1 == 0
    assert all(2 * n <= wait < 2 * n + 1 for n, wait in zip(range(1, 151), waited, strict=False))
    assert BACK_OFF_S_MAX <= waited[-1] < BACK_OFF_S_MAX + 1
    turns.answered(turns.next_at + 0.1)
    assert turns.silent == 0
    turns.failed(turns.next_at + 0.5)
    assert turns.silent == 1


def test_hurrying_never_becomes_hammering() -> None:
    turns = Turns(ALL, 0.0, 1000.0)
    turns.answered(1000.01)
    turns.hurry(1000.02)
    assert abs(turns.next_at - (1000.01 + HURRY_S)) < 1e-6
    assert turns.due() == ("fast", "normal")
    turns.answered(1000.07)
    assert turns.next_at == 1001
    turns.failed(1001.0)
    turns.hurry(1001.0)
    assert turns.next_at == 1002
    turns.failed(1002.0)
    turns.hurry(1004.5)
    assert turns.next_at == 1004.5


@given(
    phase=st.floats(0, 60),
    steps=st.lists(st.tuples(st.sampled_from(["answered", "failed", "hurry"]), st.floats(0, 5)), max_size=60),
)
@settings(derandomize=True, max_examples=200)
def test_time_only_goes_forward_and_nothing_is_forgotten(
    phase: float, steps: list[tuple[str, float]]
) -> None:
    """Whatever happens: no turn before the one before it ended, none without something to read, and no period
    left unread by an answer longer than itself and a second."""
    turns = Turns(ALL, phase, SINCE)
    now = SINCE
    read_at: dict[str, float] = {}
    for what, took in steps:
        if what == "hurry":
            turns.hurry(now)
            assert turns.next_at >= now - 1e-6
            continue
        begun = turns.next_at
        assert begun >= now - 1e-6
        assert turns.due()
        now = begun + took
        if what == "answered":
            for period in turns.due():
                read_at[period] = begun
            turns.answered(now)
            for period in ALL:
                assert begun - read_at[period] <= PERIOD_S[period] + 1e-3
        else:
            turns.failed(now)
            assert turns.next_at >= now + 2 - 1e-3
