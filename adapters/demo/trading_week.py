"""Chapter 11: a week of the Shandong spot market is traded, delivered and settled, day by day.

Each step is a command with an id of its own, so that a second telling changes nothing. The market is another
process, spoken to as any market is; what goes wrong on the way is asked of it beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date, timedelta
from fractions import Fraction
from typing import Final

import numpy as np

from adapters import meters, price_file
from adapters.demo import trading_book, week_money
from adapters.demo.market_process import MarketProcess, market_process
from adapters.demo.portfolio_book import APPROVES, EXAMPLES, PREPARES, once
from adapters.demo.trading_book import (
    MARKET,
    POINT,
    PRICE_FILE,
    PRODUCT,
    UNIT,
    UNIT_CODE,
    TradingBook,
    charge_on_losses_u,
    envelope,
    local,
    market,
)
from adapters.demo.week_money import Week, of_each, yuan
from adapters.demo.week_plan import QUARTER_S, Shared, best_schedule_w, curves, metered
from adapters.desk.handing_over import HandingOver
from adapters.desk.sender import ACTOR as GATEWAY
from adapters.desk.sender import Done, Sender
from adapters.desk.sharing_out import SharingOut
from adapters.importing import import_file
from adapters.queries import price_series, registered_page
from adapters.settling import Settled, settle_month
from adapters.verify import verify
from ledger.interval import Interval, Month
from ledger.market_price import PriceBlock, PriceSeries, Product
from ledger.quantity import decimal_text, round_half_away
from ledger.recorded_price import RecordPrices, blocks_of
from ledger.refusal import Refused
from trading.award import SharedAward
from trading.bid import Bid
from trading.bid_commands import digest_of
from trading.clearing import ClearingState, clearing_id

FIRST: Final = date(2026, 1, 26)
DAYS: Final = tuple(FIRST + timedelta(days=number) for number in range(7))
LOST_ANSWER: Final = date(2026, 1, 28)
CORRECTED: Final = date(2026, 1, 29)
LATE: Final = date(2026, 1, 30)
_EVENING: Final = 17
_MORNING: Final = 8
_LESS_W: Final = 1_000_000
_CHEAPER_U: Final = 20_000
"""The correction: 1 MW less at 17:00, and 20 CNY per MWh less at 08:00."""
_DAY: Final = timedelta(days=1)
_PRICE_SCALE: Final = 6
_S_PER_HOUR: Final = 3600


def tell(book: TradingBook) -> None:
    """Raises:
    Refused: what a step is refused for; `demo_agreement` when positions, settlement and profit differ;
        `verify` when the ledger does not hold."""
    book.console.rule("11. a week on the Shandong spot market")
    trading_book.found(book)
    book.console.print(
        "  real       the market's hourly day-ahead and real-time prices, 26 January to 1 February 2026\n"
        "  simulated  the operator, a process of its own that clears bids around these prices; the\n"
        "             storages, which do 2 % less to 1 % more than they are to; their owner and tariff"
    )
    _record_prices(book, "day_ahead", FIRST - _DAY)
    before = book.position()
    with _market(book) as operator:
        for day in (FIRST - _DAY + number * _DAY for number in range(len(DAYS) + 2)):
            _live_through(book, operator, day)
    if book.position() == before:
        book.console.print("  traded and delivered before: nothing of it is repeated")
    _settle(book)
    week = week_money.read_week(book, DAYS)
    _show(book, week)
    rounding = week_money.check_agreement(book, week)
    book.console.print(
        "  positions, settlement and profit agree to the fen:"
        f" the pools are the days, and {yuan(rounding)} of {len(week.lines)} lines each rounded once"
    )
    _verify(book)


def _market(book: TradingBook) -> AbstractContextManager[MarketProcess | None]:
    """The market, unless all that it has to tell is in the book."""
    told = [_clearing(book, day) for day in DAYS]
    if all(
        state is not None and (day != CORRECTED or len(state.runs) > 1)
        for day, state in zip(DAYS, told, strict=True)
    ):
        return nullcontext()
    return market_process(
        book.folder / "reference-market",
        PRICE_FILE,
        market=MARKET,
        unit_code=UNIT_CODE,
        power_w=envelope().discharge_w,
        clock=local(FIRST - _DAY, "08:00"),
    )


def _live_through(book: TradingBook, operator: MarketProcess | None, day: date) -> None:
    """A calendar day: yesterday's readings, tomorrow's bid, real-time prices, tomorrow's clearing."""
    yesterday, tomorrow = day - _DAY, day + _DAY
    if yesterday in DAYS:
        _record_readings(book, yesterday)
    if tomorrow in DAYS:
        _bid(book, tomorrow)
        if operator is not None:
            _send(book, operator, tomorrow)
    if yesterday in DAYS:
        book.at(day, "10:30")
        _record_prices(book, "real_time", yesterday)
    if tomorrow == LATE:
        _bid_late(book, tomorrow)
    if yesterday == CORRECTED and operator is not None:
        _correct(book, operator, yesterday)
    if tomorrow in DAYS and operator is not None:
        operator.move_to(book.at(day, "17:31"))
        _take_result(book, operator, tomorrow)


