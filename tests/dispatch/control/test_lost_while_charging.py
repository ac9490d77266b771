"""Between the loss of a storage and the next plan its charging goes to others: never beyond what they can
take, nor what their connection bears beside what the lost one goes on drawing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.control.emergency import Emergencies
from dispatch.control.fleet_turn import turn
from tests.dispatch.control.test_fleet_turn import NOW, device, powers, site

POWER = st.integers(0, 120)


@settings(derandomize=True, max_examples=300)
@given(
    planned=st.tuples(st.integers(-250, 0), st.integers(-250, 0)),
    able=st.tuples(POWER, POWER, POWER),
    load=st.tuples(st.integers(-100, 300), st.none() | st.integers(-100, 300)),
    bears=st.tuples(st.integers(0, 400), st.integers(0, 400)),
)
def test_nobody_charges_beyond_its_power_or_its_connection(
    planned: tuple[int, int], able: tuple[int, int, int], load: tuple[int, int | None], bears: tuple[int, int]
) -> None:
    """The first of S is lost while it charges: what S draws behind its others has that in it."""
    sites = [
        site(name, planned[n], load_w=load[n], import_w=bears[n], export_w=400) for n, name in enumerate("ST")
    ]
    fleet = [
        device("a", "S", lost=True, standing_w=-100),
        device("b", "S", able[0]), device("c", "S", able[1]), device("d", "T", able[2]),
    ]  # fmt: skip
    a, b, c, d = powers(turn(sites, fleet, Emergencies(), NOW))
    assert a == 0, "it is told to stop, should it hear it"
    assert all(abs(told) <= most for told, most in zip((b, c, d), able, strict=True))
    assert load[0] is not None
    assert b + c >= 0 or load[0] - (b + c) <= bears[0]
    if load[1] is None:
        assert d >= planned[1], "where nobody knows the load, its own plan at most"
    else:
        assert d >= 0 or load[1] - d <= bears[1]


def test_what_nobody_can_take_is_left_and_told() -> None:
    sites = [site("S", -200, import_w=10_000), site("T", -50)]
    fleet = [device("a", "S", lost=True, standing_w=-100), device("b", "S", 100), device("d", "T", 60)]
    turned = turn(sites, fleet, Emergencies(), NOW)
    assert powers(turned) == [0, -100, -60]
    assert turned.missing_w == {"VPP": -90}
