"""A statement on its way to its party: reviewed, approved, issued, accepted."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency

from adapters import lives
from adapters.http.addressed import ADDRESSED, PATH, Addressed
from adapters.http.intake import Stored
from adapters.http.problem import WRITE_PROBLEMS
from ledger.statement.issue import (
    AcceptBySilence,
    ApproveStatement,
    ConfirmStatement,
    IssueStatement,
    ReviewStatement,
)


@post(
    f"{PATH}/review",
    summary="Say that a run's statement was looked at and can be approved",
    responses=WRITE_PROBLEMS,
    dependencies=ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def review_statement(at: NamedDependency[Addressed]) -> Response[Stored]:
    return at.intake.execute(ReviewStatement(at.key, at.intake.actor))


@post(
    f"{PATH}/approve",
    summary="Approve what another person reviewed",
    responses=WRITE_PROBLEMS,
    dependencies=ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def approve_statement(at: NamedDependency[Addressed]) -> Response[Stored]:
    return at.intake.execute(ApproveStatement(at.key, at.intake.actor))


@post(
    f"{PATH}/issue",
    summary="Issue an approved statement; the days to query and to pay count from today",
    responses=WRITE_PROBLEMS,
    dependencies=ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def issue_statement(at: NamedDependency[Addressed]) -> Response[Stored]:
    return at.intake.execute(IssueStatement(at.key, at.today, lives.terms(at.door, at.key)))


@post(
    f"{PATH}/confirm",
    summary="Accept a statement as its party",
    responses=WRITE_PROBLEMS,
    dependencies=ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def confirm_statement(at: NamedDependency[Addressed]) -> Response[Stored]:
    return at.intake.execute(ConfirmStatement(at.key, at.intake.actor, at.today))


@post(
    f"{PATH}/accept-by-silence",
    summary="Record that nobody queried the statement in time",
    responses=WRITE_PROBLEMS,
    dependencies=ADDRESSED,
    tags=["Receivables"],
    sync_to_thread=True,
)
def accept_by_silence(at: NamedDependency[Addressed]) -> Response[Stored]:
    return at.intake.execute(AcceptBySilence(at.key, at.today))


ROUTES = (review_statement, approve_statement, issue_statement, confirm_statement, accept_by_silence)
