"""What happens on the driven day, and when: chosen from the plan, so that it matters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

import numpy as np

from adapters.demo.driven_book import QUARTER, QUARTERS, START, STORAGES
from adapters.queries.recorded_plans import RecordedPlan
from ledger.refusal import Refused

DEAD = "B2"
LIAR = "B5"


class Story(NamedTuple):
    """Numbers of quarter-hours. `nats`: NATS is killed and started again while storages are raised. `dead` to
    `alive`: a storage does not answer. `called`: the unit responds to a call that it hears a quarter-hour
    before. `lies` to `honest`: `liar` acknowledges and does nothing."""

    nats: int
    dead: int
    alive: int
    called: int
    lies: int
    honest: int
    liar: str = LIAR


def story_of(plan: RecordedPlan) -> Story:
    """Raises:
    Refused: `demo_drive` for a plan that does not charge once and discharge twice."""
    total = np.sum(list(plan.setpoints().values()), axis=0)
    signs = np.sign(total).tolist()
    charging, discharging = _runs(signs, -1), _runs(signs, 1)
    if not charging or len(discharging) < 2:
        raise Refused("demo_drive", "the day's plan does not charge once and discharge twice")
    first, second = discharging[0], discharging[-1]
    dead = min(first[0] + 1, first[1] - 1)
    return Story(
        nats=charging[0][0],
        dead=dead,
        alive=min(dead + 5, second[0] - 2),
        called=second[0] - 1,
        lies=second[0],
        honest=second[0] + 1,
    )


def lying_later(story: Story, plan: RecordedPlan) -> Story:
    """As that plan, made for the call, has it: the liar is to discharge after it, and is another storage
    where that one is done for the day.

    Raises:
        Refused: `demo_drive` for one that discharges nowhere any more.
    """
    for name in (LIAR, *(other for other in STORAGES if other not in (LIAR, DEAD))):
        for number in range(story.called + 1, QUARTERS - 1):
            if power_at(plan, STORAGES[name], START + number * QUARTER) > 0:
                return story._replace(lies=number, honest=number + 1, liar=name)
    raise Refused("demo_drive", "the plan discharges nowhere after the call")


def power_at(plan: RecordedPlan, site: str, instant: datetime) -> int:
    """What it plans for a site then, W, above zero discharging."""
    planned = plan.of(site)
    assert planned is not None, "it is a member of the unit"
    return planned.setpoint_w[plan.at(instant)]


def _runs(signs: Sequence[int], sign: int) -> list[tuple[int, int]]:
    """From where to where a sign goes on."""
    found: list[tuple[int, int]] = []
    at = 0
    for each, group in groupby(signs):
        length = len(list(group))
        if each == sign:
            found.append((at, at + length))
        at += length
    return found
