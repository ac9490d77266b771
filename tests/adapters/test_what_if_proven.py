"""A what-if is answered from rows that are what their events registered, or not at all."""

from __future__ import annotations

import msgspec
import pytest

from adapters.continuity import Discontinuity
from ledger.settlement.what_if import Question
from tests.adapters.conftest import Bench
from tests.adapters.test_market_settling import told_spot
from tests.adapters.test_settling import CONTRACT, filled, settle
from tests.adapters.test_tamper_published import ROWS, SETTLED_FROM, restore
from tests.adapters.test_what_if import ask, august

RENAMED = msgspec.structs.replace(CONTRACT, title="the same under another title")
DECIDED_ON = {
    ROWS
    + """document = document || '{"name":"x"}' WHERE kind = 'party' AND id = 'host-s1'""": "party host-s1",
    "DELETE FROM ledger.registered WHERE kind = 'party' AND id = 'operator'": "party operator",
}


def changed(bench: Bench, change: str, place: str, question: Question) -> None:
    """The question is not answered while the rows are so; then they are put right."""
    kept = {
        table: bench.query(f"SELECT * FROM ledger.{table}")  # type: ignore[arg-type]
        for table in ("registered", "price_block")
    }
    bench.query(f"{change} RETURNING 1")
    with pytest.raises(Discontinuity) as refused:
        ask(bench, question)
    assert refused.value.fault.code == "row_altered"
    assert refused.value.fault.place.startswith(f"table {place}"), change
    restore(bench, kept)


def test_nothing_is_answered_from_a_row_that_was_changed(bench: Bench) -> None:
    filled(bench)
    for again in (False, True):
        for change, place in SETTLED_FROM.items():
            changed(bench, change, f"registered, {place}", august())
        for change, place in DECIDED_ON.items():
            changed(bench, change, f"registered, {place}", august(instead=RENAMED))
        if not again:
            settle(bench)
    assert ask(bench, august(instead=RENAMED)).months[0].run == 1


def test_nor_from_a_fact_a_price_or_a_policy(bench: Bench) -> None:
    told_spot(bench)
    changes = {
        "UPDATE ledger.price_block SET mantissas[1] = mantissas[1] + 1": "price_block",
        ROWS + "effective_to = effective_to + interval '1 s' WHERE kind = 'market_fact'": "registered",
        ROWS + """document = document || '{"title":"x"}' WHERE kind = 'exclusivity'""": "registered",
    }
    for change, place in changes.items():
        changed(bench, change, place, august())
    assert ask(bench, august()).months
