"""One attempt to bring one message to its webhook."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final, Literal, NamedTuple

import httpx

from adapters.live.message import LiveMessage, encode
from adapters.webhooks.destination import AddressRefused, resolved
from adapters.webhooks.signing_keys import SigningKeys
from ledger.refusal import Refused
from trading.webhook import Webhook

ATTEMPT_S: Final = 15.0
"""From resolving the name to the status of the answer; its body is not read."""


class Attempt(NamedTuple):
    """taken: the receiver has it. failed: try again. hopeless: trying again would change nothing."""

    outcome: Literal["taken", "failed", "hopeless"]
    reason: str = ""


class Carrier:
    """Carries messages over HTTP; no proxy, no redirect, no cookie."""

    def __init__(
        self,
        keys: SigningKeys,
        clock: Callable[[], datetime],
        *,
        loopback: bool = False,
        attempt_s: float = ATTEMPT_S,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._loopback = loopback
        self._attempt_s = attempt_s
        self._client = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=attempt_s,
            headers={"User-Agent": "wattledger-webhook", "Content-Type": "application/json"},
        )

    async def carry(self, webhook: Webhook, message: LiveMessage) -> Attempt:
        """Send it once and look at the answer's status."""
        body = encode(message)
        try:
            async with asyncio.timeout(self._attempt_s):
                to = await asyncio.to_thread(resolved, webhook.url, loopback=self._loopback)
                headers = self._keys.headers(webhook.key_id, message.id, body, self._clock())
                async with self._client.stream(
                    "POST",
                    to.url,
                    content=body,
                    headers={**headers, "Host": to.host},
                    extensions={"sni_hostname": to.name},
                ) as answer:
                    return _judged(answer.status_code)
        except (AddressRefused, Refused) as refused:
            return Attempt("hopeless", str(refused))
        except TimeoutError:
            return Attempt("failed", f"no answer within {self._attempt_s:g} s")
        except (httpx.HTTPError, OSError) as error:
            return Attempt("failed", f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        await self._client.aclose()


def _judged(status: int) -> Attempt:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Attempt("taken")
    if status == HTTPStatus.GONE:
        return Attempt("hopeless", "the receiver answered 410: it is gone")
    return Attempt("failed", f"the receiver answered {status}")
