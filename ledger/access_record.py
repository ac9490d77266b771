"""Who saw what: one read of what is not everybody's, as it is kept outside the ledger's own stream."""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

import msgspec

from ledger.access import ROLES, Role
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

Action = Literal[
    "access_log",
    "account",
    "bid",
    "bundle",
    "contract",
    "document",
    "event",
    "explain",
    "export",
    "journal",
    "other",
    "person",
    "proof",
    "proposal",
    "reconciliation",
    "report",
    "setting",
    "statement",
    "story",
    "what_if",
]
"""What was asked to be seen."""
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
Outcome = Literal["asked", "answered", "refused", "lost"]
"""`asked` is of a command at a terminal, which is on record before anything is read. `lost` is no read: a
repair put it in the place of a record that was lost, so that its number is not given again."""
SHELL: Final = "shell"
"""The role of the operating-system user at a terminal."""
VALUE_LENGTH_MAX: Final = 200
_REQUEST: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


def checked_action(text: str) -> Action:
    """`text` as one of the actions.

    Raises:
        Refused: `access_action`.
    """
    for action in ACTIONS:
        if action == text:
            return action
    raise Refused("access_action", f"{text!r} is not one of {', '.join(ACTIONS)}", place="action")


def checked_request(text: str) -> str:
    """`text`, when it can name a request.

    Raises:
        Refused: `request_id`.
    """
    if not _REQUEST.fullmatch(text):
        raise Refused("request_id", "1 to 64 letters, digits, '_', '.' or '-'", place="request")
    return text


def shortened(text: str) -> str:
    """`text` as a record keeps it: at most 200 characters, the last of them … where some are left out.

    >>> len(shortened("x" * 1000)), shortened("x" * 1000)[-1]
    (200, '…')
    """
    return text if len(text) <= VALUE_LENGTH_MAX else text[: VALUE_LENGTH_MAX - 1] + "…"


class AccessRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One read. `what` has what was asked for, by its name outside (contract, month, party, run, as_of ...).

    `position` is the sequence number that the book was read at, where one was. `code` is of a refusal.
    `actor` and `key_id` are opaque; of a terminal the key is "" and `what` has the user's number.
    """

    at: Instant
    request: str
    actor: str
    key_id: str = ""
    role: Role | Literal["shell"]
    party: str | None = None
    action: Action
    what: dict[str, str]
    position: int | None = None
    outcome: Outcome
    code: str = ""

    def __post_init__(self) -> None:
        checked_id(self.actor, "actor")
        checked_request(self.request)
        checked_action(self.action)
        if self.role != SHELL and self.role not in ROLES:
            raise Refused("role", f"{self.role!r} is not one of {', '.join(ROLES)}", place="role")
        if (self.outcome == "refused") != bool(self.code):
            raise Refused("access_outcome", "a refusal, and nothing else, has its code", place="code")
        for name, value in self.what.items():
            if len(name) > VALUE_LENGTH_MAX or len(value) > VALUE_LENGTH_MAX:
                text = f"a name or value is longer than {VALUE_LENGTH_MAX} characters"
                raise Refused("access_value", text, place=shortened(name))

    def concerns(self, text: str) -> bool:
        """Whether `text` is the action's name, or one of the values that were asked for."""
        return text == self.action or text in self.what.values()
