"""Lines are matched where there is one way, and listed where there are two."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ledger.interval import Interval
from ledger.reconciliation.match_lines import Matching, match_lines
from ledger.reconciliation.operator_line import OperatorLine
from ledger.reconciliation.our_line import OurLine
from ledger.reconciliation.reconcile import reconcile
from tests.ledger.reconciliation.lines import AUGUST, cny, day, our, statement, theirs


def pairs(found: Matching) -> list[tuple[list[str], list[str]]]:
    return [
        ([line.reference for line in pair.operator], [line.reference for line in pair.ours])
        for pair in found.pairs
    ]


def matched(operator: Sequence[OperatorLine], ours: Sequence[OurLine]) -> Matching:
    found = match_lines(operator, ours)
    listed = [line.reference for pair in (*found.pairs, *found.ambiguous) for line in pair.operator]
    listed += [line.reference for line in found.operator_only]
    assert sorted(listed) == sorted(line.reference for line in operator), "each line stands somewhere, once"
    listed = [line.reference for pair in (*found.pairs, *found.ambiguous) for line in pair.ours]
    listed += [line.reference for line in found.ours_only]
    assert sorted(listed) == sorted(line.reference for line in ours), "each line stands somewhere, once"
    return found


def test_site_item_and_period_must_be_equal() -> None:
    others = [
        our("u1", "1", "1", site="S2"),
        our("u2", "1", "1", item="capacity"),
        our("u3", "1", "1", interval=day(1)),
    ]
    found = matched([theirs("a", "1", "1")], others)
    assert not found.pairs
    assert len(found.operator_only) + len(found.ours_only) == 4


def test_equal_figures_find_each_other_among_lines_of_one_key() -> None:
    found = matched(
        [theirs("a", "1", "1"), theirs("b", "2", "1"), theirs("c", "5", "1")],
        [our("u", "2", "1"), our("v", "1", "1"), our("w", "4", "1")],
    )
    assert pairs(found) == [(["a"], ["v"]), (["b"], ["u"]), (["c"], ["w"])]
    assert [pair.reason for pair in found.pairs][2] == "what is left of this site, item and period"


def test_one_line_is_compared_with_all_of_its_key_together() -> None:
    found = matched([theirs("a", "7", "1")], [our("u", "2", "1"), our("v", "4", "1")])
    assert pairs(found) == [(["a"], ["u", "v"])]


def test_a_line_that_stands_twice_is_listed_and_not_chosen() -> None:
    found = matched([theirs("a", "2", "1"), theirs("b", "2", "1")], [our("u", "2", "1")])
    assert not found.pairs
    assert [len(pair.operator) for pair in found.ambiguous] == [2]


def test_as_many_alike_on_either_side_are_no_doubt() -> None:
    found = matched([theirs("a", "2", "1"), theirs("b", "2", "1")], [our("u", "2", "1"), our("v", "2", "1")])
    assert pairs(found) == [(["a"], ["u"]), (["b"], ["v"])]


def test_a_sum_and_a_single_line_that_both_fit_are_doubtful() -> None:
    found = matched([theirs("a", "2", "1")], [our("u", "2", "1"), our("v", "3", "1"), our("w", "-3", "1")])
    assert not found.pairs
    assert len(found.ambiguous) == 1


def test_two_against_two_without_equal_figures_are_doubtful() -> None:
    found = matched([theirs("a", "2", "1"), theirs("b", "3", "1")], [our("u", "4", "1"), our("v", "5", "1")])
    assert not found.pairs
    assert len(found.ambiguous) == 1


def test_too_many_lines_of_one_key_are_not_told_apart() -> None:
    for count, doubtful in ((50, 0), (51, 1)):
        found = matched(
            [theirs(f"a{n}", f"{n}", "1") for n in range(1, count + 1)],
            [our(f"u{n}", f"{n}", "1") for n in range(1, count + 1)],
        )
        assert (len(found.pairs), len(found.ambiguous)) == (0 if doubtful else count, doubtful)


def test_doubtful_lines_are_in_the_reports_totals() -> None:
    report = reconcile(
        statement(theirs("a", "2", "1"), theirs("b", "2", "1")), [our("u", "2", "1")], run="run 1"
    )
    assert not report.settled
    assert (report.doubtful[0].operator_amount, report.doubtful[0].our_amount) == (cny("4.00"), cny("2.00"))


def test_a_months_line_is_matched_with_its_days() -> None:
    days = [theirs(f"d{n}", "10", "0.4", interval=day(n)) for n in range(31, 0, -1)]
    report = reconcile(statement(*days), [our("u", "300", "0.4")], run="run 1")
    assert [len(match.operator) for match in report.matched] == [31]
    assert report.by_class["volume"] == cny("4.00")
    assert "31 of the operator's lines" in report.matched[0].reason


def test_days_with_a_gap_or_twice_are_not_the_month() -> None:
    days = [theirs(f"d{n}", "10", "0.4", interval=day(n)) for n in range(1, 31)]
    assert not matched(days, [our("u", "310", "0.4")]).pairs
    again = [*days, theirs("d31", "10", "0.4", interval=day(31)), theirs("d", "10", "0.4", interval=day(2))]
    assert not matched(again, [our("u", "310", "0.4")]).pairs


def test_our_days_are_matched_with_the_operators_month() -> None:
    days = [our(f"d{n}", "10", "0.4", interval=day(n)) for n in range(1, 32)]
    assert pairs(matched([theirs("a", "310", "0.4")], days)) == [(["a"], [one.reference for one in days])]


def test_a_line_about_all_sites_is_matched_with_their_lines() -> None:
    sites = [our(f"u{n}", "10", "0.4", site=f"S{n}") for n in range(1, 4)]
    found = matched([theirs("a", "30", "0.4", site="")], [*sites, our("x", "1", "1", item="capacity")])
    assert pairs(found) == [(["a"], ["u1", "u2", "u3"])]
    assert [line.reference for line in found.ours_only] == ["x"]


def test_two_lines_about_all_sites_do_not_share_them() -> None:
    sites = [our(f"u{n}", "10", "0.4", site=f"S{n}") for n in range(1, 4)]
    lines = [theirs("a", "30", "0.4", site=""), theirs("b", "31", "0.4", site="")]
    found = matched(lines, sites)
    assert not found.pairs


def test_prices_that_differ_by_day_are_averaged_exactly() -> None:
    """10 x 0.4 + 10 x 0.6 = 10.00 against 20 x 0.45 = 9.00: all of it price."""
    two = Interval(day(1).start, day(2).end)
    lines = theirs("a", "10", "0.4", interval=day(1)), theirs("b", "10", "0.6", interval=day(2))
    report = reconcile(statement(*lines), [our("u", "20", "0.45", interval=two)], run="run 1")
    assert {kind: str(money) for kind, money in report.by_class.items() if money.minor} == {"price": "1.00"}


def test_units_that_differ_are_not_subtracted() -> None:
    line = theirs("a", "10", "1")
    assert line.quantity is not None
    line = msgspec.structs.replace(
        line, quantity=msgspec.structs.replace(line.quantity, unit="kW"), amount=cny("12.00")
    )
    report = reconcile(statement(line), [our("u", "11", "1")], run="run 1")
    assert str(report.by_class["unexplained"]) == "1.00"


def test_a_month_of_quarter_hours_is_matched_in_time() -> None:
    step = AUGUST.seconds // 2976
    assert step == 900
    points = [
        Interval(at, at + (AUGUST.end - AUGUST.start) / 2976)
        for at in (AUGUST.start + (AUGUST.end - AUGUST.start) / 2976 * n for n in range(2976))
    ]
    lines = [theirs(f"p{n}", "1", "0.4", interval=point) for n, point in enumerate(points)]
    assert len(matched(lines, [our("u", "2976", "0.4")]).pairs) == 1
