"""A VTN as a process of its own with a programme, and a desk whose unit it calls, on a test's own book."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from signal import SIGKILL
from typing import Any, Final

import msgspec
import numpy as np
from openadr3.api import OpenADRClient

from adapters.desk.desk import Desk
from adapters.desk.follow_up import follow_ups
from adapters.desk.trading_role import TradingRole
from adapters.gateway.openadr3.programme import Programme
from adapters.gateway.openadr3.programme_gateway import OpenAdrGateway
from adapters.gateway.openadr3.vtn_session import VtnAccess, VtnSession
from adapters.settling import wait_until
from ledger.demand import ActualDemand
from ledger.effective import Period
from ledger.grid_account import Account
from ledger.interval import Interval
from ledger.party import Party, RegisterParty
from ledger.site import RegisterSite, Site
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY_AHEAD, MARKET, POLICY, RESPONSE_CALL, ROOT, market, submitted
from tests.adapters.gateway.running_vtn import BL, VEN
from tests.adapters.test_market_settling import OWN_ACCOUNT, does, hours, policy, rule
from tests.adapters.test_settling import START, TARIFF, filled
from tests.ledger.test_unit_allocation import RESPONSE
from trading.bid import Bid
from trading.bid_life import Standing
from trading.clearing import Clearing, ClearingState, clearing_id
from trading.envelope import StateEnvelope, UnitEnvelope
from trading.product import Product
from trading.published_market import PublishMarket
from trading.response_call import CallState, aggregate_of, call_id
from trading.risk import ApprovePolicy, PreparePolicy
from trading.settles_as import SettlesAs
from trading.sharing import SharingTerms, StateSharing

KW: Final = 1000
DAY: Final = date(2026, 8, 12)
BEGINS: Final = START + timedelta(days=11)
PROGRAMME: Final = "program-1"
"""What our VTN calls the first object that it keeps."""
UNIT: Final = "vpp"
PRODUCT: Final = "response"
OFFERED_W: Final = 200 * KW
ENVELOPE: Final = UnitEnvelope(
    discharge_w=250 * KW, charge_w=250 * KW, stored_wh=6000 * KW, floor_wh=0, ceiling_wh=6000 * KW,
    charge_ppm=950_000, discharge_ppm=950_000,
)  # fmt: skip


class Clock:
    """Stands where it is set."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def programme(**changes: Any) -> Programme:
    fields: dict[str, Any] = {
        "market": MARKET, "product": PRODUCT, "unit": UNIT, "programme": PROGRAMME, "resource": "storage-s1",
        "price": "3",
    }  # fmt: skip
    return Programme(**(fields | changes))


def gateway(url: str, clock: Callable[[], datetime], **changes: Any) -> OpenAdrGateway:
    """The clocks of test and machine differ: that is not checked here."""
    access = VtnAccess(
        url=url, client_id=VEN.client_id, client_secret=VEN.client_secret, attempts=1, timeout_s=2.0,
        clock_skew_s_max=10**9,
    )  # fmt: skip
    return OpenAdrGateway("dr", VtnSession(access, clock), "our-ven", [programme(**changes)], poll_s=1)


