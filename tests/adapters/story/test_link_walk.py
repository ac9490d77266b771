"""Every kind of link is walked there and back in the book of some test."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from adapters.links import FOLLOWS, LINKS
from adapters.mapper import EnvelopeMapper
from adapters.projections.archive import Archive
from adapters.projections.links import Links
from adapters.projector import Projector
from adapters.queries.story.links_of import links_of
from ledger.clauses.facts import ServiceScore
from ledger.envelope import SCHEMA, Envelope
from ledger.interval import Month
from ledger.quantity import Money
from ledger.recorded_service import ServiceScoreRecorded
from ledger.signed_contract import ContractRegistered
from ledger.statement.life import Payment, StatementKey
from ledger.statement.money import PaymentRecorded
from tests.adapters.conftest import Bench
from tests.adapters.story.link_walk import WALKED, walked
from tests.adapters.test_settling import CONTRACT


def test_every_kind_of_link_is_walked() -> None:
    assert frozenset().union(*WALKED.values()) == {kind.name for kind in LINKS} | {FOLLOWS[0]}


def recorded(bench: Bench, *facts: tuple[str, Any]) -> list[int]:
    """The first version of each aggregate, as it would be stored, whatever a decision would say of it."""
    mapper = EnvelopeMapper()
    stored = [
        mapper.to_stored(
            aggregate, 1,
            Envelope(f"c{number}", "0" * 64, "ada", datetime(2026, 9, 1, tzinfo=UTC), None, "", "",
                     f"{number:032x}", SCHEMA, (fact,)),
        )
        for number, (aggregate, fact) in enumerate(facts)
    ]  # fmt: skip
    return list(bench.recorder.insert_events(stored))


def test_a_score_and_a_credit_lead_to_what_they_are_of(bench: Bench) -> None:
    given, used = (StatementKey("C1", month, "host", 1).aggregate for month in ("2026-08", "2026-09"))
    on, money = date(2026, 9, 1), Money(1000, "CNY")
    score = ServiceScoreRecorded("C1", Month(2026, 8), ServiceScore(party="o", score="1", evidence="log"))
    signed, scored, giving, using = recorded(
        bench,
        ("contract.C1", ContractRegistered(CONTRACT)),
        ("service.C1", score),
        (given, PaymentRecorded(Payment(id="c", on=on, amount=money, kind="credit_given", reference=used))),
        (used, PaymentRecorded(Payment(id="c", on=on, amount=money, kind="credit_used", reference=given))),
    )
    Projector(bench.log, bench.database, (Archive(), Links())).catch_up()
    with bench.database.reading(bench.book) as connection:
        assert walked(connection, using, range(1, using + 1)) >= WALKED["papers"]
        ends = {(link.link, link.sequence) for link in links_of(connection, using, [using]).links(using)}
        assert ends == {("uses_credit", giving)}
        ends = {(link.link, link.sequence) for link in links_of(connection, using, [signed]).links(signed)}
        assert ends == {(next(kind.back for kind in LINKS if kind.name == "of_contract"), scored)}
