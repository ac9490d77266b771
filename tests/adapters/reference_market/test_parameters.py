"""A market's rules are checked before it opens."""

from __future__ import annotations

import re

import msgspec
import pytest

from adapters.reference_market.parameters import Parameters, Participant, System, parameters
from ledger.refusal import Refused
from tests.adapters.reference_market.markets import ROOT

PARTICIPANTS = '[participants.a]\ntoken = "secret-of-a"\ncharge_w_max = 1\ndischarge_w_max = 2\n'

TIMES = (
    "[day_ahead]\nopens_days_before = 1\nopens = '{}'\ncloses_days_before = 1\ncloses = '{}'\n"
    "published_days_before = 1\npublished = '17:30'"
)


def test_defaults_are_those_of_an_hourly_province() -> None:
    rules = parameters(PARTICIPANTS)
    assert (rules.currency, rules.interval_s, rules.day_ahead.closes) == ("CNY", 3600, "10:30")
    assert rules.participants["a"] == Participant("secret-of-a", 1, 2)
    assert rules.price_unit == "元/MWh"


def test_the_documented_example_is_read() -> None:
    text = (ROOT / "docs/reference-market.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    rules = parameters(example)
    assert list(rules.participants) == ["wattledger"]
    assert msgspec.structs.replace(rules, participants={}) == Parameters(), "it states the defaults"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("interval_s = 1800", "market_interval"),
        ("lot_w = 3", "market_lot"),
        ("lot_w = 0", "market_lot"),
        ("price_min_micro_per_kwh = 1500000", "market_price_limits"),
        ("segments_max = 0", "market_segments"),
        ('currency = "XXX"', "currency"),
        ('zone = "Asia/Nowhere"', "zone"),
        ("[system]\nsteps = 10", "system_steps"),
        ("[system]\ndepth_w = 10", "system_depth"),
        ("[system]\ndepth_w = 11000\nsteps = 11", "system_depth"),
        ("[system]\nslope_micro_per_kwh_per_mw = -1", "system_slope"),
        ("lots = 1", "field_unknown"),
        ("lot_w = ", "toml"),
        ('[participants.a]\ntoken = "short"\ncharge_w_max = 1\ndischarge_w_max = 1', "market_token"),
        ('[participants.a]\ntoken = "long enough"\ncharge_w_max = -1\ndischarge_w_max = 1', "market_power"),
        (PARTICIPANTS + PARTICIPANTS.replace(".a]", ".b]"), "market_token"),
        (TIMES.format("10:30", "10:30"), "market_times"),
        (TIMES.format("24:00", "10:30"), "market_time"),
        (TIMES.format("09:00", "17:30"), "market_times"),
    ],
)
def test_what_makes_no_market_is_refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        parameters(text)
    assert refused.value.code == code


def test_a_step_of_the_system_has_two_lots() -> None:
    Parameters(system=System(depth_w=22_000))
    with pytest.raises(Refused, match="two lots"):
        Parameters(system=System(depth_w=11_000))
