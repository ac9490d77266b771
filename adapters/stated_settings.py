"""Putting on record how the book is kept: said when the API starts, and an event only where it changed."""

from __future__ import annotations

from adapters.front_door import FrontDoor
from adapters.nats import access_stream, stream, telemetry_stream
from adapters.transparency.published_log import PublishedLog
from ledger.setting_record import StateSetting


def state_settings(door: FrontDoor, published: PublishedLog, *, actor: str) -> tuple[StateSetting, ...]:
    """Record the streams' bounds and copies as the servers have them, for how long it stays on record who saw
    what and telemetry is kept, and which key signs the log; answers what was new.

    Raises:
        StreamError: a stream is not there.
        WeakStream: the access log's could lose records.
        StoreUnavailable: nothing can be stored now.
    """
    client, book = door.recorder.log.client, door.book
    config = stream.standing(client, book).config
    kept = access_stream.verify(client, book)
    signer = published.signer()
    stated = [
        StateSetting("stream-max-bytes", str(config.get("max_bytes", -1))),
        StateSetting("stream-replicas", str(config.get("num_replicas", 1))),
        StateSetting("access-log-days", str(kept.days)),
        StateSetting("access-log-max-bytes", str(kept.max_bytes)),
        StateSetting("telemetry-days", str(telemetry_stream.verify(client, book).seconds // 86_400)),
        *([StateSetting("log-key", str(signer.key))] if signer is not None else []),
    ]
    return tuple(one for one in stated if not door.record(one, actor=actor).repeated)
