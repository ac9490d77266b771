"""The role against the real reference market: what goes out, what comes back, and what goes wrong between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import msgspec
import pytest

from adapters.desk.trading_role import TradingRole
from adapters.gateway.reference_market import ReferenceMarket
from ledger.effective import Period
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import MARKET, MW, bid, submitted
from tests.adapters.desk.desk_book import market as market_of
from tests.adapters.desk.trading_floor import CODE, Floor, Market, local, on_the_floor
from trading.clearing import Clearing
from trading.market_answer import AcknowledgeBid
from trading.published_market import PublishMarket
from trading.risk import ResumeTrading


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """One for all tests of this file: a start takes seconds."""
    running = Market(tmp_path_factory.mktemp("market"))
    yield running
    running.end()


@pytest.fixture
def floor(bench: Bench, market: Market) -> Iterator[Floor]:
    with on_the_floor(bench, market) as made:
        yield made


def published(floor: Floor) -> None:
    """The gate has closed and the result is out."""
    floor.set_clock(local(floor.day, -1, 17, 31))


def test_a_bid_goes_out_is_cleared_and_corrected(floor: Floor, market: Market) -> None:
    [line] = floor.turn()
    assert line.startswith(f"bid {floor.bid.id}: acknowledged ({CODE}/{floor.day}/1")
    held = market.held(floor.day)
    assert held is not None
    assert (held["state"], held["idempotency_key"]) == ("accepted", f"{floor.bid.id}-1")
    assert floor.turns(2) == [], "nothing is sent or said twice"
    published(floor)
    [line] = floor.turn()
    assert line.endswith("cleared (run 1)")
    assert floor.standing.awarded_w == floor.bid.schedule_w
    assert floor.cleared is not None
    assert floor.cleared.latest.price_u[8:12] == (200_000,) * 4
    corrected = {"start": local(floor.day, 0, 18).isoformat(), "award_w": MW // 2}
    market.admin(
        "POST",
        "corrections",
        product="day_ahead",
        day=str(floor.day),
        prices=[{"start": local(floor.day, 0, 18).isoformat(), "price_micro_per_kwh": 650_000}],
        awards=[corrected | {"participant": CODE}],
    )
    assert floor.turn() == [], "a known result is looked at again after the stated time, not each turn"
    floor.later(600)
    [line] = floor.turn()
    assert line.endswith("cleared (run 2)")
    assert floor.standing.awarded_w[72] == MW // 2
    assert floor.cleared.latest.price_u[72] == 650_000
    assert sorted(floor.cleared.runs) == ["1", "2"]
    market.admin("POST", "republications", product="day_ahead", day=str(floor.day), new_run=False)
    assert floor.turn(floor.another()) == [], "the same run delivered again changes nothing"
    market.admin("POST", "republications", product="day_ahead", day=str(floor.day), new_run=True)
    [line] = floor.turn(floor.another())
    assert line.endswith("cleared (run 3)")
    assert floor.kinds().count("cleared") == 3


def test_a_lost_answer_is_asked_about_and_never_sent_twice(floor: Floor, market: Market) -> None:
    market.admin("PUT", "faults/lost-answers", count=1)
    [line] = floor.turn()
    assert "uncertain" in line
    first = market.held(floor.day)
    assert first is not None, "the market took it all the same"
    [line] = floor.turn()
    assert "acknowledged" in line
    assert floor.kinds()[-3:] == ["sending", "uncertain", "acknowledged"]
    assert market.held(floor.day) == first


def test_an_outage_is_waited_for(floor: Floor, market: Market) -> None:
    market.admin("PUT", "faults/outage", seconds=3, mode="refuse")
    assert "uncertain" in floor.turn()[0]
    market.wait_for(floor.day)
    assert floor.outcomes(2) == ["unsent", "acknowledged"]
    assert floor.kinds()[-5:] == ["sending", "uncertain", "unsent", "sending", "acknowledged"]


def test_a_gate_that_closed_meanwhile_expires_only_what_the_market_does_not_have(
    floor: Floor, market: Market
) -> None:
    market.admin("PUT", "faults/outage", seconds=3, mode="refuse")
    assert "uncertain" in floor.turn()[0]
    market.wait_for(floor.day)
    floor.set_clock(local(floor.day, -1, 10, 31))
    assert floor.outcomes(2) == ["unsent", "expired"]
    assert floor.standing.status == "expired"


def test_a_gate_that_closed_meanwhile_keeps_what_the_market_has(floor: Floor, market: Market) -> None:
    market.admin("PUT", "faults/lost-answers", count=1)
    assert "uncertain" in floor.turn()[0]
    floor.set_clock(local(floor.day, -1, 10, 31))
    assert "acknowledged" in floor.turn()[0]
    published(floor)
    assert "cleared (run 1)" in floor.turn()[0]


def test_a_late_publication_is_waited_for(floor: Floor, market: Market) -> None:
    floor.turn()
    until = local(floor.day, -1, 18, 30).isoformat()
    market.admin("PUT", "faults/late-publication", product="day_ahead", day=str(floor.day), until=until)
    published(floor)
    assert floor.turn() == []
    assert floor.cleared is None
    floor.set_clock(local(floor.day, -1, 18, 31))
    assert "cleared (run 1)" in floor.turn()[0]


@pytest.mark.parametrize(
    ("spoiling", "said"),
    [
        ("cut_bytes", "not there yet: the answer cannot be read"),
        ("wrong_digest", "not there yet: the result is not what its digest says"),
        ("cut_intervals", "refused (clearing_file)"),
    ],
)
def test_of_a_spoilt_result_nothing_is_stored(floor: Floor, market: Market, spoiling: str, said: str) -> None:
    floor.turn()
    market.admin(
        "PUT",
        "faults/spoilt-results",
        product="day_ahead",
        day=str(floor.day),
        spoiling=spoiling,
        count=2,
    )
    published(floor)
    [line] = floor.turn()
    assert said in line
    assert floor.cleared is None
    floor.later(15)
    if any("cleared" in line for line in floor.turn()):
        return
    floor.later(15)
    assert "cleared (run 1)" in floor.turn()[0], "the file face took no spoilt one"


def test_the_switch_takes_back_what_stands_and_lets_nothing_out(floor: Floor, market: Market) -> None:
    floor.turn()
    floor.desk.stop("the meter fails", command_id="stop", actor="anna")
    assert floor.outcomes(2) == ["withdrawing", "withdrawn"]
    held = market.held(floor.day)
    assert held is not None
    assert held["state"] == "withdrawn"
    floor.desk.door.execute(ResumeTrading("bert", "mended"), command_id="resume", actor="bert")
    another = bid(f"{floor.bid.id}-2", day=floor.day)
    submitted(floor.desk, another)
    floor.desk.stop("again", command_id="stop2", actor="anna")
    assert floor.turns(2) == [], "what was submitted stays here"
    floor.desk.door.execute(ResumeTrading("bert", "mended"), command_id="resume2", actor="bert")
    assert "acknowledged" in floor.turn()[0], "after a withdrawal another bid has the day"
    held = market.held(floor.day)
    assert held is not None
    assert (held["state"], held["idempotency_key"], held["revision"]) == ("accepted", f"{another.id}-1", 3)


def test_the_revision_that_the_market_cleared_is_the_one_that_is_awarded(
    floor: Floor, market: Market
) -> None:
    floor.turn()
    half = dict.fromkeys(range(72, 80), MW // 2)
    submitted(floor.desk, bid(floor.bid.id, day=floor.day, schedule=half), revision=1)
    market.admin("PUT", "faults/outage", seconds=3, mode="refuse")
    assert "uncertain" in floor.turn()[0]
    market.wait_for(floor.day)
    published(floor)
    said = floor.turns(3)
    assert any("cleared (run 1)" in line for line in said), said
    assert (floor.standing.draft.revision, floor.standing.awarded_w[72]) == (1, MW)


def test_what_follows_a_clearing_is_asked_again_after_a_crash(floor: Floor) -> None:
    floor.turn()
    published(floor)
    seen: list[date] = []

    def crashes(market: str, product: str, day: date) -> list[str]:
        raise ConnectionError("killed here")

    def refuses(market: str, product: str, day: date) -> list[str]:
        raise Refused("sharing_missing", "nobody stated how", place="unit")

    def works(market: str, product: str, day: date) -> list[str]:
        assert (market, product) == (MARKET, "day_ahead")
        seen.append(day)
        return ["shared"] if len(seen) == 1 else []

    with pytest.raises(ConnectionError):
        floor.turn(floor.another(crashes))
    said = floor.turn(floor.another(refuses, works))
    assert [line.partition(": ")[2][:30] for line in said] == ["refused (sharing_missing): uni", "shared"]
    assert floor.turn(floor.another(works)) == []
    assert seen == [floor.day] * 2


def test_a_unit_that_the_market_does_not_let_in_is_blocked_with_nothing_sent(floor: Floor) -> None:
    """Nothing is on record as being sent, so that nothing is uncertain; the next token sends it."""
    stranger = ReferenceMarket(floor.market.url, {"another": "another-token"})
    [line] = floor.turn(floor.another(gateway=stranger))
    stranger.close()
    assert f"blocked (gateway_access: unit: no token for {CODE}" in line
    wrong = ReferenceMarket(floor.market.url, {CODE: "not-the-token"})
    role = floor.another(gateway=wrong)
    [line] = floor.turn(role)
    assert "blocked (gateway_access: unit: the market answers 401" in line
    assert floor.turn(role) == [], "it is said once"
    wrong.close()
    assert floor.standing.status == "submitted"
    assert "sending" not in floor.kinds()
    assert floor.outcomes(1) == ["acknowledged"]
    assert floor.standing.sent_at is not None
    assert floor.standing.sent_at - floor.standing.at < timedelta(hours=1)


def test_a_bid_stays_with_the_gateway_over_which_it_went(floor: Floor) -> None:
    """The market names another gateway from the next day on, and then even for this day: the bid is still
    asked about and cleared over the one that has it."""
    elsewhere = msgspec.structs.replace(market_of(), gateway="elsewhere")
    door = floor.bench.door
    tomorrow = Period(local(floor.day, 1, 0))
    door.execute(PublishMarket(tomorrow, elsewhere), command_id="next", actor="anna")
    [line] = floor.turn()
    assert "acknowledged" in line, "the version in force on the delivery day names the gateway"
    assert floor.standing.gateway == "none"
    door.execute(PublishMarket(sample.FROM_2026, elsewhere), command_id="at once", actor="anna")
    published(floor)
    [line] = floor.turn()
    assert line.endswith("cleared (run 1)")


def test_what_a_person_recorded_is_followed_up_without_a_gateway(floor: Floor) -> None:
    """The role has no gateway of the market; each run that is on record is followed up once."""
    asked: list[tuple[str, str, date]] = []

    def follow(*result: object) -> list[str]:
        asked.append(result)  # type: ignore[arg-type]
        return ["shared out"]

    desk, name = floor.desk, floor.bid.id
    desk.send(name, 1, command_id="send", actor="anna")
    desk.acknowledge(AcknowledgeBid(name, 1, "M-1"), command_id="ack", actor="anna")
    published(floor)
    role = TradingRole(
        desk, floor.bench.database, {}, lambda: floor.now, floor.lines.append, follow=(follow,)
    )
    assert floor.turn(role) == []
    run = Clearing(
        market=MARKET,
        product="day_ahead",
        day=floor.day,
        run="1",
        published=local(floor.day, -1, 17, 30),
        price_u=(400_000,) * 96,
        awards=(),
        source="the market's page",
        source_sha256="0" * 64,
    )
    desk.post_clearing(run, command_id="post", actor="anna")
    assert floor.turn(role) == [f"{run.id}: shared out"]
    assert floor.turn(role) == []
    assert asked == [(MARKET, "day_ahead", floor.day)]
