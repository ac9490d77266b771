"""Facts of a site under no contract: `settle` lists them with what they would earn, and pays nobody."""

from __future__ import annotations

import threading

import msgspec
import numpy as np

from adapters.settling import MonthSettled, settle_month
from ledger.grid_account import Account
from ledger.meter import Meter, RegisterMeter
from ledger.site import RegisterSite, Site
from ledger.streams.capacity_compensation import CapacityLeased
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_market_settling import (
    MONTH,
    OWN_ACCOUNT,
    does,
    hours,
    instruction,
    invitation,
    policy,
    rule,
    told,
)
from tests.adapters.test_settling import AUGUST, TARIFF, filled, record


def second_site(bench: Bench) -> None:
    """S2 has a storage meter and no contract."""
    account = Account(id="A-S2", zone="Asia/Shanghai", parts="single_part")
    site = Site("S2", "Plant", "Asia/Shanghai", 500_000, 250_000, TARIFF.id, account)
    meter = Meter("S2-STORAGE", "S2", "storage", ("charge", "discharge"), 900, 250_000, "Asia/Shanghai")
    does(bench, RegisterSite(sample.FROM_2026, site), RegisterMeter(sample.FROM_2026, meter))


def settled(bench: Bench, *contracts: str) -> MonthSettled:
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        return settle_month(bench.door, bench.database, AUGUST, actor="finance", contracts=contracts)
    finally:
        projector.stop()
        thread.join()


def call(bench: Bench) -> None:
    """200 kW at 2 yuan on the third from 10 to 11, and a lease, which no market pays."""
    event = msgspec.structs.replace(invitation("e1", hours(3, 10, 11), 200_000, "2"), site="S2")
    qinghai = rule("capacity_qinghai", zone="Asia/Shanghai")
    lease = CapacityLeased(id="l1", site="S2", rule=qinghai.rule.id, run="x", interval=MONTH, leased_w=1)
    does(bench, policy(), qinghai, rule(OWN_ACCOUNT), *told(event, instruction(event), lease))


def test_an_amount_is_told_where_it_can_be_found(bench: Bench) -> None:
    filled(bench)
    second_site(bench)
    assert settled(bench).nobody == ()
    call(bench)
    (found,) = settled(bench).nobody
    assert (found.site, found.stream, found.first_day, found.last_day) == (
        "S2", "demand_response", "2026-08-03", "2026-08-03",
    )  # fmt: skip
    assert (found.facts, found.amount) == (("e1", "e1-go"), None)
    assert "gaps" in found.reason, "nothing was read: the amount is unknown, not zero"
    discharge = np.zeros(2976, dtype=np.int64)
    discharge[2 * 96 + 40 : 2 * 96 + 44] = 50_000
    record(bench, "S2-STORAGE", "charge", np.zeros_like(discharge), "s2-charge")
    record(bench, "S2-STORAGE", "discharge", discharge, "s2-discharge")
    (found,) = settled(bench).nobody
    assert str(found.amount) == "400.00", "4 x 50 kWh at 2 yuan"
    assert found.words == (
        "site S2 is under no contract: demand_response of 2026-08-03 (e1, e1-go) falls to nobody, 400.00 CNY"
    )
    assert settled(bench, "eaas-s1").nobody == (), "who settles one contract did not ask"
