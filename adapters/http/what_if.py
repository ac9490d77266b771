"""What a past period would have come to under other documents; nothing of it is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Self, TypeVar

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.addressed import Id
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.settlements import MONTH_PATTERN
from adapters.http.statement_body import LineBody
from adapters.http.view import View
from adapters.what_if import what_if
from ledger import contract_file, tariff_file
from ledger.exclusivity import policy_file
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.what_if import MonthChange, Owed, PartyChange, Question, WhatIf
from ledger.tariff import Tariff

T = TypeVar("T")

ASK_PROBLEMS: Final = {**READ_PROBLEMS, 413: WRITE_PROBLEMS[413]}
"""What a question that comes with a body may answer beside its rows."""

MonthText = Annotated[str, msgspec.Meta(pattern=MONTH_PATTERN, examples=["2026-08"])]
Document = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000_000)]


class WhatIfRequest(msgspec.Struct, frozen=True):
    """The contract's months from `first` to `last`, both included, under other documents as their TOML files
    state them.

    `instead` stands in for the contract, each of `tariffs` for that of its id, `policy` for the exclusivity
    policy; without any of them the months are settled again as they are.
    """

    contract: Id
    first: MonthText
    last: MonthText
    instead: Document | None = None
    tariffs: Annotated[tuple[Document, ...], msgspec.Meta(max_length=100)] = ()
    policy: Document | None = None

    def question(self) -> Question:
        """Raises:
        Refused: `month`, `duplicate` for two tariffs of one id; what the documents are refused for."""
        tariffs: dict[str, Tariff] = {}
        for number, text in enumerate(self.tariffs):
            place = f"tariffs[{number}]"
            tariff = _parsed(lambda told: tariff_file.parse_tariff(told, name="tariff"), text, place)
            if tariff.id in tariffs:
                raise Refused("duplicate", f"tariff {tariff.id} is stated twice", place=place)
            tariffs[tariff.id] = tariff
        return Question(
            self.contract,
            Month.parse(self.first),
            Month.parse(self.last),
            None if self.instead is None else _parsed(contract_file.parse, self.instead, "instead"),
            tariffs,
            None if self.policy is None else _parsed(policy_file.parse, self.policy, "policy"),
        )


class OwedBody(msgspec.Struct, frozen=True):
    """`entitlement` = `held` + `payable`; above zero the party receives it."""

    entitlement: str
    held: str
    payable: str

    @classmethod
    def of(cls, owed: Owed) -> Self:
        return cls(str(owed.entitlement), str(owed.held), str(owed.payable))


class PartyChangeBody(msgspec.Struct, frozen=True):
    """`difference` is hypothetical less recorded, null without a recorded run; `by_documents` is what the
    other documents alone do."""

    party: str
    recorded: OwedBody | None
    unchanged: OwedBody | None
    hypothetical: OwedBody | None
    difference: OwedBody | None
    by_documents: OwedBody

    @classmethod
    def of(cls, one: PartyChange) -> Self:
        return cls(
            one.party,
            _owed(one.recorded),
            _owed(one.unchanged),
            _owed(one.hypothetical),
            _owed(one.difference),
            OwedBody.of(one.by_documents),
        )


class MonthChangeBody(msgspec.Struct, frozen=True):
    """`recorded` is the month's latest run, `unchanged` the same documents settled as of now, `hypothetical`
    the ones sent; `..._inputs` and `..._outputs` are the SHA-256 of what each was settled from and gave.
    `lines` and `warnings` are the hypothetical ones."""

    month: str
    run: int | None
    currency: str
    identical: bool
    """Whether hypothetical inputs and outputs are the recorded ones, or as contracted without a run."""
    recorded_inputs: str | None
    unchanged_inputs: str
    hypothetical_inputs: str
    recorded_outputs: str | None
    unchanged_outputs: str
    hypothetical_outputs: str
    pool_recorded: str | None
    pool_unchanged: str
    pool_hypothetical: str
    parties: tuple[PartyChangeBody, ...]
    lines: tuple[LineBody, ...]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, one: MonthChange) -> Self:
        return cls(
            str(one.month),
            one.run,
            one.result.currency,
            one.identical,
            one.recorded_inputs,
            one.unchanged_inputs,
            one.result.inputs_digest,
            one.recorded_digest,
            one.unchanged_digest,
            one.hypothetical_digest,
            _text(one.pool_recorded),
            str(one.pool_unchanged),
            str(one.pool_hypothetical),
            tuple(PartyChangeBody.of(party) for party in one.parties),
            tuple(LineBody.of(line) for line in one.result.lines),
            tuple(notice.message for notice in one.result.warnings),
        )


class WhatIfAnswer(msgspec.Struct, frozen=True):
    """`replaced` names each document that stood in for another; `total` is per party over the months."""

    position: int
    contract: str
    replaced: tuple[str, ...]
    months: tuple[MonthChangeBody, ...]
    total: tuple[PartyChangeBody, ...]

    @classmethod
    def of(cls, found: WhatIf) -> Self:
        return cls(
            found.position,
            found.contract,
            found.replaced,
            tuple(MonthChangeBody.of(month) for month in found.months),
            tuple(PartyChangeBody.of(party) for party in found.total),
        )


@post(
    "/what-if",
    summary="Settle past months of a contract under other documents, beside what was recorded",
    description="It needs no Idempotency-Key: nothing is recorded, and the same question as of the same"
    " position has the same answer.",
    status_code=200,
    responses=ASK_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def ask_what_if(view: NamedDependency[View], data: JSONBody[WhatIfRequest]) -> WhatIfAnswer:
    question = data.question()
    with view.reading() as (connection, position):
        return WhatIfAnswer.of(what_if(connection, view.service.book, position, question))


def _parsed(parse: Callable[[str], T], text: str, place: str) -> T:
    """A document; what is wrong with it is named with its place in the request."""
    try:
        return parse(text)
    except Refused as refused:
        inside = f"{place}: {refused.place}" if refused.place else place
        raise Refused(refused.code, refused.reason, place=inside) from None


def _owed(owed: Owed | None) -> OwedBody | None:
    return None if owed is None else OwedBody.of(owed)


def _text(money: Money | None) -> str | None:
    return None if money is None else str(money)


ROUTES = (ask_what_if,)
