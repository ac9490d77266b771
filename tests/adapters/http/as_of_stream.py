"""A book of two persons, and one step of each kind that changes it, by the API as people would take it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import httpx
import msgspec
import numpy as np

from adapters.desk.desk import Desk
from adapters.desk.sharing_out import SharingOut
from adapters.front_door import Wish
from dispatch.commissioning.report import BeginCommissioning, CommissioningReport, RecordCommissioning
from dispatch.commissioning.step_plan import step_plan
from dispatch.commissioning.step_result import STEPS as STEP_NAMES
from dispatch.commissioning.step_result import StepResult
from dispatch.control.command_steps import IntendSetpoint
from dispatch.control.fallback import Fallback
from dispatch.control.lease import TakeLease
from dispatch.control.setpoint import Setpoint
from dispatch.forecasts.forecast import Forecast, MemberShare, QuantileRow, Subject
from dispatch.forecasts.issued import IssueForecast
from dispatch.health.record import EnergyRead, HealthDay, RecordHealthDay
from dispatch.plan_check import PlannedSite
from dispatch.planning.imposed_limit import ImposedLimit, ImposeLimit
from dispatch.planning.plan_record import NumberedPlan, PlanHead, commands_of, plan_aggregate
from dispatch.planning.storage_terms import StateStorage, StorageTerms
from ledger.book import FoundBook
from ledger.demand import ActualDemand
from ledger.effective import Period
from ledger.grid_account import Account
from ledger.interval import zone_of
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.published_tariff import PublishTariff
from ledger.readings import run_of
from ledger.refusal import Refused
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from ledger.tariff import prices_of_month
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import CONTRACT, HOST, Api
from tests.adapters.http.test_commands import DEVICE, METER, PARTY, PRICES, SITE, import_file
from tests.adapters.http.test_lives import TERMS
from tests.adapters.http.test_reconciliations import BANK, bank_file
from tests.adapters.http.test_reports import ECONOMICS, TOML
from tests.adapters.http.test_runs import CALENDAR, SINCE
from tests.adapters.http.test_trading_units import unit
from tests.adapters.http.test_vouchers import layout
from tests.adapters.test_settling import AUGUST, EXAMPLES, TARIFF, record
from tests.dispatch.devices.profile_samples import example
from trading.clearing import Award, Clearing
from trading.webhook import RegisterWebhook, Webhook

SIGNED: Final = msgspec.structs.replace(CONTRACT, statement_terms=TERMS)
_RUN: Final = f"/v1/statements/{CONTRACT.id}/2026-08"
NEXT: Final = datetime(2026, 8, 31, 16, 30, tzinfo=UTC)
GAP: Final = ("2026-08-31T16:00:00Z", "2026-08-31T16:30:00Z")
"""The first half hour of September was not read, but what follows was."""
_TICK: Final = timedelta(seconds=1)
_LAST: Final = datetime(2026, 11, 20, tzinfo=UTC)
"""No clock is turned farther: December's gates are open until then, and nobody knows the holidays of 2027, by
which a statement's due day is counted."""


def founded(bench: Bench) -> Api:
    """August of one site, metered and not settled, in a book where a second person approves."""
    book = msgspec.structs.replace(sample.found_book().book, approvals="two_persons")
    account = Account(id="A-S1", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand())
    site = Site("S1", "Plant", "Asia/Shanghai", 500_000, 250_000, TARIFF.id, account)
    storage = Meter("S1-STORAGE", "S1", "storage", ("charge", "discharge"), 900, 250_000, "Asia/Shanghai")
    load = Meter("S1-LOAD", "S1", "load", ("load",), 900, 2_000_000, "Asia/Shanghai")
    commands = [FoundBook(book), PublishTariff(TARIFF), RegisterSite(sample.FROM_2026, site)]
    commands += [sample.register_party(party) for party in CONTRACT.party_ids]
    commands += [RegisterMeter(sample.FROM_2026, meter) for meter in (storage, load)]
    for number, command in enumerate([*commands, RegisterContract(SIGNED)]):
        bench.door.execute(command, command_id=f"c{number}", actor="setup")
    price = prices_of_month(TARIFF, AUGUST, 900).mantissa
    record(bench, "S1-LOAD", "load", np.full(2976, 200_000), "load")
    record(bench, "S1-STORAGE", "charge", np.where(price == price.min(), 20_000, 0), "charge")
    record(bench, "S1-STORAGE", "discharge", np.where(price == price.max(), 50_000, 0), "discharge")
    rest = run_of("S1-STORAGE", "charge", NEXT, 900, np.full(8, 500), "A")
    bench.door.execute(RecordReadings("S1-STORAGE", "2026-08", "test", (rest,)), command_id="rest", actor="x")
    made = Api(bench)
    made.secrets["finance"] = made.grant("finance", actor="ada")
    made.secrets["admin"] = made.grant("admin", actor="bob")
    for role in ("auditor", "partner", "operator", "market_desk", "gateway"):
        made.secret(role)
    made.wait()
    return made


