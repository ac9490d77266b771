"""The demo's trading week: told, cut off on the way, told to its end, and told again, on real servers."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

import pytest
from rich.console import Console

from adapters.demo import trading_week, week_money, week_value
from adapters.demo.trading_book import DAYS, MARKET, POINT, PRICE_FILE, PRODUCT, TradingBook, trading_book
from adapters.demo.week_bids import LATE, LOST_ANSWER
from adapters.demo.week_money import Week
from adapters.demo.week_results import CORRECTED
from adapters.desk.desk import Desk
from adapters.queries import price_series
from adapters.settings import Settings
from adapters.stack import running
from ledger.interval import Interval
from ledger.quantity import exact
from ledger.refusal import Refused
from ledger.streams.spot import SpotClearing
from trading.bid_life import BidState
from trading.clearing import ClearingState, clearing_id

pytestmark = pytest.mark.long

DAY = timedelta(days=1)
OVERRIDDEN = date(2026, 1, 27)


class CutOff(Exception):
    """The telling ends here."""


class Listening(Console):
    """Keeps what is told, and may end the telling at a line that says `until`."""

    def __init__(self, until: str | None = None) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []
        self._until = until

    def print(self, *objects: object, **how: object) -> None:
        del how
        line = " ".join(map(str, objects))
        self.lines.append(line)
        if self._until is not None and self._until in line:
            raise CutOff


class Told(NamedTuple):
    """The book after the week, what was said while it happened, and when it was told again."""

    book: TradingBook
    week: Week
    lines: list[str]
    again: list[str]
    events: tuple[int, int]
    """The stream's end after the week, and after it was told again."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    settings = Settings(state=tmp_path_factory.mktemp("trade"), stream_max_bytes=64 << 20)
    with running(settings, lambda: datetime.now(UTC)) as stack:
        first, second, third = Listening(f"{LOST_ANSWER} uncertain"), Listening(), Listening()
        with pytest.raises(CutOff), trading_book(stack, first) as book:
            trading_week.tell(book)
        with trading_book(stack, second) as book:
            trading_week.tell(book)
            after = book.position()
        with trading_book(stack, third) as book:
            trading_week.tell(book)
            week = week_money.read_week(book, DAYS)
            yield Told(book, week, first.lines + second.lines, third.lines, (after, book.position()))


def state_of(book: TradingBook, day: date) -> BidState:
    state = Desk(book.door, book.stack.database).state(f"da-{day}")
    assert isinstance(state, BidState)
    return state


def statuses(book: TradingBook, day: date) -> list[str]:
    """What the day's bid was at the market, one after the other."""
    with book.reading() as (connection, _):
        rows = connection.execute(
            "SELECT state::jsonb->'standing'->>'status' FROM ledger.bid WHERE id = %s ORDER BY from_seq",
            [f"da-{day}"],
        ).fetchall()
    return [status for (status,) in rows if status is not None]


def published() -> dict[date, list[tuple[Fraction, Fraction]]]:
    """Each local day's day-ahead and real-time prices as the file has them."""
    found: dict[date, list[tuple[Fraction, Fraction]]] = {}
    with PRICE_FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            local = datetime.fromisoformat(row["start_utc"]) + timedelta(hours=8)
            both = exact(row["day_ahead_cny_per_kwh"]), exact(row["real_time_cny_per_kwh"])
            found.setdefault(local.date(), []).append(both)
    return found


def awarded_w(book: TradingBook, day: date) -> tuple[int, ...]:
    standing = state_of(book, day).standing
    assert standing is not None
    return standing.awarded_w


def test_the_week_s_money_is_what_a_second_count_says(told: Told) -> None:
    """Awards from the bids, prices from the published file: nothing of the ledger's own arithmetic."""
    prices = published()
    for one in told.week.days:
        hours = [ahead for ahead, _ in prices[one.day]]
        if one.day == CORRECTED:
            hours[8] -= Fraction("0.02")
        by_hand = sum(w * price for w, price in zip(awarded_w(told.book, one.day), hours, strict=True)) / 1000
        assert one.day_ahead == by_hand, one.day
        sold, _ = week_money.of_each(one.awarded_wh)
        assert sold == sum(max(w, 0) for w in awarded_w(told.book, one.day))


def test_the_week_to_the_fen(told: Told) -> None:
    assert [week_money.yuan(one.settled) for one in told.week.days] == [
        "656.29",
        "2,075.32",
        "1,952.43",
        "-294.81",
        "1,329.18",
        "147.73",
        "3,155.08",
    ]
    assert [str(result.pool) for result in told.week.results] == ["5866.15", "3155.06"]
    assert [result.through for result in told.week.results] == [None, date(2026, 2, 1)]
    assert week_money.yuan(week_money.check_agreement(told.book, told.week)) == "-0.02"
    for one in told.week.days:
        assert one.net.foresight is not None
        assert Fraction(one.net.foresight) >= one.settled, "nobody earns more than with all prices known"


