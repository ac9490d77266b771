"""A line that only one side has gets the cause that the ledger knows, or what to ask."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ledger.interval import Interval
from ledger.reconciliation.background import Background, Held, Newest
from ledger.reconciliation.line_report import LineReport
from ledger.reconciliation.lone_line import LoneLine
from ledger.reconciliation.operator_line import OperatorLine
from ledger.reconciliation.our_line import OurLine
from ledger.reconciliation.reconcile import reconcile
from ledger.reconciliation.report_text import line_report_text
from ledger.reconciliation.unit_shares import UnitShares
from ledger.refusal import Refused
from ledger.settlement.result import RefusedSpan
from tests.ledger.reconciliation.lines import AUGUST, cny, day, our, statement, theirs

ZONE = ZoneInfo("Asia/Shanghai")
AGREED = (theirs("a", "1", "1", item="capacity"), our("u", "1", "1", item="capacity"))
"""A pair that agrees, so that neither side is empty."""
JULY = Interval(datetime(2026, 6, 30, 16, tzinfo=UTC), AUGUST.start)
KNOWN = Background(
    contract="c1",
    period=AUGUST,
    zone=ZONE,
    sites={"S1": [Held("c1", AUGUST)], "S2": [Held("c2", AUGUST)], "S3": [], "S4": [Held("c1", day(20))]},
    told=frozenset({("S1", "spot"), ("S4", "spot")}),
)


def report(
    operator: list[OperatorLine], ours: list[OurLine], known: Background = KNOWN, **more: Any
) -> LineReport:
    return reconcile(
        statement(AGREED[0], *operator), [AGREED[1], *ours], run="run 2", background=known, **more
    )


def left_out(own: OurLine, known: Background = KNOWN, **more: Any) -> LoneLine:
    (found,) = report([], [own], known, **more).ours_only
    return found


def only_theirs(line: OperatorLine, known: Background = KNOWN, **more: Any) -> LoneLine:
    (found,) = report([line], [], known, **more).operator_only
    return found


def split(line: LoneLine) -> list[tuple[str, str]]:
    return [(part.kind, str(part.amount)) for part in line.parts]


SPOT = our("run 2, line 1", "100", "0.5")


def test_a_row_left_out_without_a_known_cause_says_so_and_what_to_ask() -> None:
    found = left_out(SPOT)
    assert (found.cause, found.reason) == ("unknown", "cause unknown")
    assert found.ask == (
        "ask SIMULATED operator whether it states spot of S1 for 2026-08-01 to 2026-09-01 elsewhere, and if"
        " it does not, which data of it are missing; ours is 50.00 CNY (run 2, line 1)"
    )


def test_a_row_of_theirs_without_a_known_cause_asks_what_it_rests_on() -> None:
    found = only_theirs(theirs("b", "100", "0.5"))
    assert found.cause == "unknown"
    assert "ask SIMULATED operator what its line b (spot of S1" in found.ask


def test_nothing_is_missing_of_nothing() -> None:
    assert left_out(our("u2", "0", "0.5")).cause == "nothing_paid"
    assert only_theirs(theirs("b", "0", "0.5")).cause == "nothing_paid"


def test_what_our_terms_leave_by_rounding_is_no_row_of_theirs() -> None:
    found = left_out(our("u2", None, None, item="spot: rounding", amount=cny("0.01")))
    assert found.cause == "rounding"


def test_a_saving_on_the_hosts_bill_is_paid_by_no_market() -> None:
    saving = our("u2", "100", "0.5", item="arbitrage")
    assert left_out(saving).cause == "bill_effect"
    stated = report([theirs("b", "100", "0.5", site="S2", item="demand_charge")], [saving]).ours_only
    assert [one.cause for one in stated] == ["unknown"], "this operator does state the bill"


def test_the_same_money_under_another_word_is_a_translation() -> None:
    found = report([theirs("b", "100", "0.5", item="real time")], [SPOT])
    assert [one.cause for one in (*found.operator_only, *found.ours_only)] == ["named_otherwise"] * 2
    assert found.ours_only[0].reason == (
        "b is the same money under item 'real time': translate it in the profile"
    )
    assert found.by_cause == {"named_otherwise": cny("0.00")}
    other = report([theirs("b", "100", "0.5", site="S2")], [SPOT])
    assert [one.cause for one in (*other.operator_only, *other.ours_only)] == ["named_otherwise"] * 2
    two = report([theirs("b", "100", "0.5", site="S2"), theirs("c", "100", "0.5", site="S5")], [SPOT])
    assert two.ours_only[0].cause == "unknown", "two lines of that money: neither is taken for it"


def test_a_day_that_the_operator_left_out_is_named() -> None:
    """30 of 31 days at 10 yuan against a month of 310: the rest is the 17th."""
    days = [theirs(f"d{n}", "20", "0.5", interval=day(n)) for n in range(1, 32) if n != 17]
    found = report(days, [our("u2", "620", "0.5")])
    assert found.ours_only[0].cause == "incomplete_period"
    assert found.ours_only[0].reason == (
        "30 lines of the other side lie inside it and leave out 2026-08-17 to 2026-08-18"
    )
    assert {one.cause for one in found.operator_only} == {"incomplete_period"}
    assert found.by_cause == {"incomplete_period": cny("-10.00")}


EARLIER = {"run 1": [AGREED[1]]}
RECORDED = {
    "run 1": datetime(2026, 9, 2, 1, tzinfo=UTC),
    "run 2": datetime(2026, 9, 8, 1, tzinfo=UTC),
}
LATER = KNOWN._replace(recorded_at=RECORDED, corrected="market")


def test_that_an_earlier_run_lacked_a_line_is_no_cause_by_itself() -> None:
    """The operator may have known of it and left it out: nobody stated up to when it knew things."""
    found = left_out(SPOT, LATER._replace(corrected="meter"), other_runs=EARLIER)
    assert found.cause == "unknown"
    assert found.reason == (
        "cause unknown; run 1 (recorded 2026-09-02 09:00) had no such line; corrected: meter: state the"
        " operator's cut-off to tell whether it came too late"
    )
    assert found.ask.startswith("ask SIMULATED operator whether it states spot of S1")
    none = report([], [SPOT], LATER, other_runs=EARLIER)
    assert none.by_cause == {"unknown": cny("-50.00")}
    assert none.unexplained == cny("-50.00")


def test_a_line_of_a_later_run_than_the_statement_follows() -> None:
    """Another line has run 1's 90 kWh where run 2 has 100: the statement is of run 1, and that lacked it."""
    ours = [SPOT, our("run 2, line 2", "100", "1", item="ancillary")]
    then = {"run 1": [AGREED[1], our("run 1, line 2", "90", "1", item="ancillary")]}
    old = report([theirs("b", "90", "1", item="ancillary")], ours, LATER, other_runs=then)
    (found,) = old.ours_only
    assert (found.cause, found.ask) == ("run", "")
    assert found.reason == (
        "other lines of the statement have the figures of run 1 (recorded 2026-09-02 09:00), which had no"
        " such line; corrected: market"
    )
    assert old.unexplained == cny("0.00")
    new = report([theirs("b", "100", "1", item="ancillary")], ours, LATER, other_runs=then)
    assert [one.cause for one in new.ours_only] == ["unknown"], "the operator knew of run 2"