class Stream:
    """The book while steps are taken; `accepted` counts them by kind."""

    def __init__(self, api: Api, accepted: dict[str, int]) -> None:
        self.api = api
        self.accepted = accepted
        self.number = 0

    def take(self, kind: str) -> None:
        """One step; the ledger may refuse it, as it would a person."""
        self.number += 1
        answer = STEPS[kind](self, self.number)
        assert answer.status_code < 500, f"{kind}: {answer.text}"
        self.accepted[kind] = self.accepted.get(kind, 0) + (answer.status_code < 300)
        self.api.wait()

    def turn_clock(self, by: timedelta) -> None:
        self.api.bench.now = min(self.api.bench.now + by, _LAST)

    def seal(self) -> None:
        """A fact that is recorded after every instant up to now."""
        last = self.api.bench.query("SELECT max(recorded_at) FROM ledger.envelope")[0][0]
        self.api.bench.now = max(last, self.api.bench.now) + _TICK  # type: ignore[call-overload]
        self.take("party")

    def submit(self, path: str, body: Any = None, *, approved: bool = True, **more: Any) -> httpx.Response:
        """Prepared by one person and, unless it is left waiting, approved by another."""
        answer = self.api.post(path, body, "finance", **more)
        told = answer.json()
        parts = [told, *told.get("parts", ())] if isinstance(told, dict) else []
        names = [one["proposal"] for one in parts if isinstance(one, dict) and one.get("proposal")]
        for name in names if approved else ():
            answer = self.api.post(f"/v1/proposals/{name}/approve", role="admin")
        return answer

    def run(self) -> int:
        """The number of August's latest run; 1 before there is one."""
        self.api.wait()
        items = self.api.get("/v1/settlements", "auditor", month="2026-08").json()["items"]
        return max((one["run"] for one in items), default=1)

    def today(self) -> str:
        return f"{self.api.bench.now.astimezone(zone_of('Asia/Shanghai')):%Y-%m-%d}"


Step = Callable[[Stream, int], httpx.Response]


def _settle(stream: Stream, _: int) -> httpx.Response:
    return stream.api.post("/v1/settlements", {"month": "2026-08"}, "finance")


def _reading(stream: Stream, number: int) -> httpx.Response:
    body = {
        "meter": "S1-STORAGE",
        "register": "discharge",
        "start": f"2026-08-{3 + number % 20:02}T10:00:00Z",
        "interval_s": 900,
        "values": [100 * number, 200],
        "quality": "AA",
    }
    return stream.api.post("/v1/readings", body, "gateway")


def _estimate(stream: Stream, _: int) -> httpx.Response:
    """The gap after August, between two reads of its register."""
    reads = [
        {"register": "charge", "at": at, "total_wh": total}
        for at, total in ((GAP[0], 10_000_000), ("2026-08-31T18:30:00Z", 10_005_000))
    ]
    stream.api.post("/v1/register-reads", {"meter": "S1-STORAGE", "reads": reads}, "gateway")
    stream.api.wait()
    body = {
        "meter": "S1-STORAGE",
        "register": "charge",
        "start": GAP[0],
        "end": GAP[1],
        "method": {"method": "linear_interpolation"},
        "replaces": "missing",
        "reason": "no reading came",
    }
    return stream.submit("/v1/substitutions", body)


def _party(stream: Stream, number: int) -> httpx.Response:
    document = {"id": (HOST, "P1", "operator")[number % 3], "name": f"Name {number}"}
    body = PARTY | {"document": document, "effective_from": f"2026-0{1 + number % 8}-01T00:00:00Z"}
    return stream.api.post("/v1/parties", body, "finance")


