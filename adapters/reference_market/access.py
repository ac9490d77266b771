"""Who asks: a token for each participant, and one for the administrator."""

from __future__ import annotations

import hmac
from typing import Any, Final

from litestar.connection import ASGIConnection

from adapters.reference_market.parameters import Parameters
from ledger.refusal import Refused

_SCHEME: Final = "bearer "


class Tokens:
    """The tokens of one market; without an administrator's token the administrator's routes are shut."""

    def __init__(self, parameters: Parameters, admin: str | None) -> None:
        self._of = {name: one.token.encode() for name, one in parameters.participants.items()}
        self._admin = None if admin is None else admin.encode()

    def check_participant(self, request: ASGIConnection[Any, Any, Any, Any], name: str) -> None:
        """That the request has the participant's own token.

        Raises:
            Refused: `market_unauthenticated`, `market_forbidden` for another one's.
        """
        if self.participant(request) != name:
            raise Refused("market_forbidden", "the token is not this participant's", place="Authorization")

    def participant(self, request: ASGIConnection[Any, Any, Any, Any]) -> str:
        """The participant whose token the request has.

        Raises:
            Refused: `market_unauthenticated`.
        """
        token = _token(request)
        found = [name for name, known in self._of.items() if hmac.compare_digest(known, token)]
        if not found:
            raise Refused("market_unauthenticated", "no participant has this token", place="Authorization")
        return found[0]

    def check_admin(self, request: ASGIConnection[Any, Any, Any, Any]) -> None:
        """That the request has the administrator's token.

        Raises:
            Refused: `market_unauthenticated`, `market_forbidden`.
        """
        token = _token(request)
        if self._admin is None or not hmac.compare_digest(self._admin, token):
            raise Refused("market_forbidden", "the token is not the administrator's", place="Authorization")


def _token(request: ASGIConnection[Any, Any, Any, Any]) -> bytes:
    header = request.headers.get("authorization", "")
    if not header.lower().startswith(_SCHEME):
        reason = "send Authorization: Bearer <token>"
        raise Refused("market_unauthenticated", reason, place="Authorization")
    return header[len(_SCHEME) :].strip().encode()
