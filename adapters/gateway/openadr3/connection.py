"""One HTTP request to a VTN and its answer, bounded in time and length; redirects are not followed."""

from __future__ import annotations

import http.client
import ipaddress
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from adapters.gateway.openadr3.wire import BODY_BYTES_MAX
from ledger.refusal import Refused

_CHUNK: Final = 65_536


class VtnUnavailable(ConnectionError):
    """The VTN did not answer, or not whole, or said that it failed. A read may be asked again."""


class Answer(NamedTuple):
    status: int
    body: bytes
    at: datetime | None
    """The VTN's clock, from the Date header."""
    retry_after_s: int | None


def checked_url(url: str, place: str) -> SplitResult:
    """An address that a secret may be sent to: https, or http to this machine itself.

    Raises:
        Refused: `vtn_url`.
    """
    allowed = "https://vtn.example/openadr3, or http:// to this machine"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("vtn_url", f"{url!r} is not an address such as {allowed}", place=place) from None
    host = parts.hostname or ""
    plain = parts.scheme == "http" and _is_loopback(host)
    if not host or not (parts.scheme == "https" or plain) or parts.username is not None or port == 0:
        raise Refused("vtn_url", f"{url!r} is not an address such as {allowed}", place=place)
    if parts.query or parts.fragment:
        raise Refused("vtn_url", "an address has no query and no fragment", place=place)
    return parts


def asked(
    method: str,
    url: SplitResult,
    target: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    timeout_s: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> Answer:
    """The answer to one request to `target` (path and query) at the host of `url`.

    `timeout_s` bounds each wait and, roughly twice, the whole.

    Raises:
        VtnUnavailable: no connection, no answer in time, or one cut short.
        Refused: `vtn_answer` for an answer longer than is read, or one that is not HTTP.
    """
    host, until = url.hostname or "", monotonic() + timeout_s
    connection = (
        http.client.HTTPSConnection(host, url.port, timeout=timeout_s, context=ssl.create_default_context())
        if url.scheme == "https"
        else http.client.HTTPConnection(host, url.port, timeout=timeout_s)
    )
    try:
        connection.request(method, target, body=body, headers=dict(headers))
        response = connection.getresponse()
        found = bytearray()
        while chunk := response.read1(_CHUNK):
            found += chunk
            if len(found) > BODY_BYTES_MAX:
                raise Refused("vtn_answer", f"the answer has more than {BODY_BYTES_MAX} bytes", place=target)
            if monotonic() > until + timeout_s:
                raise VtnUnavailable(f"{method} {target}: the answer takes longer than {timeout_s} s")
        told = response.getheader("Content-Length")
        if told is not None and told.isdigit() and int(told) != len(found):
            raise VtnUnavailable(f"{method} {target}: {len(found)} of {told} bytes came")
        return Answer(
            response.status,
            bytes(found),
            _date(response.getheader("Date")),
            _seconds(response.getheader("Retry-After")),
        )
    except http.client.HTTPException as error:
        raise VtnUnavailable(f"{method} {target}: {type(error).__name__}: {error}") from error
    except VtnUnavailable:
        raise
    except OSError as error:
        raise VtnUnavailable(f"{method} {target} at {host}: {error}") from error
    finally:
        connection.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _seconds(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 6 else None
