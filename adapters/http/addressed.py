"""The statement that a path names, and who may act on it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar.di import NamedDependency, Provide
from litestar.params import PathParameter

from adapters import lives
from adapters.http.caller import Caller
from adapters.http.intake import Intake
from adapters.http.register import ID_PATTERN
from adapters.http.settlements import ContractName, MonthName
from adapters.http.statements import PartyName
from ledger.accounting.document import checked_day
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.life import StatementKey

PATH: Final = "/statements/{contract:str}/{month:str}/{party:str}/{run:int}"
RunNumber = Annotated[int, PathParameter(ge=1, le=1_000_000, description="The settlement run's number")]
Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
Decimal = Annotated[str, msgspec.Meta(pattern=r"^-?\d{1,15}(\.\d{1,4})?$", examples=["1234.56"])]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class Addressed:
    """The statement that a path names, and who may act on it."""

    def __init__(self, key: StatementKey, intake: Intake, caller: Caller) -> None:
        if caller.party is not None and caller.party != key.party:
            raise Refused("unknown_statement", f"{caller.party} has no such statement", place="party")
        self.key = key
        self.intake = intake
        self.door = intake.service.door
        self.today = lives.today(self.door, intake.service.clock)

    def money(self, text: str, place: str) -> Money:
        """Raises:
        Refused: `unknown_statement`; `amount` for what the currency cannot hold."""
        currency = lives.currency(self.door, self.key)
        try:
            return Money.parse(text, currency)
        except Refused as error:
            raise Refused(error.code, error.reason, place=place) from None

    def day(self, on: date) -> date:
        """Raises:
        Refused: `future_date`, `year`."""
        return checked_day(on, self.today, "on")


def provide_addressed(
    intake: NamedDependency[Intake],
    caller: NamedDependency[Caller],
    contract: ContractName,
    month: MonthName,
    party: PartyName,
    run: RunNumber,
) -> Addressed:
    return Addressed(StatementKey(contract, month, party, run), intake, caller)


ADDRESSED: Final = {"at": Provide(provide_addressed, sync_to_thread=True)}
