"""What the desk goes by: its risk policy under four eyes, the limits' use, and the switch."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, RawBody

from adapters.http.caller import Caller
from adapters.http.intake import Intake, Stored
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.publishing import PUBLISH_PROBLEMS, TAKES_TOML, Checked, Publishing
from adapters.http.view import View
from adapters.queries.as_of import recorded_at_max
from adapters.queries.desk_rules import DeskRules, desk_rules, prepared_policy
from trading import risk, risk_file


class PolicyApproval(msgspec.Struct, frozen=True):
    """`digest` says which policy was read: that of `prepared` in `GET /v1/desk`."""

    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class SwitchReason(msgspec.Struct, frozen=True):
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


@get(
    "/desk",
    summary="The risk policy in force and prepared, the switch, and how far each limit is used",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def show_desk(view: NamedDependency[View]) -> DeskRules:
    with view.reading() as (connection, position):
        now = view.service.clock() if view.at is None else recorded_at_max(connection, position)
        return desk_rules(connection, position, now)


@post(
    "/desk/policy",
    summary="Prepare the desk's risk policy, as its readable TOML file states it",
    responses=PUBLISH_PROBLEMS,
    operation_class=TAKES_TOML,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def prepare_policy(
    publishing: NamedDependency[Publishing], caller: NamedDependency[Caller], body: RawBody
) -> Response[Stored | Checked]:
    return publishing.publish(risk.PreparePolicy(risk_file.parse(body), caller.actor))


@post(
    "/desk/policy/approve",
    summary="Put the prepared risk policy in force, as a second person",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def approve_policy(intake: NamedDependency[Intake], data: JSONBody[PolicyApproval]) -> Response[Stored]:
    policy = prepared_policy(intake.service.door.state(risk.AGGREGATE), data.digest)
    return intake.execute(risk.ApprovePolicy(policy, intake.actor))


@post(
    "/desk/stop",
    summary="Stop trading at once: nothing is submitted or sent any more",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def stop_trading(intake: NamedDependency[Intake], data: JSONBody[SwitchReason]) -> Response[Stored]:
    return intake.execute(risk.StopTrading(intake.actor, data.reason))


@post(
    "/desk/resume",
    summary="Trade again, as another person than who stopped it",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def resume_trading(intake: NamedDependency[Intake], data: JSONBody[SwitchReason]) -> Response[Stored]:
    return intake.execute(risk.ResumeTrading(intake.actor, data.reason))


ROUTES: Final = (show_desk, prepare_policy, approve_policy, stop_trading, resume_trading)
