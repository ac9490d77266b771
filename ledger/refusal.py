"""The one error that means: what you gave us is wrong, and this is where."""

from __future__ import annotations


class Refused(ValueError):
    """An input that the ledger does not accept; nothing of it was stored.

    `code` is stable and listed in docs/refusals.md, `place` names the field, row or line, and the
    message says what is allowed. Every adapter shows all three.
    """

    def __init__(self, code: str, message: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.code = code
        self.place = place
        self.reason = message
