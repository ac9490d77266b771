"""A programme as a gateway: offers as reports or by being enrolled, how powers are told, and its settings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.gateway.configured import OpenAdrAccess, gateway_file, opened
from adapters.gateway.gateway import NotPublished, NotTaken, Offer, Unanswered
from adapters.gateway.openadr3 import wire
from adapters.gateway.openadr3.event_watch import EventChange, KnownEvent
from adapters.gateway.openadr3.payload import Payload
from adapters.gateway.openadr3.programme import Programme
from adapters.gateway.openadr3.programme_gateway import OpenAdrGateway
from adapters.gateway.openadr3.response_call import CallInterval, ResponseCall
from ledger.refusal import Refused
from tests.adapters.desk.desk_book import RESPONSE_CALL, ROOT, market
from tests.adapters.gateway.openadr3_floor import DAY, gateway, offer, programme
from tests.adapters.gateway.running_vtn import BL_CALLER, RunningVtn
from trading.bid import Bid
from trading.bid_life import Draft

EXAMPLE = ROOT / "examples/gateways/gateways.toml"
NOW = datetime(2026, 8, 11, 1, tzinfo=UTC)
START = datetime(2026, 8, 12, 2, tzinfo=UTC)
END = datetime(2026, 8, 12, 3, tzinfo=UTC)


def offered(bid: Bid | None = None, revision: int = 1) -> Offer:
    draft = Draft(revision, bid or offer(), "anna", NOW, "0" * 64)
    return Offer(draft, market(), RESPONSE_CALL, "V")


@pytest.fixture
def opens(vtn: RunningVtn) -> Iterator[str]:
    """The programme, and an event of the delivery day that asks for available capacity; the event's id."""
    vtn.clock.shift = NOW - datetime.now(UTC)
    made = vtn.store.put(BL_CALLER, "PROGRAM", wire.Program, {"program_name": "Peak"}, None)
    asks = wire.ReportDescriptor(payload_type="LOAD_SHED_DELTA_AVAILABLE", units="KW")
    fields = {
        "program_id": made.id,
        "interval_period": wire.IntervalPeriod(start="2026-08-11T16:00:00Z", duration="PT24H"),
        "intervals": (wire.Interval(id=0, payloads=()),),
        "report_descriptors": (asks,),
    }
    yield vtn.store.put(BL_CALLER, "EVENT", wire.Event, fields, None).id


def by_report(vtn: RunningVtn, opens: str, **changes: Any) -> OpenAdrGateway:
    event = vtn.store.one(BL_CALLER, "EVENT", opens)
    assert isinstance(event, wire.Event)
    return gateway(vtn.url, lambda: NOW, offers="report", programme=event.program_id, **changes)


def reports(vtn: RunningVtn) -> list[Any]:
    return vtn.store.listed(BL_CALLER, "REPORT", {})


def test_a_bid_is_a_report_of_available_capacity_and_a_revision_takes_its_place(
    vtn: RunningVtn, opens: str
) -> None:
    one = by_report(vtn, opens)
    assert one.ask(offered()) is None
    taken = one.send(offered())
    (report,) = reports(vtn)
    assert (taken.revision, taken.reference) == (1, report.id)
    assert (report.event_id, report.report_name, report.client_name) == (opens, "offer-b1.1", "our-ven")
    (resource,) = report.resources
    assert len(resource.intervals) == 96
    assert resource.intervals[95].interval_period.start == "2026-08-12T15:45:00Z"
    assert {bytes(one.payloads[0].values[0]) for one in resource.intervals} == {b"200"}
    again = one.send(offered(offer(power_w=150_500), 2))
    (report,) = reports(vtn)
    assert (again.reference, report.report_name) == (taken.reference, "offer-b1.2")
    assert bytes(report.resources[0].intervals[0].payloads[0].values[0]) == b"150.5"
    held = one.ask(offered())
    assert held is not None
    assert (held.revision, held.reference) == (2, report.id)
    assert one.ask(offered(offer("b2"))) is None
    one.withdraw(offered())
    one.withdraw(offered())
    assert reports(vtn) == []


