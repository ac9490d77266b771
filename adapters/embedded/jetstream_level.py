"""Can a cluster's JetStream be asked: does everything in it have a leader, and every copy all that it has?

A node calls itself healthy (`/healthz`) once it has read its own files. That its streams have no leader yet,
it says under `/jsz` only; and how far the copies are, the leader alone knows.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import Final

import msgspec

_QUERY: Final = "/jsz?accounts=true&streams=true&config=true&raft=true"
_ANSWER_S: Final = 5.0


class _Copy(msgspec.Struct, frozen=True):
    name: str = ""
    current: bool = False


class _Group(msgspec.Struct, frozen=True):
    """As one node sees it; `replicas` are the other nodes."""

    leader: str = ""
    replicas: list[_Copy] = []


class _Config(msgspec.Struct, frozen=True):
    num_replicas: int = 1


class _Stream(msgspec.Struct, frozen=True):
    name: str
    config: _Config
    cluster: _Group = _Group()


class _Account(msgspec.Struct, frozen=True):
    stream_detail: list[_Stream] = []


class Seen(msgspec.Struct, frozen=True):
    """What one node says of everything that it has a copy of."""

    meta_cluster: _Group = _Group()
    account_details: list[_Account] = []

    def groups(self, nodes: int) -> dict[str, tuple[int, _Group]]:
        """Each by its name, with on how many nodes it is kept; "" is the servers' list of all streams."""
        streams = (stream for account in self.account_details for stream in account.stream_detail)
        found = {stream.name: (stream.config.num_replicas, stream.cluster) for stream in streams}
        return found | {"": (nodes, self.meta_cluster)}


_decode: Final = msgspec.json.Decoder(Seen).decode


def seen_by(monitor_url: str) -> Seen | None:
    """None while the node does not answer."""
    try:
        with urllib.request.urlopen(monitor_url + _QUERY, timeout=_ANSWER_S) as answer:
            return _decode(answer.read())
    except (OSError, HTTPException):
        return None


def level(seen: Sequence[Seen | None]) -> bool:
    """Whether all nodes agree who leads each group, and each leader says that every copy is current.

    `seen` has what the nodes `n0`, `n1` ... say, in this order.
    """
    said = [one.groups(len(seen)) for one in seen if one is not None]
    if len(said) < len(seen):
        return False
    for name in {name for groups in said for name in groups}:
        views = {f"n{number}": groups[name] for number, groups in enumerate(said) if name in groups}
        (copies, first), *others = views.values()
        if len(views) != copies or any(group.leader != first.leader for _, group in others):
            return False
        leading = views.get(first.leader)
        if leading is None:
            return False
        others_of = [one for one in leading[1].replicas if one.name != first.leader]
        if len(others_of) != copies - 1 or not all(one.current for one in others_of):
            return False
    return True
