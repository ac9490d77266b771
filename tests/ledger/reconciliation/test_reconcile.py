"""Every difference is named by its cause, and the causes add up to it to the fen."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.quantity import Money, decimal_text, round_half_away
from ledger.reconciliation.difference import CLASSES, DifferenceClass, Policy
from ledger.reconciliation.line_report import LineReport
from ledger.reconciliation.operator_line import OperatorLine
from ledger.reconciliation.our_line import OurLine
from ledger.reconciliation.reconcile import reconcile
from ledger.reconciliation.report_text import line_report_text
from ledger.refusal import Refused
from tests.ledger.reconciliation.lines import cny, our, product, statement, theirs

OURS = our("run 2, line 1", "120000", "0.4")
EARLIER = {"run 1": [our("run 1, line 1", "119000", "0.41")]}


def compared(line: OperatorLine, ours: OurLine = OURS) -> LineReport:
    return reconcile(statement(line), [ours], run="run 2", other_runs=EARLIER)


def amounts(report: LineReport) -> dict[str, str]:
    return {kind: str(money) for kind, money in report.by_class.items() if money.minor}


def test_equal_figures_leave_nothing_to_look_at() -> None:
    report = compared(theirs("a", "120000", "0.4"))
    assert report.settled
    assert report.operator_total == report.our_total == cny("48000.00")
    assert [match.reason for match in report.matched] == ["the only lines of this site, item and period"]


def test_volume_is_the_quantitys_difference_at_our_price() -> None:
    """(120 500 - 120 000) kWh x 0.4 = 200.00."""
    report = compared(theirs("a", "120500", "0.4"))
    assert amounts(report) == {"volume": "200.00"}
    assert report.differences[0].parts[0].reason == "(120500 - 120000) kWh x 0.4"


def test_price_is_the_prices_difference_on_the_operators_quantity() -> None:
    report = compared(theirs("a", "120000", "0.395"))
    assert amounts(report) == {"price": "-600.00"}


def test_volume_and_price_together_leave_no_rest() -> None:
    """500 x 0.4 = 200.00 and 120 500 x -0.005 = -602.50: -402.50 in all."""
    report = compared(theirs("a", "120500", "0.395"))
    assert amounts(report) == {"volume": "200.00", "price": "-602.50"}


def test_the_figures_of_an_earlier_run_are_that_run() -> None:
    report = compared(theirs("a", "119000", "0.41"))
    assert amounts(report) == {"run": "790.00"}
    assert "run 1" in report.differences[0].parts[0].reason


def test_truncation_is_another_rounding() -> None:
    """3 x 0.335 = 1.005 is 1.01 with us, and 1.00 cut off."""
    report = compared(theirs("a", "3", "0.335", amount=cny("1.00")), our("u", "3", "0.335"))
    assert amounts(report) == {"rounding": "-0.01"}


def test_two_fen_are_not_a_rounding_unless_parts_are_rounded_by_themselves() -> None:
    line, own = theirs("a", "3", "0.335", amount=cny("1.03")), our("u", "3", "0.335")
    assert amounts(compared(line, own)) == {"unexplained": "0.02"}
    report = reconcile(statement(line), [own], run="run 2", policy=Policy(rounded_parts=96))
    assert amounts(report) == {"rounding": "0.02"}


def test_another_version_of_the_rules_is_named_also_on_other_quantities() -> None:
    """Under rules B only 80 % is paid: 120 500 x 0.4 x 0.8 = 38 560.00, of which -9 640.00 by the rule."""
    rule = {"rules B": [msgspec.structs.replace(OURS, exact="38400", amount=cny("38400.00"))]}
    whole = theirs("a", "120000", "0.4", amount=cny("38400.00"))
    report = reconcile(statement(whole), [OURS], run="run 2", other_rules=rule)
    assert amounts(report) == {"rule": "-9600.00"}
    other = theirs("a", "120500", "0.4", amount=cny("38560.00"))
    report = reconcile(statement(other), [OURS], run="run 2", other_rules=rule)
    assert amounts(report) == {"volume": "200.00", "rule": "-9640.00"}


def test_without_quantity_and_price_nothing_is_guessed() -> None:
    report = compared(theirs("a", None, None, amount=cny("47000.00")))
    assert amounts(report) == {"unexplained": "-1000.00"}


def test_a_quantity_without_a_price_still_explains_the_volume() -> None:
    report = compared(theirs("a", "120500", None, amount=cny("48300.00")))
    assert amounts(report) == {"volume": "200.00", "unexplained": "100.00"}


def test_sites_that_cancel_are_the_allocation() -> None:
    ours = [our("u1", "100", "0.5", site="S1"), our("u2", "100", "0.5", site="S2")]
    lines = theirs("a", "90", "0.5", site="S1"), theirs("b", "110", "0.5", site="S2")
    report = reconcile(statement(*lines), ours, run="run 2")
    assert [str(part.amount) for line in report.differences for part in line.parts] == ["-5.00", "5.00"]
    assert {part.kind for line in report.differences for part in line.parts} == {"allocation"}


def test_one_wrong_site_is_no_allocation() -> None:
    ours = [our("u1", "100", "0.5", site="S1"), our("u2", "100", "0.5", site="S2")]
    lines = theirs("a", "90", "0.5", site="S1"), theirs("b", "100", "0.5", site="S2")
    assert amounts(reconcile(statement(*lines), ours, run="run 2")) == {"volume": "-5.00"}


def of_sites(report: LineReport) -> dict[str, str]:
    return {
        line.site: " ".join(f"{one.kind} {one.amount}" for one in line.parts) for line in report.differences
    }


TWO_SITES = [our("u1", "100", "0.5", site="S1"), our("u2", "100", "0.5", site="S2")]


def test_amounts_that_cancel_by_chance_are_no_allocation() -> None:
    """One site's quantity is 10 kWh more, the other's price 0.05 less: 5.00 and -5.00."""
    lines = theirs("a", "110", "0.5", site="S1"), theirs("b", "100", "0.45", site="S2")
    report = reconcile(statement(*lines), TWO_SITES, run="run 2")
    assert of_sites(report) == {"S1": "volume 5.00", "S2": "price -5.00"}


def test_price_and_rest_of_one_site_that_cancel_are_no_allocation() -> None:
    line = theirs("a", "100", "0.9", amount=cny("100.00"))
    report = reconcile(statement(line), [our("u", "100", "1")], run="run 2")
    assert of_sites(report) == {"S1": "price -10.00 unexplained 10.00"}


def test_a_fen_that_rounding_leaves_of_moved_quantities_is_allocation() -> None:
    """3 + 3 kWh x 0.335 are 1.01 + 1.01; 2 + 4 kWh are 0.67 + 1.34, a fen less."""
    ours = [our("u1", "3", "0.335", site="S1"), our("u2", "3", "0.335", site="S2")]
    lines = theirs("a", "2", "0.335", site="S1"), theirs("b", "4", "0.335", site="S2")
    report = reconcile(statement(*lines), ours, run="run 2")
    assert of_sites(report) == {"S1": "allocation -0.34", "S2": "allocation 0.33"}


def test_an_earlier_runs_line_is_no_part_of_an_allocation() -> None:
    lines = theirs("a", "90", "0.5", site="S1"), theirs("b", "110", "0.5", site="S2")
    earlier = {"run 1": [our("e1", "90", "0.5", site="S1")]}
    report = reconcile(statement(*lines), TWO_SITES, run="run 2", other_runs=earlier)
    assert of_sites(report) == {"S1": "run -5.00", "S2": "volume 5.00"}


def test_a_run_that_lacks_a_site_is_not_compared() -> None:
    whole = theirs("a", "90", "0.5", site="")
    some = {"run 1": [our("e1", "90", "0.5", site="S1")]}
    report = reconcile(statement(whole), TWO_SITES, run="run 2", other_runs=some)
    assert amounts(report) == {"volume": "-55.00"}
    every = {"run 1": [*some["run 1"], our("e2", "0", "0.5", site="S2")]}
    report = reconcile(statement(whole), TWO_SITES, run="run 2", other_runs=every)
    assert amounts(report) == {"run": "-55.00"}


def test_our_own_factor_is_not_taken_for_volume() -> None:
    """Both pay 20.00 less than quantity x price: only the 10 kWh differ."""
    own = our("u", "100", "1", amount=cny("80.00"))
    assert amounts(compared(theirs("a", "110", "1", amount=cny("90.00")), own)) == {"volume": "10.00"}


def test_a_plain_product_does_not_explain_our_own_factor() -> None:
    own = our("u", "100", "1", amount=cny("80.00"))
    assert amounts(compared(theirs("a", "100", "1"), own)) == {"unexplained": "20.00"}


def test_a_whole_fen_beside_an_exact_product_is_no_rounding() -> None:
    line = theirs("a", "2", "0.5", amount=cny("1.01"))
    assert amounts(compared(line, our("u", "2", "0.5"))) == {"unexplained": "0.01"}


def test_figures_that_differ_without_money_are_noted() -> None:
    report = compared(theirs("a", "7", "0"), our("u", "5", "0"))
    assert not report.differences
    assert "7 against 5" in report.matched[0].note


def test_currencies_do_not_mix() -> None:
    with pytest.raises(Refused) as caught:
        compared(theirs("a", None, None, amount=Money(1, "EUR")))
    assert caught.value.code == "currency"


def test_nothing_of_ours_is_not_an_empty_settlement() -> None:
    with pytest.raises(Refused) as caught:
        reconcile(statement(theirs("a", "1", "1")), [], run="run 2")
    assert caught.value.code == "no_lines"


def test_a_report_whose_sums_are_wrong_cannot_exist() -> None:
    report = compared(theirs("a", "120500", "0.4"))
    for change in (
        {"operator_total": cny("1.00")},
        {"by_class": report.by_class | {"price": cny("1.00")}},
        {"matched": ()},
    ):
        with pytest.raises(Refused) as caught:
            msgspec.structs.replace(report, **change)  # type: ignore[arg-type]
        assert caught.value.code == "report_total"
    with pytest.raises(Refused) as caught:
        msgspec.structs.replace(report.matched[0], parts=())
    assert caught.value.code == "difference_parts"


def test_the_text_says_where_how_much_and_why() -> None:
    text = line_report_text(compared(theirs("a", "120500", "0.4")), ZoneInfo("Asia/Shanghai"))
    assert "operator 48,200.00, ours 48,000.00, difference 200.00" in text
    assert "S1, spot, 2026-08-01 to 2026-09-01: 48,200.00 - 48,000.00 = 200.00" in text
    assert "volume               200.00  (120500 - 120000) kWh x 0.4" in text


def test_the_headline_compares_the_streams_that_the_statement_is_about() -> None:
    """The market of spot says nothing of the grid bill's saving, which is told apart."""
    saving = our("run 2, line 2", "1000", "1", item="arbitrage")
    report = reconcile(statement(theirs("a", "120500", "0.4")), [OURS, saving], run="run 2")
    assert (report.streams, str(report.our_compared)) == (("spot",), "48000.00")
    text = line_report_text(report, ZoneInfo("Asia/Shanghai")).splitlines()
    assert text[1:3] == [
        "operator 48,200.00, ours 48,000.00, difference 200.00",
        "beside it, of ours: arbitrage 1,000.00; the operator's statement is about spot",
    ]
    (unexplained,) = [line for line in text if line.startswith("Unexplained: ")]
    assert unexplained.endswith(" of -800.00, our other streams with it")


