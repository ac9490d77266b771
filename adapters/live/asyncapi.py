"""The description of all that is told, on every channel: AsyncAPI 3 from the messages' own types.

`python -m adapters.live.asyncapi docs/asyncapi.json` writes it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters.live.frames import StreamEnd
from adapters.live.interest import ALL_TYPES
from adapters.live.message import (
    AlarmNews,
    AwardNews,
    BidNews,
    ClearingNews,
    CommitmentNews,
    EnvelopeNews,
    GateNews,
    LiveMessage,
    MarketNews,
    PolicyNews,
    SwitchNews,
)
from adapters.live.subject import ADDRESS, NONE

_SCHEMAS: Final = "#/components/schemas/{name}"
_NOUNS: Final[dict[str, type[msgspec.Struct]]] = {
    "alarm": AlarmNews,
    "award": AwardNews,
    "bid": BidNews,
    "clearing": ClearingNews,
    "commitment": CommitmentNews,
    "envelope": EnvelopeNews,
    "gate": GateNews,
    "market": MarketNews,
    "risk.policy_approved": PolicyNews,
    "risk.policy_prepared": PolicyNews,
    "risk.trading_resumed": SwitchNews,
    "risk.trading_stopped": SwitchNews,
}
_SIGNED: Final = {
    "webhook-id": "The message's `id`: the same at every attempt and replay",
    "webhook-timestamp": "When this attempt was signed, in seconds since 1970",
    "webhook-signature": "`v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body` (Standard Webhooks)",
}


def news_of(kind: str) -> type[msgspec.Struct]:
    """What `data` is in messages of a type."""
    return _NOUNS.get(kind.rpartition(".")[0]) or _NOUNS[kind.partition(".")[0]]


def document() -> dict[str, Any]:
    """The whole description."""
    schemas = msgspec.json.schema_components((LiveMessage, StreamEnd), ref_template=_SCHEMAS)[1]
    messages = {one: {"$ref": f"#/components/messages/{one}"} for one in ALL_TYPES}
    lasting = {name: ref for name, ref in messages.items() if not name.startswith("gate.")}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Wattledger live",
            "version": "1",
            "description": "Bids, commitments, clearings, awards, gates and the switch of one book, as they"
            " change. Messages are small: they say what to read by the API. The same `id` is the same"
            " message, on whatever channel and however often.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": {
                "address": "/v1/live",
                "title": "Server-sent events",
                "description": "`event` is the type, `id` the sequence number to come back with as"
                " Last-Event-ID. `end` is the last event of a connection.",
                "messages": {**messages, "end": {"$ref": "#/components/messages/end"}},
            },
            "nats": {
                "address": ADDRESS,
                "title": "Core NATS",
                "description": f"At least once, in order. `{NONE}` stands for no market or unit.",
                "parameters": {name: {} for name in ("book", "noun", "verb", "market", "unit")},
                "messages": lasting,
            },
            "webhook": {
                "address": None,
                "title": "Webhooks",
                "description": "HTTP POST to the address that was registered; any 2xx takes it. At least"
                " once, in order; what is given up stays to be seen.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in lasting},
            },
        },
        "operations": {
            f"tell_{channel}": {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}}
            for channel in ("events", "nats", "webhook")
        },
        "components": {
            "messages": {
                **{one: _message(one) for one in ALL_TYPES},
                "end": {"name": "end", "payload": {"$ref": _SCHEMAS.format(name="StreamEnd")}},
            },
            "schemas": {name: _plain(schema) for name, schema in sorted(schemas.items())},
            "messageTraits": {
                "signed": {
                    "headers": {
                        "type": "object",
                        "properties": {
                            name: {"type": "string", "description": text} for name, text in _SIGNED.items()
                        },
                        "required": sorted(_SIGNED),
                    }
                }
            },
        },
    }


def _message(kind: str) -> dict[str, Any]:
    data = {"$ref": _SCHEMAS.format(name=news_of(kind).__name__)}
    narrowed = {"type": "object", "properties": {"type": {"const": kind}, "data": data}}
    return {
        "name": kind,
        "payload": {"allOf": [{"$ref": _SCHEMAS.format(name="LiveMessage")}, narrowed]},
    }


def _plain(schema: Any) -> Any:
    """Without `discriminator`, which OpenAPI writes otherwise than AsyncAPI."""
    match schema:
        case dict():
            return {key: _plain(value) for key, value in schema.items() if key != "discriminator"}
        case list():
            return [_plain(value) for value in schema]
        case _:
            return schema


def text() -> str:
    """The description as it is kept in docs/asyncapi.json."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
