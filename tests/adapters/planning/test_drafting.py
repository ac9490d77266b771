"""From a forecast on record to a draft that the desk takes, with its reasons; never more than a draft."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from adapters.desk.checking import checked_bid
from adapters.desk.desk import Desk
from dispatch.forecasts.forecast import Forecast, MemberShare, QuantileRow, Subject
from dispatch.forecasts.issued import IssueForecast
from ledger import contract_file
from ledger.refusal import Refused
from ledger.signed_contract import RegisterContract
from tests.adapters import sample
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY, ENVELOPE, MARKET, OPEN, ROOT, UNIT, approved, bid, furnish
from tests.adapters.http.conftest import Api

START = datetime(2026, 9, 2, 16, tzinfo=UTC)
PROPOSE = ("bid", "propose", UNIT, MARKET, "day_ahead", f"{DAY}", "--as", "anna")


USUAL = ((50, 80), (500, 100), (950, 120))
"""Permille, and percent of what is expected."""


def forecast(
    node: str = "north",
    *,
    start: datetime = START,
    hours: int = 24,
    rows: tuple[tuple[int, int], ...] = USUAL,
    currency: str = "CNY",
    interval_s: int = 3600,
) -> IssueForecast:
    """Cheap at night, dear in the evening, each hour within 20 % of what is expected."""
    expected = [150_000] * 6 + [350_000] * 11 + [700_000] * 4 + [300_000] * 3
    expected = (expected * 2)[:hours]
    return IssueForecast(
        Forecast(
            subject=Subject("price", f"{MARKET}:{node}:day_ahead"),
            unit="micro_per_kwh",
            currency=currency,
            model="by hand",
            members=(MemberShare("by_hand", 1000, None),),
            features="0" * 64,
            trained_through=1,
            issued_at=OPEN,
            zone="Asia/Shanghai",
            interval_s=interval_s,
            start=start,
            expected=tuple(expected),
            quantiles=tuple(
                QuantileRow(level, tuple(price * part // 100 for price in expected)) for level, part in rows
            ),
            scores=None,
            drift=None,
            cold_start="",
        )
    )


@pytest.fixture
def desk(bench: Bench) -> Desk:
    return furnish(bench)


@pytest.fixture
def api(desk: Desk, bench: Bench) -> Iterator[Api]:
    assert desk.door is bench.door
    made = Api(bench)
    yield made
    made.close()


@pytest.fixture
def run(api: Api, bench: Bench, capsys: pytest.CaptureFixture[str]) -> Terminal:
    assert api.bench is bench
    return terminal_of(bench, capsys)


def issue(bench: Bench, made: IssueForecast) -> None:
    of = made.forecast
    bench.door.execute(made, command_id=f"issue-{of.subject.id}-{of.start}", actor="model")


def test_a_proposal_is_a_draft_with_its_reasons(run: Terminal, desk: Desk, bench: Bench) -> None:
    issue(bench, forecast())
    shown = run(*PROPOSE, "--show", "--wear", "0.02")
    assert desk.door.state(f"bid.{UNIT}-day_ahead-{DAY}") is None, "nothing is written"
    told = run(*PROPOSE, "--wear", "0.02")
    assert told.startswith(shown)
    assert "proposed from price_shandong_north_day_ahead, version 1" in told
    state = desk.state(f"{UNIT}-day_ahead-{DAY}")
    assert (state.status, state.draft.bid.origin, state.standing) == ("draft", "optimiser", None)
    bid = state.draft.bid
    assert bid.schedule_w is not None
    assert max(bid.schedule_w) == ENVELOPE.discharge_w
    assert {number // 4 for number, power in enumerate(bid.schedule_w) if power > 0} <= {17, 18, 19, 20}
    assert {number // 4 for number, power in enumerate(bid.schedule_w) if power < 0} <= {0, 1, 2, 3, 4, 5, 23}
    # The night's 150 lie 120 to 180, and far outside their forecast at 90 or more.
    sold = next(n for n, power in enumerate(bid.schedule_w) if power > 0)
    assert next(price for low, high, price in bid.curves[sold] if low == 0) == 90_000
    beyond = sum(high - low for curve in bid.curves for low, high, _ in curve) - sum(map(abs, bid.schedule_w))
    # 3.8 MWh of room give 3.61 MWh at 95 %, and take 4.
    assert 0 < beyond // 4 <= 7_610_000, "a cycle of the storage, and no more"
    assert "one cycle of the storage, deliverable where the plan is awarded whole" in told
    assert "at prices from 90 to 980 the plan is awarded whole" in told
    # 3 MWh of room take 3 / 0.95 = 3.157894 MWh, and 0.8 MWh stored give 0.76.
    for side, can in (("bought", 3_157_894), ("sold", 760_000)):
        found = re.search(rf"alone, (\d+) Wh are {side}: (\d+) Wh more .* CNY at most to settle", told)
        assert found is not None
        assert int(found[1]) - int(found[2]) == can
    checked = checked_bid(desk, bid, "anna", OPEN)
    assert checked.problems == (), "what is offered beyond the plan keeps within the desk's limit"


def test_a_second_proposal_is_the_draft_s_next_revision(run: Terminal, desk: Desk, bench: Bench) -> None:
    issue(bench, forecast())
    run(*PROPOSE)
    assert "revision 2" in run(*PROPOSE, "--deviation", "0.05")
    assert desk.state(f"{UNIT}-day_ahead-{DAY}").draft.revision == 2


def test_without_a_forecast_the_command_that_makes_one_is_told(run: Terminal, bench: Bench) -> None:
    with pytest.raises(
        Refused, match="wattledger forecast price:shandong:NODE:day_ahead 2026-09-03"
    ) as found:
        run(*PROPOSE)
    assert found.value.code == "forecast_missing"
    issue(bench, forecast(start=START + timedelta(hours=1)))
    with pytest.raises(Refused) as found:
        run(*PROPOSE)
    assert found.value.code == "forecast_missing", "an hour of the day is not covered"


def test_two_nodes_are_a_choice(run: Terminal, bench: Bench) -> None:
    issue(bench, forecast())
    issue(bench, forecast("south"))
    with pytest.raises(Refused, match="north") as found:
        run(*PROPOSE)
    assert found.value.code == "forecast_choice"


def sign(bench: Bench, since: date) -> None:
    """From that day on a contract of one of the unit's sites keeps it off the spot market."""
    one = contract_file.parse((ROOT / "examples/contracts/no-spot-strict-s1.toml").read_bytes())
    for party in one.parties:
        bench.door.record(sample.register_party(party.id), actor="ada")
    bench.door.record(RegisterContract(msgspec.structs.replace(one, effective_from=since)), actor="ada")


