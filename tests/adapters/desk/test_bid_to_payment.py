"""From a bid to the money on the bank account and back: each step by the links of the events alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from adapters.links import FOLLOWS
from adapters.links.follows_plan import plan_cause
from adapters.postgres.database import Connection
from adapters.queries.recorded_plans import plan_of_day
from adapters.queries.story.links_of import back_of, followed
from adapters.queries.story.posted import posted
from adapters.settling import lowest_position
from adapters.spreading import Paying, pay
from dispatch.control.command_records import RecordReadBack, RecordSeen, RecordWrittenFirst
from dispatch.control.setpoint import Setpoint
from dispatch.planning.storage_terms import StateStorage
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.statement.issue import ApproveStatement, IssueStatement, ReviewStatement
from ledger.statement.life import Life, StatementKey
from ledger.statement.named_payment import payment_aggregate
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.test_bid_to_cent import BEGINS, DAY, KW, followed_up, rest_of_the_month, traded
from tests.adapters.http.test_lives import TERMS as STATEMENT_TERMS
from tests.adapters.planning.plan_book import TERMS, planner
from tests.adapters.test_market_settling import does
from tests.adapters.test_settling import START, settle

MONEY: Final = ("used_by", "stated_by", "followed_by", "paid_by")
"""From what was recorded to the run, the statement, its later versions, and the payment."""
PHYSICAL: Final = ("planned_in", "followed_as", "followed_by", "seen_in", *MONEY)
"""Bid, plan, setpoint, what became of it, readings, money."""
MARKET: Final = ("award_shared_by", "handed_over_as", *MONEY)
"""Bid, award, market fact, money."""
ISSUED: Final = date(2026, 9, 5)


def planned(bench: Bench) -> int:
    """The day planned by the planner itself, with what the bid binds; where the plan stands."""
    bench.now = datetime(2026, 8, 11, 12, tzinfo=UTC)
    does(bench, StateStorage("S1", sample.FROM_2026, TERMS))
    with planner(bench) as (one, _):
        made = one.plan("vpp", DAY)
    bench.project()
    assert any(line.startswith("commitment.vpp_2026-08-12: b1") for line in made.head.rests_on)
    return made.sequence


def driven(bench: Bench, plan: int) -> None:
    """The hour in which the award discharges is told to the storage, and its meter shows it."""
    at = BEGINS + timedelta(hours=18)
    with bench.database.reading(bench.book) as connection:
        recorded = plan_of_day(connection, lowest_position(connection), "vpp", DAY)
    assert recorded is not None
    site = recorded.of("S1")
    assert site is not None
    power_w = site.setpoint_w[recorded.at(at)]
    assert power_w == 150 * KW, "the plan does what was awarded"
    cause = plan_cause(recorded.name, recorded.sequence)
    assert recorded.sequence == plan
    setpoint = Setpoint(setpoint_w=power_w, expires_at=at + timedelta(minutes=16), origin="plan", cause=cause)
    bench.now = at + timedelta(seconds=10)
    does(bench, RegisterDevice(Period(START), Device("a", "S1", "battery", 500_000, 250 * KW)))
    day = at.date()
    for number, command in enumerate((
        RecordWrittenFirst("a", day, setpoint, "j-1", 0, at + timedelta(seconds=3), "driver-1"),
        RecordReadBack("a", day, 1, power_w, at + timedelta(seconds=4)),
        RecordSeen("a", day, 1, "S1-STORAGE", power_w, at + timedelta(seconds=9), 0),
    )):  # fmt: skip
        bench.door.execute(command, command_id=f"told-{number}", actor="driver-1")
    bench.project()


def paid(bench: Bench) -> int:
    """August settled, each party's statement issued, and what the largest asks for paid; the book's end."""
    bench.now = datetime(2026, 9, 5, 4, tzinfo=UTC)
    (settled,) = settle(bench)
    lives: list[Life] = []
    for party in settled.result.payable:
        key = StatementKey(settled.result.contract, "2026-08", party, settled.run)
        for command, actor in (
            (ReviewStatement(key, "ada"), "ada"),
            (ApproveStatement(key, "bob"), "bob"),
            (IssueStatement(key, ISSUED, STATEMENT_TERMS), "ada"),
        ):
            bench.door.execute(command, command_id=f"{type(command).__name__}-{key.party}", actor=actor)
        life = bench.door.state(key.aggregate)
        assert isinstance(life, Life)
        lives.append(life)
    bench.project()
    largest = max(lives, key=lambda one: abs(one.open_amount.minor))
    asked = Paying(
        id="bank-1", party=largest.key.party, amount=largest.open_amount, on=ISSUED, today=ISSUED,
        reference="slip 7",
    )  # fmt: skip
    with bench.database.reading(bench.book) as connection:
        pay(bench.door, connection, lowest_position(connection), asked, actor="ada")
    bench.project()
    return bench.recorder.max_notification_id() or 0


def test_money_leads_back_to_the_bid_and_the_bid_to_money_by_links_alone(bench: Bench) -> None:
    desk = traded(bench)
    assert len(followed_up(bench, desk)) == 2
    driven(bench, planned(bench))
    rest_of_the_month(bench)
    last = paid(bench)
    asked = "SELECT sequence FROM ledger.envelope WHERE aggregate = %s"
    bid = {int(str(row[0])) for row in bench.query(asked, ["bid.b1"])}
    payment = {int(str(row[0])) for row in bench.query(asked, [payment_aggregate("bank-1")])}
    with bench.database.reading(bench.book) as connection:
        for chain in (PHYSICAL, MARKET):
            found = bid
            for link in chain:
                found = led(connection, last, found, link)
                assert found, f"{link} leads nowhere"
            assert found == payment, chain
            for link in reversed(chain):
                found = led(connection, last, found, back_of(link))
                assert found, f"{back_of(link)} leads nowhere"
            assert found & bid, chain
        on_statement = followed(connection, last, payment, "pays")
        assert posted(connection, last, on_statement).keys() == on_statement, "what is paid is posted"


def led(connection: Connection, last: int, events: set[int], link: str) -> set[int]:
    """Where a link leads; over the versions of an aggregate as far as they go."""
    found = followed(connection, last, events, link)
    if link not in FOLLOWS:
        return found
    reached = set(events)
    while found - reached:
        reached |= found
        found = followed(connection, last, found, link)
    return reached
