"""What a client of an OpenADR 3 VTN does before it understands anything: token, attempts, pages, bounds.

A read is asked again when the VTN fails. A write never is, except after a token that ran out: nothing was
done then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal
from urllib.parse import urlencode

import msgspec

from adapters.gateway.openadr3 import wire
from adapters.gateway.openadr3.connection import Answer, VtnUnavailable, asked, checked_url
from ledger.refusal import Refused

SpecVersion = Literal["3.0", "3.1"]

_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_PAGES_MAX: Final = 1000
_RETRY_AFTER_MAX_S: Final = 30
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_TOKEN_MARGIN: Final = timedelta(seconds=5)


class VtnAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a client speaks with, and as whom."""

    url: str
    client_id: str
    client_secret: str
    version: SpecVersion = "3.1"
    token_url: str | None = None
    """None: what GET /auth/server says (3.1), or auth/token below `url` (3.0)."""
    scope: str = ""
    page: int = 50
    attempts: int = 3
    timeout_s: float = 10.0
    clock_skew_s_max: int = 60

    def __post_init__(self) -> None:
        checked_url(self.url, "url")
        if self.token_url is not None:
            checked_url(self.token_url, "token_url")
        if not 1 <= self.page <= 50:
            raise Refused("page", "a page has 1 to 50 objects", place="page")
        if self.attempts < 1 or self.timeout_s <= 0 or self.clock_skew_s_max <= 0:
            raise Refused("attempts", "one attempt or more, and times above 0", place="attempts")
        for text, place in ((self.client_id, "client_id"), (self.client_secret, "client_secret")):
            if not text:
                raise Refused("vtn_credentials", "the client has a name and a secret", place=place)

    def __repr__(self) -> str:
        return f"VtnAccess(url={self.url!r}, client_id={self.client_id!r})"


