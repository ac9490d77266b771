"""Publishing an exclusivity policy or a market rule corrects the months that used it, and no other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from adapters.settling import Settled
from ledger.exclusivity.published import PublishExclusivity
from ledger.interval import Interval
from ledger.settlement.cause import classes
from ledger.settlement.result import Result
from ledger.settlement.what_if import Question
from ledger.streams.capacity_compensation import CapacityLeased
from tests.adapters.conftest import Bench
from tests.adapters.test_market_settling import (
    MONTH,
    OWN_ACCOUNT,
    does,
    instruction,
    invitation,
    peak_window,
    policy,
    rule,
    told,
)
from tests.adapters.test_settling import AUGUST, CONTRACT, filled, settle
from tests.adapters.test_what_if import ask

AMENDED = msgspec.structs.replace(
    policy().policy, title="The same matrix, amended", source="a newer document"
)
"""The next version of `rule_based`, which the contract names."""
STRICT = msgspec.structs.replace(policy("strict").policy, id="rule_based")
"""One that also decides between the streams of the bill, of which no market needs to have told anything."""
LEASES = "capacity_qinghai"


def settled_after(bench: Bench, *commands: Any) -> Settled:
    does(bench, *commands)
    (settled,) = settle(bench)
    return settled


def streams(result: Result) -> int:
    """What all streams earn, shared or not."""
    return sum(line.amount.minor for line in result.lines if line.kind == "stream")


def test_where_no_market_told_anything_neither_is_an_input(bench: Bench) -> None:
    filled(bench)
    does(bench, policy(), rule(OWN_ACCOUNT))
    (first,) = settle(bench)
    assert first.result.inputs.keys().isdisjoint({"exclusivity", "market_rule"})
    for command in (PublishExclusivity(AMENDED), rule(OWN_ACCOUNT, source="a newer document")):
        again = settled_after(bench, command)
        assert (again.run, again.recorded, again.causes) == (1, False, ())
        assert again.result.digest() == first.result.digest()
    strict = settled_after(bench, PublishExclusivity(STRICT))
    assert streams(strict.result) == streams(first.result), "the same bill, attributed otherwise"
    assert (strict.causes, classes(strict.causes)) == (("exclusivity",), ("rule_or_price_change",))
    back = settled_after(bench, policy())
    assert back.causes == ("exclusivity",)
    assert back.result.lines == first.result.lines


def test_where_they_were_used_each_gives_a_correction_for_a_rule_change(bench: Bench) -> None:
    _, _, discharge = filled(bench)
    (before,) = settle(bench)
    event = invitation("e1", peak_window(discharge), 200_000, "2")
    first = settled_after(bench, policy(), rule(OWN_ACCOUNT), *told(event, instruction(event)))
    assert before.result.inputs.keys() < first.result.inputs.keys()
    assert (first.kind, set(first.causes)) == ("correction 1", {"market", "meter"})
    assert classes(first.causes) == ("data_error",), "late data are no rule change"
    by_rule = settled_after(bench, rule(OWN_ACCOUNT, source="a newer document"))
    assert (by_rule.kind, by_rule.causes) == ("correction 2", ("market_rule",))
    by_policy = settled_after(bench, PublishExclusivity(AMENDED))
    assert (by_policy.kind, by_policy.causes) == ("correction 3", ("exclusivity",))
    for one in (by_rule, by_policy):
        assert classes(one.causes) == ("rule_or_price_change",)
    assert not settled_after(bench, rule("service_throughput")).recorded, "nothing was told under it"


def test_a_rule_of_an_earlier_month_is_no_input_of_this_one(bench: Bench) -> None:
    """July's event is read as history, of which August's lease makes no use."""
    filled(bench)
    july = invitation(
        "e0", Interval(MONTH.start - timedelta(hours=30), MONTH.start - timedelta(hours=29)), 1, "2"
    )
    lease = CapacityLeased(
        id="l1", site="S1", rule="capacity-qinghai", run="lease", interval=MONTH, leased_w=50_000
    )
    does(bench, policy(), rule(OWN_ACCOUNT), rule(LEASES, id=lease.rule), *told(july, lease))
    (first,) = settle(bench)
    sources = {one.aggregate for one in first.result.sources}
    assert {"market_fact.e0", "market_rule.capacity-qinghai"} <= sources
    assert f"market_rule.{OWN_ACCOUNT}" not in sources
    again = settled_after(bench, rule(OWN_ACCOUNT, source="a newer document"))
    assert (again.recorded, again.result.digest()) == (False, first.result.digest())
    (month,) = ask(bench, Question(CONTRACT.id, AUGUST, AUGUST)).months
    assert month.same_as_recorded is True
    assert settled_after(bench, PublishExclusivity(AMENDED)).causes == ("exclusivity",), (
        "the lease claims power"
    )
