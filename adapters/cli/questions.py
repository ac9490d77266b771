"""Commands that ask and change nothing: what if, and the appraisal of a stated business case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from adapters import what_if as what_if_text
from adapters.cli import given_file
from adapters.cli.as_of import AsOf, moment
from adapters.cli.session import Session
from adapters.what_if import what_if
from ledger import contract_file, tariff_file
from ledger.appraisal import appraisal, assumption_file
from ledger.exclusivity import policy_file
from ledger.interval import Month
from ledger.settlement.what_if import Question


def add_to(app: App, session: Session) -> None:
    """Add the commands."""

    @app.command(name="what-if")
    def ask(
        contract: str,
        first: str,
        last: str,
        *,
        instead: Annotated[
            Path | None, Parameter(help="another contract in TOML, for the same sites")
        ] = None,
        tariff: Annotated[
            Path | None, Parameter(help="another tariff in TOML, under the id it replaces")
        ] = None,
        policy: Annotated[Path | None, Parameter(help="another exclusivity policy in TOML")] = None,
        as_of: AsOf = None,
    ) -> None:
        """Settle past months of a contract under other documents, beside what was recorded.

        Nothing is recorded. Without another document it settles the months again as they are, which must
        give the recorded results.
        """
        tariffs = {}
        if tariff is not None:
            found = tariff_file.parse_tariff(given_file.read(tariff, "a tariff in TOML"), name=tariff.name)
            tariffs[found.id] = found
        question = Question(
            contract,
            Month.parse(first),
            Month.parse(last),
            None if instead is None else contract_file.parse(given_file.read(instead, "a contract in TOML")),
            tariffs,
            None if policy is None else policy_file.parse(given_file.read(policy, "a policy in TOML")),
        )
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                answer = what_if(connection, stack.settings.book, position, question)
        print(what_if_text.text(answer))

    @app.command
    def appraise(file: Path) -> None:
        """Work out a business case from its stated assumptions, and say what they cannot explain."""
        text = given_file.read(file, "assumptions in TOML (examples/appraisal has one)")
        print(appraisal.text(appraisal.appraise(assumption_file.parse(text))))