# ------------------------------------------------------------------------- bids


def _bid(book: TradingBook, day: date) -> None:
    """Planned with yesterday's prices, which are all that is known; written by one, approved by another."""
    before = day - _DAY
    book.at(before, "09:30")
    expected = _known_prices(book, "day_ahead", before)
    one = _planned(day, expected, f"planned with the day-ahead prices of {before}")
    desk, name = book.desk, one.id
    desk.draft(one, revision=0, command_id=f"demo:draft:{name}", actor=PREPARES)
    book.at(before, "09:40")
    desk.approve(name, 1, digest_of(one), command_id=f"demo:approve:{name}", actor=APPROVES)
    book.at(before, "09:45")
    submission = f"demo:submit:{name}"
    try:
        desk.submit(name, 1, command_id=submission, actor=PREPARES)
    except Refused as refused:
        if refused.code != "limit_exposure":
            raise
        book.say(f"{name} refused ({refused.code}): {refused.reason}")
        reason = "counted at yesterday's dearest hour; the plan charges in the cheapest ones"
        desk.override(name, 1, "market-exposure", reason, command_id=f"demo:override:{name}", actor=APPROVES)
        desk.submit(name, 1, command_id=submission, actor=PREPARES)
        book.say(f"{name} {APPROVES} lets it exceed market-exposure: {reason}")


def _planned(day: date, expected_u: tuple[int, ...], note: str) -> Bid:
    product = market().product(PRODUCT)
    unit = envelope()
    charge_u = charge_on_losses_u(day)
    worth_u = [price + charge_u for price in expected_u]
    schedule = best_schedule_w(unit, worth_u, product.interval_s, product.lot_w)
    return Bid(
        id=f"da-{day}",
        unit=UNIT,
        market=MARKET,
        product=PRODUCT,
        day=day,
        curves=curves(unit, product, schedule, expected_u),
        schedule_w=schedule,
        origin="optimiser",
        note=note,
    )


def _send(book: TradingBook, operator: MarketProcess, day: date) -> None:
    """Carried to the market; on one day its answer is lost on the way, and it is asked what it has."""
    state = book.desk.state(f"da-{day}")
    assert state.standing is not None, "it was submitted"
    operator.move_to(book.at(day - _DAY, "09:50"))
    if day == LOST_ANSWER and state.standing.status == "submitted":
        operator.lose_next_answer()
    _print(book, _step(book, operator))
    book.at(day - _DAY, "09:52")
    _print(book, _step(book, operator))


def _step(book: TradingBook, operator: MarketProcess) -> list[Done]:
    book.position()
    return _sender(book, operator).step()


def _sender(book: TradingBook, operator: MarketProcess) -> Sender:
    return Sender(book.desk, book.stack.database, MARKET, operator.gateway, book.clock)


def _print(book: TradingBook, done: Iterable[Done]) -> None:
    for one in done:
        book.say(f"{one.name} {one.outcome}" + (f": {one.note}" if one.note else ""))


def _bid_late(book: TradingBook, day: date) -> None:
    """A revision with newer prices comes a second before the gate: within the clocks' error."""
    before, standing = day - _DAY, book.desk.state(f"da-{day}").standing
    if standing is not None and standing.status == "cleared":
        return
    book.at(before, "10:50")
    expected = _known_prices(book, "real_time", before - _DAY)
    one = _planned(day, expected, f"planned with the real-time prices of {before - _DAY}")
    desk, name = book.desk, one.id
    desk.draft(one, revision=1, command_id=f"demo:draft:{name}:2", actor=PREPARES)
    desk.approve(name, 2, digest_of(one), command_id=f"demo:approve:{name}:2", actor=APPROVES)
    book.at(before, "10:59:59")
    try:
        desk.submit(name, 2, command_id=f"demo:submit:{name}:2", actor=PREPARES)
    except Refused as refused:
        if refused.code != "gate_closed":
            raise
        book.say(f"{name} revision 2 refused (gate_closed): a second before the gate; revision 1 stands")
    else:
        raise Refused("demo_agreement", f"{name} was taken after the gate", place=name)