def _site(stream: Stream, number: int) -> httpx.Response:
    """A version that holds from a day in the past on: what it describes was so, we learn it now."""
    (site,) = (
        one["document"] for one in stream.api.get("/v1/sites", "auditor").json()["items"] if one["id"] == "S1"
    )
    since = ("2026-03-31", "2026-05-31", "2026-07-31")[number % 3]
    body: dict[str, Any] = {"effective_from": f"{since}T16:00:00Z"}
    body["document"] = site | {"name": f"Plant {number}", "storage_energy_wh": 500_000 + number}
    return stream.api.post("/v1/sites", body, "operator")


def _elsewhere(stream: Stream, number: int) -> httpx.Response:
    stream.api.post("/v1/sites", SITE, "operator")
    later = {"effective_from": f"2026-0{1 + number % 8}-01T00:00:00Z"}
    stream.api.post("/v1/devices", DEVICE | later, "operator")
    return stream.api.post("/v1/meters", METER | later, "operator")


def _contract(stream: Stream, number: int) -> httpx.Response:
    """From a later month on; every second one waits for its approval for ever."""
    body = msgspec.to_builtins(SIGNED) | {"effective_from": "2026-10-01", "title": f"Version {number}"}
    return stream.submit("/v1/contracts", body, approved=number % 2 == 0)


def _tariff(stream: Stream, number: int) -> httpx.Response:
    text = (EXAMPLES / "tariffs/shanghai_two_part_1-10kv.toml").read_text(encoding="utf-8")
    return stream.submit("/v1/tariffs", (text + f"# {number}\n").encode(), headers=TOML)


def _market_rule(stream: Stream, number: int) -> httpx.Response:
    rule = (EXAMPLES / "market_rules/service_throughput.toml").read_bytes()
    stream.submit("/v1/exclusivity", (EXAMPLES / "exclusivity/rule_based.toml").read_bytes(), headers=TOML)
    path = f"/v1/market/rules?effective_from=2025-12-{1 + number % 28:02}T16:00:00Z"
    return stream.submit(path, rule, headers=TOML)


def _market_fact(stream: Stream, number: int) -> httpx.Response:
    _market_rule(stream, number)
    fact = json.loads((EXAMPLES / "market_facts/service_order.json").read_text())
    fact = fact[0] | {"id": "order-1", "run": f"order {number}"}
    return stream.api.post(
        "/v1/market/facts", {"facts": [fact | {"ordered_w": 1000 * number}]}, "market_desk"
    )


def _unit(stream: Stream, number: int) -> httpx.Response:
    rule = (EXAMPLES / "market_rules/dr_zhejiang_2025_own_account.toml").read_bytes()
    stream.submit("/v1/market/rules?effective_from=2025-12-31T16:00:00Z", rule, headers=TOML)
    body = unit(id="vpp", members=[{"site": "S1", "capability_w": 1000 * number}])
    stream.submit("/v1/trading-units", body)
    (fact,) = json.loads((EXAMPLES / "market_facts/unit_demand_response.json").read_text())
    told = fact | {"id": "dr1", "unit": "vpp", "run": f"call {number}"}
    stream.api.post("/v1/market/facts", {"facts": [told]}, "market_desk")
    stream.api.wait()
    return stream.api.post("/v1/allocations", {"month": "2026-08"}, "finance")


def _prices(stream: Stream, number: int) -> httpx.Response:
    return stream.api.post("/v1/prices", PRICES | {"prices": [str(number), "-80"]}, "market_desk")


def _import(stream: Stream, number: int) -> httpx.Response:
    rows = f"meter,register,start,wh\nS1-STORAGE,charge,2026-08-0{1 + number % 9}T00:00:00Z,{number}\n"
    return import_file(stream.api, rows, role="operator")


def _register_read(stream: Stream, number: int) -> httpx.Response:
    read = {
        "register": "charge",
        "at": f"2026-08-{1 + number % 28:02}T00:00:00Z",
        "total_wh": 10_000 * number,
    }
    return stream.api.post("/v1/register-reads", {"meter": "S1-STORAGE", "reads": [read]}, "gateway")


def _calendar(stream: Stream, _: int) -> httpx.Response:
    return stream.submit(SINCE, CALENDAR.encode(), headers=TOML)


