"""Requests whose answer no single aggregate keeps: asked again, they answer what they answered first."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping

import msgspec

from ledger.refusal import Refused


class Answered(msgspec.Struct, frozen=True):
    """`asked` is the SHA-256 of the request's body, `packed` the answer's JSON through zlib."""

    asked: str
    packed: bytes

    @property
    def answer(self) -> bytes:
        return zlib.decompress(self.packed)


class RequestAnswered(msgspec.Struct, frozen=True, tag_field="kind", tag="request.answered.v1"):
    answered: Answered

    def apply(self, _: object) -> Answered:
        return self.answered


class AnswerRequest(msgspec.Struct, frozen=True):
    """Keep the first answer to a request; `request` is what its sender calls it, such as its key."""

    request: str
    answered: Answered

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.request)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Answered | None, _: Mapping[str, object]) -> tuple[RequestAnswered]:
        if state is not None:
            raise Refused("answered", "this request has an answer already")
        return (RequestAnswered(self.answered),)


def aggregate_of(request: str) -> str:
    """Where a request's answer is; its name is hashed, because it is the sender's free text."""
    return f"request.{hashlib.sha256(request.encode()).hexdigest()[:32]}"


def answered(asked: str, answer: bytes) -> Answered:
    return Answered(asked, zlib.compress(answer, 6))
