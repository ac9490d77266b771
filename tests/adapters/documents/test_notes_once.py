"""A note stands once on a statement, with the sites that it is about."""

from __future__ import annotations

import msgspec

from adapters.documents.language import Wording
from adapters.statement_text import text
from ledger.clauses.flow import Notice
from ledger.settlement.run import Run
from ledger.settlement.site_notice import SiteNotice, by_message
from ledger.settlement.statement import statements
from tests.ledger.kpi.sample import run

METER = SiteNotice("missing_stream", "without a load or grid meter")
STOCK = SiteNotice("opening_stock", "its opening_stock is not stated")


def noticed(*notices: Notice) -> Run:
    one = run()
    return msgspec.structs.replace(one, result=msgspec.structs.replace(one.result, warnings=notices))


def test_what_is_said_of_several_sites_is_said_once_and_names_them() -> None:
    found = by_message([("S1", METER), ("S1", STOCK), ("S2", METER), ("S2", METER), ("S3", METER)])
    assert found == (
        Notice("missing_stream", "sites S1, S2, S3: without a load or grid meter"),
        Notice("opening_stock", "site S1: its opening_stock is not stated"),
    )


def test_who_may_not_see_the_pool_is_told_each_kind_once() -> None:
    """Before, a stream that is missing and two sites without a meter were the same sentence three times."""
    missing = Notice("missing_stream", "no spot item this month: counted as nothing")
    made = noticed(missing, *by_message([("S1", METER), ("S2", METER), ("S1", STOCK)]), missing)
    sees, hidden = sorted(statements(made, 7), key=lambda one: one.pool is None)
    assert sees.warnings == (
        "no spot item this month: counted as nothing",
        "sites S1, S2: without a load or grid meter",
        "site S1: its opening_stock is not stated",
    )
    assert hidden.warnings == (
        "a stream or an audit form was not available this month",
        "a storage's stock at the start of its first month was not stated",
    )


def printed(*notes: str) -> str:
    """A statement with a line of interaction for each note."""
    one = run()
    first = one.result.lines[0]
    last = msgspec.structs.replace(first, number=99, code="spot", note="rounded")
    lines = [
        msgspec.structs.replace(first, number=number, code="interaction", note=note)
        for number, note in enumerate(notes, 1)
    ]
    clauses = [line for line in one.result.lines if line.kind == "clause"]
    result = msgspec.structs.replace(one.result, lines=(*lines, last, *clauses))
    found = statements(msgspec.structs.replace(one, result=result), 7)
    return text(next(each for each in found if each.party == first.party))


def test_a_note_that_most_lines_of_a_stream_have_is_printed_once_with_their_numbers() -> None:
    said = printed("rounded", "rounded", "exported 5 Wh", "rounded", "exported 5 Wh")
    assert said.count("rounded") == 2, "once for the stream, and at the one line of another"
    assert said.count("\n       rounded\n") == 1
    assert "\nnote on lines 1, 2, 4: rounded\n" in said
    assert said.count("\n       exported 5 Wh\n") == 2, "what tells lines apart stays with them"


def test_a_note_that_two_lines_happen_to_share_stays_with_each() -> None:
    said = printed("rounded", "rounded", "exported 5 Wh")
    assert "note on lines" not in said
    assert said.count("\n       rounded\n") == 3


def test_a_note_of_several_sites_is_said_in_chinese() -> None:
    message = (
        "sites S1, S2: without a load or grid meter only the direct form was computed, neither checked"
        " against the bill nor guarded against export"
    )
    assert Wording("zh").phrase(message) == (
        "站点 S1, S2：没有负荷表或关口表：只按直接法计算，未与电费核对，也未防止上网"
    )
