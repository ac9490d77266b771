"""A real book's bundle with an event that says something else, signed by the operator all the same."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.verifier.small_book import checkpoint, first_line, leaf, line

MAPS = ("entitlement", "held", "payable", "sees_bill", "sees_sites", "inputs", "stored", "opened")
SECOND_PARTY = "party.operator"
"""Nothing is settled from it, so that an attack may put another event in its place."""


def signed_again(
    envelopes: list[bytes],
    changes: dict[str, Callable[[Any], None]],
    *,
    instead: tuple[str, dict[str, Any]] | None = None,
    added: tuple[str, dict[str, Any]] | None = None,
) -> bytes:
    """Of each kind in `changes` the last event is altered; a run's digest and every chain are made right.

    An aggregate and an event of it are put `instead` of the operator's registration, or `added` at the end.
    """
    last = {kind: at for at, one in enumerate(envelopes) for kind in changes if f'"{kind}"'.encode() in one}
    assert last.keys() == changes.keys(), f"the book has no {changes.keys() - last.keys()}"
    chains: dict[str, str] = {}
    versions: Counter[str] = Counter()
    made: list[bytes] = []
    for at, envelope in enumerate([*envelopes, *([envelopes[0]] if added else [])]):
        first, _, second = envelope.partition(b"\n")
        header, state = json.loads(first), json.loads(second)
        other = added if at == len(envelopes) else instead if header["aggregate"] == SECOND_PARTY else None
        if other is not None:
            header["aggregate"], state["events"] = other[0], [other[1]]
        name = header["aggregate"]
        versions[name] += 1
        header["version"], state["previous"] = versions[name], chains.get(name, "")
        for event in state["events"]:
            if last.get(event["kind"]) == at:
                changes[event["kind"]](event)
                if event["kind"] == "settlement.recorded.v1":
                    event["run"]["outputs_digest"] = digest(event["run"]["result"])
        made.append(b"\n".join(_written(one) for one in (header, state)))
        chains[name] = hashlib.sha256(made[-1]).hexdigest()
    head = line({"checkpoint": checkpoint([leaf(one) for one in made]), "path": [], "size": len(made)})
    return b"".join(one + b"\n" for one in (first_line("book"), head, *made))


def _written(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def digest(result: Any) -> str:
    same = {**result, "position": 0, **{name: dict(sorted(result[name].items())) for name in MAPS}}
    same["carry"] = {**result["carry"], "accounts": dict(sorted(result["carry"]["accounts"].items()))}
    return hashlib.sha256(_written(same)).hexdigest()
