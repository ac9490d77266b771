"""Questions over the API that record nothing: what if, and the appraisal of a stated business case."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ledger.appraisal import assumption_file
from ledger.appraisal.appraisal import appraise
from tests.adapters.http.conftest import CONTRACT, HOST, Api, problem
from tests.adapters.test_settling import TARIFF

EXAMPLES = Path(__file__).parents[3] / "examples"
TOML = (EXAMPLES / "contracts/eaas-s1.toml").read_text(encoding="utf-8")
OTHER = TOML.replace('host-s1 = "70%", operator = "30%"', 'host-s1 = "60%", operator = "40%"')
CASE = (EXAMPLES / "appraisal/zhejiang_3mw_6mwh.toml").read_bytes()


def asked(**more: object) -> dict[str, Any]:
    return {"contract": CONTRACT.id, "first": "2026-08", "last": "2026-08", **more}


def ask(api: Api, **more: object) -> Any:
    """The answer; that asking appended nothing is part of every test."""
    secret = api.secret("auditor")
    before = api.bench.recorder.max_notification_id()
    sent = {"Authorization": f"Bearer {secret}"}
    answer = api.client.post("/v1/what-if", json=asked(**more), headers=sent)
    assert answer.status_code == 200, answer.text
    assert api.bench.recorder.max_notification_id() == before
    return answer.json()


def test_without_another_document_all_is_identical_to_the_run(settled: Api) -> None:
    run = settled.get("/v1/settlements").json()["items"][0]
    for more in ({}, {"instead": TOML}):
        (month,) = ask(settled, **more)["months"]
        assert month["identical"] is True
        assert month["run"] == 1
        assert {month["recorded_inputs"], month["hypothetical_inputs"]} == {run["inputs_digest"]}
        outputs = {month[f"{one}_outputs"] for one in ("recorded", "unchanged", "hypothetical")}
        assert outputs == {run["outputs_digest"]}
        assert {party["difference"]["payable"] for party in month["parties"]} == {"0.00"}


def test_another_split_moves_what_it_says_and_appends_nothing(settled: Api) -> None:
    assert OTHER != TOML
    answer = ask(settled, instead=OTHER)
    (month,) = answer["months"]
    assert (answer["contract"], month["identical"]) == (CONTRACT.id, False)
    assert answer["replaced"][0].startswith(f"contract {CONTRACT.id} -> {CONTRACT.id} ")
    assert month["hypothetical_inputs"] != month["recorded_inputs"] == month["unchanged_inputs"]
    assert month["hypothetical_outputs"] != month["recorded_outputs"] == month["unchanged_outputs"]
    assert month["pool_hypothetical"] == month["pool_recorded"]
    parties = {party["party"]: party for party in month["parties"]}
    recorded = settled.get(f"/v1/settlements/{CONTRACT.id}/2026-08").json()["settlement"]
    for name, party in parties.items():
        assert party["recorded"]["payable"] == recorded["payable"][name]
        change = Decimal(party["hypothetical"]["payable"]) - Decimal(party["recorded"]["payable"])
        assert Decimal(party["difference"]["payable"]) == change
    assert parties[HOST]["difference"]["entitlement"] != "0.00"
    assert sum(Decimal(party["difference"]["payable"]) for party in parties.values()) == 0
    assert answer["total"] == month["parties"], "one month is its own total"
    of_host = [line for line in month["lines"] if line["party"] == HOST]
    assert of_host
    assert of_host != [line for line in recorded["lines"] if line["party"] == HOST]
    now = settled.get(f"/v1/settlements/{CONTRACT.id}/2026-08").json()["settlement"]
    assert now == recorded


def test_another_tariff_and_policy_are_named_with_their_digests(settled: Api) -> None:
    tariff = (EXAMPLES / "tariffs/shanghai_two_part_1-10kv.toml").read_text(encoding="utf-8")
    policy = (EXAMPLES / "exclusivity/strict.toml").read_text(encoding="utf-8")
    answer = ask(settled, tariffs=[tariff], policy=policy)
    assert [text.split(" ")[0] for text in answer["replaced"]] == ["tariff", "exclusivity"]
    assert answer["replaced"][0].startswith(f"tariff {TARIFF.id} -> {TARIFF.id} ")
    twice = settled.post("/v1/what-if", asked(tariffs=[tariff, tariff]))
    problem(twice, 422, "duplicate", "tariffs[1]")


@pytest.mark.parametrize(
    ("more", "code", "place"),
    [
        ({"contract": "nobody"}, "unknown_contract", "contract"),
        ({"last": "2026-07"}, "month", "last"),
        ({"first": "2026-13"}, "field_type", "first"),
        ({"instead": 'id = "x"\nsurprise = 1\n'}, "field_unknown", None),
        ({"instead": "["}, "toml", None),
        ({"surprise": 1}, "field_unknown", "surprise"),
    ],
)
def test_what_cannot_be_asked_is_named_with_its_place(
    settled: Api, more: dict[str, object], code: str, place: str | None
) -> None:
    body = problem(settled.post("/v1/what-if", asked(**more)), 422, code, place)
    if place is None:
        assert body["place"].startswith("instead"), "which of the documents"


def test_an_appraisal_is_that_of_the_calculator(settled: Api) -> None:
    secret = settled.secret("finance")
    before = settled.bench.recorder.max_notification_id()
    answer = settled.client.post(
        "/v1/appraisals", content=CASE, headers={"Authorization": f"Bearer {secret}"}
    )
    assert answer.status_code == 200, answer.text
    assert settled.bench.recorder.max_notification_id() == before
    body = answer.json()
    found = appraise(assumption_file.parse(CASE))
    assert [one["name"] for one in body["figures"]] == [one.name for one in found.figures]
    assert [one["verdict"] for one in body["figures"]] == [one.verdict for one in found.figures]
    assert [one["code"] for one in body["findings"]] == [one.code for one in found.findings]
    for told, figure in zip(body["figures"], found.figures, strict=True):
        for one, variant in zip(told["variants"], figure.variants, strict=True):
            assert Fraction(one["value"]) == variant.value
            assert Fraction(one["deviation"]) == variant.deviation(figure.printed)
    assert Fraction(body["pattern_kwh"]) == found.pattern_kwh


def test_an_appraisal_that_cannot_be_read_is_refused(settled: Api) -> None:
    problem(settled.post("/v1/appraisals", b"["), 422, "toml")
    problem(
        settled.post("/v1/appraisals", CASE.replace(b'"CNY"', b'"XXX"')), 422, "currency", "line 8, currency"
    )