def test_what_the_statement_has_under_another_name_is_compared() -> None:
    report = reconcile(statement(theirs("a", "120000", "0.4", item="energy")), [OURS], run="run 2")
    assert [line.cause for line in report.ours_only] == ["named_otherwise"]
    assert report.our_compared == report.our_total


@pytest.mark.parametrize(
    ("theirs_kwh", "ours_kwh", "hint"),
    [
        ("120300", "120296", "quantity_decimals = 2 where they are in MWh"),
        ("120300", "120251", "quantity_decimals = 1 where they are in MWh"),
        ("120500", "120000", ""),
        ("1000", "600", ""),
    ],
)
def test_ours_rounded_as_coarsely_as_theirs_may_be_printed_is_hinted(
    theirs_kwh: str, ours_kwh: str, hint: str
) -> None:
    line = our("run 2, line 1", ours_kwh, "0.4")
    (found,) = reconcile(statement(theirs("a", theirs_kwh, "0.4")), [line], run="run 2").differences
    assert [part.kind for part in found.parts] == ["volume"]
    assert ("quantity_decimals" in found.parts[0].reason) == bool(hint)
    assert hint in found.parts[0].reason
    same = theirs("a", theirs_kwh, "0.4", amount=line.amount)
    kept = reconcile(statement(same), [line], run="run 2").matched[0]
    assert hint in "".join([kept.note, *(part.reason for part in kept.parts)])


