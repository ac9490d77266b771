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


def did(device: str, at_ms: int, power_w: int) -> Sample:
    reading = Reading(value=power_w, quality="good", at_ms=at_ms)
    return Sample(device=device, run="r", number=1, at_ms=at_ms, readings={"active_power": reading})


class Site:
    """A load behind a meter that is read each five seconds, and storages that are each second and do what
    they are told at 25 kW a second."""

    def __init__(self, load_w: int, **power_w: int) -> None:
        self.now = SiteNow(("G1",), 200)
        self.load_w, self.power_w, self.told_w = load_w, dict(power_w), dict(power_w)
        self.at_ms = 0

    def pass_ms(self, ms: int) -> None:
        for _ in range(ms // 100):
            self.at_ms += 100
            for name, told in self.told_w.items():
                away = told - self.power_w[name]
                self.power_w[name] += max(min(away, 2_500), -2_500)
                if self.at_ms % 1_000 == 0:
                    self.now.stored(did(name, self.at_ms, self.power_w[name]))
            if self.at_ms % 5_000 == 300:
                self.now.take(read("G1", self.at_ms, sum(self.power_w.values()) - self.load_w))

    def load(self) -> tuple[int, int] | None:
        found = self.now.load(self.power_w, self.at_ms)
        return None if found is None else (found.low_w, found.high_w)


KEPT = (39_800, 40_200)


def test_what_a_storage_does_meanwhile_is_not_taken_for_another_load() -> None:
    site = Site(40_000, a=0, b=0)
    assert site.load() is None
    site.pass_ms(7_000)
    assert site.load() == KEPT
    site.told_w = {"a": 30_000, "b": 10_000}
    for second in range(16):
        site.pass_ms(1_000)
        assert site.load() == KEPT, second
        assert site.now.draws_w(site.at_ms) is not None
    site.told_w = {"a": -40_000, "b": 0}
    for second in range(16):
        site.pass_ms(700)
        assert site.load() == KEPT, second


def test_a_load_that_falls_is_gone_by_at_once_and_one_that_rises_when_nothing_older_is_credible() -> None:
    site = Site(40_000, a=20_000)
    site.pass_ms(11_000)
    site.load_w = 10_000
    site.pass_ms(4_300)
    assert site.load() == KEPT, "the meter's next reading is at 15.3 s"
    assert site.now.moved, "it may mean another load: the storage is read at once"
    site.pass_ms(700)
    assert site.load() == (9_800, 40_200), "out of the site by the least, into it by the most"
    site.pass_ms(12_000)
    assert site.load() == (9_800, 10_200)
    site.load_w = 60_000
    site.pass_ms(4_000)
    assert site.load() == (9_800, 60_200)
    site.pass_ms(6_000)
    assert site.load() == (59_800, 60_200)


def test_a_load_that_falls_while_a_storage_moves_is_no_less_seen() -> None:
    site = Site(40_000, a=0)
    site.pass_ms(9_900)
    assert site.load() == KEPT
    site.told_w, site.load_w = {"a": 30_000}, 5_000
    site.pass_ms(1_100)
    found = site.load()
    assert found is not None
    assert found[0] <= 5_000


def test_a_silent_storage_is_part_of_what_the_site_draws_and_none_of_it_once_it_is_back() -> None:
    site = Site(40_000, a=10_000, b=10_000)
    site.pass_ms(6_000)
    assert site.load() == KEPT
    found = site.now.load(["a"], site.at_ms)
    assert found is not None
    assert (found.low_w, found.high_w) == (29_800, 30_200), "10 kW of the load are the lost one's"
    assert site.load() == KEPT, "what it did when the meter was read is known still"
    alone = Site(40_000, a=0)
    alone.pass_ms(6_000)
    assert alone.now.load(["a", "c"], alone.at_ms) is None, "nobody knows what the other one did"
    alone.at_ms += KNOWN_MS + 1
    assert alone.load() is None, "what was read too long ago is not known"


def test_two_meters_that_are_read_one_after_the_other_are_one_reading() -> None:
    """The first meter's new value beside the second's old one is not the site's."""
    now = SiteNow(("G1", "G2"), 200)
    for at_ms in range(0, 20_000, 1_000):
        power_w = 0 if at_ms < 7_000 else 20_000
        now.stored(did("a", at_ms, power_w))
        if at_ms % 5_000 == 0 and at_ms:
            now.take(read("G1", at_ms + 10, power_w - 40_000))
            now.take(read("G2", at_ms + 20, 0))
        if at_ms >= 6_000:
            found = now.load(["a"], at_ms)
            assert found is not None
            assert (found.low_w, found.high_w) == KEPT, at_ms


class Liar:
    """One storage behind a meter, 70 kW of load, a meter of its own or none, and a power that is stuck."""

    def __init__(self, *, own_meter: bool) -> None:
        self.now = SiteNow(("G1",), 200, {"a": 5_000})
        self.own_meter, self.stuck_w = own_meter, None if own_meter else 50_000
        self.power_w = self.told_w = 0
        self.at_ms = 0

    def pass_s(self, seconds: int) -> None:
        for _ in range(seconds):
            self.at_ms += 1_000
            self.power_w += max(min(self.told_w - self.power_w, 25_000), -25_000)
            if self.at_ms % 5_000 == 0:
                if self.own_meter:
                    self.now.measured("a", self.at_ms + 20, self.power_w)
                self.now.take(read("G1", self.at_ms, self.power_w - 70_000))
            shown = self.power_w if self.stuck_w is None else self.stuck_w
            self.now.stored(did("a", self.at_ms + 400, shown), self.told_w)

    def load(self) -> tuple[int, int]:
        found = self.now.load(["a"], self.at_ms + 500)
        assert found is not None
        return found.low_w, found.high_w


def test_a_storage_did_what_its_own_meter_shows_and_the_difference_is_told() -> None:
    site = Liar(own_meter=True)
    site.told_w = 50_000
    site.pass_s(16)
    assert site.load() == (69_800, 70_200)
    assert site.now.disagrees("a") == ""
    site.stuck_w, site.told_w = 50_000, 0
    for told_w in (0, 60_000, 60_000, -40_000):
        site.told_w = told_w
        for _ in range(12):
            site.pass_s(1)
            low, high = site.load()
            assert low <= 70_200, (site.at_ms, low)
            assert high >= 69_800
    assert site.now.disagrees("a") == "it says 50000 W, its meter -40000 W"
    site.pass_s(8)
    assert site.load() == (69_800, 70_200), "by the meter, exactly, once two of its readings are the same"
    site.stuck_w = None
    site.pass_s(6)
    assert site.now.disagrees("a") == ""


def test_nothing_is_known_of_a_storage_that_is_not_believed_while_its_meter_is_silent() -> None:
    site = Liar(own_meter=True)
    site.stuck_w = 50_000
    site.pass_s(16)
    assert site.now.disagrees("a")
    assert site.load() == (69_800, 70_200)
    site.own_meter = False
    site.pass_s(30)
    assert site.now.load(["a"], site.at_ms + 500) is None


def test_a_power_that_stands_still_while_it_is_told_to_move_may_be_either() -> None:
    site = Liar(own_meter=False)
    site.pass_s(16)
    assert site.load() == (69_800, 120_200), "it says 50 kW and was told 0"
    site.told_w = 50_000
    for _ in range(12):
        site.pass_s(1)
        low, _ = site.load()
        assert low <= 70_200, "it may be on its way still, though it says that it is there"
    site.pass_s(12)
    assert site.load() == (69_800, 70_200)


def test_a_small_steady_difference_is_the_meters() -> None:
    site = Liar(own_meter=True)
    site.stuck_w = 4_000
    site.pass_s(16)
    assert site.now.disagrees("a") == "", "within the tolerance"
    assert site.load() == (69_800, 70_200)
