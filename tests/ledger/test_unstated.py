"""What holds where a contract states nothing is said for every part that it may leave out."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ledger import contract_file
from ledger.contract import DEFAULT_CALENDAR, Contract
from ledger.settlement.run_calendar import PLAIN
from ledger.unstated import OptionalPart, optional_parts

EXAMPLES = Path(__file__).parents[2] / "examples" / "contracts"
FILES = sorted(EXAMPLES.glob("*.toml"))
OPTIONAL = {
    one.name: one.default
    for one in msgspec.structs.fields(Contract)
    if not one.required and one.name != "withdrawn"
}
"""Withdrawing a contract states that it is withdrawn, and no file."""


def example(name: str) -> Contract:
    return contract_file.parse((EXAMPLES / f"{name}.toml").read_bytes())


def part(contract: Contract, field: str) -> OptionalPart:
    (found,) = [one for one in optional_parts(contract) if one.field == field]
    return found


def bare(name: str) -> Contract:
    """An example with every optional part left out."""
    return msgspec.structs.replace(example(name), **OPTIONAL)


def test_every_optional_field_is_told_of_and_none_else() -> None:
    fields = [one.field for one in optional_parts(example("eaas-s1"))]
    assert sorted(fields) == sorted(OPTIONAL)
    assert "stated" not in (one.held for one in optional_parts(bare("eaas-s1")))


def test_the_defaults_that_are_told_are_those_that_hold() -> None:
    found = bare("eaas-s1")
    assert part(found, "exclusivity").says.startswith(f"policy {found.exclusivity};")
    assert part(found, "run_calendar").says.startswith(f"calendar {found.run_calendar},")
    assert PLAIN.id == DEFAULT_CALENDAR


def test_naming_a_default_is_the_same_contract_to_the_byte() -> None:
    """Else an amendment that says what held anyway would have every settled month corrected by 0.00."""
    named = example("eaas-s1")
    assert (named.exclusivity, named.run_calendar) == ("rule_based", "plain")
    unnamed = msgspec.structs.replace(
        named, exclusivity=OPTIONAL["exclusivity"], run_calendar=OPTIONAL["run_calendar"]
    )
    assert msgspec.json.encode(named) == msgspec.json.encode(unnamed)
    assert msgspec.json.decode(msgspec.json.encode(named), type=Contract) == named


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_example_has_terms_by_which_its_statements_are_issued_and_paid(file: Path) -> None:
    terms = contract_file.parse(file.read_bytes()).statement_terms
    assert terms is not None
    assert min(terms.query_working_days, terms.answer_working_days, terms.due_working_days) > 0
    written = file.read_text(encoding="utf-8")
    for field in ("exclusivity", "run_calendar", "forbidden_streams"):
        assert f"\n{field} = " in written


def test_an_example_forbids_streams_and_names_its_policy() -> None:
    found = example("no-spot-strict-s1")
    assert part(found, "forbidden_streams") == OptionalPart(
        "forbidden_streams", "stated", "bids for spot, ancillary are refused"
    )
    assert part(found, "exclusivity").held == "stated"
    assert part(found, "exclusivity").says.startswith("policy strict;")
    assert (EXAMPLES.parent / "exclusivity" / f"{found.exclusivity}.toml").is_file()


@pytest.mark.parametrize(
    ("name", "field", "says"),
    [
        ("eaas-s1", "statement_terms", "statements are computed and cannot be issued"),
        ("eaas-s1", "vat", "tax-inclusive amounts and no tax"),
        ("tiered-share-s1", "vat", "a tax-exclusive contract cannot be settled without it"),
        ("eaas-s1", "capital_cost", "base fees per kWh are judged at 1800 CNY"),
        ("co-investment-s2", "capital_cost", "judged by the hurdle's capital, 1,800,000 CNY"),
        ("eaas-s1", "forbidden_streams", "every stream"),
    ],
)
def test_what_holds_without(name: str, field: str, says: str) -> None:
    found = part(bare(name), field)
    assert found.held != "stated"
    assert says in found.says


def test_a_calendar_other_than_the_plain_one_is_to_be_published() -> None:
    found = part(msgspec.structs.replace(example("eaas-s1"), run_calendar="shaanxi_v2"), "run_calendar")
    assert found == OptionalPart(
        "run_calendar", "stated", "calendar shaanxi_v2; publish it before the first run"
    )
