"""What the verifier says of the VAT that the ledger makes of worked contracts, and of small lies in it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.run_effect import Settled
from ledger.quantity import decimal_text
from tests.ledger.accounting.runs import OWNER, runs_of
from tests.ledger.accounting.test_one_vat import taxed
from tests.ledger.accounting.test_termination_billing import ending, shares
from tests.ledger.contract_samples import JANUARY
from tests.verifier.small_book import SmallBook, leaf_of_document, line, mth
from tests.verifier.test_verify_bundle import PARTIES, book_bundle, refusal, rewritten, verifier


def as_recorded(settled: Settled) -> tuple[Any, Any]:
    """The contract and the run as they stand in their events."""
    contract, run = (json.loads(msgspec.json.encode(one)) for one in (settled.contract, settled.run))
    run["result"]["sources"] = [{"aggregate": f"contract.{contract['id']}", "sequences": [[1, 1]]}]
    return contract, run


def check(contract: Any, run: Any) -> Any:
    module = verifier()
    book = module.Book()
    book.contracts[1] = contract
    with module.reading("the run"):
        book.check_taxes(module.Run(2, run), "the run")
    return book.counts


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(["host", "a-investor", OWNER]),
    shares,
    shares,
    st.integers(0, 10**8),
    st.integers(-(10**7), 10**7),
    st.sampled_from(["gross", "net"]),
)
def test_the_vat_of_the_ledger_holds(
    payer: str, payment: dict[str, str], hurdle: dict[str, str], due: int, pool: int, position: Any
) -> None:
    """Of a principal and of an agent, in the month that ends the contract too."""
    if any(set(one) == {payer} for one in (payment, hurdle)):
        return
    terms = ending(
        decimal_text(due, 2), payer=payer, payment_shares=payment, unpaid_hurdle="due", hurdle_shares=hurdle
    )
    terms = taxed(msgspec.structs.replace(terms, owner_position=position), "tax_inclusive")
    (run,) = runs_of(terms, [{"spot": decimal_text(pool, 2)}], JANUARY)
    result, found = run.run.result, check(*as_recorded(run))
    invoiced = {one.number for one in result.lines if one.vat} | {one.line for one in result.agent_parts}
    assert found["lines' VAT"] == len(invoiced)


def _part_left_out(result: Any) -> None:
    result["agent_parts"].pop()


def _part_of_more(result: Any) -> None:
    """Where the line itself is not invoiced as one."""
    part = result["agent_parts"][0]
    result["lines"][part["line"] - 1]["vat"] = None
    for name in ("net", "tax", "gross"):
        part["vat"][name]["minor"] *= 1000


def _against_each_other(result: Any) -> None:
    """A part that is invoiced the other way, and another that takes it up."""
    first, second = (one["vat"] for one in result["agent_parts"][:2])
    for name in ("net", "tax", "gross"):
        one, other = first[name]["minor"], second[name]["minor"]
        first[name]["minor"], second[name]["minor"] = -one, other + 2 * one


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_part_left_out, "and an agent's parts are"),
        (_part_of_more, "is invoiced of a line of"),
        (_against_each_other, "and an agent's parts are"),
    ],
)
def test_an_agents_parts_are_its_line(change: Any, reason: str) -> None:
    (run,) = runs_of(taxed(ending(), "tax_inclusive"), [{"spot": "12380.00"}], JANUARY)
    contract, recorded = as_recorded(run)
    check(contract, recorded)
    change(recorded["result"])
    with pytest.raises(verifier().Wrong, match=reason):
        check(contract, recorded)


def test_a_statement_s_vat_is_not_of_more_than_its_line() -> None:
    made = SmallBook()
    told = json.loads(made.documents["host"])
    sums = {"net": 500_000, "tax": 65_000, "gross": 565_000}
    money = {name: {"minor": one, "currency": "CNY"} for name, one in sums.items()}
    told["statement"]["lines"][0]["vat"] = {"supplier": "host", "rate": "0.13", **money}
    made.documents["host"] = line(told)
    made.opened = [leaf_of_document(one, made.documents[one]) for one in PARTIES]
    root = mth(made.opened).hex()
    again = rewritten(made, 9, lambda event: event.update(root=root))
    assert "500000 and tax are invoiced of line 1" in refusal(again.statement("host"))


@pytest.mark.parametrize("handovers", [5, None, {}, [5], [[]], ["x"]])
def test_handovers_of_another_type_are_refused_in_words(handovers: Any) -> None:
    lines = book_bundle().splitlines()
    lines[0] = line({**json.loads(lines[0]), "handovers": handovers})
    bundle = b"".join(one + b"\n" for one in lines)
    assert refusal(bundle).startswith("line 1: ")


@pytest.mark.parametrize("number", ["1_000", "1e3", " 1", "+1", "٣", "1.", ".5", "1/0", "0x1", ""])
def test_a_number_has_one_way_to_be_read(number: str) -> None:
    module = verifier()
    assert module.maybe_number(number) is None
    for read in (module.exactly, module.portion):
        with pytest.raises(ValueError, match="is not an exact number"):
            read(number)