def _stated(stream: Stream, number: int) -> httpx.Response:
    stream.submit("/v1/economics", ECONOMICS.replace(b"900000", b"%d" % (900_000 + number)), headers=TOML)
    factors = (EXAMPLES / "co2/scenario_0_4.toml").read_bytes()
    stream.submit("/v1/emission-factors", factors, headers=TOML)
    hours = {"site": "S1", "month": "2026-08", "unavailable_s": number, "evidence": "ticket"}
    return stream.api.post("/v1/availability", hours, "operator")


def _issue(stream: Stream, number: int) -> httpx.Response:
    """One party's statement of the latest run, as far as it can go."""
    return _issue_run(stream, CONTRACT.party_ids[number % len(CONTRACT.party_ids)], stream.run())


def _issue_run(stream: Stream, party: str, run: int) -> httpx.Response:
    path = f"{_RUN}/{party}/{run}"
    stream.api.post(f"{path}/review", role="finance")
    stream.api.post(f"{path}/approve", role="admin")
    return stream.submit(f"{path}/issue")


def _dispute(stream: Stream, number: int) -> httpx.Response:
    run, _ = _issued(stream)
    path = f"{_RUN}/{HOST}/{run}/disputes"
    shown = stream.api.get(f"{_RUN}/{HOST}", "partner", run=run).json()
    lines = [one["number"] for one in shown.get("statement", {}).get("lines", [{"number": 1}])]
    line = lines[number % len(lines)]
    objection = {"id": f"d{number}", "lines": [line], "reason": "our meter says otherwise"}
    return stream.api.post(path, objection, "partner")


def _decide(stream: Stream, number: int) -> httpx.Response:
    _dispute(stream, number + 1000)
    stream.api.wait()
    items = stream.api.get("/v1/receivables", "finance", party=HOST).json()["items"]
    named = [(one["run"], each["id"]) for one in items for each in one["disputes"]]
    run, dispute = named[-1] if named else (1, "none")
    body = {"decision": "rejected", "answer": "the meter was tested"}
    return stream.submit(f"{_RUN}/{HOST}/{run}/disputes/{dispute}/decide", body)


def _invoice(stream: Stream, number: int) -> httpx.Response:
    """Of what is to be invoiced, the first."""
    _issued(stream)
    rows = stream.api.get("/v1/invoices", "finance", party=HOST).json()["invoices"]
    row = next((one for one in rows if one["number"] is None), {"direction": "issued", "amount": "1.00"})
    amount = {"net": row["amount"], "tax": "0.00", "gross": row["amount"]}
    body = {"number": f"F-{number}", "direction": row["direction"], "on": stream.today(), **amount}
    return stream.api.post(f"{_RUN}/{HOST}/{row.get('run', 1)}/invoices", body, "finance")


def _payment(stream: Stream, number: int) -> httpx.Response:
    """A part of what is open, so that something stays open and ages."""
    run, amount = _issued(stream)
    body = {"id": f"b{number}", "on": stream.today(), "amount": amount, "kind": "payment"}
    return stream.api.post(f"{_RUN}/{HOST}/{run}/payments", body, "finance")


def _write_off(stream: Stream, number: int) -> httpx.Response:
    run, amount = _issued(stream)
    body = {"id": f"w{number}", "amount": amount, "reason": "rounding at the bank"}
    return stream.submit(f"{_RUN}/{HOST}/{run}/write-offs", body)


def _issued(stream: Stream) -> tuple[int, str]:
    """The run of the host's statement that was issued last, now if need be, and a fen of what is open."""
    _issue(stream, CONTRACT.party_ids.index(HOST))
    stream.api.wait()
    items = stream.api.get("/v1/receivables", "finance", party=HOST).json()["items"]
    issued = [one for one in items if one["issued_on"] is not None]
    if not issued:
        return 1, "0.01"
    return issued[-1]["run"], "-0.01" if issued[-1]["open_amount"].startswith("-") else "0.01"


def _finalise(stream: Stream, _: int) -> httpx.Response:
    for number in range(len(CONTRACT.party_ids)):
        _issue(stream, number)
    return stream.submit(f"/v1/settlements/{CONTRACT.id}/2026-08/finalise", {"run": stream.run()})


