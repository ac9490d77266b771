"""The command that forecasts: made of what the book knows, shown, and put on record."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

from adapters.cli.as_of import AsOf, moment
from adapters.cli.session import ACTOR, Session
from adapters.queries.as_of import recorded_at_max
from dispatch.forecasts.forecast import Forecast, Subject
from ledger.interval import zone_of

console = Console(stderr=True)

_MICRO = 1_000_000


def add_to(app: App, session: Session) -> None:
    """Add the command."""

    @app.command
    def forecast(
        subject: Annotated[
            str, Parameter(help="load:SITE, pv:SITE, revenue:SITE or price:MARKET:NODE:PRODUCT")
        ],
        first: Annotated[date, Parameter(help="the first local day")],
        *,
        days: int = 1,
        check: Annotated[bool, Parameter(negative=(), help="show it, and put nothing on record")] = False,
        as_of: AsOf = None,
        format: Literal["text", "json"] = "text",
    ) -> None:
        """Forecast SUBJECT from day FIRST on: what to expect and quantiles, interval by interval.

        It is put on record as a new version of the subject, but with --check or --as-of, which shows what
        would have been forecast then.
        """
        # The optimiser and the members take a second to import: no other command pays for it.
        from adapters.planning.forecasting import asked_request
        from adapters.queries.forecast_inputs import Wanted
        from dispatch.forecasts.issued import IssueForecast
        from dispatch.forecasts.make import make

        asked = Subject.parse(subject)
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                then = recorded_at_max(connection, position)
                issued_at = max(stack.clock(), then) if as_of is None else then
                wanted = Wanted(asked, first, days, position, issued_at)
                request = asked_request(connection, stack.settings.book, wanted)
            columns = (*Progress.get_default_columns()[:2], TimeElapsedColumn())
            with Progress(*columns, console=console, transient=True) as bar:
                bar.add_task(f"forecasting {subject}", total=None)
                made = make(request)
            where = "not put on record"
            if as_of is None and not check:
                receipt = stack.door.record(IssueForecast(made), actor=ACTOR)
                where = f"version {receipt.version}, event {receipt.sequence}"
        if format == "json":
            print(msgspec.json.format(msgspec.json.encode(made), indent=2).decode())
        else:
            print(f"{text(made)}{where}")


def text(made: Forecast) -> str:
    """The forecast as a table in local time, with what it can be trusted for."""
    zone = zone_of(made.zone)
    unit = (
        "W" if made.unit == "W" else f"{made.currency}/kWh" if made.unit == "micro_per_kwh" else made.currency
    )
    levels = "".join(f"{f'{row.level_permille / 10:g} %':>14}" for row in made.quantiles)
    issued = f"issued {made.issued_at:%Y-%m-%dT%H:%M:%SZ} from events up to {made.trained_through}"
    rows = [
        f"{made.subject.quantity} of {made.subject.name} in {unit}, {issued}, model {made.model}",
        f"{f'from ({made.zone})':28}{'expected':>14}{levels}",
    ]
    for number, expected in enumerate(made.expected):
        at = (made.start + timedelta(seconds=number * made.interval_s)).astimezone(zone)
        cells = (expected, *(row.values[number] for row in made.quantiles))
        rows.append(
            f"{at:%Y-%m-%d %H:%M %z}".ljust(28) + "".join(f"{_number(made, cell):>14}" for cell in cells)
        )
    shares = ", ".join(
        f"{one.name} {one.weight_permille / 10:g} %" for one in made.members if one.weight_permille
    )
    rows.append(f"members: {shares}")
    if made.cold_start:
        rows.append(f"cold start: {made.cold_start}")
    if made.scores is not None:
        rows.append(_scores(made))
    if made.drift is not None:
        seen = "DRIFT: it misses more than it used to" if made.drift.seen else "no drift"
        rows.append(
            f"{seen} (CUSUM of {made.drift.days} days {made.drift.level_permille / 1000:.1f},"
            f" alarm above {made.drift.limit_permille / 1000:.1f})"
        )
    rows += [f"note: {note}" for note in made.notes]
    return "\n".join([*rows, ""])


def _scores(made: Forecast) -> str:
    scores = made.scores
    assert scores is not None
    captured = "-" if scores.captured_permille is None else f"{scores.captured_permille / 10:g} %"
    return (
        f"on {scores.days} past days: {captured} of the best value captured, mean error"
        f" {_number(made, scores.error)}, {scores.covered_permille / 10:g} % inside the outer quantiles"
        f" ({scores.wanted_permille / 10:g} % wanted)"
    )


def _number(made: Forecast, value: int) -> str:
    """Whole W; money with six decimals, exactly."""
    if made.unit == "W":
        return str(value)
    sign = "-" if value < 0 else ""
    return f"{sign}{abs(value) // _MICRO}.{abs(value) % _MICRO:06d}"