# -------------------------------------------------------------- prices and results


def _known_prices(book: TradingBook, product: Product, day: date) -> tuple[int, ...]:
    """A day's prices in millionths per kWh, as the book knows them now.

    Raises:
        Refused: `price_missing` where they are not published yet.
    """
    with book.reading() as (connection, position):
        series, _ = price_series.series(
            connection,
            position,
            market=POINT.market,
            node=POINT.node,
            product=product,
            interval=_hours(day),
        )
    block = series.between(_hours(day))
    factor = Fraction(10**_PRICE_SCALE, 10**block.scale)
    return tuple(int(mantissa * factor) for mantissa in block.mantissas.tolist())


def _record_prices(book: TradingBook, product: Product, day: date) -> None:
    """What the platform published for the day."""
    both = price_file.parse(
        PRICE_FILE.read_bytes(), market=POINT.market, node=POINT.node, currency="CNY", interval_s=_S_PER_HOUR
    )
    series = both[0 if product == "day_ahead" else 1]
    _record(book, series, series.between(_hours(day)), f"{PRICE_FILE.name}, {day}")


def _record(book: TradingBook, series: PriceSeries, block: PriceBlock, source: str) -> None:
    one = PriceSeries(
        series.market, series.node, series.product, series.interval_s, series.currency, (block,)
    )
    for part in blocks_of(one, source):
        once(book.door, RecordPrices(part), GATEWAY)


def _take_result(book: TradingBook, operator: MarketProcess, day: date) -> None:
    """The clearing, its prices, each site's part, and what that means for settlement."""
    book.position()
    done = _sender(book, operator).fetch(PRODUCT, day)
    state = _clearing(book, day)
    assert state is not None, "what is fetched is recorded"
    clearing, hours = state.latest, _hours(day)
    block = PriceBlock(hours.start, np.array(clearing.price_u, dtype=np.int64), _PRICE_SCALE)
    series = PriceSeries(POINT.market, POINT.node, "day_ahead", _S_PER_HOUR, "CNY", (block,))
    _record(book, series, block, f"{clearing.source}, run {clearing.run}")
    shared = SharingOut(book.desk).share(MARKET, PRODUCT, day, actor=GATEWAY)
    told = HandingOver(book.desk).hand_over(MARKET, PRODUCT, day, actor=GATEWAY)
    if done is not None:
        gap = sum(one.gap_wh for one in shared)
        facts = sum(one.recorded for one in told)
        book.say(
            f"da-{day} cleared, {done.note}: shared out with {gap} Wh left over, {facts} facts handed over"
        )


def _clearing(book: TradingBook, day: date) -> ClearingState | None:
    state = book.door.state(f"clearing.{clearing_id(MARKET, PRODUCT, day)}")
    return state if isinstance(state, ClearingState) else None


def _correct(book: TradingBook, operator: MarketProcess, day: date) -> None:
    """The day after, the market publishes a second run with another price and another award."""
    operator.move_to(book.at(day + _DAY, "12:00"))
    told = operator.result("day_ahead", str(day))
    if told["run"] == 1:
        start = market().start_of(day)
        morning, evening = (start + timedelta(hours=hour) for hour in (_MORNING, _EVENING))
        price = told["prices_micro_per_kwh"][_MORNING] - _CHEAPER_U
        award = told["awards_w"][UNIT_CODE][_EVENING] - _LESS_W
        operator.correct(
            {
                "product": "day_ahead",
                "day": str(day),
                "prices": [{"start": morning.isoformat(), "price_micro_per_kwh": price}],
                "awards": [
                    {"participant": UNIT_CODE, "start": evening.isoformat(), "award_w": award},
                ],
            }
        )
    _take_result(book, operator, day)


def _hours(day: date) -> Interval:
    return Interval(local(day, "00:00"), local(day + _DAY, "00:00"))


# --------------------------------------------------------------------- delivery


def _record_readings(book: TradingBook, day: date) -> None:
    """What the storages' meters read of a day that is over."""
    book.at(day + _DAY, "01:00")
    lines = ["meter,register,start,wh", *_readings(book, day)]
    import_file(
        book.door,
        ("\n".join(lines) + "\n").encode(),
        file_name=f"storage-{day}.csv",
        profile=meters.profile_of((EXAMPLES / "demo/storage.toml").read_bytes()),
        actor=GATEWAY,
        received_at=book.clock(),
    )


