"""Commands that ask what storage would have earned, and what it was worth; nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from adapters.cli import given_file
from adapters.cli.as_of import AsOf, moment
from adapters.cli.session import Session
from adapters.documents.language import Language
from adapters.founded import book_at
from adapters.queries.as_of import recorded_at_max
from ledger.interval import Month
from ledger.refusal import Refused

if TYPE_CHECKING:
    from adapters.backtest.backtest import Backtest
    from adapters.backtest.site_case import SiteKnown
    from ledger.settlement.inputs import Inputs

console = Console(stderr=True)

Format = Literal["text", "csv", "json"]
ValueFormat = Literal["text", "csv", "json", "pdf", "xlsx"]
Through = Annotated[date | None, Parameter(help="the last day, of a month that is not over")]
Issued = Annotated[str, Parameter(help="HH:MM of the day before: when a day at spot is planned")]
Readings = Annotated[
    Path | None, Parameter(help="a folder for what each way's meters would have read, as `import` takes it")
]
Published = Annotated[str, Parameter(help="HH:MM of the day before: when a day's prices are told")]


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="backtest", help="What storage would have earned by plan, by rule and knowing all.")
    app.command(group)

    @group.default
    def backtest(
        site: str,
        month: str,
        *,
        through: Through = None,
        issued: Issued = "09:00",
        published: Published = "17:30",
        format: Format = "text",
        readings: Readings = None,
        as_of: AsOf = None,
    ) -> None:
        """Run a site's month again: planned day by day from what was known then, by rule, and knowing all.

        Each is settled by the ledger's own code, in memory. The other sites of its contract stay as metered.
        """
        # The optimiser takes a second to import: no other command pays for it.
        from adapters.backtest.backtest import backtest as run
        from adapters.backtest.book import Question, load, meters_of
        from adapters.backtest.priced_day import Timing

        timing = Timing.parse(issued, published)
        with session.open() as stack:
            position = moment(stack, as_of).position
            asked = Question(site, Month.parse(month), position, through, timing)
            with stack.database.reading(stack.settings.book) as connection:
                found = load(connection, stack.settings.book, asked)
                known = {site: found.known._replace(meters=meters_of(connection, found))}
                with _days_told(site, asked.month) as progress:
                    answer = run(found.inputs, known, timing, progress)
        _write_readings(answer, found.inputs, known, readings)
        _print_backtest(answer, format)

    @group.command
    def files(case: Path, *, format: Format = "text", readings: Readings = None) -> None:
        """Run a month that a TOML file describes, which names the files it is made of; no book is needed."""
        from adapters.backtest.backtest import backtest as run
        from adapters.backtest.case_file import load

        loaded = load(case, given_file.read)
        with _days_told(case.name, loaded.inputs.month) as progress:
            answer = run(*loaded, progress)
        _write_readings(answer, loaded.inputs, loaded.known, readings)
        _print_backtest(answer, format)

    @app.command
    def value(
        site: Annotated[str, Parameter(help="a site, or a trading unit: all its sites")],
        month: str,
        *,
        through: Through = None,
        format: ValueFormat = "text",
        out: Annotated[Path | None, Parameter(help="where a pdf or xlsx is written")] = None,
        language: Language = "zh",
        as_of: AsOf = None,
    ) -> None:
        """What a site's month was worth: planned, awarded, delivered, settled, and where money was lost.

        The losses lead from perfect foresight to what was settled: by forecast, bid, availability, dispatch
        and contract.
        """
        from adapters.backtest.book import Question
        from adapters.backtest.unit_value import value_of_any
        from adapters.backtest.value_text import table, text
        from adapters.documents.value_document import ValueDocument
        from adapters.documents.value_pdf import value_pdf
        from adapters.documents.value_xlsx import value_xlsx

        if format in ("pdf", "xlsx") and out is None:
            raise Refused("out", "name the file with --out", place="--out")
        if out is not None:
            given_file.check_new(out, (f".{format}",))
        with session.open() as stack:
            position = moment(stack, as_of).position
            asked = Question(site, Month.parse(month), position, through)
            with stack.database.reading(stack.settings.book) as connection:
                report = value_of_any(connection, stack.settings.book, asked)
                recorded_at = recorded_at_max(connection, position)
                issuer = book_at(connection, position).name
        match format:
            case "text":
                print(text(report))
            case "csv":
                print(table(report), end="")
            case "json":
                print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
            case "pdf" | "xlsx":
                assert out is not None, "refused before"
                document = ValueDocument(report=report, subject=site, recorded_at=recorded_at, issuer=issuer)
                made = value_pdf(document, language) if format == "pdf" else value_xlsx(document, language)
                given_file.write(out, made)
                print(f"written to {out}")


@contextmanager
def _days_told(what: str, month: Month) -> Iterator[Callable[[int, int], None]]:
    """At a terminal a bar of the days that are planned, gone when they are."""
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(f"running {what} through {month}", total=None)
        yield lambda at, of: bar.update(task, completed=at, total=of)


def _write_readings(
    answer: Backtest, inputs: Inputs, known: Mapping[str, SiteKnown], folder: Path | None
) -> None:
    """Raises:
    Refused: what `readings_files` refuses; `file`, `output_exists`."""
    if folder is None:
        return
    from adapters.backtest.way_readings import readings_files

    made = readings_files(answer, inputs, known)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        wrong = f"it cannot be made a folder: {(error.strerror or type(error).__name__).lower()}"
        raise Refused("file", wrong, place=str(folder)) from None
    for name, text in made.items():
        given_file.write(folder / name, text.encode())


def _print_backtest(answer: Backtest, format: Format) -> None:
    from adapters.backtest.backtest_text import as_json, text
    from adapters.backtest.value_text import table

    match format:
        case "text":
            print(text(answer))
        case "csv":
            print(table(answer.report), end="")
        case "json":
            print(as_json(answer))
