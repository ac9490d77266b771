"""What is recorded of a contract beside its terms: days that do not count, and services rendered."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from adapters.http.instant import month_of
from adapters.http.intake import Intake, Stored
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.settlements import MONTH_PATTERN, ContractName, MonthFilter
from adapters.http.view import View
from adapters.postgres.database import Connection
from adapters.queries import registered_page
from adapters.queries.contract_facts import ContractFacts
from adapters.queries.registered import Recorded
from ledger.clauses.facts import Cause, Exclusion, ServiceScore
from ledger.clauses.share import Amount
from ledger.contract import Contract
from ledger.interval import Month, checked_year
from ledger.recorded_exclusion import ExclusionRecorded, RecordExclusion, WithdrawExclusion
from ledger.recorded_service import RecordServiceScore, ServiceScoreRecorded
from ledger.refusal import Refused

Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
Evidence = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
ExclusionName = Annotated[str, PathParameter(pattern=ID_PATTERN, description="The exclusion's id")]
_PATH: Final = "/contracts/{contract:str}"


class ExclusionBody(msgspec.Struct, frozen=True):
    """The local days [first, end) that the contract's carve-outs leave out; an `id` that was used before
    states it anew."""

    id: Id
    cause: Cause
    first: date
    end: date
    evidence: Evidence


class ExclusionEntry(msgspec.Struct, frozen=True):
    """What was stated last; a withdrawn one has no days, and says why it was withdrawn."""

    id: str
    sequence: int
    withdrawn: bool
    cause: Cause | None
    first: date | None
    end: date | None
    evidence: str

    @classmethod
    def of(cls, one: Recorded[ExclusionRecorded]) -> ExclusionEntry:
        stated = one.document.exclusion
        if stated is None:
            return cls(one.document.name, one.sequence, True, None, None, None, one.document.withdrawn_for)
        return cls(
            one.document.name, one.sequence, False, stated.cause, stated.first, stated.end, stated.evidence
        )


class ExclusionAnswer(msgspec.Struct, frozen=True):
    position: int
    contract: str
    items: tuple[ExclusionEntry, ...]


class WithdrawalBody(msgspec.Struct, frozen=True):
    evidence: Evidence


class ScoreBody(msgspec.Struct, frozen=True):
    """What `party` rendered in `month` by the contract's measure; recorded again, the newer score holds.

    `measure` is what the score counts, such as `availability`; the scores of a month are of one measure."""

    month: Annotated[str, msgspec.Meta(pattern=MONTH_PATTERN, examples=["2026-08"])]
    party: Id
    score: Amount
    evidence: Evidence
    measure: Annotated[str, msgspec.Meta(max_length=100)] = ""


class ScoreEntry(msgspec.Struct, frozen=True):
    month: str
    party: str
    score: str
    evidence: str
    measure: str
    sequence: int

    @classmethod
    def of(cls, one: Recorded[ServiceScoreRecorded]) -> ScoreEntry:
        month, score = str(one.document.month), one.document.score
        return cls(month, score.party, score.score, score.evidence, one.document.measure, one.sequence)


class ScoreAnswer(msgspec.Struct, frozen=True):
    position: int
    contract: str
    items: tuple[ScoreEntry, ...]


@get(
    f"{_PATH}/exclusions",
    summary="The evidenced days that a contract's carve-outs leave out",
    responses=READ_PROBLEMS,
    tags=["Contract facts"],
    sync_to_thread=True,
)
def list_exclusions(
    view: NamedDependency[View],
    contract: ContractName,
    effective: Annotated[
        date | None, QueryParameter(description="Only what leaves this day out (effective time)")
    ] = None,
) -> ExclusionAnswer:
    if effective is not None:
        checked_year(effective, "effective")
    with view.reading() as (connection, position):
        check_contract(connection, position, contract)
        found = ContractFacts(connection, position).exclusions(contract)
    held = tuple(ExclusionEntry.of(one) for one in found if effective is None or _leaves_out(one, effective))
    return ExclusionAnswer(position, contract, held)


@post(
    f"{_PATH}/exclusions",
    summary="State days that do not count, or state them anew; months settled before are then corrected",
    responses=WRITE_PROBLEMS,
    tags=["Contract facts"],
    sync_to_thread=True,
)
def record_exclusion(
    intake: NamedDependency[Intake], contract: ContractName, data: JSONBody[ExclusionBody]
) -> Response[Stored]:
    stated = Exclusion(cause=data.cause, first=data.first, end=data.end, evidence=data.evidence)
    return intake.submit(RecordExclusion(contract, data.id, stated))


@post(
    f"{_PATH}/exclusions/{{exclusion:str}}/withdraw",
    summary="Take an exclusion back: its days count again",
    responses=WRITE_PROBLEMS,
    tags=["Contract facts"],
    sync_to_thread=True,
)
def withdraw_exclusion(
    intake: NamedDependency[Intake],
    contract: ContractName,
    exclusion: ExclusionName,
    data: JSONBody[WithdrawalBody],
) -> Response[Stored]:
    return intake.submit(WithdrawExclusion(contract, exclusion, data.evidence))


@get(
    f"{_PATH}/service-scores",
    summary="What the parties rendered each month, where a contract divides by it",
    responses=READ_PROBLEMS,
    tags=["Contract facts"],
    sync_to_thread=True,
)
def list_service_scores(
    view: NamedDependency[View], contract: ContractName, month: MonthFilter = None
) -> ScoreAnswer:
    wanted = None if month is None else month_of(month)
    with view.reading() as (connection, position):
        check_contract(connection, position, contract)
        found = ContractFacts(connection, position).services(contract)
    held = tuple(ScoreEntry.of(one) for one in found if wanted in (None, str(one.document.month)))
    return ScoreAnswer(position, contract, held)


@post(
    f"{_PATH}/service-scores",
    summary="Record what a party rendered in a month, or record it anew",
    responses=WRITE_PROBLEMS,
    tags=["Contract facts"],
    sync_to_thread=True,
)
def record_service_score(
    intake: NamedDependency[Intake], contract: ContractName, data: JSONBody[ScoreBody]
) -> Response[Stored]:
    score = ServiceScore(party=data.party, score=data.score, evidence=data.evidence)
    month = Month.parse(month_of(data.month))
    return intake.submit(RecordServiceScore(contract, month, score, data.measure))


def check_contract(connection: Connection, position: int, contract: str) -> None:
    """Raises:
    Refused: `unknown_contract`."""
    if not registered_page.versions(connection, "contract", Contract, position, contract):
        raise Refused("unknown_contract", f"no contract {contract!r} is registered", place="contract")


def _leaves_out(one: Recorded[ExclusionRecorded], day: date) -> bool:
    stated = one.document.exclusion
    return stated is not None and stated.first <= day < stated.end


ROUTES = (
    list_exclusions,
    record_exclusion,
    withdraw_exclusion,
    list_service_scores,
    record_service_score,
)
