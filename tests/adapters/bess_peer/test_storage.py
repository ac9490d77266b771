"""What the storage does in time: ramp, losses, meter, expiry, watchdog, and each fault of its values."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.bess_peer.battery import UJ_PER_WH
from adapters.bess_peer.fault import (
    AcknowledgeOnly,
    ClockOff,
    HeartbeatStopped,
    IgnoreWrites,
    SecondWriter,
    SignFlipped,
    SocShown,
    Stall,
    Stuck,
    Torn,
    Unavailable,
)
from adapters.bess_peer.storage import Storage
from dispatch.devices.writing import RegisterWrite, setpoint_writes
from ledger.refusal import Refused
from tests.adapters.bess_peer.hand import START, Hand
from tests.dispatch.devices.profile_samples import example

ALL = ("sunspec_bess", "bess_swapped", "bess_single")


@pytest.mark.parametrize("name", ALL)
def test_it_ramps_to_its_setpoint_and_shows_our_sign(name: str) -> None:
    """50 kW at 20, 50 and 25 kW/s."""
    hand = Hand(name)
    limits = hand.profile.limits
    assert limits is not None
    assert hand.value("active_power") == 0
    assert hand.profile.state_of(hand.value("state")) == "standby"  # type: ignore[arg-type]
    hand.set(50_000)
    hand.wait(1000)
    assert hand.value("active_power") == min(limits.ramp_w_per_s, 50_000)
    assert hand.profile.state_of(hand.value("state")) == "running"  # type: ignore[arg-type]
    hand.wait(2000)
    assert hand.value("active_power") == 50_000
    hand.set(-50_000)
    hand.wait(6000)
    assert hand.value("active_power") == -50_000
    hand.release()
    hand.wait(6000)
    assert hand.value("active_power") == 0


def test_energy_is_lost_both_ways_and_metered_at_the_grid() -> None:
    """100 kW out for half an hour takes 50 kWh / 0.96 from the cells; the site takes 40 kW all the time."""
    hand = Hand("sunspec_bess", "meter_import_export", load_w=40_000)
    hand.set(100_000, 7200)
    for _ in range(180):
        hand.refresh()
        hand.wait(10_000)
        hand.storage.advance(hand.now)
    ramped = 100_000 * 5 // 2  # Ws that the five seconds of ramp did not deliver
    out_ws = 100_000 * 1800 - ramped
    assert hand.storage.battery.stored_wh == pytest.approx(100_000 - out_ws / 3600 / 0.96, abs=1)
    battery = hand.storage.battery
    assert battery.export_uj - battery.import_uj == (out_ws - 40_000 * 1800) * 1_000_000
    assert hand.value("meter_power") == 60_000
    assert hand.value("meter_export_wh") == battery.export_uj // UJ_PER_WH // 10 * 10
    hand.set(-100_000, 7200)
    before = battery.stored_wh
    for _ in range(180):
        hand.refresh()
        hand.wait(10_000)
        hand.storage.advance(hand.now)
    assert battery.stored_wh - before == pytest.approx(50_000 * 0.96, rel=0.01)
    assert hand.value("meter_power") == -140_000


def test_it_stops_when_it_is_empty_and_when_it_is_full() -> None:
    for power_w, soc in ((250_000, 5_100), (-250_000, 94_900)):
        hand = Hand("bess_swapped", soc=soc)
        hand.set(power_w)
        for _ in range(6):
            hand.refresh()
            hand.wait(10_000)
            hand.storage.advance(hand.now)
        assert hand.value("active_power") == 0
        assert hand.storage.battery.soc in (5_000, 95_000)
        assert hand.storage.setpoint_w == power_w


def test_a_setpoint_ends_by_its_own_timer() -> None:
    hand = Hand("sunspec_bess")
    hand.set(20_000, 8)
    hand.wait(7900)
    assert hand.value("active_power") == 20_000
    assert hand.value("revert_remaining") == 1
    hand.wait(1200)
    assert hand.value("active_power") == 0
    assert hand.value("enable") == 0
    hand.set(20_000, 8)
    hand.wait(7000)
    hand.set(20_000, 8)
    hand.wait(7000)
    assert hand.value("active_power") == 20_000


def test_an_enable_before_its_value_sets_a_stale_one() -> None:
    """DEVICES: pysunspec2 writes WSetEna before WSet, which enables what stood there."""
    hand = Hand("sunspec_bess")
    hand.set(-60_000)
    hand.release()
    writes = setpoint_writes(hand.profile, 60_000, 60, {"704.WSet_SF": 0})
    hand.write(writes[-1])
    hand.wait(3000)
    assert hand.value("active_power") == -60_000


@pytest.mark.parametrize("name", ALL)
def test_without_heartbeats_it_goes_to_its_safe_state(name: str) -> None:
    hand = Hand(name)
    assert hand.profile.control is not None
    assert hand.profile.control.watchdog is not None
    timeout_ms = 1000 * hand.profile.control.watchdog.timeout_s
    hand.refresh()
    hand.set(50_000)
    for _ in range(4):
        hand.wait(timeout_ms // 3)
        hand.refresh()
    assert hand.value("active_power") == 50_000
    hand.wait(timeout_ms - 1)
    assert hand.value("active_power") == 50_000
    hand.wait(5000)
    assert hand.value("active_power") == 0
    assert hand.storage.tripped
    hand.set(50_000)
    hand.wait(5000)
    assert hand.value("active_power") == 0
    hand.refresh()
    hand.set(50_000)
    hand.wait(5000)
    assert hand.value("active_power") == 50_000


def test_a_counter_that_stands_is_no_heartbeat() -> None:
    hand = Hand("bess_single")
    hand.set(50_000)
    for _ in range(6):
        hand.beat = 0
        hand.refresh()
        hand.wait(3000)
    assert hand.storage.tripped


def test_what_a_device_does_not_know_it_refuses() -> None:
    single, swapped = Hand("bess_single"), Hand("bess_swapped")
    assert single.write(RegisterWrite("setpoint", 16, 100, (5,))) == bytes((0x90, 1))
    assert swapped.write(RegisterWrite("enable", 6, 2004, (1,))) == bytes((0x86, 1))
    assert single.write(RegisterWrite("?", 6, 101, (5,))) == bytes((0x86, 2))
    assert single.write(RegisterWrite("?", 6, 0, (5,))) == bytes((0x86, 2))
    assert single.write(RegisterWrite("setpoint", 6, 100, (1001,))) == bytes((0x86, 3))
    assert single.value("setpoint") == 0
    for pdu, answer in (
        (bytes((3, 0, 0, 0, 126)), bytes((0x83, 3))),
        (bytes((3, 0, 0, 0, 0)), bytes((0x83, 3))),
        (bytes((3, 1, 0, 0, 9)), bytes((0x83, 2))),
        (bytes((4, 0, 0, 0, 1)), bytes((0x84, 2))),
        (bytes((3, 0)), bytes((0x83, 3))),
        (bytes((23, 0)), bytes((0x97, 1))),
        (bytes((6, 0)), bytes((0x86, 3))),
    ):
        assert single.storage.answer(1, pdu, single.now) == answer
    assert swapped.storage.answer(1, bytes((16, 7, 208, 0, 2, 4, 0, 0)), START) == bytes((0x90, 3))
    assert swapped.storage.answer(1, bytes((16,)), START) == bytes((0x90, 3))


def test_faults_of_what_is_shown() -> None:
    hand = Hand("bess_swapped")
    hand.set(100_000)
    hand.wait(4000)
    hand.wrong(SignFlipped())
    assert hand.value("active_power") == -100_000
    hand.storage.clear(hand.now)
    hand.wrong(SocShown())
    assert hand.value("soc") is None
    assert hand.read()["soc"].raw == -2470
    hand.storage.clear(hand.now)
    hand.wrong(Stuck(point="power", for_ms=5000))
    hand.set(0)
    hand.wait(4900)
    assert hand.value("active_power") == 100_000
    assert hand.storage.battery.power_w == 0
    hand.wait(200)
    assert hand.value("active_power") == 0
    hand.wrong(ClockOff(seconds=-79))
    assert hand.value("device_clock") == hand.now // 1000 - 79
    hand.wrong(HeartbeatStopped())
    first = hand.value("device_heartbeat")
    hand.wait(3000)
    assert hand.value("device_heartbeat") == first
    hand.storage.clear(hand.now)
    hand.wait(1000)
    assert hand.value("device_heartbeat") != first


def test_a_torn_power_is_told_by_what_it_was_before() -> None:
    hand = Hand("bess_swapped")
    hand.set(20_000)
    hand.wait(3000)
    before = hand.read()
    hand.wrong(Torn(point="power", times=1))
    torn = hand.read(before=before)["power"]
    assert (torn.value, torn.reason) == (None, "torn")
    assert hand.read(before=before)["power"].value == 20_000


def test_faults_of_what_is_done() -> None:
    hand = Hand("sunspec_bess")
    hand.wrong(AcknowledgeOnly())
    hand.set(40_000)
    hand.wait(4000)
    assert (hand.value("setpoint"), hand.value("active_power")) == (40_000, 0)
    hand.storage.clear(hand.now)
    hand.wrong(IgnoreWrites(times=6))
    hand.set(10_000)
    assert hand.value("setpoint") == 40_000
    hand.set(10_000)
    hand.wait(4000)
    assert (hand.value("setpoint"), hand.value("active_power")) == (10_000, 10_000)
    hand.wrong(SecondWriter(power_w=-30_000))
    hand.wait(4000)
    assert (hand.value("setpoint"), hand.value("active_power")) == (-30_000, -30_000)
    hand.wrong(Unavailable(permille=100))
    hand.wait(4000)
    assert hand.value("active_power") == -10_000
    assert hand.profile.state_of(hand.value("state")) == "running"  # type: ignore[arg-type]


def test_a_fault_that_cannot_be_is_refused() -> None:
    hand = Hand("bess_swapped")
    for fault, code in (
        (Torn(point="soc"), "peer_fault"),
        (Torn(point="nothing"), "point_unknown"),
        (Unavailable(permille=1001), "peer_fault"),
        (Stall(times=1), "peer_fault"),
    ):
        with pytest.raises(Refused) as refused:
            hand.wrong(fault)
        assert refused.value.code == code
    with pytest.raises(Refused) as refused:
        SignFlipped(for_ms=0)
    assert refused.value.code == "peer_fault"
    for profile, meter in (("meter_import_export", None), ("bess_single", "bess_swapped")):
        with pytest.raises(Refused) as refused:
            Storage(example(profile), None if meter is None else example(meter), START)
        assert refused.value.code == "peer_profile"


@given(steps=st.lists(st.tuples(st.integers(-100_000, 100_000), st.integers(1, 400_000)), max_size=6))
@settings(derandomize=True, max_examples=30)
def test_time_taken_in_one_piece_or_in_many_is_the_same(steps: list[tuple[int, int]]) -> None:
    """And what went in less what came out is what is stored, but for the losses."""
    whole, parts = (Hand("sunspec_bess", load_w=7_000) for _ in range(2))
    for power_w, ms in steps:
        for hand in (whole, parts):
            hand.storage.battery.aim(power_w)
        whole.wait(ms)
        whole.storage.advance(whole.now)
        for at in range(START + (parts.now - START), parts.now + ms, 7_000):
            parts.storage.advance(at)
        parts.wait(ms)
        parts.storage.advance(parts.now)
        assert abs(whole.storage.battery.power_w - parts.storage.battery.power_w) <= 1
        assert whole.storage.battery.stored_wh == pytest.approx(parts.storage.battery.stored_wh, abs=2)
        assert 0 <= whole.storage.battery.soc <= 100_000


@given(requests=st.lists(st.binary(min_size=1, max_size=12), max_size=20), name=st.sampled_from(ALL))
@settings(derandomize=True, max_examples=60)
def test_whatever_is_asked_is_answered(requests: list[bytes], name: str) -> None:
    """A device goes on: an answer to that function, or an exception of it."""
    hand = Hand(name)
    for pdu in (*requests, *(bytes((16, 7, 208)) + pdu for pdu in requests)):
        hand.wait(100)
        answer = hand.storage.answer(1, pdu, hand.now)
        assert answer[0] in (pdu[0], pdu[0] | 0x80)
        assert len(answer) > 1
    assert hand.value("active_power") is not None
