"""A party's objections to lines of its statement, and how they end."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from adapters.http.addressed import ADDRESSED, PATH, Addressed, Id, Reason
from adapters.http.intake import Stored
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from ledger.statement.dispute import CorrectDispute, DecideDispute, Decision, RaiseDispute

DisputeName = Annotated[str, PathParameter(pattern=ID_PATTERN, description="The dispute's id")]


class Objection(msgspec.Struct, frozen=True):
    id: Id
    lines: Annotated[tuple[int, ...], msgspec.Meta(min_length=1, max_length=1000)]
    reason: Reason


class Answer(msgspec.Struct, frozen=True):
    decision: Decision
    answer: Reason


class Correction(msgspec.Struct, frozen=True):
    """The later run whose delta ends the dispute."""

    run: Annotated[int, msgspec.Meta(ge=1)]


@post(
    f"{PATH}/disputes",
    summary="Object to lines of a statement; only they are frozen",
    responses=WRITE_PROBLEMS,
    dependencies=ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def raise_dispute(at: NamedDependency[Addressed], data: JSONBody[Objection]) -> Response[Stored]:
    return at.intake.execute(
        RaiseDispute(at.key, data.id, data.lines, data.reason, at.intake.actor, at.today)
    )


@post(
    f"{PATH}/disputes/{{dispute:str}}/decide",
    summary="Uphold or reject a dispute, with the answer that its party reads",
    responses=WRITE_PROBLEMS,
    dependencies=ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def decide_dispute(
    at: NamedDependency[Addressed], dispute: DisputeName, data: JSONBody[Answer]
) -> Response[Stored]:
    return at.intake.submit(DecideDispute(at.key, dispute, data.decision, data.answer, at.intake.actor))


@post(
    f"{PATH}/disputes/{{dispute:str}}/correct",
    summary="Name the run whose delta ends an upheld dispute",
    responses=WRITE_PROBLEMS,
    dependencies=ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def correct_dispute(
    at: NamedDependency[Addressed], dispute: DisputeName, data: JSONBody[Correction]
) -> Response[Stored]:
    return at.intake.execute(CorrectDispute(at.key, dispute, data.run))


ROUTES = (raise_dispute, decide_dispute, correct_dispute)
