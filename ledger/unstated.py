"""The optional parts of a contract: what it states of each, or what holds where it states nothing."""

from __future__ import annotations

from typing import Literal

import msgspec

from ledger.clauses.flow import exact_text, grouped
from ledger.contract import CAPITAL_CNY_PER_KWH, DEFAULT_CALENDAR, DEFAULT_POLICY, Contract
from ledger.statement.terms import Terms


class OptionalPart(msgspec.Struct, frozen=True):
    """`field` of a contract, and `says` what holds.

    `default` also where the contract names what is the default: it is the same contract.
    """

    field: str
    held: Literal["stated", "default", "absent"]
    says: str


def optional_parts(contract: Contract) -> tuple[OptionalPart, ...]:
    """What holds of each part that a contract may leave out, in a fixed order."""
    return (
        _statement_terms(contract.statement_terms),
        _exclusivity(contract.exclusivity),
        _run_calendar(contract.run_calendar),
        _forbidden(contract),
        _vat(contract),
        _capital(contract),
    )


def _statement_terms(terms: Terms | None) -> OptionalPart:
    if terms is None:
        says = "statements are computed and cannot be issued: state days to query, to answer and to pay"
        return OptionalPart("statement_terms", "absent", says)
    days = "Monday to Friday" if terms.calendar == "none" else f"calendar {terms.calendar}"
    says = (
        f"working days ({days}): {terms.query_working_days} to query, {terms.answer_working_days} to answer,"
        f" {terms.due_working_days} to pay; late interest {terms.late_interest_per_day} a day"
    )
    return OptionalPart("statement_terms", "stated", says)


def _exclusivity(policy: str) -> OptionalPart:
    needed = "publish it before the first month that a market pays for"
    held: Literal["stated", "default"] = "default" if policy == DEFAULT_POLICY else "stated"
    return OptionalPart("exclusivity", held, f"policy {policy}; {needed}")


def _run_calendar(name: str) -> OptionalPart:
    if name == DEFAULT_CALENDAR:
        return OptionalPart(
            "run_calendar", "default", f"calendar {name}, unless another one is published as it"
        )
    return OptionalPart("run_calendar", "stated", f"calendar {name}; publish it before the first run")


def _forbidden(contract: Contract) -> OptionalPart:
    if not contract.forbidden_streams:
        return OptionalPart("forbidden_streams", "default", "the storage may be offered for every stream")
    says = f"bids for {', '.join(contract.forbidden_streams)} are refused"
    return OptionalPart("forbidden_streams", "stated", says)


def _vat(contract: Contract) -> OptionalPart:
    if contract.vat is not None:
        rates = "1 rate" if len(contract.vat.rates) == 1 else f"{len(contract.vat.rates)} rates"
        return OptionalPart("vat", "stated", f"{rates}; lines and invoices show net, tax and gross")
    if contract.split_basis == "tax_exclusive":
        return OptionalPart("vat", "absent", "a tax-exclusive contract cannot be settled without it")
    return OptionalPart("vat", "absent", "lines and invoices show tax-inclusive amounts and no tax")


def _capital(contract: Contract) -> OptionalPart:
    capital = contract.stated_capital
    if contract.capital_cost is not None and capital is not None:
        says = f"{grouped(exact_text(capital))} {contract.currency}; only used to judge fees"
        return OptionalPart("capital_cost", "stated", says)
    if capital is not None:
        says = f"fees are judged by the hurdle's capital, {grouped(exact_text(capital))} {contract.currency}"
    elif contract.currency == "CNY":
        price = exact_text(CAPITAL_CNY_PER_KWH)
        says = f"base fees per kWh are judged at {price} CNY a contracted kWh"
    else:
        says = "fees are not judged"
    return OptionalPart("capital_cost", "absent", says)
