"""A programme's calls from a VTN of its own process, by an independent operator, to the settlement line."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from adapters.cli.session import Session
from adapters.main import application
from adapters.queries.story.bid import bid as bid_story
from adapters.settings import Settings
from ledger.interval import Interval
from ledger.streams.demand_response import (
    DemandResponseInstruction,
    DemandResponseInvitation,
    DemandResponseOutage,
)
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import MARKET, bid, flat
from tests.adapters.gateway.openadr3_floor import (
    BEGINS,
    DAY,
    OFFERED_W,
    PRODUCT,
    PROGRAMME,
    UNIT,
    CallFloor,
    event,
    on_the_call_floor,
)
from tests.adapters.gateway.running_vtn import VEN
from tests.adapters.test_market_settling import lines
from tests.adapters.test_settling import settle
from trading.market_answer import AcknowledgeBid


@pytest.fixture
def floor(bench: Bench) -> Iterator[CallFloor]:
    with on_the_call_floor(bench) as made:
        yield made


def outcomes(said: list[str]) -> list[str]:
    """What was said, without names and reasons."""
    return [line.partition(": ")[2].split(" (")[0] for line in said]


def called(floor: CallFloor, kw: float = 200, window: Interval | None = None) -> str:
    """The id of an event that calls the unit."""
    return str(floor.vtn.created("event", event(window or floor.peak, kw))["id"])


def test_a_call_is_paid_to_the_cent_and_the_story_shows_it(floor: CallFloor) -> None:
    """200 kW for an hour against a baseline of nothing, at 3 yuan: 600."""
    floor.submitted()
    assert outcomes(floor.turns(2)) == ["acknowledged"]
    name = called(floor)
    said = floor.turns(1)
    assert outcomes(said) == [
        "new", "accepted", "cleared", "answered",
        "bid b1: award shared out among its sites", "bid b1: 1 facts handed over",
        "bid b1: 1 instructions handed over",
    ]  # fmt: skip
    assert floor.turns(3) == [], "each once"
    first = int((floor.peak.start - BEGINS).total_seconds()) // 900
    assert [at for at, power in enumerate(floor.standing.awarded_w) if power] == list(range(first, first + 4))
    (report,) = floor.vtn.bl.reports(eventID=name)
    assert report.resources[0].intervals[0].payloads[0].values == ["RUNNING_CURTAILED"]
    invitation = floor.desk.door.state("market_fact.b1_S1_1")
    instruction = floor.desk.door.state("market_fact.b1_S1_1-call")
    assert isinstance(invitation, DemandResponseInvitation)
    assert isinstance(instruction, DemandResponseInstruction)
    assert instruction.interval == invitation.interval == floor.peak
    assert invitation.clearing_price == "3.000000"

    floor.set_clock(floor.peak.end + timedelta(days=25))
    floor.projected()
    (settled,) = settle(floor.bench)
    (line,) = lines(settled.result, "demand_response")
    assert line.amount.exact == 200 * 3
    floor.projected()
    with floor.bench.database.reading(floor.bench.book) as connection:
        position = floor.bench.log.client.run(floor.bench.log.last_sequence())
        story = bid_story(connection, position, "b1")
    kinds = [kind for entry in story.entries for kind in entry.kinds]
    wanted = (
        "call.heard.v1", "call.decided.v1", "call.answered.v1",
        "clearing.recorded.v1", "settlement.recorded.v1",
    )  # fmt: skip
    assert [kinds.count(kind) for kind in wanted] == [1, 1, 1, 1, 1]
    assert kinds.count("market.fact_recorded.v1") == 2
    ends = {entry.sequence: {link.sequence for link in entry.links} for entry in story.entries}
    reached, waiting = set[int](), [min(ends)]
    while waiting:
        at = waiting.pop()
        if at not in reached:
            reached.add(at)
            waiting += [other for other in ends[at] if other in ends]
    assert reached == set(ends), "each event of the story is reached from each other one"


@pytest.mark.parametrize(
    "step",
    ["before_HearCall", "after_HearCall", "after_DecideCall", "after_RecordClearing", "before_AnswerCall"],
)
def test_killed_at_any_step_nothing_is_doubled_and_nothing_lost(floor: CallFloor, step: str) -> None:
    floor.submitted()
    floor.turns(2)
    name = called(floor)
    floor.killed_at(step)
    floor.role = floor.another()
    floor.turns(3)
    assert floor.kinds("response_call.%") == [
        "call.heard.v1", "call.decided.v1", "call.answered.v1",
    ]  # fmt: skip
    assert len(floor.kinds("clearing.%")) == 1
    assert floor.kinds("market_fact.%") == ["market.fact_recorded.v1"] * 2
    assert len(floor.vtn.bl.reports(eventID=name)) == 1
    assert sum(floor.standing.awarded_w) == 4 * OFFERED_W


def test_a_change_and_a_withdrawal_are_new_events_and_new_runs(floor: CallFloor) -> None:
    floor.submitted()
    floor.turns(2)
    name = called(floor)
    floor.turns(2)
    floor.vtn.bl.update_event(name, event(floor.peak, 100))
    assert outcomes(floor.turns(2))[:3] == ["changed", "accepted", "cleared"]
    assert sum(floor.standing.awarded_w) == 2 * OFFERED_W
    fact = floor.desk.door.state("market_fact.b1_S1_1")
    assert isinstance(fact, DemandResponseInvitation)
    assert fact.awarded_w == (100_000,) * 4
    assert floor.vtn.operating_states(name) == ["RUNNING_CURTAILED"], "one report, put right"
    assert floor.kinds("response_call.%").count("call.answered.v1") == 2
    assert floor.vtn.bl.delete_event(name).status_code == 200
    assert outcomes(floor.turns(2))[:2] == ["withdrawn", "cleared"]
    assert not any(floor.standing.awarded_w)
    assert floor.clearing is not None
    assert floor.clearing.run.startswith("call-3-")
    assert floor.desk.door.state("market_fact.b1_S1_1-void") is not None, "it is excused"
    assert floor.turns(3) == []


def test_withdrawn_while_it_lasts_what_had_begun_stays_called(floor: CallFloor) -> None:
    floor.submitted()
    floor.turns(2)
    name = called(floor)
    floor.turns(2)
    floor.set_clock(floor.peak.start + timedelta(minutes=20))
    floor.vtn.bl.delete_event(name)
    assert outcomes(floor.turns(1))[0] == "withdrawn after the gate"
    first = int((floor.peak.start - BEGINS).total_seconds()) // 900
    assert [at for at, power in enumerate(floor.standing.awarded_w) if power] == [first, first + 1]
    fact = floor.desk.door.state("market_fact.b1_S1_1-call")
    assert isinstance(fact, DemandResponseInstruction)
    assert fact.interval.seconds == 1800


def test_what_was_withdrawn_and_is_called_again_is_paid(floor: CallFloor) -> None:
    """Two calls; the first is deleted, and another event calls the same hour: both hours are paid."""
    floor.submitted()
    floor.turns(2)
    later = Interval(floor.peak.start + timedelta(hours=2), floor.peak.end + timedelta(hours=2))
    first = called(floor)
    called(floor, 50, later)
    floor.turns(1)
    floor.vtn.bl.delete_event(first)
    assert "cleared" in outcomes(floor.turns(1))
    called(floor)
    assert outcomes(floor.turns(1))[:3] == ["new", "accepted", "cleared"]
    facts = {
        name: floor.desk.door.state(f"market_fact.b1_S1_{name}") for name in ("1", "1-call", "2", "2-call")
    }
    windows = {name: getattr(fact, "interval", None) for name, fact in facts.items()}
    assert windows == {"1": floor.peak, "1-call": floor.peak, "2": later, "2-call": later}
    excuse = floor.desk.door.state("market_fact.b1_S1_1-void")
    assert isinstance(excuse, DemandResponseOutage)
    assert not excuse.excused
    floor.set_clock(floor.peak.end + timedelta(days=25))
    (settled,) = settle(floor.bench)
    paid = sum(line.amount.exact for line in lines(settled.result, "demand_response"))
    assert paid >= 200 * 3


def test_power_that_was_sold_meanwhile_is_not_called(floor: CallFloor) -> None:
    """The day is called for one hour; then another one is sold as energy, and a third one stays free."""
    floor.submitted()
    floor.turns(2)
    called(floor)
    floor.turns(1)
    other = Interval(floor.peak.start + timedelta(hours=2), floor.peak.end + timedelta(hours=2))
    first = int((other.start - BEGINS).total_seconds()) // 900
    plan = tuple(OFFERED_W if first <= at < first + 4 else 0 for at in range(96))
    curves = tuple(flat(0, power, 500_000) if power else () for power in plan)
    floor.submitted(bid("b2", day=DAY, curves=curves, schedule_w=plan))
    floor.desk.send("b2", 1, command_id="send-b2", actor="anna")
    floor.desk.acknowledge(AcknowledgeBid("b2", 1, "SD-1"), command_id="ack-b2", actor="anna")
    after = Interval(other.end, other.end + timedelta(hours=1))
    second, third = called(floor, 200, other), called(floor, 200, after)
    floor.turns(1)
    step = floor.call(second).steps[-1]
    assert (step.decision, step.code) == ("declined", "call_not_free")
    assert floor.call(third).steps[-1].decision == "accepted"


def test_what_cannot_be_followed_is_on_record_and_opted_out_of(floor: CallFloor) -> None:
    floor.submitted()
    floor.turns(2)
    wanted: dict[str, str | None] = {}
    wanted[called(floor, 300)] = "call_beyond_bid"
    wanted[
        called(floor, 100, Interval(floor.peak.start - timedelta(days=5), floor.peak.end - timedelta(days=5)))
    ] = "call_past"
    other = event(floor.peak, 100)
    price = [{"id": 0, "payloads": [{"type": "PRICE", "values": [1]}]}]
    wanted[floor.vtn.created("event", other | {"intervals": price})["id"]] = "call_payload"
    odd = {"start": f"{floor.peak.start + timedelta(minutes=7):%Y-%m-%dT%H:%M:%SZ}", "duration": "PT15M"}
    wanted[floor.vtn.created("event", other | {"intervalPeriod": odd})["id"]] = "call_interval"
    endless = {"start": odd["start"], "duration": "P9999Y"}
    one = {"intervalPeriod": endless, "intervals": other["intervals"][:1]}
    wanted[floor.vtn.created("event", other | one)["id"]] = "call_open_ended"
    wanted[
        called(floor, 100, Interval(floor.peak.start + timedelta(days=1), floor.peak.end + timedelta(days=1)))
    ] = "call_without_bid"
    floor.turns(2)
    for name, code in wanted.items():
        step = floor.call(name).steps[-1]
        assert (step.decision, step.code) == ("declined", code), name
        over = code in ("call_past", "call_payload")
        assert floor.vtn.operating_states(name) == ([] if over else ["RUNNING_OPTED_OUT"])
    assert floor.clearing is None
    assert floor.turns(2) == []


def test_an_event_that_cannot_be_read_is_refused_once_and_taken_when_it_is_mended(floor: CallFloor) -> None:
    floor.submitted()
    floor.turns(2)
    wrong = event(floor.peak, 200)
    wrong["intervalPeriod"] = wrong["intervalPeriod"] | {"duration": "P1M"}
    name = str(floor.vtn.created("event", wrong)["id"])
    said = floor.turns(3)
    assert outcomes(said) == ["refused"]
    assert "duration" in said[0]
    assert floor.kinds("response_call.%") == ["call.refused.v1"]
    floor.vtn.bl.update_event(name, event(floor.peak, 200))
    assert outcomes(floor.turns(1))[:2] == ["new", "accepted"]


def test_an_outage_is_said_once_and_nothing_is_lost(floor: CallFloor) -> None:
    floor.submitted()
    floor.turns(2)
    called(floor)
    floor.vtn.process.send_signal(SIGSTOP)
    try:
        said = floor.turns(1)
    finally:
        floor.vtn.process.send_signal(SIGCONT)
    assert len(said) == 1
    assert "not there yet" in said[0]
    assert floor.kinds("response_call.%") == []
    assert outcomes(floor.turns(1))[:2] == ["new", "accepted"]


def test_two_calls_of_one_interval_are_one_call(floor: CallFloor) -> None:
    floor.submitted()
    floor.turns(2)
    called(floor, 100)
    floor.turns(1)
    second = called(floor, 100)
    floor.turns(2)
    step = floor.call(second).steps[-1]
    assert (step.decision, step.code) == ("declined", "call_overlap")
    assert sum(floor.standing.awarded_w) == 2 * OFFERED_W


def test_two_roles_at_once_record_each_step_once(floor: CallFloor) -> None:
    floor.submitted()
    floor.turns(2)
    called(floor)
    other = floor.another()
    floor.set_clock(floor.clock.at + timedelta(seconds=20))
    floor.role.turn()
    floor.gateway._next.clear()
    other.turn()
    floor.projected()
    assert len(floor.kinds("response_call.%")) == 3
    assert len(floor.kinds("clearing.%")) == 1


def test_trade_reads_its_programmes_from_the_file(
    floor: CallFloor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command's VTN session has the machine's clock, for which August is over."""
    floor.submitted()
    called(floor)
    (tmp_path / "vtn.toml").write_text(
        f'client_id = "{VEN.client_id}"\nclient_secret = "{VEN.client_secret}"\n'
    )
    (tmp_path / "vtn.toml").chmod(0o600)
    (tmp_path / "gateways.toml").write_text(
        f'[gateways.dr]\ntype = "openadr"\nurl = "{floor.vtn.url}"\nsecret = "vtn.toml"\nven = "our-ven"\n'
        f'[[gateways.dr.programmes]]\nmarket = "{MARKET}"\nproduct = "{PRODUCT}"\nunit = "{UNIT}"\n'
        f'programme = "{PROGRAMME}"\nresource = "storage-s1"\nprice = "3"\n'
    )
    bench = floor.bench
    settings = Settings(
        book=bench.book, nats_url=bench.nats.url, nats_monitor_url=bench.nats.monitor_url,
        nats_seed=bench.nats.app_seed, postgres_url=bench.postgres_url,
        state=tmp_path, gateways=tmp_path / "gateways.toml",
    )  # fmt: skip
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        application(Session(settings, floor.clock), ["trade"])(["trade", "--once"], exit_on_error=False)
    finally:
        signal.signal(signal.SIGINT, handlers[0])
        signal.signal(signal.SIGTERM, handlers[1])
    out = capsys.readouterr().out
    assert "gateways dr; a turn every 2 s" in out
    assert "bid b1: acknowledged" in out
    assert ": new" in out
    assert ": declined (call_past)" in out