def _close(stream: Stream, _: int) -> httpx.Response:
    """All that a close waits for, then the close; disputes that are open are carried.

    A corrected run's statement is a difference to the one before: that of each run is issued.
    """
    for run in range(1, stream.run()):
        for party in CONTRACT.party_ids:
            _issue_run(stream, party, run)
    _finalise(stream, 0)
    stream.api.wait()
    check = stream.api.get("/v1/months/2026-08", "auditor").json()["checklist"]
    return stream.submit("/v1/months/2026-08/close", {"carried_disputes": check["open_disputes"]})


def _netting(stream: Stream, number: int) -> httpx.Response:
    agreement = {"effective_from": f"2026-0{1 + number % 9}-01", "evidence": "framework agreement 7"}
    stream.submit(f"/v1/netting/{HOST}/agreement", agreement)
    stream.submit(f"/v1/netting/{HOST}", {"id": f"n{number}", "currency": "CNY"})
    return stream.api.get("/v1/netting", "auditor")


def _bank(stream: Stream, number: int) -> httpx.Response:
    rows = bank_file((stream.today(), "1.00", f"ref-{number}", "Host"))
    files = {"file": ("bank.csv", rows), "profile": ("bank.toml", BANK)}
    return stream.api.post("/v1/bank-statements?account=main", role="finance", files=files)


def _cash(stream: Stream, number: int) -> httpx.Response:
    receipt = {"document": f"R{number}", "stream": "demand_response", "on": stream.today()}
    money = {"currency": "CNY", "amount": "612.35"}
    stream.api.post("/v1/market-receipts", receipt | money, "finance")
    paid = {"document": f"P{number}", "cost": "insurance", "on": stream.today()}
    stream.api.post("/v1/supplier-payments", paid | money, "finance")
    handed = {"document": f"H{number}", "on": stream.today()}
    return stream.api.post(f"/v1/parties/{HOST}/handovers", handed | money, "finance")


def _capital(stream: Stream, number: int) -> httpx.Response:
    entry = {
        "type": "cash_contribution",
        "on": f"2026-0{1 + number % 8}-01",
        "party": "operator",
        "amount": "1000.00",
        "evidence": "agreement 4",
    }
    return stream.submit(f"/v1/contracts/{CONTRACT.id}/capital", {"entry": entry})


def _layout(stream: Stream, number: int) -> httpx.Response:
    return stream.submit("/v1/voucher-layouts", layout(mapping=f"# {number}\n" + layout()["mapping"]))


def _market(stream: Stream, number: int) -> httpx.Response:
    """A market whose gate for December is open all autumn, with a tick that changes."""
    text = (EXAMPLES / "markets/shandong_spot.toml").read_text().replace("shandong-operator", "operator")
    text = text.replace('days_before = 1, at = "08:00"', 'days_before = 200, at = "08:00"')
    text = text.replace("segments_max = 10", f"segments_max = {1 + number % 10}")
    path = "/v1/markets?effective_from=2025-12-31T16:00:00Z"
    return stream.api.post(path, text.encode(), "market_desk", headers=TOML)


def _desk(stream: Stream, number: int) -> httpx.Response:
    """A unit of the market with an envelope, and a risk policy under four eyes; the switch is pulled once."""
    _market(stream, number)
    policy = (EXAMPLES / "exclusivity/rule_based.toml").read_bytes()
    stream.submit("/v1/exclusivity", policy, headers=TOML)
    members = [{"site": "S1", "capability_w": 100_000}]
    # Of another stream than vpp's: a site is in one unit of a stream.
    terms = [{"type": "spot", "netting_benefit": "sites", "rounding_max": "0.05"}]
    stream.submit(
        "/v1/trading-units", unit(id="vpp-desk", market="shandong_spot", members=members, terms=terms)
    )
    envelope = {
        "discharge_w": 100_000,
        "charge_w": 100_000,
        "stored_wh": 100_000 + number,
        "floor_wh": 0,
        "ceiling_wh": 400_000,
        "charge_ppm": 950_000,
        "discharge_ppm": 950_000,
    }
    path = "/v1/trading-units/vpp-desk"
    body = {"effective_from": "2026-08-31T16:00:00Z", "envelope": envelope}
    stream.api.post(f"{path}/envelope", body, "operator")
    stream.api.post(f"{path}/days/2026-12-01/envelope", {"limits": envelope}, "operator")
    risk = (EXAMPLES / "risk/desk.toml").read_bytes()
    stream.api.post("/v1/desk/policy", risk, "market_desk", headers=TOML)
    stream.api.wait()
    prepared = stream.api.get("/v1/desk", "auditor").json()["prepared"]
    stream.api.post("/v1/desk/policy/approve", {"digest": prepared["digest"]}, "admin")
    stream.api.post("/v1/desk/stop", {"reason": "drill"}, "operator")
    return stream.api.post("/v1/desk/resume", {"reason": "over"}, "admin")