def test_a_line_of_a_run_after_the_operators_cut_off_came_late() -> None:
    cut = LATER._replace(cut_off=datetime(2026, 9, 6, 10, tzinfo=UTC))
    found = left_out(SPOT, cut, other_runs=EARLIER)
    assert found.cause == "late"
    assert "the last before the cut-off 2026-09-06 18:00" in found.reason


def test_what_the_operator_could_know_did_not_come_late() -> None:
    after = LATER._replace(cut_off=datetime(2026, 9, 9, tzinfo=UTC))
    assert left_out(SPOT, after, other_runs=EARLIER).cause == "unknown", "run 2 was there by then"
    had = {"run 1": [AGREED[1], our("run 1, line 1", "90", "0.5")]}
    cut = LATER._replace(cut_off=datetime(2026, 9, 6, tzinfo=UTC))
    found = left_out(SPOT, cut, other_runs=had)
    assert split(found) == [("late", "5.00"), ("unknown", "45.00")], "run 1 had 45.00 of it"
    assert found.cause == "unknown"
    assert "had 45.00 of it; corrected: market" in found.parts[0].reason
    assert found.ask


def test_events_after_the_cut_off_came_late() -> None:
    newest = Newest("market_fact.f1", datetime(2026, 9, 7, 1, tzinfo=UTC))
    cut = LATER._replace(cut_off=datetime(2026, 9, 6, tzinfo=UTC), newest={"S1": newest})
    found = left_out(SPOT, cut._replace(recorded_at={"run 2": RECORDED["run 2"]}))
    assert found.cause == "late"
    assert found.reason.startswith("it rests on market_fact.f1, recorded 2026-09-07 09:00")
    before = cut._replace(newest={"S1": newest._replace(recorded_at=datetime(2026, 9, 5, tzinfo=UTC))})
    assert left_out(SPOT, before).cause == "unknown"


