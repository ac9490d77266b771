"""A party's document that was committed to and holds what is another's, or of no type that it can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.small_book import SmallBook, leaf_of_document, line, mth, yuan
from tests.verifier.test_verify_bundle import PARTIES, refusal, rewritten, verified

AGENT_PART = {"line": 1, "party": "owner", "vat": None}
SHARE = {"clause": "clause 1, remainder_split", "of": "", "party": "owner", "share": "40%"}


def _more(field: str, value: Any) -> Callable[[Any], None]:
    return lambda statement: statement[field].append(value)


def _use(statement: Any) -> None:
    statement["pool_uses"] += [{"clause": "to owner", "amount": yuan(one)} for one in (7, -7)]


def document(party: str, change: Callable[[Any], None]) -> bytes:
    made = SmallBook()
    told = json.loads(made.documents[party])
    change(told["statement"])
    made.documents[party] = line(told)
    made.opened = [leaf_of_document(one, made.documents[one]) for one in PARTIES]
    again = rewritten(made, 9, lambda event: event.update(root=mth(made.opened).hex()))
    return again.statement(party)


@pytest.mark.parametrize(
    ("party", "change", "reason"),
    [
        ("host", _more("agent_parts", AGENT_PART), "an agent's part is owner's"),
        ("host", lambda told: told.update(bills="whatever"), "not a JSON object"),
        ("host", lambda told: told.update(sites={"a": 1}), "its sites are no list"),
        ("host", lambda told: told.update(warnings=[5]), "a text is not one"),
        ("host", lambda told: told.update(classes=["other"]), "its classes are not its causes'"),
        ("host", lambda told: told["lines"][0].update(secret="x"), "'secret' is not a field of this"),
        ("owner", _use, "its pool's uses are not of its clauses"),
    ],
)
def test_a_statement_holds_nothing_foreign(party: str, change: Callable[[Any], None], reason: str) -> None:
    assert reason in refusal(document(party, change))


def test_what_only_the_contract_lets_a_party_see_is_counted() -> None:
    found = verified(document("host", _more("percentages", SHARE)))
    assert any(" 1  percentages of other parties, which the contract must show" in one for one in found)
