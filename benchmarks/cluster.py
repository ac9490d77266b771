"""What a cluster of three rides through under load: how long nothing is acknowledged, and what is lost."""

from __future__ import annotations

import random
from functools import partial
from typing import Final

from benchmarks.figure import Figure
from benchmarks.rig import Rig
from tests.faults.cluster_happenings import HAPPENINGS
from tests.faults.cluster_rig import WRITERS, ClusterRig, Ridden

_SEED: Final = 20_260_901


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """Each happening once; they take too long for a smoke test, and `make faults` has them."""
    if quick:
        return []
    cluster = ClusterRig(rig.folder / "cluster")
    try:
        ridden = {
            what: cluster.ride(partial(happen, cluster, random.Random(_SEED)))
            for what, happen in HAPPENINGS.items()
        }
    finally:
        cluster.close()
    return figures(ridden)


def figures(ridden: dict[str, Ridden]) -> list[Figure]:
    """The outages beside each other; loss and doubles judged over all."""
    load = f"three nodes, {WRITERS} writers"
    outages = [
        Figure(f"{load}, {what}: nothing acknowledged for", ms, None, "", "ms", ms, None)
        for what, ms in ((what, one.outage_s * 1000) for what, one in ridden.items())
    ]
    waited = max(one.wait_s for one in ridden.values()) * 1000
    commands = sum(one.acknowledged for one in ridden.values())
    return [
        *outages,
        Figure(f"{load}: the longest that one of them waited", waited, None, "", "ms", waited, None),
        _none(f"{load}: of {commands:,} acknowledged, lost", sum(one.lost for one in ridden.values())),
        _none(
            f"{load}: of {commands:,} acknowledged, stored twice", sum(one.doubled for one in ridden.values())
        ),
    ]


def _none(what: str, found: int) -> Figure:
    return Figure(what, found, 0, "limit", "commands", 0.0 if found else 1.0, 1.0)