def test_estimated_energy_may_wait_for_readings() -> None:
    found = left_out(msgspec.structs.replace(SPOT, estimated="2.5 %"))
    assert found.cause == "estimated"
    assert found.reason.startswith("2.5 % of the site's energy is estimated")


def test_a_line_that_we_took_back_is_an_earlier_runs() -> None:
    had = {"run 1": [AGREED[1], our("run 1, line 1", "90", "0.5")]}
    found = only_theirs(theirs("b", "100", "0.5"), LATER, other_runs=had)
    assert found.cause == "late"
    assert found.reason == "run 1 (recorded 2026-09-02 09:00) had it with 45.00; run 2 (market) has none"
    assert split(found) == [("late", "45.00"), ("volume", "5.00")]


def test_a_second_row_of_what_our_run_has_is_no_line_that_went() -> None:
    """R0 has our figures and is matched; run 1 had them too, and run 2 has not lost them."""
    ours = our("run 2, line 6", "100", "0.5")
    earlier = {"run 1": [our("run 1, line 6", "100", "0.5")]}
    found = report(
        [theirs("R0", "100", "0.5"), theirs("RX", None, None, amount=cny("5.00"))], [ours], other_runs=earlier
    )
    (second,) = found.operator_only
    assert split(second) == [("unknown", "5.00")]
    assert second.reason == (
        "cause unknown; ours of it (run 2, line 6) is matched with R0: a supplement, or stated twice"
    )
    assert second.ask.startswith("ask SIMULATED operator what its line RX")


@pytest.mark.parametrize(
    ("quantity", "price", "amount", "parts"),
    [
        ("90", "0.5", None, [("late", "45.00")]),
        ("100", "0.6", None, [("late", "45.00"), ("volume", "5.00"), ("price", "10.00")]),
        ("80", "0.6", None, [("late", "45.00"), ("volume", "-5.00"), ("price", "8.00")]),
        ("100", "0.5", "50.07", [("late", "45.00"), ("volume", "5.00"), ("unknown", "0.07")]),
        (None, None, "50.00", [("late", "45.00"), ("unknown", "5.00")]),
    ],
)
def test_what_an_earlier_run_had_is_split_by_volume_and_price(
    quantity: str | None, price: str | None, amount: str | None, parts: list[tuple[str, str]]
) -> None:
    """90 kWh x 0.5 were ours in run 1: what they state beyond is volume and price, and nothing is left."""
    had = {"run 1": [AGREED[1], our("run 1, line 1", "90", "0.5")]}
    line = theirs("b", quantity, price, amount=None if amount is None else cny(amount))
    known = LATER._replace(told=frozenset({("S1", "spot")}))
    found = only_theirs(line, known, other_runs=had)
    assert split(found) == parts
    assert bool(found.ask) == (parts[-1][0] == "unknown")


def test_what_was_refused_of_a_line_is_one_part_and_what_nobody_told_another() -> None:
    """1 kWh at 2.00: 0.4 kWh were refused to it, and of the rest no result is recorded."""
    span = RefusedSpan("f7", "service", "S1", day(5), "discharge_wh", 1000, 600, "f3: W")
    line = theirs("b", "1", "2", item="service")
    found = only_theirs(line, KNOWN._replace(refused=(span,)))
    assert split(found) == [("exclusivity", "0.80"), ("not_told", "1.20")]
    assert report([line], [], KNOWN._replace(refused=(span,))).by_cause == {
        "exclusivity": cny("0.80"), "not_told": cny("1.20"),
    }  # fmt: skip
    taken = msgspec.structs.replace(
        line, quantity=msgspec.structs.replace(line.quantity, value="-1"), amount=cny("-2.00")
    )
    back = only_theirs(taken, KNOWN._replace(refused=(span,)))
    assert split(back) == [("exclusivity", "-0.80"), ("not_told", "-1.20")]
    power = msgspec.structs.replace(span, quantity="up_w")
    whole = only_theirs(line, KNOWN._replace(refused=(power,)))
    assert split(whole) == [("exclusivity", "2.00")], "power has no share of the line"
    text = line_report_text(report([line], [], KNOWN._replace(refused=(span,))), ZONE)
    assert "2.00 (b), of which 0.80 exclusivity: refused" in text
    assert "; 1.20 not told: no result of service" in text


