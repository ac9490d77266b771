"""A real book's bundle with an event that says something else, signed by the operator all the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from tests.verifier.small_book import checkpoint, first_line, leaf, line

MAPS = ("entitlement", "held", "payable", "sees_bill", "sees_sites", "inputs", "stored", "opened")


def signed_again(envelopes: list[bytes], changes: dict[str, Callable[[Any], None]]) -> bytes:
    """Of each kind in `changes` the last event is altered; a run's digest and every chain are made right."""
    last = {kind: at for at, one in enumerate(envelopes) for kind in changes if f'"{kind}"'.encode() in one}
    assert last.keys() == changes.keys(), f"the book has no {changes.keys() - last.keys()}"
    chains: dict[str, str] = {}
    made: list[bytes] = []
    for at, envelope in enumerate(envelopes):
        first, _, second = envelope.partition(b"\n")
        header, state = json.loads(first), json.loads(second)
        state["previous"] = chains.get(header["aggregate"], "")
        for event in state["events"]:
            if last.get(event["kind"]) == at:
                changes[event["kind"]](event)
                if event["kind"] == "settlement.recorded.v1":
                    event["run"]["outputs_digest"] = digest(event["run"]["result"])
        text = json.dumps(state, separators=(",", ":"), ensure_ascii=False).encode()
        made.append(first + b"\n" + text)
        chains[header["aggregate"]] = hashlib.sha256(made[-1]).hexdigest()
    head = line({"checkpoint": checkpoint([leaf(one) for one in made]), "path": [], "size": len(made)})
    return b"".join(one + b"\n" for one in (first_line("book"), head, *made))


def digest(result: Any) -> str:
    same = {**result, "position": 0, **{name: dict(sorted(result[name].items())) for name in MAPS}}
    same["carry"] = {**result["carry"], "accounts": dict(sorted(result["carry"]["accounts"].items()))}
    text = json.dumps(same, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