class VtnProcess:
    """`bl` is an independent client, the operator's own."""

    def __init__(self, now: datetime) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.adapters.gateway.openadr3_process", now.isoformat()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.bl = OpenADRClient(self.url)
        first = self.bl._http
        self.bl.fetch_token(BL.client_id, BL.client_secret)
        first.close()

    def created(self, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = getattr(self.bl, f"create_{kind}")(dict(body))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def operating_states(self, event: str) -> list[str]:
        """What was reported of the first interval of an event, of each report."""
        found = self.bl.get_reports(eventID=event).json()
        return [one["resources"][0]["intervals"][0]["payloads"][0]["values"][0] for one in found]

    def stop(self) -> None:
        """As when the machine stops."""
        self.bl.close()
        self.process.kill()
        self.process.wait()
        for end in (self.process.stdin, self.process.stdout):
            assert end is not None
            end.close()


def event(window: Interval, kw: float, **changes: Any) -> dict[str, Any]:
    """A call for kW in quarter-hours."""
    count = window.seconds // 900
    fields: dict[str, Any] = {
        "programID": PROGRAMME,
        "eventName": "evening",
        "payloadDescriptors": [
            {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "DISPATCH_SETPOINT", "units": "KW"}
        ],
        "intervalPeriod": {"start": f"{window.start:%Y-%m-%dT%H:%M:%SZ}", "duration": "PT15M"},
        "intervals": [
            {"id": number, "payloads": [{"type": "DISPATCH_SETPOINT", "values": [kw]}]}
            for number in range(count)
        ],
    }
    return fields | changes


def response(**changes: Any) -> Product:
    """The programme's product, settled under a rule that pays for what an instruction called."""
    settled = SettlesAs(rule=OWN_ACCOUNT, stream="demand_response")
    return msgspec.structs.replace(RESPONSE_CALL, settles_as=settled, energy_check="none", **changes)


def offer(name: str = "b1", power_w: int = OFFERED_W) -> Bid:
    """The same power in every quarter-hour of the day."""
    return Bid(
        id=name, unit=UNIT, market=MARKET, product=PRODUCT, day=DAY,
        curves=(((0, power_w, 2_000_000),),) * 96, schedule_w=(0,) * 96,
    )  # fmt: skip


class CallFloor:
    """A submitted bid of 12 August, and the role, at nine in the morning of the day before in Shanghai."""

    def __init__(self, bench: Bench, vtn: VtnProcess, **changes: Any) -> None:
        self.bench, self.vtn = bench, vtn
        self.clock = Clock(datetime.fromisoformat("2026-08-11T01:00:00+00:00"))
        bench.now = self.clock.at - timedelta(days=1)
        _, _, discharge = filled(bench)
        does(bench, *_furnished())
        bench.now = self.clock.at
        self.desk = Desk(bench.door, bench.database)
        self.gateway = gateway(vtn.url, self.clock, **changes)
        self.lines: list[str] = []
        self.role = self.another()
        self.peak = _peak(discharge)

    def another(self) -> TradingRole:
        """A role that knows nothing of what another one did, as after a restart."""
        self.gateway._next.clear()
        return TradingRole(
            self.desk, self.bench.database, {"dr": self.gateway}, self.clock, self.lines.append,
            follow=follow_ups(self.desk),
        )  # fmt: skip

    def set_clock(self, at: datetime) -> None:
        self.clock.at = at
        self.bench.now = at

    def turns(self, count: int = 1) -> list[str]:
        """What the role says in so many turns, each at a time at which the programme is asked again."""
        del self.lines[:]
        for _ in range(count):
            self.set_clock(self.clock.at + timedelta(seconds=20))
            self.projected()
            self.role.turn()
        self.projected()
        return list(self.lines)

    def projected(self) -> None:
        last = self.bench.log.client.run(self.bench.log.last_sequence())
        wait_until(self.bench.database, self.bench.book, last, 30)

    def submitted(self, one: Bid | None = None) -> None:
        submitted(self.desk, one or offer())
        self.projected()

    def call(self, name: str) -> CallState:
        found = self.desk.door.state(aggregate_of(call_id("dr", UNIT, name)))
        assert isinstance(found, CallState)
        return found

    @property
    def standing(self) -> Standing:
        found = self.desk.state("b1").standing
        assert found is not None
        return found

    @property
    def clearing(self) -> Clearing | None:
        found = self.desk.door.state(f"clearing.{clearing_id(MARKET, PRODUCT, DAY)}")
        return found.latest if isinstance(found, ClearingState) else None

    def kinds(self, aggregate: str) -> list[str]:
        """The kinds of an aggregate's events, in order."""
        rows = self.bench.query(
            "SELECT payload FROM ledger.envelope WHERE aggregate LIKE %s ORDER BY sequence", [aggregate]
        )
        payloads = [bytes(row[0]).decode() for row in rows]  # type: ignore[call-overload]
        return [kind for text in payloads for kind in re.findall(r'"kind":"([a-z_]+\.[a-z_]+\.v1)"', text)]

    def killed_at(self, step: str) -> None:
        """Run the role in a process of its own until it kills itself."""
        bench = self.bench
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "tests.adapters.gateway.openadr3_trade_process"),
                *(bench.nats.url, str(bench.nats.app_seed), bench.book),
                bench.postgres_url,
                *(self.vtn.url, self.clock.at.isoformat(), step),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == -SIGKILL, ended.stdout + ended.stderr


def _furnished() -> list[Any]:
    account = Account(
        id="A-S1", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand(), power_factor=None,
        export_price=None,
    )  # fmt: skip
    site = Site("S1", "Plant", "Asia/Shanghai", 6_000_000, 250_000, TARIFF.id, account)
    unit = TradingUnit(
        id=UNIT, name="VPP", market=MARKET, unit_code="V", operator="operator", zone="Asia/Shanghai",
        members=(Member(site="S1", capability_w=250 * KW),), terms=(RESPONSE,), rounding_max="1",
    )  # fmt: skip
    own = msgspec.structs.replace(market(DAY_AHEAD, response()), gateway="dr")
    return [
        RegisterParty(sample.FROM_2026, Party("operator", "Operator")), policy(),
        RegisterSite(sample.FROM_2026, site), rule(OWN_ACCOUNT, without_instruction="refused"),
        PublishMarket(sample.FROM_2026, own), RegisterTradingUnit(sample.FROM_2026, unit),
        StateEnvelope(UNIT, Period(datetime.fromisoformat("2026-07-01T00:00:00+00:00")), ENVELOPE),
        StateSharing(UNIT, Period(datetime.fromisoformat("2026-08-01T00:00:00+00:00")),
                     SharingTerms(discount="100%", confidence="100%")),
        PreparePolicy(POLICY, "anna"), ApprovePolicy(POLICY, "bert"),
    ]  # fmt: skip


def _peak(discharge: Any) -> Interval:
    """An hour of the delivery day in which the storage discharges 200 kW throughout."""
    day = discharge[11 * 96 : 12 * 96].reshape(-1, 4)
    hour = int(np.argmax((day > 0).all(axis=1)))
    assert (day[hour] == 50 * KW).all()
    return hours(12, hour, hour + 1)


@contextmanager
def on_the_call_floor(bench: Bench, **changes: Any) -> Iterator[CallFloor]:
    """A floor whose book is projected by a thread, and whose VTN has one programme."""
    vtn = VtnProcess(datetime.fromisoformat("2026-08-11T00:59:00+00:00"))
    vtn.created("program", {"programName": "Peak"})
    floor = CallFloor(bench, vtn, **changes)
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        yield floor
    finally:
        projector.stop()
        thread.join()
        vtn.stop()