def _bid(stream: Stream, number: int) -> httpx.Response:
    """The next revision of a bid, as far as it goes by hand; of the next day's, once the first is cleared."""
    _desk(stream, number)
    stream.api.wait()
    name, day = "desk-bid", "2026-12-01"
    known = stream.api.get(f"/v1/bids/{name}", "auditor")
    if known.status_code == 200 and known.json()["summary"]["status"] == "cleared":
        name, day = "next-bid", "2026-12-02"
        known = stream.api.get(f"/v1/bids/{name}", "auditor")
    before = known.json()["summary"]["revision"] if known.status_code == 200 else 0
    bid = {
        "id": name,
        "unit": "vpp-desk",
        "market": "shandong_spot",
        "product": "da",
        "day": day,
        "curves": [[[0, 1000 * (1 + number % 50), 500_000]], *[[]] * 95],
    }
    written = stream.api.post("/v1/bids", {"bid": bid, "revision": before}, "market_desk")
    if written.status_code >= 300:
        return written
    revision = {"revision": before + 1}
    approval = revision | {"digest": written.json()["digest"]}
    stream.api.post(f"/v1/bids/{name}/approve", approval, "admin")
    submitted = stream.api.post(f"/v1/bids/{name}/submit", revision, "market_desk")
    stream.api.post(f"/v1/bids/{name}/send", revision, "market_desk")
    stream.api.post(f"/v1/bids/{name}/acknowledge", revision | {"reference": f"M-{number}"}, "market_desk")
    return submitted


def _clearing(stream: Stream, number: int) -> httpx.Response:
    """A run of December's first day, which awards a part of the bid that stands then, shared out."""
    _bid(stream, number)
    sharing = {"effective_from": "2026-07-31T16:00:00Z", "terms": {"discount": "100%", "confidence": "90%"}}
    stream.api.post("/v1/trading-units/vpp-desk/sharing", sharing, "market_desk")
    stream.api.wait()
    found = stream.api.get("/v1/bids", "auditor", live="true", last_day="2026-12-01").json()["items"]
    run = Clearing(
        market="shandong_spot",
        product="da",
        day=date(2026, 12, 1),
        run=f"run {number}",
        published=NEXT + timedelta(minutes=number),
        price_u=(300_000 + number,) * 96,
        awards=tuple(Award(bid=one["id"], power_w=(1000, *[0] * 95)) for one in found),
        source="the market's page",
        source_sha256="0" * 64,
    )
    bench = stream.api.bench
    desk = Desk(bench.door, bench.database)
    desk.record_clearing(run, command_id=f"clearing-{number}", actor="gateway")
    stream.api.wait()
    SharingOut(desk).share("shandong_spot", "da", date(2026, 12, 1), actor="desk")
    stream.api.wait()
    return stream.api.get(f"/v1/clearings/{run.id}", "auditor")


def _bundle(stream: Stream, _: int) -> httpx.Response:
    """What a party was told goes on record with its first bundle."""
    return stream.api.get(f"{_RUN}/{HOST}/bundle", "partner")


def _forecast(stream: Stream, number: int) -> httpx.Response:
    made = Forecast(
        subject=Subject("load", "S1"),
        unit="W",
        currency="",
        model="by hand",
        members=(MemberShare("by_hand", 1000, None),),
        features="0" * 64,
        trained_through=number,
        issued_at=stream.api.bench.now,
        zone="Asia/Shanghai",
        interval_s=900,
        start=stream.api.bench.now + timedelta(days=1),
        expected=(800_000 + number,) * 96,
        quantiles=(QuantileRow(500, (800_000 + number,) * 96),),
        scores=None,
        drift=None,
        cold_start="",
    )
    stream.api.bench.door.execute(IssueForecast(made), command_id=f"forecast-{number}", actor="model")
    stream.api.wait()
    return stream.api.get("/v1/forecasts/load_S1", "auditor")