class Case(NamedTuple):
    """A statement that agrees with ours, an earlier run, and rules under which 93 % is paid."""

    operator: list[OperatorLine]
    ours: list[OurLine]
    runs: dict[str, list[OurLine]]
    rules: dict[str, list[OurLine]]

    def report(self) -> LineReport:
        return reconcile(
            statement(*self.operator), self.ours, run="run 2", other_runs=self.runs, other_rules=self.rules
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    case = Case([], [], {"run 1": []}, {"rules B": []})
    items = draw(st.integers(1, 3))
    for item in range(items):
        price = decimal_text(draw(st.integers(50_000, 1_500_000)), 6)
        for site in range(draw(st.integers(2, 4))):
            place = {"site": f"S{site}", "item": f"item {item}"}
            quantity = decimal_text(draw(st.integers(10_000, 9_999_999)), 3)
            before = decimal_text(draw(st.integers(10_000, 9_999_999)), 3)
            name = f"{item}.{site}"
            case.operator.append(theirs(name, quantity, price, **place))
            case.ours.append(our(f"run 2, line {name}", quantity, price, **place))
            case.runs["run 1"].append(our(f"run 1, line {name}", before, price, **place))
            exact = Fraction(quantity) * Fraction(price) * Fraction(93, 100)
            paid = our(f"rules B, line {name}", quantity, price, **place, amount=Money.round(exact, "CNY"))
            case.rules["rules B"].append(msgspec.structs.replace(paid, exact=str(exact)))
    return case


def with_fault(case: Case, kind: DifferenceClass, at: int, size: int) -> None:
    """Put one fault of the kind into line `at` of the operator's statement (and its neighbour's)."""
    line = case.operator[at]
    assert line.quantity is not None
    assert line.price is not None
    quantity, price = line.quantity.value, line.price
    change: dict[str, object]
    match kind:
        case "volume":
            quantity = str(line.quantity.exact + size)
            change = {"quantity": msgspec.structs.replace(line.quantity, value=quantity)}
            change |= {"amount": product(quantity, price)}
        case "price":
            price = decimal_text(int(Fraction(line.price) * 10**6) + 1000 * size, 6)
            change = {"price": price, "amount": product(quantity, price)}
        case "rule":
            change = {"amount": case.rules["rules B"][at].amount}
        case "run":
            before = case.runs["run 1"][at]
            change = {"quantity": before.terms[0].quantity, "amount": before.amount}
        case "allocation":
            other = (
                at + 1 if at + 1 < len(case.operator) and case.operator[at + 1].item == line.item else at - 1
            )
            moved = Money(100 * size, "CNY")
            neighbour = case.operator[other]
            case.operator[other] = msgspec.structs.replace(neighbour, amount=neighbour.amount - moved)
            change = {"amount": line.amount + moved}
        case "rounding":
            printed = Fraction(round_half_away(line.quantity.exact))
            change = {"quantity": msgspec.structs.replace(line.quantity, value=str(printed))}
            change |= {"quantity_step": "1", "amount": product(str(printed), price)}
        case "unexplained":
            change = {"amount": line.amount + Money(100 * size, "CNY")}
    case.operator[at] = msgspec.structs.replace(line, **change)


@settings(max_examples=150)
@given(cases(), st.sampled_from(CLASSES), st.integers(0, 99), st.integers(1, 50))
def test_one_fault_is_named_and_nothing_else_is(
    case: Case, kind: DifferenceClass, at: int, size: int
) -> None:
    """One injected fault of each kind: its class holds the whole difference, every other class is zero."""
    before = {line.reference: line.amount for line in case.operator}
    with_fault(case, kind, at % len(case.operator), size)
    off = sum(abs(line.amount.minor - before[line.reference].minor) for line in case.operator)
    assume(off)
    report = case.report()
    found = {part.kind for line in report.differences for part in line.parts}
    assert found == {kind}
    assert sum(abs(line.difference.minor) for line in report.differences) == off
    assert kind == "unexplained" or not report.by_class["unexplained"].minor
    assert (kind == "allocation") <= (not report.by_class["allocation"].minor)


@settings(max_examples=150)
@given(
    cases(),
    st.lists(
        st.tuples(st.sampled_from(CLASSES), st.integers(0, 99), st.integers(1, 50)), min_size=2, max_size=6
    ),
)
def test_faults_together_still_add_up(case: Case, faults: list[tuple[DifferenceClass, int, int]]) -> None:
    """The parts of every line sum to its difference, and all lines to the statement's, whatever is wrong."""
    for kind, at, size in faults:
        with_fault(case, kind, at % len(case.operator), size)
    report = case.report()
    for line in report.matched:
        assert sum(part.amount.minor for part in line.parts) == (
            line.operator_amount.minor - line.our_amount.minor
        )
    whole = sum(line.amount.minor for line in case.operator) - sum(line.amount.minor for line in case.ours)
    assert sum(money.minor for money in report.by_class.values()) == whole


@settings(derandomize=True, max_examples=150)
@given(
    cases(),
    st.lists(st.tuples(st.sampled_from(CLASSES), st.integers(0, 99), st.integers(1, 50)), max_size=4),
    st.sets(st.integers(0, 11), max_size=4),
    st.sets(st.integers(0, 11), max_size=4),
)
def test_explained_and_unexplained_are_the_whole_difference(
    case: Case, faults: list[tuple[DifferenceClass, int, int]], left_out: set[int], added: set[int]
) -> None:
    """Rests are exact (DOMAIN.md 3.10): with rows left out on either side, the explained causes and what is
    unexplained sum to the statement's difference, and every lone line has a cause or a question."""
    for kind, at, size in faults:
        with_fault(case, kind, at % len(case.operator), size)
    theirs_left = [line for at, line in enumerate(case.operator) if at not in left_out] or case.operator
    ours_left = [line for at, line in enumerate(case.ours) if at not in added] or case.ours
    report = reconcile(
        statement(*theirs_left), ours_left, run="run 2", other_runs=case.runs, other_rules=case.rules
    )
    whole = sum(line.amount.minor for line in theirs_left) - sum(line.amount.minor for line in ours_left)
    explained = sum(money.minor for kind, money in report.by_class.items() if kind != "unexplained")
    explained += sum(money.minor for kind, money in report.by_cause.items() if kind != "unknown")
    assert explained + report.unexplained.minor == whole
    for line in (*report.operator_only, *report.ours_only):
        assert bool(line.ask) == any(part.kind == "unknown" for part in line.parts)
        assert sum(part.amount.minor for part in line.parts) == line.amount.minor
        assert line.reason


PRINTED = {"quantity_step": "1", "price_step": "0.000001"}


def printed(line: OperatorLine, **more: object) -> OperatorLine:
    return msgspec.structs.replace(line, **(PRINTED | more))  # type: ignore[arg-type]


def test_a_rounded_quantity_is_a_cause_with_the_amount_that_follows() -> None:
    """DOMAIN.md 3.0: 120 456.4 kWh stand as 120.456 MWh: -0.4 kWh x 0.85 = -0.34 yuan, 102 387.94 less
    102 387.60."""
    own = our("u", "120456.4", "0.85")
    report = compared(printed(theirs("a", "120456", "0.85")), own)
    assert amounts(report) == {"rounding": "-0.34"}
    assert report.differences[0].parts[0].reason == ("120456.4 kWh printed as 120456 kWh: -0.4 kWh x 0.85")


def test_the_same_quantity_without_a_step_is_volume() -> None:
    assert amounts(compared(theirs("a", "120456", "0.85"), our("u", "120456.4", "0.85"))) == {
        "volume": "-0.34"
    }


def test_a_whole_step_is_volume_and_no_rounding() -> None:
    report = compared(printed(theirs("a", "120455", "0.85")), our("u", "120456", "0.85"))
    assert amounts(report) == {"volume": "-0.85"}


def test_who_pays_for_what_was_metered_and_prints_it_rounded_agrees() -> None:
    report = compared(
        printed(theirs("a", "120456", "0.85", amount=cny("102387.94"))), our("u", "120456.4", "0.85")
    )
    assert not report.differences
    assert report.matched[0].note == (
        "the quantity is printed rounded, 120456 against 120456.4 kWh; amounts do not differ"
    )


def test_a_price_on_what_was_metered_leaves_no_rest_beside_the_rounded_quantity() -> None:
    """120 456.4 x 0.80 = 96 365.12; printed 120 456 x 0.80 would be 96 364.80."""
    report = compared(
        printed(theirs("a", "120456", "0.8", amount=cny("96365.12"))), our("u", "120456.4", "0.85")
    )
    assert amounts(report) == {"price": "-6022.82"}


def test_rounding_and_price_stand_apart() -> None:
    """-0.4 kWh x 0.85 = -0.34, then 120 456 x -0.05 = -6 022.80."""
    report = compared(printed(theirs("a", "120456", "0.8")), our("u", "120456.4", "0.85"))
    assert amounts(report) == {"rounding": "-0.34", "price": "-6022.80"}


def test_a_mean_price_printed_with_three_decimals_a_megawatt_hour_agrees() -> None:
    """1 000 x 0.4 + 2 000 x 0.5 = 1 400.00 over 3 000 kWh is 0.4666... a kWh, printed 466.667 a MWh."""
    terms = (*our("u", "1000", "0.4").terms, *our("u", "2000", "0.5").terms)
    own = msgspec.structs.replace(our("u", None, None, amount=cny("1400.00")), terms=terms)
    assert not compared(printed(theirs("a", "3000", "0.466667", amount=cny("1400.00"))), own).differences
    exactly = theirs("a", "3000", "0.466667", amount=cny("1400.00"))
    assert "unexplained" not in amounts(compared(exactly, own)), "half a fen of rounding"
    terms = (*our("u", "1000000", "0.4").terms, *our("u", "2000000", "0.5").terms)
    larger = msgspec.structs.replace(own, terms=terms, amount=cny("1400000.00"))
    line = printed(theirs("a", "3000000", "0.466667", amount=cny("1400000.00")))
    assert not compared(line, larger).differences, "3 000 MWh x 466.667 would be one yuan more"


def test_an_earlier_run_is_found_although_it_is_printed_rounded() -> None:
    """Run 1 had 119 000.4 kWh x 0.41 = 48 790.16; printed 119 000 kWh they are 48 790.00."""
    earlier = {"run 1": [our("run 1, line 1", "119000.4", "0.41")]}
    report = reconcile(
        statement(printed(theirs("a", "119000", "0.41"))), [OURS], run="run 2", other_runs=earlier
    )
    assert amounts(report) == {"run": "790.16", "rounding": "-0.16"}


@settings(derandomize=True, max_examples=200)
@given(
    st.integers(1, 9_999_999), st.integers(1, 1_500_000), st.sampled_from(["printed", "metered"]),
    st.booleans(),
)  # fmt: skip
def test_printing_alone_never_leaves_anything_unexplained(wh: int, price: int, paid: str, cut: bool) -> None:
    """Any quantity in Wh, printed in whole kWh (rounded or cut off), paid as printed or as metered."""
    quantity, each = decimal_text(wh, 3), decimal_text(price, 6)
    shown = str(wh // 1000 if cut else round_half_away(Fraction(wh, 1000)))
    amount = product(shown if paid == "printed" else quantity, each)
    report = compared(printed(theirs("a", shown, each, amount=amount)), our("u", quantity, each))
    assert set(amounts(report)) <= {"rounding"}
    assert report.unexplained == cny("0.00")


@settings(max_examples=40)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_lines_does_not_matter(case: Case, random: object) -> None:
    with_fault(case, "volume", 0, 7)
    before = case.report()
    random.shuffle(case.operator)  # type: ignore[attr-defined]
    random.shuffle(case.ours)  # type: ignore[attr-defined]
    assert case.report() == before