def test_what_no_report_can_tell_is_not_taken(vtn: RunningVtn, opens: str) -> None:
    one = by_report(vtn, opens)
    stepped = msgspec.structs.replace(offer(), curves=(((0, 1000, 1), (1000, 2000, 2)),) * 96)
    with pytest.raises(NotTaken, match="one power an interval"):
        one.send(offered(stepped))
    later = msgspec.structs.replace(offer(), day=DAY.replace(day=20))
    with pytest.raises(NotTaken, match=r"no event of programme .* asks for LOAD_SHED"):
        one.send(offered(later))
    with pytest.raises(NotTaken, match="has no programme for unit other"):
        one.send(offered(msgspec.structs.replace(offer(), unit="other")))
    with pytest.raises(NotPublished):
        one.result(market(), RESPONSE_CALL, DAY, [])
    assert reports(vtn) == []


def test_a_programme_without_offers_has_our_resource_enrolled(vtn: RunningVtn) -> None:
    one = gateway(vtn.url, lambda: NOW)
    vtn.clock.shift = NOW - datetime.now(UTC)
    assert one.ask(offered()) is None
    taken = one.send(offered())
    assert one.send(offered(revision=2)).reference == taken.reference, "enrolled once"
    held = one.ask(offered(revision=2))
    assert held is not None
    assert (held.revision, held.reference) == (2, taken.reference)
    with pytest.raises(NotTaken, match="opt out"):
        one.withdraw(offered())


def test_a_vtn_that_does_not_answer_leaves_an_offer_unanswered(vtn: RunningVtn, opens: str) -> None:
    one = by_report(vtn, opens)
    vtn.intercept = lambda _: (503, [], b"")
    for ask in (lambda: one.send(offered()), lambda: one.ask(offered()), lambda: one.withdraw(offered())):
        with pytest.raises(Unanswered):
            ask()
    vtn.intercept = None
    vtn.tokens.revoke_all()
    one.send(offered())
    vtn.intercept = lambda scope: (401, [], b"") if str(scope["path"]).endswith("/events") else None
    with pytest.raises(Unanswered, match="vtn_credentials"):
        one.send(offered())


def test_a_programme_is_asked_again_when_it_is_due(vtn: RunningVtn, opens: str) -> None:
    one = by_report(vtn, opens)
    mine = one.programmes("shandong")[0]
    assert one.programmes("elsewhere") == []
    assert one.heard(mine, dict, NOW) is not None
    assert one.heard(mine, dict, NOW) is None
    vtn.intercept = lambda _: (503, [], b"")
    with pytest.raises(Unanswered):
        one.heard(mine, dict, NOW.replace(second=1))
    assert one.heard(mine, dict, NOW.replace(second=1)) is None, "not sooner because it failed"


def heard(*payloads: Payload, end: datetime | None = END) -> ResponseCall:
    return ResponseCall(
        programme="p", event="e", version=NOW, received=NOW, name=None, priority=None, targets=(),
        intervals=(CallInterval(0, START, end, payloads),),
    )  # fmt: skip


def read(mine: Programme, told: ResponseCall) -> Any:
    known = {"e": KnownEvent(NOW, "digest", START, told.end)}
    change = EventChange(kind="new", event="e", call=told, before=None, after_gate=False)
    return mine.call("dr", market(), RESPONSE_CALL, change, known)


KW = Payload("DISPATCH_SETPOINT", (Fraction(3, 2),), "KW")


def test_powers_are_signed_as_the_programme_means_them() -> None:
    assert read(programme(), heard(KW)).intervals[0].power_w == 1500
    assert read(programme(positive="charge"), heard(KW)).intervals[0].power_w == -1500
    levels = programme(payload="SIMPLE", levels_w=(10, 20, 30))
    for level, power in ((0, 0), (1, 10), (3, 30)):
        told = heard(Payload("SIMPLE", (Fraction(level),)))
        assert read(levels, told).intervals[0].power_w == power


def test_a_price_of_the_call_is_read_and_other_types_are_named() -> None:
    price = Payload("PRICE", (Fraction(17, 20),), "KWH", "CNY")
    other = Payload("X_NOTE", ("now",))
    found = read(programme(), heard(KW, price, other))
    assert found.intervals[0].price_u == 850_000
    assert found.unused == ("X_NOTE",)