def test_a_difference_of_a_fen_is_noticed(told: Told) -> None:
    first, *others = told.week.days
    wrong = first._replace(deviation=first.deviation + Fraction(1, 100))
    with pytest.raises(Refused, match="two settlements"):
        week_money.check_agreement(told.book, told.week._replace(days=(wrong, *others)))


def test_a_lost_answer_is_asked_about_and_not_sent_twice(told: Told) -> None:
    with (told.book.folder / "reference-market/journal.jsonl").open(encoding="utf-8") as file:
        entries = [json.loads(line) for line in file]
    offers = [entry for entry in entries if entry["entry"] == "offer_accepted"]
    assert [entry["day"] for entry in offers] == [str(day) for day in DAYS]
    usual = ["submitted", "sending", "acknowledged", "cleared"]
    lost = ["submitted", "sending", "uncertain", "acknowledged", "cleared"]
    assert statuses(told.book, LOST_ANSWER) == lost
    assert [statuses(told.book, day) for day in DAYS if day not in {LOST_ANSWER, LATE, CORRECTED}] == [
        usual
    ] * 4


def test_a_corrected_clearing_corrects_what_was_handed_over(told: Told) -> None:
    state = told.book.door.state(f"clearing.{clearing_id(MARKET, PRODUCT, CORRECTED)}")
    assert isinstance(state, ClearingState)
    assert list(state.runs) == ["1", "2"]
    facts = [told.book.door.state(f"market_fact.da-{CORRECTED}_W{number}") for number in (1, 2, 3, 4)]
    evening = []
    for fact in facts:
        assert isinstance(fact, SpotClearing)
        assert fact.run == "2"
        evening.append(fact.injected_wh[17])
    assert evening == [1_600_000, 1_200_000, 800_000, 400_000], "4 MW by capability, not 5"


def test_one_bid_is_let_past_a_limit_and_one_revision_is_late(told: Told) -> None:
    overridden, revisions = {}, {}
    for day in DAYS:
        state = state_of(told.book, day)
        assert state.standing is not None
        assert (state.standing.status, state.standing.draft.by) == ("cleared", "ada")
        assert state.standing.draft.approvals == ("bob",)
        overridden[day] = state.standing.draft.overridden
        revisions[day] = (state.draft.revision, state.standing.draft.revision)
    assert overridden == {day: ("market-exposure",) if day == OVERRIDDEN else () for day in DAYS}
    assert revisions == {day: (2, 1) if day == LATE else (1, 1) for day in DAYS}
    assert sum("refused (limit_exposure)" in line for line in told.lines) == 1
    assert sum("refused (gate_closed)" in line for line in told.lines) == 1


def test_no_plan_knew_the_prices_that_it_was_made_for(told: Told) -> None:
    for day in DAYS:
        with told.book.reading() as (connection, position):
            row = connection.execute(
                "SELECT min(from_seq) FROM ledger.bid WHERE id = %s", [f"da-{day}"]
            ).fetchone()
            assert row is not None
            written = row[0]
            assert written < position

            def known(at: int, of: date) -> bool:
                start = datetime(of.year, of.month, of.day, tzinfo=UTC) - timedelta(hours=8)
                try:
                    price_series.series(
                        connection,
                        at,
                        market=POINT.market,
                        node=POINT.node,
                        product="day_ahead",
                        interval=Interval(start, start + DAY),
                    )
                except Refused as refused:
                    assert refused.code == "price_missing"
                    return False
                return True

            assert known(written, day - DAY)
            assert not known(written, day)
            assert known(position, day)


def test_told_again_it_records_nothing(told: Told) -> None:
    assert told.events[0] == told.events[1]
    assert any("nothing of it is repeated" in line for line in told.again)
    assert told.again[-1] == told.lines[-1]
    assert sum("unchanged" in line for line in told.again) == 2


def test_the_market_s_tokens_are_for_nobody_else(told: Told) -> None:
    folder = told.book.folder / "reference-market"
    assert 'token = "' in (folder / "parameters.toml").read_text(encoding="utf-8")
    assert folder.stat().st_mode & 0o077 == 0


def test_the_week_is_led_from_the_best_to_what_was_settled(told: Told) -> None:
    """The report's money is the pools', and its losses lead to it."""
    told.book.console = once = Listening()
    week_value.tell(told.book)
    pools = sum(result.pool.minor for result in told.week.results)
    (lost,) = [line for line in once.lines if line.strip().startswith("lost of ")]
    assert lost.split() == ["lost", "of", lost.split()[2], "to", f"{pools / 100:,.2f}:"]
    (perfect,) = [line for line in once.lines if "had all prices been known" in line]
    assert perfect.split()[-4] == lost.split()[2], "the backtest and the report know the same best"
    parts = [line.split() for line in once.lines if line.startswith("    ") and len(line.split()) == 2]
    assert [name for name, _ in parts] == ["forecast", "bid", "availability", "dispatch", "contract"]
    by_part = {name: _fen(money) for name, money in parts}
    assert sum(by_part.values()) == _fen(lost.split()[2]) - pools
    assert by_part["bid"] > 0, "the operator took less than was offered"


def _fen(told: str) -> int:
    return int(told.replace(",", "").replace(".", ""))
