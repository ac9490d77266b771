"""Commands about the monthly revenue report: the report, and what its key figures rest on."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import App, Parameter

from adapters.cli import given_file
from adapters.cli.as_of import AsOf, moment
from adapters.cli.session import ACTOR, Session
from adapters.documents.language import Language
from adapters.documents.revenue_document import RevenueDocument
from adapters.documents.revenue_pdf import revenue_pdf
from adapters.documents.revenue_text import revenue_json, revenue_text
from adapters.documents.revenue_xlsx import revenue_xlsx
from adapters.integrity.published import check_own
from adapters.postgres.database import Connection
from adapters.queries import reports, statements
from adapters.queries.reports import Choice
from ledger.command import Command
from ledger.interval import Month
from ledger.kpi.carbon import Method, parse_factors
from ledger.kpi.economics import StateEconomics, parse_economics
from ledger.kpi.published_factors import PublishEmissionFactors
from ledger.kpi.stated_availability import SiteAvailability, StateAvailability
from ledger.quantity import exact
from ledger.refusal import Refused

Format = Literal["text", "json", "pdf", "xlsx"]
_SUFFIX: Final[dict[Format, str]] = {"text": ".txt", "json": ".json", "pdf": ".pdf", "xlsx": ".xlsx"}


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="report", help="The monthly revenue report with its key figures, and what they rest on.")
    app.command(group)

    @group.default
    def report(
        month: str,
        *,
        site: Annotated[str | None, Parameter(help="of this site alone")] = None,
        contract: Annotated[str | None, Parameter(help="of this contract; none: of all")] = None,
        party: Annotated[str | None, Parameter(help="what this partner is entitled to")] = None,
        currency: Annotated[
            str | None, Parameter(help="only of contracts in this one; none: the only one that there is")
        ] = None,
        economics: Annotated[str | None, Parameter(help="which of the stated ones; none: the only")] = None,
        emission: Annotated[str | None, Parameter(help="which emission factors; none: the only")] = None,
        co2_method: Annotated[Method, Parameter(help="what of the energy avoids CO2")] = "net_of_charging",
        format: Format = "text",
        language: Annotated[
            Language | None, Parameter(help="of a PDF or workbook zh, of text en, if not stated")
        ] = None,
        out: Annotated[Path | None, Parameter(help="write to this file")] = None,
        as_of: AsOf = None,
    ) -> None:
        """Print what streams earned in a month and each key figure with its formula, or write it to a file.

        A key figure of which an input was never stated has no value and says what is missing.
        """
        if format in ("pdf", "xlsx") and out is None:
            raise Refused("out", "name the file with --out", place="--out")
        if out is not None:
            given_file.check_new(out, (_SUFFIX[format],))
        if site is not None and (contract is not None or party is not None):
            raise Refused("scope", "--site stands alone; --party may go with --contract", place="--site")
        if site is not None and currency is not None:
            raise Refused("scope", "--site stands alone: a site has one currency", place="--site")
        choice = Choice(economics, emission, co2_method)
        with session.open() as stack:
            position = moment(stack, as_of, fresh=False).position
            with stack.database.reading(stack.settings.book) as connection:
                document = _document(
                    connection,
                    stack.settings.book,
                    position,
                    Month.parse(month),
                    site,
                    contract,
                    party,
                    choice,
                    currency,
                )
        content = _content(document, format, language or ("en" if format == "text" else "zh"))
        if out is None:
            print(content.decode(), end="")
        else:
            given_file.write(out, content)
            print(f"written to {out}")

    @group.command
    def economics(file: Path) -> None:
        """State capital, operating cost, life and rates of the sites, from a TOML file."""
        data = given_file.read(file, "the economics in TOML (examples/economics has one)")
        _execute(session, StateEconomics(parse_economics(data)))

    @group.command
    def factors(file: Path) -> None:
        """Publish a set of emission factors, from a TOML file."""
        data = given_file.read(file, "emission factors in TOML (examples/co2 has some)")
        _execute(session, PublishEmissionFactors(parse_factors(data)))

    @group.command
    def availability(
        site: str,
        month: str,
        *,
        unavailable_hours: Annotated[str, Parameter(help="such as 3.5; 0 says that it always was available")],
        evidence: Annotated[str, Parameter(help="what proves it, such as a ticket's number")],
    ) -> None:
        """State how long a site's storage was not available in a month."""
        seconds = exact(unavailable_hours) * 3600
        if seconds.denominator != 1:
            raise Refused("unavailable_time", "hours in whole seconds", place="--unavailable-hours")
        stated = SiteAvailability(site, Month.parse(month), int(seconds), evidence)
        _execute(session, StateAvailability(stated))


def _document(
    connection: Connection,
    book: str,
    position: int,
    month: Month,
    site: str | None,
    contract: str | None,
    party: str | None,
    choice: Choice,
    currency: str | None,
) -> RevenueDocument:
    if party is not None:
        own = statements.latest(connection, position, party=party, contract=contract)
        check_own(connection, book, own)
        return reports.partner(connection, book, position, month, own, choice, currency=currency)
    if site is not None:
        return reports.site(connection, book, position, month, site, choice)
    return reports.portfolio(connection, book, position, month, contract, choice, currency=currency)


def _content(document: RevenueDocument, format: Format, language: Language) -> bytes:
    match format:
        case "pdf":
            return revenue_pdf([document], language)
        case "xlsx":
            return revenue_xlsx(document, language)
        case "json":
            return revenue_json(document) + b"\n"
        case "text":
            return (revenue_text(document, language) + "\n").encode()


def _execute(session: Session, command: Command) -> None:
    with session.open() as stack:
        receipt = stack.door.execute(command, command_id=f"cli:{secrets.token_hex(12)}", actor=ACTOR)
        stack.caught_up()
    print(f"{receipt.aggregate}: event {receipt.sequence}")