def _plan(stream: Stream, number: int) -> httpx.Response:
    """Terms, a limit, and a day of standing still."""
    bench, day = stream.api.bench, date(2026, 12, 1)
    since = Period(bench.now)
    terms = StorageTerms(
        charge_w=250_000, discharge_w=250_000, floor_wh=number, ceiling_wh=500_000, end_wh=100_000,
        charge_ppm=950_000, discharge_ppm=950_000, import_w=2_000_000, export_w=0,
    )  # fmt: skip
    limit = ImposedLimit(reason=f"order {number}", discharge_w=number)
    held = bench.door.state(plan_aggregate("S1", day))
    newest = held.number if isinstance(held, NumberedPlan) else 0
    head = PlanHead(
        portfolio="S1", day=day, start=datetime(2026, 11, 30, 16, tzinfo=UTC), interval_s=900, count=96,
        trigger="asked", inputs=f"{number}", basis="hold", reason="by hand", objective="cost",
        objective_micro=None, bound_micro=None, gap_ppm=None, solver_ms=0,
    )  # fmt: skip
    none, still = np.zeros(0, dtype=np.int64), np.zeros(96, dtype=np.int64)
    stands = PlannedSite(
        id="S1", setpoint_w=still, stored_wh=still + 100_000 + number, curtailed_w=still, spot_w=still,
        regulation_w=none, response_w=none,
    )  # fmt: skip
    commands = [StateStorage("S1", since, terms), ImposeLimit("S1", since, limit)]
    commands += commands_of(head, newest + 1, (stands,))
    wishes = [Wish(command, f"plan-{number}") for command in commands]
    bench.door.execute_all(wishes, actor="planner")
    stream.api.wait()
    return stream.api.get(f"/v1/plans/S1/{day}", "auditor")


def _told_device(stream: Stream, number: int) -> httpx.Response:
    """An emergency that stands and one that is over, a setpoint, a lease, a fallback that its site holds."""
    _elsewhere(stream, number)
    bench = stream.api.bench
    hold = {"kind": "hold", "scope": {"kind": "site", "names": ["S1"]}, "reason": f"drill {number}"}
    stream.api.post("/v1/emergencies", hold, "operator")
    stream.api.post(f"/v1/emergencies/{max(number - 3, 1)}/ending", {"reason": "over"}, "operator")
    point = Setpoint(
        setpoint_w=number, expires_at=bench.now + timedelta(minutes=5), origin="person", cause="by hand"
    )
    for command in (
        TakeLease("D9", f"driver-{number}", bench.now.astimezone(UTC).date(), 1, 100),
        IntendSetpoint("D9", bench.now.astimezone(UTC).date(), point, "ada"),
    ):
        with contextlib.suppress(Refused):
            bench.door.execute(command, command_id=f"told-{number}", actor="driver")
    # Far ahead: a clock that is turned back does not make it over.
    schedule = {"start": "2030-01-01T00:00:00Z", "interval_s": 3600, "setpoint_w": [number, 0]}
    answer = stream.api.post("/v1/devices/D9/fallback", schedule, "operator")
    held = bench.door.state("fallback.D9")
    assert isinstance(held, Fallback), answer.text
    body = {"digest": held.stored.digest}
    stream.api.post("/v1/devices/D9/fallback/acknowledgement", body, "gateway")
    return answer


