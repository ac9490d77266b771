"""What a site draws, from its meters: their power is above 0 into the grid."""

from __future__ import annotations

from adapters.driving.site_now import KNOWN_MS, SiteNow
from dispatch.devices.quality import Reading
from dispatch.telemetry.sample import Sample


def read(device: str, at_ms: int, power_w: int) -> Sample:
    reading = Reading(value=power_w, quality="good", at_ms=at_ms)
    return Sample(device=device, run="r", number=1, at_ms=at_ms, readings={"meter_power": reading})


def test_an_importing_site_draws_and_both_its_meters_count() -> None:
    site = SiteNow(("G1", "G2"))
    site.take(read("G1", 0, -80_000))
    assert site.draws_w(0) is None, "the other one was not read"
    site.take(read("G2", 100, 30_000))
    assert site.draws_w(100) == 50_000


def test_a_meter_that_is_read_each_five_seconds_is_known_between_its_readings() -> None:
    site = SiteNow(("G1",))
    site.take(read("G1", 0, -80_000))
    assert site.draws_w(9_900) == 80_000
    assert site.draws_w(KNOWN_MS + 1) is None


def test_what_is_drawn_between_two_polls_is_counted() -> None:
    site = SiteNow(("G1",))
    site.begin(0)
    for at in (0, 5_200, 10_300):
        site.take(read("G1", at, -80_000))
    assert site.billed(0, 10_300, 500_000).import_ws == 80_000 * 10_300 // 1000