def test_nothing_is_proposed_that_a_contract_forbids(run: Terminal, desk: Desk, bench: Bench) -> None:
    sign(bench, DAY)
    with pytest.raises(Refused, match="no-spot-strict-s1") as found:
        run(*PROPOSE)
    assert (found.value.code, found.value.place) == ("contract_forbids", "product")
    assert desk.door.state(f"bid.{UNIT}-day_ahead-{DAY}") is None


def test_a_contract_of_later_days_forbids_nothing_yet(run: Terminal, bench: Bench) -> None:
    sign(bench, DAY + timedelta(days=1))
    issue(bench, forecast())
    assert "proposed from" in run(*PROPOSE)


def test_what_a_contract_forbids_by_now_is_not_approved(
    run: Terminal, desk: Desk, api: Api, bench: Bench
) -> None:
    issue(bench, forecast())
    run(*PROPOSE)
    name = f"{UNIT}-day_ahead-{DAY}"
    digest = desk.state(name).draft.digest
    sign(bench, DAY)
    api.wait()
    with pytest.raises(Refused, match="no-spot-strict-s1") as found:
        run("bid", "approve", name, "--digest", digest, "--as", "bert")
    assert (found.value.code, found.value.place) == ("contract_forbids", "product")
    assert desk.state(name).status == "draft"


def test_a_repeated_approval_answers_though_a_contract_forbids_by_now(desk: Desk, bench: Bench) -> None:
    one = bid()
    approved(desk, one)
    sign(bench, DAY)
    bench.project()
    again = desk.approve(one.id, 1, one.digest, command_id=f"approve-{one.id}-1", actor="bert")
    assert again.repeated


def test_nothing_is_proposed_where_no_cycle_pays(run: Terminal, bench: Bench) -> None:
    issue(bench, forecast())
    with pytest.raises(Refused, match="no cycle pays") as found:
        run(*PROPOSE, "--show", "--wear", "9")
    assert found.value.code == "proposal_empty"


def test_what_is_no_energy_is_offered_by_hand(run: Terminal, bench: Bench) -> None:
    issue(bench, forecast())
    with pytest.raises(Refused) as found:
        run("bid", "propose", UNIT, MARKET, "response", f"{DAY}", "--as", "anna")
    assert found.value.code == "proposal_product"


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ({"rows": ()}, "forecast_missing", "the quantiles none"),
        ({"rows": ((500, 100),)}, "forecast_missing", "the quantiles 50 %"),
        ({"rows": ((50, 80), (500, 100))}, "forecast_missing", "one of 90 % or more"),
        ({"rows": ((250, 90), (750, 110))}, "forecast_missing", "25 %, 75 %"),
        ({"currency": "EUR"}, "currency", "is in EUR"),
        ({"interval_s": 3200, "hours": 48}, "price_interval", "3200 s, which do not fit the 900 s"),
        ({"start": START - timedelta(minutes=10), "hours": 48}, "price_interval", "do not fit"),
    ],
)
def test_a_forecast_that_no_curve_can_rest_on_is_refused(
    run: Terminal, bench: Bench, given: dict[str, Any], code: str, told: str
) -> None:
    issue(bench, forecast(**given))
    with pytest.raises(Refused) as found:
        run(*PROPOSE, "--show")
    assert (found.value.code, found.value.place) == (code, "forecast")
    assert told in str(found.value)


def test_other_quantiles_do_where_few_outcomes_lie_beyond_them(run: Terminal, bench: Bench) -> None:
    """Of many the nearest to 5 and 95 %; a row that parts from what is expected reaches to it."""
    issue(bench, forecast(rows=((10, 20), (60, 80), (940, 120), (990, 500))))
    as_usual = run(*PROPOSE, "--show", "--wear", "0.02")
    assert " at 90: down to it" in as_usual, "as with 80 and 120 % of what is expected"


def test_intervals_of_a_forecast_that_begin_elsewhere_are_found(run: Terminal, bench: Bench) -> None:
    """Hours that begin half an hour before the day's: each quarter-hour has the price of its own hour."""
    issue(bench, forecast(start=START - timedelta(minutes=30), hours=26))
    shown = run(*PROPOSE, "--show")
    sold = {int(line.split()[0]) for line in shown.splitlines() if "down to it" in line}
    assert sold, shown
    assert min(sold) >= 17 * 4 - 2
    assert 17 * 4 - 2 in sold


def test_what_is_expected_outside_its_quantiles_moves_them(run: Terminal, bench: Bench) -> None:
    """Quantiles that both lie above what is expected: the lower one is what is expected."""
    issue(bench, forecast(rows=((50, 110), (950, 120))))
    # The least expected is 150; as far again below 165 would be 180.
    assert " at 150: down to it" in run(*PROPOSE, "--show")
