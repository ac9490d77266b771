"""A stream that another process is just creating is waited for."""

from __future__ import annotations

import threading

import pytest

from adapters.nats import stream
from tests.stack import NatsServer


def test_a_stream_that_is_being_made_is_waited_for_and_one_that_is_not_is_named(
    nats_server: NatsServer,
) -> None:
    operator, other = nats_server.operator(), nats_server.operator()
    book = "book-being-made"
    with pytest.raises(stream.StreamError, match="stream not found"):
        stream.once_there(lambda: stream.standing(operator, book), within=0.2)
    making = threading.Timer(0.5, stream.create, (other, book), {"max_bytes": 1 << 20})
    making.start()
    try:
        assert stream.once_there(lambda: stream.standing(operator, book)).state.last_seq == 0
    finally:
        making.join()
        stream.delete(operator, book)
        operator.close()
        other.close()


def test_one_that_another_process_made_meanwhile_is_left_as_it_is(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both saw that it was not there, and bound it by what each saw to be free."""
    operator, book = nats_server.operator(), "book-made-meanwhile"
    stream.create(operator, book, max_bytes=1 << 20)

    async def not_there(*_: object, **__: object) -> None:
        raise stream.StreamError(stream.NOT_FOUND, "stream not found")

    try:
        with monkeypatch.context() as patched:
            patched.setattr(stream, "_info", not_there)
            stream.create(operator, book, max_bytes=1 << 21)
        assert stream.configuration(operator, stream.stream_name(book))["max_bytes"] == 1 << 20
    finally:
        stream.delete(operator, book)
        operator.close()
