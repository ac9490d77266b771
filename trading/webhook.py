"""Webhooks: who is told by HTTP what happens at the desk, signed with which key, and told again from where.

No secret is ever part of an event: a webhook names its key's id, and the key lies in a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.refusal import Refused
from trading.product import Id

_HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
_URL: Final = re.compile(rf"(?P<scheme>https?)://(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?(?:/[!-~]*)?")
_LOOPBACK: Final = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]")
_URL_MAX: Final = 2000
_PORT_MAX: Final = 65_535
_NAMES_MAX: Final = 50


class Webhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Messages of those kinds, markets and units (none named: all) are sent to `url`, signed with `key_id`.

    The address is https; http only to this machine. It holds no name, password or fragment.
    """

    id: Id
    url: str
    key_id: Id
    kinds: tuple[str, ...] = ()
    markets: tuple[Id, ...] = ()
    units: tuple[Id, ...] = ()

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        checked_id(self.key_id, "key_id")
        found = _URL.fullmatch(self.url)
        if found is None or len(self.url) > _URL_MAX or "#" in self.url:
            wrong = "such as https://desk.example/wattledger: no password, no fragment, no blanks"
            raise Refused("webhook_url", wrong, place="url")
        if found["port"] is not None and not 0 < int(found["port"]) <= _PORT_MAX:
            raise Refused("webhook_url", f"a port is 1 to {_PORT_MAX}", place="url")
        if found["scheme"] == "http" and not _LOOPBACK.fullmatch(found["host"]):
            raise Refused("webhook_url", "https, unless it is this machine", place="url")
        for place in ("kinds", "markets", "units"):
            if len(getattr(self, place)) > _NAMES_MAX:
                raise Refused("not_allowed", f"at most {_NAMES_MAX}", place=place)
        for place in ("markets", "units"):
            for name in getattr(self, place):
                checked_id(name, place)


class WebhookState(msgspec.Struct, frozen=True):
    """`replay_after`: everything after that sequence is told again; `replays` counts such requests."""

    webhook: Webhook
    stopped: bool = False
    replays: int = 0
    replay_after: int = 0


def aggregate_of(name: str) -> str:
    """The aggregate of a webhook.

    >>> aggregate_of("desk")
    'webhook.desk'
    """
    return f"webhook.{name}"


class WebhookRegistered(msgspec.Struct, frozen=True, tag_field="kind", tag="webhook.registered.v1"):
    """It is told from here on; registered again it has another address, key or interest, and goes on."""

    webhook: Webhook
    by: str

    def apply(self, state: WebhookState | None) -> WebhookState:
        if state is None:
            return WebhookState(self.webhook)
        return msgspec.structs.replace(state, webhook=self.webhook, stopped=False)


class WebhookStopped(msgspec.Struct, frozen=True, tag_field="kind", tag="webhook.stopped.v1"):
    by: str
    reason: str

    def apply(self, state: WebhookState) -> WebhookState:
        return msgspec.structs.replace(state, stopped=True)


class WebhookReplayAsked(msgspec.Struct, frozen=True, tag_field="kind", tag="webhook.replay_asked.v1"):
    """Everything after a sequence is to be told again, each message under its own id."""

    after: int
    by: str

    def apply(self, state: WebhookState) -> WebhookState:
        return msgspec.structs.replace(state, replays=state.replays + 1, replay_after=self.after)


class RegisterWebhook(msgspec.Struct, frozen=True):
    """Register a webhook, or change one."""

    webhook: Webhook
    by: str

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.webhook.id)

    @property
    def reads(self) -> tuple[str, ...]:
        one = self.webhook
        return (*(f"market.{name}" for name in one.markets), *(f"trading_unit.{name}" for name in one.units))

    def decide(self, _: WebhookState | None, others: Mapping[str, object]) -> tuple[WebhookRegistered]:
        """Raises:
        Refused: `unknown_market`, `unknown_trading_unit`: it would never hear of it."""
        checked_id(self.by, "by")
        for name in self.reads:
            known(others, name, History)
        return (WebhookRegistered(self.webhook, self.by),)


class _OfWebhook(msgspec.Struct, frozen=True):
    name: Id

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.name)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


class StopWebhook(_OfWebhook, frozen=True):
    """Tell it nothing more; registered again it goes on where it was."""

    by: str
    reason: str

    def decide(self, state: WebhookState | None, _: Mapping[str, object]) -> tuple[WebhookStopped]:
        """Raises:
        Refused: `unknown_webhook`; `webhook_stopped` for one that is."""
        checked_id(self.by, "by")
        if _running(state, self.name).stopped:
            raise Refused("webhook_stopped", f"webhook {self.name} is stopped already", place="webhook")
        return (WebhookStopped(self.by, self.reason),)


class ReplayWebhook(_OfWebhook, frozen=True):
    """Tell it again everything after a sequence; what it wants, and under the same ids."""

    after: int
    by: str

    def decide(self, state: WebhookState | None, _: Mapping[str, object]) -> tuple[WebhookReplayAsked]:
        """Raises:
        Refused: `unknown_webhook`, `webhook_stopped`, `replay_after`."""
        checked_id(self.by, "by")
        if _running(state, self.name).stopped:
            raise Refused("webhook_stopped", f"webhook {self.name} is stopped: register it", place="webhook")
        if self.after < 0:
            raise Refused("replay_after", "0 or a sequence number", place="after")
        return (WebhookReplayAsked(self.after, self.by),)


def _running(state: WebhookState | None, name: str) -> WebhookState:
    if state is None:
        raise Refused("unknown_webhook", f"no webhook {name!r} is registered", place="webhook")
    return state