class VtnSession:
    """Speaks with one VTN. `clock` gives aware instants, `pause` waits some seconds between attempts."""

    def __init__(
        self,
        access: VtnAccess,
        clock: Callable[[], datetime],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.access = access
        self.clock = clock
        self._pause = pause
        self._token = ""
        self._expires: datetime | None = None

    def authenticate(self) -> None:
        """Get a new token.

        Raises:
            Refused: `vtn_credentials` when the VTN does not take them, `vtn_url`, `vtn_answer`, `json`,
                `field_missing`, `field_type`, `clock_skew`.
            VtnUnavailable: the VTN does not answer.
        """
        s = self.access
        secret = {
            "grant_type": "client_credentials",
            "client_id": s.client_id,
            "client_secret": s.client_secret,
        }
        if s.scope:
            secret["scope"] = s.scope
        url = self._token_url()
        place = checked_url(url, "tokenURL").path
        headers = {"Content-Type": _FORM, "Accept": _JSON}
        answer = self._repeated(partial(self._sent, "POST", url, urlencode(secret).encode(), headers), place)
        if answer.status in {400, 401, 403}:
            raise Refused("vtn_credentials", f"the VTN refuses them: {_problem(answer)}", place=place)
        token = read(answer, wire.Token, place)
        if token.token_type.lower() != "bearer":
            raise Refused("vtn_answer", f"a token of type {token.token_type!r}, not Bearer", place=place)
        self._token = token.access_token
        self._expires = None
        if token.expires_in is not None:
            self._expires = self.clock() + timedelta(seconds=token.expires_in) - _TOKEN_MARGIN

    def paged(self, path: str, query: Sequence[tuple[str, str]]) -> list[msgspec.Raw]:
        """All objects of a listing: pages until an empty one, since a VTN may give fewer than asked for.

        Raises:
            Refused: `vtn_pages` for a VTN that repeats a full page or has no end of them; as `ask`.
            VtnUnavailable: as `ask`.
        """
        found: list[msgspec.Raw] = []
        seen: set[bytes] = set()
        for _ in range(_PAGES_MAX):
            bounds = [("skip", str(len(found))), ("limit", str(self.access.page))]
            page = read(self.ask("GET", path, [*query, *bounds], None), list[msgspec.Raw], path)
            if seen.issuperset(bytes(raw) for raw in page):
                if len(page) < self.access.page:
                    return found
                raise Refused("vtn_pages", "the VTN repeats a page instead of going on", place=path)
            seen |= {bytes(raw) for raw in page}
            found += page
        raise Refused("vtn_pages", f"more than {_PAGES_MAX} pages", place=path)

    def ask(
        self,
        method: Literal["GET", "POST", "PUT", "DELETE"],
        path: str,
        query: Sequence[tuple[str, str]],
        body: bytes | None,
        *,
        missing: bool = False,
    ) -> Answer:
        """The answer, with a token that holds; one that ran out meanwhile is replaced once.

        `missing` accepts 404 as an answer.

        Raises:
            Refused: `vtn_refused`, `vtn_answer`, `vtn_credentials`, `clock_skew`, and as `authenticate`.
            VtnUnavailable: no answer, or a read that failed `attempts` times, or a write that failed.
        """
        if not self._token or (self._expires is not None and self.clock() >= self._expires):
            self.authenticate()
        url = self.access.url.rstrip("/") + path
        if query:
            url += "?" + urlencode(query)
        for renewed in (False, True):
            headers = {"Authorization": f"Bearer {self._token}", "Accept": _JSON}
            if body is not None:
                headers["Content-Type"] = _JSON
            if method == "GET":
                answer = self._repeated(partial(self._sent, method, url, None, headers), path)
            else:
                answer = self._sent(method, url, body, headers)
            if answer.status == 401 and not renewed:
                self.authenticate()
                continue
            return _checked(answer, path, missing=missing)
        raise AssertionError(path)

    def _sent(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        address, _, query = url.partition("?")
        parts = checked_url(address, "url")
        target = f"{parts.path or '/'}?{query}" if query else parts.path or "/"
        answer = asked(method, parts, target, headers=headers, body=body, timeout_s=self.access.timeout_s)
        if answer.at is not None:
            ours = self.clock()
            skew = abs(ours - answer.at)
            if skew > timedelta(seconds=self.access.clock_skew_s_max):
                wrong = f"the VTN's clock says {answer.at}, ours {ours}: set the clock that is wrong"
                raise Refused("clock_skew", wrong, place=parts.path)
        return answer

    def _repeated(self, send: Callable[[], Answer], path: str) -> Answer:
        """The first answer that is none of a failing VTN; waits 1, 2, 4 ... s between attempts."""
        for attempt in range(1, self.access.attempts + 1):
            wait: float = 2 ** (attempt - 1)
            try:
                answer = send()
            except VtnUnavailable:
                if attempt == self.access.attempts:
                    raise
            else:
                if answer.status not in _AGAIN:
                    return answer
                if attempt == self.access.attempts:
                    raise VtnUnavailable(f"{path}: {attempt} times in vain, last {_problem(answer)}")
                if answer.retry_after_s is not None:
                    wait = min(answer.retry_after_s, _RETRY_AFTER_MAX_S)
            self._pause(wait)
        raise AssertionError(path)

    def _token_url(self) -> str:
        s = self.access
        base = s.url.rstrip("/")
        if s.token_url is not None:
            return s.token_url
        if s.version == "3.0":
            return f"{base}/auth/token"
        path = f"{base}/auth/server"
        answer = self._repeated(partial(self._sent, "GET", path, None, {"Accept": _JSON}), "/auth/server")
        told: wire.AuthServer = read(answer, wire.AuthServer, "/auth/server")
        return told.token_url


def _checked(answer: Answer, path: str, *, missing: bool) -> Answer:
    if 200 <= answer.status < 300 or (missing and answer.status == 404):
        return answer
    if answer.status == 401:
        raise Refused("vtn_credentials", f"the VTN refuses its own new token: {_problem(answer)}", place=path)
    if answer.status in _AGAIN:
        raise VtnUnavailable(f"{path}: {_problem(answer)}; it is not known whether the VTN took it")
    if 400 <= answer.status < 500:
        raise Refused("vtn_refused", f"the VTN refuses the request: {_problem(answer)}", place=path)
    raise Refused("vtn_answer", f"an answer of status {answer.status}, which is not used here", place=path)


def read(answer: Answer, kind: Any, path: str) -> Any:
    """The message in an answer.

    Raises:
        Refused: `vtn_answer` for another status than success, and as `wire.decoded`.
    """
    if not 200 <= answer.status < 300:
        raise Refused("vtn_answer", f"an answer of status {answer.status}", place=path)
    return wire.decoded(answer.body, kind, path)


def _problem(answer: Answer) -> str:
    """What the VTN says, as far as it can be read; never more than a line."""
    try:
        told = msgspec.json.decode(answer.body, type=wire.Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return str(answer.status)
    said = ": ".join(part for part in (told.title, told.detail) if part)
    return f"{answer.status} {said[:200]!r}" if said else str(answer.status)
