"""What storage would have earned in a month by plan, by rule and knowing all; nothing of it is recorded."""

from __future__ import annotations

import threading
from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.one_at_a_time import one_at_a_time
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.view import View
from adapters.http.what_if import ASK_PROBLEMS, MonthText
from dispatch.value.report import ValueReport
from ledger.interval import Month

SECONDS: Final = 300.0
"""A month at spot learns four or five times."""
_TESTING: Final = threading.Lock()
Clock = Annotated[str, msgspec.Meta(max_length=5, examples=["09:00"])]


class BacktestAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site's month; `through` is the last day of one that is not over.

    `issued` and `published` are local clocks of the day before: when a day at spot is planned, and when its
    prices are told.
    """

    site: Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
    month: MonthText
    through: date | None = None
    issued: Clock = "09:00"
    published: Clock = "17:30"


class EarnedStream(msgspec.Struct, frozen=True):
    """What a stream of a site came to, and whether it is shared out."""

    site: str | None
    stream: str
    amount: str
    pooled: bool


class EarnedWay(msgspec.Struct, frozen=True):
    """What a way would have been settled to; `storage` is of the site that ran so, `inputs` their SHA-256."""

    pool: str
    storage: str
    streams: tuple[EarnedStream, ...]
    entitlement: dict[str, str]
    inputs: str


class BacktestTold(msgspec.Struct, frozen=True):
    """By way: `perfect`, `plan` (what is delivered of it), `rule` and `idle`."""

    results: dict[str, EarnedWay]
    report: ValueReport


class BacktestAnswer(msgspec.Struct, frozen=True):
    position: int
    backtest: BacktestTold


@post(
    "/backtests",
    summary="Run a site's month again: as planned from what was known then, by rule, and knowing all",
    description="It needs no Idempotency-Key: nothing is recorded, and the same question as of the same"
    " position has the same answer.",
    status_code=200,
    responses={**ASK_PROBLEMS, 409: WRITE_PROBLEMS[409]},
    tags=["Dispatch"],
    sync_to_thread=True,
)
def ask_backtest(view: NamedDependency[View], data: JSONBody[BacktestAsked]) -> BacktestAnswer:
    # The optimiser takes a second to import: no other route waits for it.
    from adapters.backtest.book import Question
    from adapters.backtest.priced_day import Timing
    from adapters.planning.backtesting import case_of, told
    from adapters.planning.own_process import in_own_process

    timing = Timing.parse(data.issued, data.published)
    month = Month.parse(data.month)
    with one_at_a_time(_TESTING, "back-test", "site"):
        with view.reading() as (connection, position):
            asked = Question(data.site, month, position, data.through, timing)
            case = case_of(connection, view.service.book, asked)
        text = in_own_process(told, case, SECONDS)
    return BacktestAnswer(position, msgspec.json.decode(text, type=BacktestTold))


ROUTES: Final = (ask_backtest,)
"""Reading alone."""