def _care(stream: Stream, number: int) -> httpx.Response:
    """A step test of a device, an alarm that stands and one that is over, a work order, a milestone."""
    _elsewhere(stream, number)
    bench = stream.api.bench
    plan = step_plan(example("bess_swapped"))
    since = bench.now - timedelta(hours=1)
    digest = f"{number:064x}"
    report = CommissioningReport(
        device="D9", profile="bess_swapped", profile_sha256=digest, address_sha256=digest, meter="",
        started_at=since, ended_at=since, plan=plan,
        results=tuple(StepResult(step=step, verdict="passed") for step in STEP_NAMES),
    )  # fmt: skip
    commands = (BeginCommissioning("D9", "ada", digest, plan), RecordCommissioning(report, "ada"))
    for part, command in enumerate(commands):
        bench.door.execute(command, command_id=f"test-{number}-{part}", actor="ada")
    read = EnergyRead(at=since, charge_wh=number, discharge_wh=number, stored_wh=number)
    night = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number)
    day = HealthDay(
        day=night.date(), start=night - timedelta(days=1), end=night, samples=number + 1, available_s=80_000,
        spread_mv=9, opened=read, closed=read,
    )  # fmt: skip
    bench.door.execute(RecordHealthDay("D9", day), command_id=f"health-{number}", actor="health")
    tested = {"usable_wh": 90_000 - number, "tested_at": f"{since:%Y-%m-%dT%H:%M:%SZ}", "evidence": "r"}
    stream.api.post("/v1/devices/D9/capacity-tests", tested, "operator")
    milestone = {"kind": "installed", "due": f"2026-12-{1 + number % 30:02}"}
    stream.api.post("/v1/sites/S1/milestones", milestone, "operator")
    alarm = {"kind": "cell_spread", "since": f"{since:%Y-%m-%dT%H:%M:%SZ}"}
    raised = alarm | {"severity": "warning", "detail": f"{number} mV"}
    stream.api.post("/v1/devices/D9/alarms", raised | {"kind": "clock_skew"}, "gateway")
    seen = alarm | {"kind": "clock_skew", "note": "seen"}
    stream.api.post("/v1/devices/D9/alarms/acknowledge", seen, "operator")
    stream.api.post("/v1/devices/D9/alarms", raised, "gateway")
    stream.api.post("/v1/devices/D9/alarms/clear", alarm | {"reason": "over"}, "operator")
    name = f"W{number}" if number % 2 else "W0"
    order = {"id": name, "site": "S1", "kind": "repair", "planned": False, "title": f"fan {number}"}
    opened = stream.api.post("/v1/work-orders", order, "operator")
    due = f"{bench.now + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    stream.api.post(f"/v1/work-orders/{name}/assign", {"party": HOST, "due": due}, "operator")
    done = {"done_at": f"{since:%Y-%m-%dT%H:%M:%SZ}", "evidence": "report 7"}
    stream.api.post(f"/v1/work-orders/{name}/done", done, "operator")
    stream.api.post(f"/v1/work-orders/{name}/rate", {"rating": 1 + number % 5}, "finance")
    return opened if opened.status_code < 300 else stream.api.get("/v1/work-orders", "auditor")


def _webhook(stream: Stream, number: int) -> httpx.Response:
    hook = Webhook(id="desk-hook", url=f"https://desk.example/{number}", key_id="desk-key")
    stream.api.bench.door.execute(RegisterWebhook(hook, "ada"), command_id=f"hook-{number}", actor="ada")
    stream.api.wait()
    return stream.api.get("/v1/webhooks", "admin")


def _key(stream: Stream, number: int) -> httpx.Response:
    """A key granted, and the one before it revoked."""
    body = {"actor": f"reader-{number}", "role": "auditor"}
    done = stream.api.post("/v1/keys", body, "admin")
    if number % 2:
        stream.api.post(f"/v1/keys/{done.json()['key_id']}/revoke", role="admin")
    return done


STEPS: Final[dict[str, Step]] = {
    "party": _party,
    "site": _site,
    "elsewhere": _elsewhere,
    "contract": _contract,
    "tariff": _tariff,
    "market_rule": _market_rule,
    "market_fact": _market_fact,
    "unit": _unit,
    "prices": _prices,
    "reading": _reading,
    "estimate": _estimate,
    "import": _import,
    "register_read": _register_read,
    "calendar": _calendar,
    "stated": _stated,
    "settle": _settle,
    "issue": _issue,
    "dispute": _dispute,
    "decide": _decide,
    "invoice": _invoice,
    "payment": _payment,
    "write_off": _write_off,
    "close": _close,
    "netting": _netting,
    "bank": _bank,
    "cash": _cash,
    "capital": _capital,
    "layout": _layout,
    "market": _market,
    "desk": _desk,
    "bid": _bid,
    "clearing": _clearing,
    "key": _key,
    "bundle": _bundle,
    "forecast": _forecast,
    "plan": _plan,
    "webhook": _webhook,
    "care": _care,
    "told_device": _told_device,
}
"""By kind, what one step does."""
