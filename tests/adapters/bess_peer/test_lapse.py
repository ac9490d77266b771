"""A lapse: as if the time had passed, in one step."""

from __future__ import annotations

import msgspec
import pytest
from pymodbus.client import ModbusTcpClient

from adapters.bess_peer.fault import BlackHole
from adapters.bess_peer.peer_clock import PeerClock
from adapters.bess_peer.storage import Storage
from tests.adapters.bess_peer.hand import Hand
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.dispatch.devices.profile_samples import example

QUARTER_MS = 900_000
METER = str(EXAMPLES / "meter_import_export.toml")


def lapse(hand: Hand, ms: int) -> None:
    hand.storage.lapse(hand.now, ms)
    hand.now += ms


def test_a_kept_heart_goes_on_and_the_energy_is_that_of_the_time_lived_through() -> None:
    lapsed, lived = (Hand("bess_swapped", load_w=40_000) for _ in range(2))
    for hand in (lapsed, lived):
        hand.set(100_000)
        hand.refresh()
        hand.wait(7_000)
    lapse(lapsed, QUARTER_MS)
    for _ in range(QUARTER_MS // 10_000):
        lived.refresh()
        lived.wait(10_000)
    lived.refresh()
    lapsed.refresh()
    for name in ("discharged_uj", "charged_uj", "import_uj", "export_uj", "power_w"):
        assert getattr(lapsed.storage.battery, name) == getattr(lived.storage.battery, name), name
    assert lapsed.storage.battery.power_w == 100_000
    lapsed.wait(29_000)
    assert lapsed.value("active_power") == 100_000, "the heart is as young as before"
    lapsed.wait(2_000)
    lapsed.storage.advance(lapsed.now)
    assert lapsed.storage.tripped


def test_no_heart_beats_in_a_lapse_without_beats() -> None:
    for beats in (True, False):
        hand = Hand("bess_swapped", load_w=40_000)
        hand.set(100_000)
        hand.refresh()
        hand.storage.lapse(hand.now, 31_000, beats=beats)
        assert hand.storage.tripped is not beats


def test_the_revert_timer_runs_in_a_lapse() -> None:
    hand = Hand("bess_swapped")
    hand.set(100_000, 60)
    hand.refresh()
    lapse(hand, QUARTER_MS)
    energy_wh = hand.storage.battery.discharged_uj / 3_600_000_000
    assert hand.value("active_power") == 0
    assert energy_wh == pytest.approx(100_000 * 60 / 3600, rel=0.001), "up, level, and down the same ramp"


def test_a_heart_that_is_not_heard_dies_in_a_lapse() -> None:
    hand = Hand("bess_swapped")
    hand.set(100_000)
    hand.refresh()
    hand.wait(5_000)
    hand.wrong(BlackHole())
    lapse(hand, QUARTER_MS)
    assert hand.storage.tripped
    assert hand.storage.battery.power_w == 0
    assert hand.storage.battery.discharged_uj < 100_000 * 1000 * 32_000, "25 s more at most, and the ramp"


def test_a_dead_heart_stays_dead() -> None:
    hand = Hand("bess_swapped")
    hand.set(100_000)
    hand.refresh()
    hand.wait(31_000)
    lapse(hand, QUARTER_MS)
    assert hand.storage.tripped
    assert hand.storage.battery.power_w == 0


def test_a_meter_at_the_storage_does_not_see_the_load() -> None:
    with peer("bess_swapped", "--meter", METER, "--storage-meter", METER, "--load-w", "40000") as running:
        before = running.truth()
        assert running.ask(do="lapse", ms=3_600_000) == {"ok": True}
        truth = running.truth()
        assert (truth["charged_uj"], truth["discharged_uj"]) == (0, 0)
        assert truth["import_uj"] - before["import_uj"] >= 40_000 * 3_600_000_000
        assert running.ask(do="lapse", ms=0)["code"] == "peer_fault"
        assert running.ask(do="lapse", ms=5, storage=0)["code"] == "peer_fault", "the clock is one"


def test_the_meters_of_a_silent_storage_answer() -> None:
    with peer("bess_swapped", "--meter", METER, "--storage-meter", METER) as running:
        running.fault("black_hole")
        client = ModbusTcpClient("127.0.0.1", port=running.ports[0], timeout=1, retries=0)
        assert client.connect()
        for unit in (2, 3):
            assert not client.read_input_registers(0, count=8, device_id=unit).isError()
        client.close()


def test_the_clock_is_moved_on_by_what_lapsed() -> None:
    clock = PeerClock(-5_000)
    begun = clock()
    clock.lapse(900_000)
    assert 900_000 <= clock() - begun < 901_000
    assert abs(PeerClock()() - begun - 5_000) < 1_000


def test_the_registers_of_both_meters() -> None:
    """100 kW out for an hour at a site that takes 40 kW: 60 kWh into the grid, 100 kWh from the storage."""
    grid = example("meter_import_export")
    own = msgspec.structs.replace(grid, unit_id=3)
    storage = Storage(example("bess_swapped"), grid, 0, storage_meter=own, load_w=40_000)
    storage.battery.aim(100_000)
    storage.advance(3_600_000)

    def wh(unit: int, address: int) -> int:
        told = storage.answer(unit, bytes((4,)) + address.to_bytes(2, "big") + bytes((0, 4)), 3_600_000)
        return 10 * int.from_bytes(told[2:], "big")

    assert (wh(2, 0), wh(3, 0)) == (10 * (storage.battery.import_uj // 36_000_000_000), 0)
    assert wh(3, 4) - wh(2, 4) in range(39_980, 40_010)
    assert 99_900 <= wh(3, 4) <= 100_000