@pytest.mark.parametrize(
    ("line", "cause", "said"),
    [
        (theirs("b", "1", "2", interval=JULY), "other_period", "2026-07-01 to 2026-08-01"),
        (theirs("b", "1", "2", site="S9"), "unknown_site", "no site 'S9'"),
        (theirs("b", "1", "2", site="S3"), "no_contract", "site S3 is under no contract"),
        (theirs("b", "1", "2", site="S2"), "other_contract", "under c2 then"),
        (theirs("b", "1", "2", site="S4", interval=day(3)), "not_in_force", "c1 2026-08-20 to 2026-08-21"),
        (theirs("b", "1", "2", item="service"), "not_told", "no result of service is recorded of S1"),
    ],
)
def test_only_they_have_it(line: OperatorLine, cause: str, said: str) -> None:
    found = only_theirs(line)
    assert found.cause == cause
    assert said in found.reason


def test_what_exclusivity_refused_is_named() -> None:
    span = RefusedSpan("f7", "spot", "S1", day(5), "discharge_wh", 5000, 0, "f3 (demand_response): W")
    found = only_theirs(theirs("b", "1", "2"), KNOWN._replace(refused=(span,)))
    assert found.cause == "exclusivity"
    assert found.reason == (
        "refused, so that nothing is paid twice: f7 got 0 of 5000 discharge_wh on 2026-08-05 to 2026-08-06:"
        " f3 (demand_response): W"
    )
    other = KNOWN._replace(refused=(msgspec.structs.replace(span, site="S2"),))
    assert only_theirs(theirs("b", "1", "2"), other).cause == "unknown"


SHARES = UnitShares("vpp1", {"S1": cny("40.00"), "S2": cny("30.00")}, cny("5.00"), cny("0.02"))
UNIT = KNOWN._replace(unit_sites={"vpp1": frozenset({"S1", "S2"})}, units={("vpp1", "spot"): SHARES})


def test_a_units_statement_is_its_sites_and_what_the_operator_keeps() -> None:
    """75.02 = 40.00 of S1 + 30.00 of S2 (of another contract) + 5.00 kept + 0.02 rounding."""
    found = report(
        [theirs("b", None, None, site="vpp1", amount=cny("75.02"))], [our("u2", "80", "0.5")], UNIT
    )
    assert not found.operator_only
    assert not found.ours_only
    (line,) = found.differences
    assert line.site == "vpp1"
    assert [(part.kind, str(part.amount)) for part in line.parts] == [
        ("rounding", "0.02"),
        ("allocation", "5.00"),
        ("allocation", "30.00"),
    ]
    assert "S2" in line.parts[2].reason


def test_what_a_unit_was_not_told_stays_unexplained() -> None:
    found = report(
        [theirs("b", None, None, site="vpp1", amount=cny("76.02"))], [our("u2", "80", "0.5")], UNIT
    )
    assert found.unexplained == cny("1.00")
    assert "75.02 in all" in found.differences[0].parts[-1].reason


def test_what_a_site_lost_to_another_stream_is_not_unexplained() -> None:
    span = RefusedSpan("f7", "spot", "S1", day(5), "discharge_wh", 5000, 0, "f3 (demand_response): W")
    line = theirs("b", None, None, site="vpp1", amount=cny("75.02"))
    less = our("u2", "70", "0.5")
    kept = report([line], [less], UNIT._replace(refused=(span,)))
    assert kept.unexplained == cny("0.00")
    assert sum(part.amount.minor for part in kept.differences[0].parts) == 4002
    assert report([line], [less], UNIT).unexplained == cny("5.00")


def test_a_line_that_could_be_of_two_units_is_matched_with_neither() -> None:
    two = UNIT._replace(unit_sites=UNIT.unit_sites | {"vpp2": frozenset({"S1"})})
    lines = [theirs(name, None, None, site=name, amount=cny("40.00")) for name in ("vpp1", "vpp2")]
    found = report(lines, [our("u2", "80", "0.4")], two)
    assert [one.cause for one in found.operator_only] == ["unit", "unit"]
    assert [one.cause for one in found.ours_only] == ["unit"]


def test_the_text_names_every_cause_and_what_is_unexplained() -> None:
    text = line_report_text(report([theirs("b", "1", "2", site="S3")], [SPOT]), ZONE)
    assert "no_contract                    2.00" in text
    assert "unknown                      -50.00" in text
    assert "Unexplained: -50.00 of -48.00" in text
    assert "(b): no contract: site S3 is under no contract" in text
    assert "(run 2, line 1): cause unknown; ask SIMULATED operator" in text


def test_a_report_whose_causes_do_not_sum_cannot_exist() -> None:
    found = report([], [SPOT])
    with pytest.raises(Refused) as caught:
        msgspec.structs.replace(found, by_cause={"late": cny("-50.00")})
    assert caught.value.code == "report_total"