def _readings(book: TradingBook, day: date) -> Iterator[str]:
    """Each storage did what it was told when the day began: the first run's part of it."""
    until = DAYS[: DAYS.index(day) + 1]
    with book.reading() as (connection, position):
        told = [
            registered_page.versions(connection, "award", SharedAward, position, f"da-{one}_1")[0].document
            for one in until
        ]
    unit = envelope()
    whole = unit.discharge_w
    powers = {member.site: member.capability_w for member in trading_book.trading_unit().members}
    shares = {
        site: Shared(
            power_w=power,
            stored_wh=unit.stored_wh * power // whole,
            floor_wh=unit.floor_wh * power // whole,
            ceiling_wh=unit.ceiling_wh * power // whole,
            days=tuple(award.sites[site] for award in told),
        )
        for site, power in powers.items()
    }
    start = local(day, "00:00")
    for site, days in metered(unit, shares, _S_PER_HOUR).items():
        for register, values in (("charge", days[-1].charge_wh), ("discharge", days[-1].discharge_wh)):
            for number, wh in enumerate(values):
                at = start + timedelta(seconds=number * QUARTER_S)
                yield f"{site}-STORAGE,{register},{at:%Y-%m-%dT%H:%M:%SZ},{wh}"


# ------------------------------------------------------------------- settlement


def _settle(book: TradingBook) -> None:
    """January is over; of February the one day that is, provisionally."""
    last = DAYS[-1]
    book.at(last + _DAY, "12:00")
    database = book.stack.database
    january, february = Month.of(FIRST), Month.of(last)
    today = last + _DAY
    done = settle_month(book.door, database, january, actor=PREPARES, today=today).runs
    done += settle_month(book.door, database, february, actor=PREPARES, through=last, today=today).runs
    for one in done:
        book.console.print(f"  {_settled(one)}")


def _settled(one: Settled) -> str:
    result = one.result
    days = f" through {result.through}" if result.through is not None else ""
    return (
        f"{result.contract} {result.month}{days}: run {one.run}, {one.kind},"
        f" {'recorded' if one.recorded else 'unchanged'}, pool {result.pool} {result.currency}"
    )


def _verify(book: TradingBook) -> None:
    stack = book.stack
    verdict = verify(stack.log, stack.database, stack.addresses.nats_monitor_url)
    for fault in verdict.faults:
        book.console.print(f"  FAULT {fault}")
    if verdict.faults:
        raise Refused("verify", "the ledger does not verify")
    book.console.print(
        f"  {verdict.envelopes} envelopes: equal to the archive, chains whole; {verdict.runs} runs settled"
        " again: the same digest"
    )


def _show(book: TradingBook, week: Week) -> None:
    """The week day by day: MWh sold and bought, and CNY."""
    book.console.print(
        "              offered MWh    awarded MWh    day-ahead  deviation     losses    settled       best"
        "  captured"
    )
    for one in week.days:
        run = "" if one.run == "1" else f"  run {one.run}"
        money = (one.day_ahead, one.deviation, one.charge, one.settled, Fraction(one.net.foresight or 0))
        energy = f"{_energy(one.planned_wh)} {_energy(one.awarded_wh)}"
        book.console.print(f"  {one.day}  {energy} {_money(*money)}{run}")
    parts = ((one.day_ahead, one.deviation, one.charge) for one in week.days)
    sums = (sum(column, Fraction(0)) for column in zip(*parts, strict=True))
    settled, best = Fraction(week.net.realised), Fraction(week.net.foresight)
    book.console.print(f"  {'the week':<12}{'':<30} {_money(*sums, settled, best)}")
    by_price, by_volume, by_deviation = (
        yuan(Fraction(lost))
        for lost in (week.net.lost_by_price, week.net.lost_by_volume, week.net.lost_by_deviation)
    )
    book.console.print(
        "  losses     transmission price and funds on what was not sent back, which the plan counts on\n"
        "  best       the optimiser's schedule had the day-ahead prices been known; doing nothing 0.00;\n"
        f"             {yuan(Fraction(week.profit.foresight))} before losses for whoever knew the real-time"
        " prices too\n"
        f"  lost to it {by_price} by prices that nobody knew, {by_volume} by other awards, {by_deviation} by"
        " deviation"
    )


def _energy(wh: Sequence[Fraction]) -> str:
    sold, bought = of_each(wh)
    return f"{_mwh(sold):>6} {_mwh(-bought):>7}"


def _money(*amounts: Fraction) -> str:
    *_, settled, best = amounts
    return " ".join(f"{yuan(one):>10}" for one in amounts) + f" {_percent(settled, best):>9}"


def _mwh(wh: Fraction) -> str:
    return decimal_text(round_half_away(wh / 1000), 3)


def _percent(part: Fraction, whole: Fraction) -> str:
    return f"{decimal_text(round_half_away(part * 1000 / whole), 1)} %" if whole > 0 else "-"
