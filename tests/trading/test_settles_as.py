"""Which rule a market's file says that a product settles under, and what is refused of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger import market_rule_file
from ledger.effective import Period
from ledger.market_fact import PublishMarketRule
from ledger.refusal import Refused
from ledger.streams import Rule
from tests.trading.market_samples import EXAMPLES, example, market, operated, product
from trading.market_file import parse
from trading.published_market import PublishMarket
from trading.settles_as import SettlesAs

RULES = Path(__file__).parents[2] / "examples/market_rules"
UNSETTLED = {("jiangsu_demand_response", "cut_day_ahead"), ("jiangsu_demand_response", "cut_intraday")}
"""Bid for per kW: no rule of prices that are cleared per kW was read."""
SINCE = Period(datetime(2026, 1, 1, tzinfo=UTC))


def rules() -> dict[str, Rule]:
    found = (market_rule_file.parse(path.read_bytes()) for path in RULES.glob("*.toml"))
    return {rule.id: rule for rule in found}


def histories(*published: Rule) -> dict[str, object]:
    return {
        f"market_rule.{rule.id}": event.apply(None)
        for rule in published
        for event in PublishMarketRule(SINCE, rule).decide(None, {})
    }


def test_every_product_of_the_examples_settles_under_a_rule_of_the_examples() -> None:
    known = rules()
    assert len(list(EXAMPLES.glob("*.toml"))) == 12
    for file in EXAMPLES.glob("*.toml"):
        one = example(file.stem)
        for item in one.products:
            if item.settles_as is None:
                assert (one.id, item.id) in UNSETTLED
                with pytest.raises(Refused) as refused:
                    item.check_settles()
                assert refused.value.code == "awards_unsettled"
                continue
            item.check_settles()
            item.settles_as.check(known[item.settles_as.rule], one.currency, one.zone, item.id)
        PublishMarket(SINCE, one).decide(None, operated(one) | histories(*known.values()))


@pytest.mark.parametrize(
    ("stated", "place"),
    [
        ({"stream": "ancillary"}, "products[0].settles_as.stream"),
        ({"stream": "arbitrage"}, "products[0].settles_as.stream"),
        ({"stream": "spot", "product": "x"}, "products[0].settles_as.product"),
        ({"stream": "spot", "behind_the_meter": True}, "products[0].settles_as.behind_the_meter"),
    ],
)
def test_a_stream_that_does_not_settle_the_product_is_refused_in_its_file(
    stated: dict[str, Any], place: str
) -> None:
    text = (EXAMPLES / "shandong_spot.toml").read_text()
    inner = ", ".join(f"{key} = {msgspec.json.encode(value).decode()}" for key, value in stated.items())
    text = text.replace('{ rule = "spot_shandong", stream = "spot" }', f'{{ rule = "r", {inner} }}', 1)
    with pytest.raises(Refused) as refused:
        parse(text)
    assert refused.value.code == "settles_as"
    assert place.rpartition(".")[2] in str(refused.value.place)


def test_a_known_rule_of_another_kind_is_refused_when_the_market_is_published() -> None:
    known = rules()
    named = SettlesAs(rule="spot_shandong", stream="spot")
    command = PublishMarket(SINCE, market(product(settles_as=named)))
    assert command.reads == ("party.op", "market_rule.spot_shandong")
    operator = operated(command.market)
    assert command.decide(None, operator), "it may be published later"
    assert command.decide(None, operator | histories(known["spot_shandong"]))
    of_another_kind = {
        "market_rule.spot_shandong": histories(known["pjm-regulation"])["market_rule.pjm-regulation"]
    }
    with pytest.raises(Refused) as refused:
        command.decide(None, operator | of_another_kind)
    assert (refused.value.code, refused.value.place) == ("fact_kind", "products[0].settles_as")
    dollars = {"market_rule.spot_shandong": histories(known["spot_nyiso"])["market_rule.spot_nyiso"]}
    with pytest.raises(Refused) as refused:
        command.decide(None, operator | dollars)
    assert refused.value.code == "currency"


def regulation(name: str, kind: str, partner: str | None, **changes: Any) -> Any:
    return product(
        id=name, kind=kind, price_unit="MW", energy_check="none", joint_with=partner, blocks_max=0,
        exclusive_groups=False, linked_blocks=False, **changes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("partner", "changes"),
    [
        (None, {}),
        ("m", {"kind": "regulation_mileage"}),
        ("m", {"interval_s": 3600}),
        ("nobody", {}),
    ],
)
def test_joint_products_name_each_other_and_are_alike(partner: str | None, changes: dict[str, Any]) -> None:
    mileage = regulation("m", "regulation_mileage", "c")
    assert market(mileage, regulation("c", "regulation_capacity", "m")).product("c").joint == "c"
    fields = {"kind": "regulation_capacity"} | changes
    with pytest.raises(Refused) as refused:
        market(mileage, regulation("c", fields.pop("kind"), partner, **fields))
    assert refused.value.code == "joint_with"


def test_energy_has_no_joint_product() -> None:
    with pytest.raises(Refused) as refused:
        product(joint_with="x")
    assert refused.value.code == "joint_with"
