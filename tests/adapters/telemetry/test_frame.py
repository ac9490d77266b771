"""What is passed on is what was written, value for value."""

from __future__ import annotations

from typing import get_type_hints

import pytest
from msgspec.structs import fields

from adapters.telemetry.batch import Key, batches, decode, encode
from adapters.telemetry.frame import HEAD, Carried, framed, passed
from dispatch.devices.quality import Reading
from dispatch.telemetry.gaps import Thinned
from dispatch.telemetry.sample import Sample
from tests.adapters.telemetry.samples import T0, sample

SAMPLES = (
    sample(1),
    Sample(device="B1", run="r1", number=2, at_ms=T0, lost="no answer within 500 ms"),
    Sample(
        device="B1",
        run="r1",
        number=3,
        at_ms=T0 + 1000,
        readings={
            "soc": Reading(-247_000, "suspect", "jump", -247, T0),
            "active_power": Reading(None, "bad"),
        },
        others={"fan": Reading("電池", raw=None), "count": Reading((1 << 63) - 1)},
    ),
)


def test_a_carried_sample_has_the_fields_of_a_sample() -> None:
    assert [one.name for one in fields(Carried)] == [one.name for one in fields(Sample)]
    assert get_type_hints(Carried)["device_ms"] == get_type_hints(Sample)["device_ms"]


@pytest.mark.parametrize("one", SAMPLES)
def test_it_is_encoded_as_the_sample_itself(one: Sample) -> None:
    assert encode(passed(framed(one)[HEAD.size :])) == encode(one)


def test_a_message_holds_the_samples_and_says_what_stands_last_in_it() -> None:
    mark = Thinned("B1", "r0", 7, 9, T0 - 5000, T0, 3)
    items = [passed(framed(one)[HEAD.size :]) for one in (*SAMPLES, mark, SAMPLES[0])]
    first, second = batches(items)
    assert (first[0], second[0]) == (mark, Key("r1", 1))
    batch = decode(first[1])
    assert (batch.device, batch.samples, batch.thinned) == ("B1", SAMPLES, (mark,))
    assert decode(second[1]).samples == SAMPLES[:1]
