"""The description of what is told: current, whole, and true of every message."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import jsonschema
import msgspec

from adapters.live.asyncapi import document, text
from adapters.live.interest import ALL_TYPES, KINDS
from adapters.live.message import LiveMessage, encode
from adapters.live.told import TOLD, UNTOLD
from dispatch.health.alarm import AlarmEvent
from trading.events import TradingEvent

KEPT = Path(__file__).parents[3] / "docs/asyncapi.json"


def test_every_event_of_the_desk_is_told_or_said_not_to_be() -> None:
    assert {*get_args(TradingEvent), *get_args(AlarmEvent)} == TOLD | UNTOLD
    assert not TOLD & UNTOLD


def test_the_kept_description_is_current() -> None:
    assert KEPT.read_text(encoding="utf-8") == text(), "python -m adapters.live.asyncapi docs/asyncapi.json"


def test_every_reference_leads_somewhere() -> None:
    whole = document()

    def follow(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                found: Any = whole
                for name in part["$ref"].removeprefix("#/").split("/"):
                    found = found[name]
            for value in part.values():
                follow(value)
        elif isinstance(part, list):
            for value in part:
                follow(value)

    follow(whole)
    assert set(whole["components"]["messages"]) == {*ALL_TYPES, "end"}
    assert {kind for kind in KINDS if "." in kind} == {one.rpartition(".")[0] for one in ALL_TYPES}


def check(message: LiveMessage) -> None:
    """That a message is as the description says of its type.

    Raises:
        jsonschema.ValidationError: it is not.
    """
    whole = msgspec.json.decode(KEPT.read_bytes())
    schema = {**whole["components"]["messages"][message.type]["payload"], "components": whole["components"]}
    jsonschema.Draft202012Validator(schema).validate(msgspec.json.decode(encode(message)))
