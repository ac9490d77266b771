"""A back-test that is asked for: read from the book here, run where its asker likes."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from adapters.backtest.backtest import backtest
from adapters.backtest.backtest_text import as_json
from adapters.backtest.book import Question, load
from adapters.backtest.priced_day import Timing
from adapters.backtest.site_case import SiteKnown
from adapters.postgres.database import Connection
from ledger.contract import Contract
from ledger.settlement.inputs import Inputs


class Case(NamedTuple):
    """What `backtest` takes, to be sent to another process.

    The contract goes as JSON: pickled, it would state its defaults too, and have another digest.
    """

    inputs: Inputs
    contract: bytes
    known: dict[str, SiteKnown]
    timing: Timing


def case_of(connection: Connection, book: str, asked: Question) -> Case:
    """Raises:
    Refused: as `load`.
    Discontinuity: a row that is read was changed."""
    found = load(connection, book, asked)
    contract = msgspec.json.encode(found.inputs.contract)
    return Case(found.inputs, contract, {asked.site: found.known}, asked.timing)


def told(case: Case) -> str:
    """The back-test as JSON, as the command line prints it.

    Raises:
        Refused: as `backtest`.
    """
    inputs = case.inputs._replace(contract=msgspec.json.decode(case.contract, type=Contract))
    return as_json(backtest(inputs, case.known, case.timing))
