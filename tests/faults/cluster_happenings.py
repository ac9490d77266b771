"""What can happen to one node of three, or to all, while a book is written to."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from adapters.embedded.cluster import NODES
from adapters.nats.stream import stream_name
from tests.faults.cluster_rig import ClusterRig
from tests.faults.rig import BOOK

_ABSENT_S: Final = 8.0
"""Longer than the others take to elect a leader and the writers to ask again."""


def kill_the_leader(rig: ClusterRig, dice: random.Random) -> None:
    """kill -9, and a start on the same data after the others went on."""
    del dice
    leader = rig.leader()
    rig.cluster.kill(leader)
    time.sleep(_ABSENT_S)
    rig.cluster.restart(leader)


def freeze_the_leader(rig: ClusterRig, dice: random.Random) -> None:
    """SIGSTOP: its connections stay open and answer nothing; thawed, it believes that it leads."""
    del dice
    leader = rig.leader()
    rig.cluster.freeze(leader)
    time.sleep(_ABSENT_S)
    rig.cluster.thaw(leader)
    rig.cluster.wait(leader)


def cut_the_leader_off(rig: ClusterRig, dice: random.Random) -> None:
    """It hears its clients and no other node."""
    del dice
    leader = rig.leader()
    rig.cluster.wires.cut(leader)
    time.sleep(_ABSENT_S)
    rig.cluster.wires.mend()
    rig.cluster.wait(leader)


def flip_a_bit_of_a_follower(rig: ClusterRig, dice: random.Random) -> None:
    """kill -9, one bit of what it stored turned, and a start on that."""
    follower = (rig.leader() + dice.randrange(1, NODES)) % NODES
    rig.cluster.kill(follower)
    flip(dice.choice(blocks(rig, follower)), dice)
    rig.cluster.restart(follower)


def kill_all(rig: ClusterRig, dice: random.Random) -> None:
    """kill -9 of all three at once, and a start of each."""
    del dice
    for number in range(NODES):
        rig.cluster.kill(number)
    rig.cluster.start_all()


Happening = Callable[[ClusterRig, random.Random], None]
HAPPENINGS: Final[dict[str, Happening]] = {
    "leader killed": kill_the_leader,
    "leader frozen": freeze_the_leader,
    "leader cut off": cut_the_leader_off,
    "bit flipped on a follower": flip_a_bit_of_a_follower,
    "all three killed at once": kill_all,
}


def blocks(rig: ClusterRig, node: int) -> list[Path]:
    """The files in which a node keeps the book's messages."""
    store = rig.cluster.folder / f"n{node}/store"
    found = sorted(store.rglob(f"streams/{stream_name(BOOK)}/msgs/*.blk"))
    assert found
    return found


def flip(file: Path, dice: random.Random) -> None:
    """Turn one bit of a file."""
    content = bytearray(file.read_bytes())
    at = dice.randrange(len(content))
    content[at] ^= 1 << dice.randrange(8)
    file.write_bytes(content)
