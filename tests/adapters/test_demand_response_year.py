"""Top-ups and annual cuts of demand response, from what the market told to the statement's lines."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import msgspec
import pytest

from ledger import market_rule_file
from ledger.interval import Interval
from ledger.market_fact import PublishMarketRule
from ledger.refusal import Refused
from ledger.settlement.run import Runs
from ledger.streams.demand_response import DemandResponseAnnualCut, DemandResponseTopUpInvitation
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_market_settling import (
    EXAMPLES,
    OWN_ACCOUNT,
    does,
    instruction,
    invitation,
    lines,
    peak_window,
    policy,
    rule,
    told,
)
from tests.adapters.test_settling import filled, settle

YEAR = Interval(datetime(2025, 12, 31, 16, tzinfo=UTC), datetime(2026, 12, 31, 16, tzinfo=UTC))
QUZHOU = "dr_quzhou_2022_top_up"


def top_up_rule(**changes: object) -> PublishMarketRule:
    found = market_rule_file.parse((EXAMPLES / f"market_rules/{QUZHOU}.toml").read_bytes())
    changed = msgspec.structs.replace(found, **{"tops_up": (OWN_ACCOUNT,)} | changes)
    return PublishMarketRule(sample.FROM_2026, changed)


def top_up(of: str, window: Interval) -> DemandResponseTopUpInvitation:
    return DemandResponseTopUpInvitation(
        id=f"{of}-city", site="S1", rule=QUZHOU, run="city", interval=window, invitation=of
    )


def year_end(by: str, **changes: object) -> DemandResponseAnnualCut:
    fields = {"id": f"cut-{by}", "rule": by, "run": "year-end", "interval": YEAR, "programme": "8000000"}
    return DemandResponseAnnualCut(**(fields | changes))  # type: ignore[arg-type]


def test_a_top_up_pays_the_same_kwh_up_to_its_price(bench: Bench) -> None:
    """200 kWh at 2 from the province, and 200 x (4 - 2) from the city; claimed once."""
    _, _, discharge = filled(bench)
    event = invitation("e1", peak_window(discharge), 200_000, "2")
    does(bench, policy(), rule(OWN_ACCOUNT), top_up_rule())
    does(bench, *told(event, instruction(event), top_up("e1", event.interval)))
    (settled,) = settle(bench)
    found = lines(settled.result, "demand_response")
    assert [str(line.amount) for line in found] == ["400.00", "400.00"]
    assert found[1].basis[0].label == "top-up of e1 from 2 to 4"
    assert settled.result.refused == ()
    assert {f"market_rule.{QUZHOU}", "market_fact.e1-city"} <= {
        one.aggregate for one in settled.result.sources
    }


def test_a_top_up_without_its_award_is_refused(bench: Bench) -> None:
    _, _, discharge = filled(bench)
    event = invitation("e1", peak_window(discharge), 200_000, "2")
    does(bench, policy(), rule(OWN_ACCOUNT), top_up_rule())
    does(bench, *told(event, instruction(event), top_up("e9", event.interval)))
    with pytest.raises(Refused) as caught:
        settle(bench)
    assert (caught.value.code, caught.value.place) == ("top_up_without_award", "e9-city")


def test_kwh_that_another_programme_was_paid_for_are_not_topped_up(bench: Bench) -> None:
    """The second programme gets none of the kWh, and so its top-up gets nothing either."""
    _, _, discharge = filled(bench)
    window = peak_window(discharge)
    first = invitation("e1", window, 200_000, "2")
    second = msgspec.structs.replace(invitation("e2", window, 200_000, "3"), rule="other")
    does(bench, policy(), rule(OWN_ACCOUNT), rule(OWN_ACCOUNT, id="other"), top_up_rule(tops_up=("other",)))
    does(bench, *told(first, instruction(first), second, instruction(second), top_up("e2", window)))
    (settled,) = settle(bench)
    assert sum(line.amount.exact for line in lines(settled.result, "demand_response")) == 400


def test_a_year_over_its_cap_corrects_the_months_before(bench: Bench) -> None:
    """8 million under a cap of 5 keeps 5/8: 400 loses 150.00, under a rule that tells its cap."""
    _, _, discharge = filled(bench)
    event = invitation("e1", peak_window(discharge), 200_000, "2")
    does(bench, policy(), rule(OWN_ACCOUNT, annual_cap="5000000"), *told(event, instruction(event)))
    (first,) = settle(bench)
    assert sum(line.amount.exact for line in lines(first.result, "demand_response")) == 400
    does(bench, *told(year_end(OWN_ACCOUNT)))
    (cut,) = settle(bench)
    paid, lost = lines(cut.result, "demand_response")
    assert (str(paid.amount), str(lost.amount), lost.basis[0].label) == (
        "400.00",
        "-150.00",
        "cut of event e1",
    )
    assert "annual cap" in lost.note
    runs = bench.door.state("settlement.eaas-s1_2026-08")
    assert isinstance(runs, Runs)
    assert [(run.kind, run.causes) for run in runs.runs] == [("initial", ()), ("correction 1", ("market",))]
    does(bench, *told(year_end(OWN_ACCOUNT, run="corrected", programme=None, kept="1/2")))
    (again,) = settle(bench)
    assert sum(line.amount.exact for line in lines(again.result, "demand_response")) == Fraction(200)


def test_each_payer_has_its_own_cap(bench: Bench) -> None:
    """The city's 400 keep 5/8; the province's 400 stay whole."""
    _, _, discharge = filled(bench)
    event = invitation("e1", peak_window(discharge), 200_000, "2")
    does(bench, policy(), rule(OWN_ACCOUNT), top_up_rule())
    does(bench, *told(event, instruction(event), top_up("e1", event.interval), year_end(QUZHOU)))
    (settled,) = settle(bench)
    found = [str(line.amount) for line in lines(settled.result, "demand_response")]
    assert found == ["400.00", "400.00", "-150.00"]


def test_a_cut_of_another_year_changes_no_input(bench: Bench) -> None:
    _, _, discharge = filled(bench)
    event = invitation("e1", peak_window(discharge), 200_000, "2")
    does(bench, policy(), rule(OWN_ACCOUNT, annual_cap="5000000"), *told(event, instruction(event)))
    settle(bench)
    before = Interval(datetime(2024, 12, 31, 16, tzinfo=UTC), YEAR.start)
    does(bench, *told(year_end(OWN_ACCOUNT, interval=before)))
    (same,) = settle(bench)
    assert (same.recorded, same.run) == (False, 1)


def test_a_cut_under_a_rule_without_a_cap_is_refused(bench: Bench) -> None:
    _, _, discharge = filled(bench)
    event = invitation("e1", peak_window(discharge), 200_000, "2")
    does(bench, policy(), rule(OWN_ACCOUNT), *told(event, instruction(event), year_end(OWN_ACCOUNT)))
    with pytest.raises(Refused) as caught:
        settle(bench)
    assert (caught.value.code, caught.value.place) == ("annual_cap", f"cut-{OWN_ACCOUNT}")
