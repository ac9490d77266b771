"""What each command shows, so that reading at a terminal is on record before anything is read."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import msgspec
from cyclopts import App

from adapters.access_log import AccessLog, new_request_id
from ledger.access_record import SHELL, AccessRecord, Action, Outcome, shortened
from ledger.refusal import Refused

ACTIONS: Final[dict[str, Action]] = {
    "access-log": "access_log",
    "account": "account",
    "alarm list": "report",
    "analyst list": "setting",
    "appraise": "what_if",
    "backtest": "report",
    "backtest files": "report",
    "backup": "export",
    "bid check": "bid",
    "bid list": "bid",
    "bid receipt": "bid",
    "bid show": "bid",
    "bundle book": "bundle",
    "bundle statement": "bundle",
    "capital show": "contract",
    "commission show": "report",
    "desk show": "bid",
    "desk unit-day": "bid",
    "device show": "report",
    "device undriven": "report",
    "dispute list": "account",
    "exclusion list": "contract",
    "emergency show": "report",
    "explain": "explain",
    "forecast": "report",
    "health": "report",
    "invoices": "account",
    "journal": "journal",
    "key list": "setting",
    "log consistency": "proof",
    "log inclusion": "proof",
    "milestone list": "report",
    "month": "report",
    "netting show": "account",
    "prequalification": "report",
    "privacy list": "person",
    "privacy show": "person",
    "proposals": "proposal",
    "report": "report",
    "runs due": "report",
    "service-score list": "contract",
    "statement": "statement",
    "plan show": "report",
    "position profit": "bid",
    "position show": "bid",
    "clearing show": "bid",
    "sharing show": "bid",
    "story actor": "story",
    "story bid": "story",
    "story contract": "story",
    "story device": "story",
    "story document": "story",
    "story event": "story",
    "story line": "story",
    "story market-fact": "story",
    "story meter": "story",
    "story reading": "story",
    "story site": "story",
    "story unit-statement": "story",
    "trial-balance": "journal",
    "unit-statement": "statement",
    "value": "report",
    "vouchers": "export",
    "webhook dead-letters": "setting",
    "webhook list": "setting",
    "what-if": "what_if",
    "work list": "report",
    "work satisfaction": "report",
}
"""What each command that reads shows. One that stands neither here nor below is recorded as `other`."""

UNRECORDED: Final = frozenset(
    {
        "abandon",
        "alarm acknowledge",
        "alarm clear",
        "alarm raise",
        "allocate",
        "analyst add",
        "analyst remove",
        "approve",
        "bid acknowledge",
        "bid approve",
        "bid draft",
        "bid override",
        "bid propose",
        "bid refuse",
        "bid send",
        "bid submit",
        "bid template",
        "bid unsent",
        "bid withdraw",
        "bid withdrawn",
        "capital cash",
        "capital in-kind",
        "capital return",
        "capital strike",
        "capital transfer",
        "close",
        "commission",
        "contract check",
        "contract schema",
        "contract withdraw",
        "demo",
        "desk approve",
        "desk envelope",
        "desk policy",
        "desk resume",
        "desk stop",
        "drive",
        "health tested",
        "health watch",
        "health withdraw",
        "clearing approve",
        "clearing record",
        "sharing out",
        "sharing sites",
        "sharing state",
        "device acknowledge",
        "device fallback",
        "emergency end",
        "emergency hold",
        "emergency limit-export",
        "emergency respond-now",
        "emergency stop-all",
        "dispute correct",
        "dispute decide",
        "dispute raise",
        "exclusion record",
        "exclusion withdraw",
        "finalise",
        "import",
        "key grant",
        "key revoke",
        "log check",
        "log checkpoint",
        "log cosignature",
        "log key",
        "log rotate-key",
        "market gates",
        "market list",
        "market register",
        "meter-data read",
        "meter-data substitute",
        "meter-data validate",
        "milestone state",
        "netting agree",
        "netting set-off",
        "privacy erase",
        "privacy link",
        "privacy register-person",
        "plan",
        "plan objective",
        "project",
        "rebuild",
        "reconcile bank",
        "reconcile statement",
        "record credit",
        "record handover",
        "record invoice",
        "record market-receipt",
        "record payment",
        "record supplier-payment",
        "record write-off",
        "register contract",
        "register exclusivity",
        "register market-facts",
        "register market-rule",
        "register portfolio",
        "register prices",
        "register run-calendar",
        "register tariff",
        "register trading-unit",
        "reject",
        "repair",
        "replay",
        "report availability",
        "report economics",
        "report factors",
        "restore",
        "runs void",
        "runs waive-look-back",
        "serve",
        "service-score record",
        "settle",
        "statements accept-by-silence",
        "statements approve",
        "statements confirm",
        "statements issue",
        "statements review",
        "status",
        "storage limit",
        "storage terms",
        "telemetry",
        "tell",
        "trade",
        "up",
        "verify",
        "webhook register",
        "work assign",
        "work availability",
        "work cancel",
        "work done",
        "work open",
        "work rate",
        "work score",
        "webhook replay",
        "webhook stop",
    }
)
"""Commands that record facts, which are events with their actor, or that show nobody's money."""


class Asked(msgspec.Struct, frozen=True):
    """What the command that runs was asked to show."""

    action: Action
    what: dict[str, str]


_asked: ContextVar[Asked | None] = ContextVar("asked", default=None)


def put_on_record(app: App) -> None:
    """Let every command of `app` that shows something say so before it runs."""
    for path, command in commands(app):
        if path not in UNRECORDED:
            assert command.default_command is not None
            command.default_command = _saying(path, command.default_command)


def commands(app: App, above: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    """Every command with its words, groups left out."""
    for name in app:
        if not name.startswith("-"):
            command = app[name]
            if command.default_command is not None:
                yield " ".join((*above, name)), command
            yield from commands(command, (*above, name))


def _saying(path: str, work: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(work)
    action = ACTIONS.get(path, "other")

    @functools.wraps(work)
    def said(*given: Any, **named: Any) -> Any:
        bound = signature.bind(*given, **named).arguments
        # Files lie where somebody's name may stand in the path, and say nothing of what was seen.
        shown = {name: _text(one) for name, one in bound.items() if one and not isinstance(one, Path)}
        token = _asked.set(Asked(action, {"command": path, **shown, "uid": str(os.getuid())}))
        try:
            return work(*given, **named)
        finally:
            _asked.reset(token)

    return said


def _text(value: object) -> str:
    return shortened(",".join(map(str, value)) if isinstance(value, tuple) else str(value))


@contextmanager
def on_record(log: AccessLog, actor: str) -> Iterator[None]:
    """Put on record what the running command asks to see, and afterwards that it was refused, if it was.

    Raises:
        Unrecorded: it cannot be put on record now; nothing is read then.
    """
    asked = _asked.get()
    if asked is None:
        yield
        return
    request = new_request_id()

    def write(outcome: Outcome, code: str = "") -> None:
        record = AccessRecord(
            at=log.clock(),
            request=request,
            actor=actor,
            role=SHELL,
            action=asked.action,
            what=asked.what,
            outcome=outcome,
            code=code,
        )
        log.write(record)

    write("asked")
    try:
        yield
    except Refused as refused:
        write("refused", refused.code)
        raise