def test_a_start_that_may_be_shifted_and_a_priority_are_kept_and_shift_nothing() -> None:
    told = msgspec.structs.replace(heard(KW), randomize_s=300, priority=1, test=True)
    found = read(programme(), told)
    assert (found.randomize_s, found.priority, found.trial) == (300, 1, True)
    assert (found.start, found.intervals[0].start) == (START, START)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (heard(KW, end=None), "call_open_ended"),
        (heard(), "call_payload"),
        (heard(Payload("X_SHED", (Fraction(5),))), "call_payload"),
        (heard(KW, KW), "call_payload"),
        (heard(msgspec.structs.replace(KW, units="KWH")), "payload_units"),
        (heard(KW, Payload("PRICE", (Fraction(1),), "KWH", "USD")), "call_price"),
        (heard(KW, Payload("PRICE", (Fraction(1), Fraction(2)), "KWH", "CNY")), "call_price"),
        (heard(KW, Payload("PRICE", (Fraction(1, 10**7),), "KWH", "CNY")), "call_price"),
    ],
)
def test_what_is_no_power_is_kept_with_its_reason(told: ResponseCall, code: str) -> None:
    found = read(programme(), told)
    assert (found.wrong, found.intervals) == (code, ())
    assert found.why


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"payload": "SIMPLE"}, "levels"),
        ({"levels_w": (1, 2, 3)}, "levels"),
        ({"payload": "SIMPLE", "levels_w": (0, 1, 2)}, "levels"),
        ({"notice_s": -1}, "not_allowed"),
        ({"gate_s": -1}, "not_allowed"),
        ({"unit": "a b"}, "id"),
    ],
)
def test_a_programme_that_cannot_be(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        programme(**changes)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("price", "code"), [("x", "number"), ("1/0", "number"), ("0.0000001", "price_scale")]
)
def test_a_price_is_a_decimal_of_whole_millionths(price: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        programme(price=price).price_u(RESPONSE_CALL)
    assert refused.value.code == code


def settings(tmp_path: Path, old: str = "", new: str = "") -> Path:
    text = EXAMPLE.read_text()
    assert not old or text.count(old) == 1
    (tmp_path / "gateways.toml").write_text(text.replace(old, new) if old else text)
    return tmp_path / "gateways.toml"


def test_the_example_opens_with_a_secret_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = gateway_file(settings(tmp_path))
    access = file.gateways["response"]
    assert isinstance(access, OpenAdrAccess)
    only = msgspec.structs.replace(file, gateways={"response": access})
    secret = tmp_path / access.secret
    secret.write_text('client_id = "ven-1"\nclient_secret = "s"\n')
    with pytest.raises(Refused, match="chmod 600"), opened(only, tmp_path):
        pass
    secret.chmod(0o600)
    with opened(only, tmp_path) as found:
        assert isinstance(found["response"], OpenAdrGateway)
    secret.write_text('client_id = "ven-1"\n')
    with pytest.raises(Refused) as refused, opened(only, tmp_path):
        pass
    assert refused.value.code == "vtn_credentials"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('url = "https://vtn', 'url = "http://vtn', "vtn_url"),
        ("poll_s = 30", "poll_s = 0", "not_allowed"),
        ('ven = "our-desk"', 'ven = " "', "empty"),
        ('payload = "DISPATCH_SETPOINT"', 'payload = "SIMPLE"', "levels"),
        ('offers = "report"', 'offers = "bid"', "not_allowed"),
        ("notice_s = 1800", "notice = 1800", "field_unknown"),
    ],
)
def test_a_gateway_that_cannot_be_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        gateway_file(settings(tmp_path, old, new))
    assert refused.value.code == code
    assert refused.value.place.startswith("line ")


def test_a_unit_has_one_programme_for_a_product() -> None:
    with pytest.raises(Refused) as refused:
        OpenAdrAccess(
            url="https://vtn.example", secret="s.toml", ven="v", programmes=(programme(), programme())
        )
    assert refused.value.code == "programme_duplicate"
