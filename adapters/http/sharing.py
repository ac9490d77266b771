"""How units' awards are shared out among their sites: the terms, what sites can do, and the shares."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from adapters.http.instant import in_range
from adapters.http.intake import Intake, Stored
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import Name
from adapters.http.view import View
from adapters.queries.shared_awards import shared_award
from ledger.effective import Period
from ledger.interval import Instant
from trading.award import SharedAward
from trading.sharing import AvailableSites, SharingTerms, StateAvailableSites, StateSharing

Day = Annotated[date, PathParameter(description="The delivery day, where the unit is (effective time)")]


class SharingBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The terms of [effective_from, effective_to); open without an end."""

    effective_from: Instant
    effective_to: Instant | None = None
    terms: SharingTerms


class SharesAnswer(msgspec.Struct, frozen=True):
    """The parts of the run in force: W an interval, above zero toward the grid; `gap_w` has no site."""

    position: int
    parts: tuple[SharedAward, ...]


@post(
    "/trading-units/{name:str}/sharing",
    summary="State how a unit's awards are shared out: confidence in its sites, and the discount",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def state_sharing(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[SharingBody]
) -> Response[Stored]:
    end = None if data.effective_to is None else in_range(data.effective_to, "effective_to")
    period = Period(in_range(data.effective_from, "effective_from"), end)
    return intake.execute(StateSharing(name, period, data.terms))


@post(
    "/trading-units/{name:str}/days/{day:date}/sites",
    summary="State what a unit's sites can do on a delivery day, where it is less than their capability",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def state_available_sites(
    intake: NamedDependency[Intake], name: Name, day: Day, data: JSONBody[AvailableSites]
) -> Response[Stored]:
    return intake.execute(StateAvailableSites(name, day, data))


@get(
    "/bids/{name:str}/shares",
    summary="What each site is to do for a bid's award",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def show_shares(view: NamedDependency[View], name: Name) -> SharesAnswer:
    with view.reading() as (connection, position):
        return SharesAnswer(position, shared_award(connection, position, name))


ROUTES: Final[tuple[Any, ...]] = (state_sharing, state_available_sites, show_shares)
