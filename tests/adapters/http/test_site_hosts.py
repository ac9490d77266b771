"""Three hosts under one contract, from readings to what each of them is asked for and may see."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ledger import contract_file
from ledger.grid_account import Account
from ledger.meter import Meter, RegisterMeter
from ledger.published_tariff import PublishTariff
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from ledger.tariff import prices_of_month
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_market_settling import does
from tests.adapters.test_settling import AUGUST, TARIFF, record

EXAMPLES = Path(__file__).parents[3] / "examples/contracts"
TERMS = contract_file.parse((EXAMPLES / "eaas-three-hosts.toml").read_bytes())
SIZES = {"S1": 4, "S2": 2, "S3": 1}
"""Sites' storages charge and discharge alike, in this proportion."""


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    does(bench, sample.found_book(), PublishTariff(TARIFF))
    does(bench, *(sample.register_party(party) for party in TERMS.party_ids))
    price = prices_of_month(TARIFF, AUGUST, 900).mantissa
    for site, size in SIZES.items():
        account = Account(
            id=f"A-{site}", zone="Asia/Shanghai", parts="single_part", demand=None, power_factor=None,
            export_price=None,
        )  # fmt: skip
        stands = Site(site, site, "Asia/Shanghai", 500_000, 250_000, TARIFF.id, account)
        meter = Meter(f"{site}-M", site, "storage", ("charge", "discharge"), 900, 250_000, "Asia/Shanghai")
        does(bench, RegisterSite(sample.FROM_2026, stands), RegisterMeter(sample.FROM_2026, meter))
        record(bench, meter.id, "charge", np.where(price == price.min(), 5_000 * size, 0), f"{site}-c")
        record(bench, meter.id, "discharge", np.where(price == price.max(), 7_000 * size, 0), f"{site}-d")
    does(bench, RegisterContract(TERMS))
    made = Api(bench)
    done = made.post("/v1/settlements", {"month": "2026-08"}, role="finance")
    assert done.status_code == 201, done.text
    made.wait()
    yield made
    made.close()


def test_each_host_holds_its_own_saving_and_sees_no_other(api: Api) -> None:
    statements = {one["party"]: one for one in api.get("/v1/statements", "finance").json()["items"]}
    saving = {
        site: Fraction(line["amount"])
        for site, host in TERMS.hosts.items()
        for line in statements[host]["lines"]
        if line["code"] == "arbitrage"
    }
    assert saving.keys() == SIZES.keys()
    assert abs(saving["S1"] - 2 * saving["S2"]) <= Fraction("0.02")
    for site, host in TERMS.hosts.items():
        one = statements[host]
        assert Fraction(one["held"]) == saving[site] > 0
        assert {line["site"] for line in one["lines"]} <= {site, None}
        assert Fraction(one["payable"]) == Fraction(one["entitlement"]) - saving[site]
    assert sum(Fraction(one["payable"]) for one in statements.values()) == 0
    assert sum(Fraction(one["held"]) for one in statements.values()) == sum(saving.values())

    second = {"Authorization": f"Bearer {api.grant('partner', 'host-s2')}"}
    (own,) = api.client.get("/v1/statements", headers=second).json()["items"]
    assert own["party"] == "host-s2"
    address = f"/v1/statements/{TERMS.id}/{AUGUST}"
    for asked in ("host-s2", "host-s2/amounts/payable/explain"):
        answer = api.client.get(f"{address}/{asked}", headers=second)
        assert answer.status_code == 200, answer.text
        for other in ("host-s1", "host-s3"):
            assert str(statements[other]["held"]) not in answer.text
    problem(api.client.get(f"{address}/host-s1", headers=second), 404, "unknown_statement")
