"""A settled period under other documents, against what was recorded and against really registering them."""

from __future__ import annotations

import inspect
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from adapters.queries import positions
from adapters.what_if import text, what_if
from ledger import contract_file
from ledger.calendars import calendar
from ledger.clauses.guarantee import Guarantee
from ledger.contract import Contract
from ledger.demand import ActualDemand
from ledger.exclusivity import policy_file
from ledger.interval import Month
from ledger.party import Party, RegisterParty
from ledger.price_table import PeriodPrices
from ledger.published_tariff import PublishTariff
from ledger.quantity import Price
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs, SiteInputs
from ledger.settlement.line import Source
from ledger.settlement.result import Result
from ledger.settlement.settle import check_line
from ledger.settlement.what_if import Question, WhatIf, settle_chain
from ledger.signed_contract import RegisterContract
from ledger.stored_energy import Stored
from ledger.tariff import Tariff
from tests.adapters import sample, test_corrections
from tests.adapters.conftest import Bench
from tests.adapters.test_corrections import AGENCY, JULY, SEPTEMBER, SUMMER
from tests.adapters.test_settling import AUGUST, CONTRACT, TARIFF, filled, record, settle
from tests.ledger.settlement.test_behind_the_meter import SITE

EXAMPLES = Path(__file__).parents[2] / "examples"


def ask(bench: Bench, question: Question, position: int | None = None) -> WhatIf:
    """The answer; that asking changed neither the stream nor a row is part of every test."""
    bench.project()
    before = bench.recorder.max_notification_id()
    rows = stored(bench)
    with bench.database.reading(bench.book) as connection:
        reached = min(positions.reached(connection).values())
        found = what_if(connection, bench.book, reached if position is None else position, question)
    assert bench.recorder.max_notification_id() == before, "no event is appended"
    bench.project()
    assert stored(bench) == rows, "no row is written"
    return found


def stored(bench: Bench) -> list[tuple[object, ...]]:
    tables = ("envelope", "settlement", "statement", "registered", "position")
    return [
        row
        for table in tables
        for row in bench.query(
            f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t)) FROM ledger.{table} t"
        )
    ]


def august(**more: object) -> Question:
    return Question(CONTRACT.id, AUGUST, AUGUST, **more)  # type: ignore[arg-type]


def equal_halves(contract: Contract) -> Contract:
    """The same contract with the rest split 50/50 instead of 70/30, and no fees."""
    split = {"host-s1": "50%", "operator": "50%"}
    clauses = tuple(
        msgspec.structs.replace(clause, shares=split)
        for clause, kind in zip(contract.clauses, contract.clause_types, strict=True)
        if kind in ("loss_split", "remainder_split")
    )
    return msgspec.structs.replace(contract, clauses=clauses)


def dearer(tariff: Tariff, thousandths: int) -> Tariff:
    """The tariff with every energy price higher by so many thousandths of a yuan, sharp by twice that."""
    tables = []
    for table in tariff.tables:
        raised = {
            period: Price(
                price.mantissa + thousandths * (2 if period == "sharp" else 1) * 10 ** (price.scale - 3),
                price.scale,
                price.currency,
                price.unit,
            )
            for period, price in table.prices.printed.items()
        }
        tables.append(msgspec.structs.replace(table, prices=PeriodPrices(**raised), components=None))
    schedules = tuple(msgspec.structs.replace(one, float_rule=None) for one in tariff.schedules)
    return msgspec.structs.replace(tariff, tables=tuple(tables), schedules=schedules)


def test_it_is_given_nothing_that_could_write() -> None:
    kinds = {name: one.annotation for name, one in inspect.signature(what_if).parameters.items()}
    assert kinds == {
        "connection": "Connection",
        "book": "str",
        "position": "int",
        "question": "Question",
    }


def test_the_same_documents_give_the_recorded_bytes(bench: Bench) -> None:
    filled(bench)
    (recorded,) = settle(bench)
    digest = recorded.result.digest()
    for question in (
        august(),
        august(instead=CONTRACT),
        august(tariffs={TARIFF.id: TARIFF}),
        august(instead=contract_file.parse((EXAMPLES / "contracts/eaas-s1.toml").read_bytes())),
    ):
        (month,) = ask(bench, question).months
        assert month.same_as_recorded is True
        assert month.run == 1
        assert month.hypothetical_digest == month.unchanged_digest == month.recorded_digest == digest
        assert msgspec.json.encode(
            msgspec.structs.replace(month.result, position=recorded.result.position)
        ) == msgspec.json.encode(recorded.result)
        for party in month.parties:
            assert party.difference == party.by_documents
            assert party.difference is not None
            assert {money.minor for money in msgspec.structs.astuple(party.difference)} == {0}


def test_another_split_of_the_same_pool_to_the_fen(bench: Bench) -> None:
    filled(bench)
    (recorded,) = settle(bench)
    found = ask(bench, august(instead=equal_halves(CONTRACT)))
    (month,) = found.months
    pool = recorded.result.pool.minor
    parties = {party.party: party for party in month.parties}
    assert month.pool_recorded == month.pool_hypothetical == recorded.result.pool
    hypothetical = {
        name: party.hypothetical.entitlement.minor for name, party in parties.items() if party.hypothetical
    }
    assert sorted(hypothetical.values()) == sorted([0, pool // 2, pool - pool // 2])
    for name, party in parties.items():
        before = recorded.result.entitlement[name].minor
        assert party.recorded is not None
        assert party.recorded.entitlement.minor == before
        assert party.difference is not None
        assert party.difference.entitlement.minor == hypothetical[name] - before
        assert party.difference.held.minor == 0, "the host holds the saving under either"
        assert party.difference.payable == party.difference.entitlement
        assert party.by_documents == party.difference
    assert sum(p.difference.payable.minor for p in parties.values() if p.difference) == 0
    assert month.hypothetical_digest != month.recorded_digest
    assert found.total == month.parties, "one month is its own total"


def test_a_hypothetical_document_is_no_event(bench: Bench) -> None:
    """Its lines explain themselves, and no source claims that the ledger holds it."""
    filled(bench)
    settle(bench)
    tariffs = {TARIFF.id: dearer(TARIFF, 5)}
    found = ask(bench, august(instead=equal_halves(CONTRACT), tariffs=tariffs))
    result = found.months[0].result
    sources = {source.aggregate: source.sequences for source in result.sources}
    assert sources[f"hypothetical.contract.{CONTRACT.id}"] == ()
    assert sources[f"hypothetical.tariff.{TARIFF.id}"] == ()
    assert f"contract.{CONTRACT.id}" not in sources
    assert f"tariff.{TARIFF.id}" not in sources
    assert sources["site.S1"] != ()
    for line in result.lines:
        check_line(line)
    assert [line.partition(" -> ")[0] for line in found.replaced] == [
        f"contract {CONTRACT.id}",
        f"tariff {TARIFF.id}",
    ]


def test_another_tariff_prices_the_same_energy(bench: Bench) -> None:
    _, charge, discharge = filled(bench)
    (recorded,) = settle(bench)
    (month,) = ask(bench, august(tariffs={TARIFF.id: dearer(TARIFF, 100)})).months
    before = energy_line(recorded.result)
    after = energy_line(month.result)
    assert before.basis, "terms per period"
    sharp = sum(int(term.quantity) for term in after.basis if term.label == "discharged, sharp")
    expected = sharp * 2 + int(discharge.sum()) - sharp - int(charge.sum())
    assert after.amount.minor - before.amount.minor == round(expected / 100)
    assert month.pool_hypothetical != month.pool_recorded


def energy_line(result: Result):  # type: ignore[no-untyped-def]
    return next(line for line in result.lines if line.code == "arbitrage")


def test_facts_that_came_later_are_told_apart_from_documents(bench: Bench) -> None:
    _, charge, _ = filled(bench)
    (recorded,) = settle(bench)
    at = bench.recorder.max_notification_id()
    assert at is not None
    record(bench, "S1-STORAGE", "charge", charge + 100, "revised")
    question = august(instead=equal_halves(CONTRACT))
    found = ask(bench, question)
    (month,) = found.months
    assert month.same_as_recorded is False
    assert month.unchanged_digest != month.recorded_digest == recorded.result.digest()
    assert month.pool_unchanged != month.pool_recorded
    for party in month.parties:
        assert party.recorded is not None
        assert party.unchanged is not None
        assert party.difference is not None
        assert party.difference == (party.unchanged - party.recorded) + party.by_documents
    assert "note: readings, prices or rules have changed since run 1" in text(found)
    (then,) = ask(bench, question, at).months
    assert then.same_as_recorded is True, "as of the earlier position nothing had changed"
    assert then.pool_unchanged == then.pool_recorded
    (settled_again,) = settle(bench)
    (now,) = ask(bench, question).months
    assert (now.run, now.same_as_recorded) == (2, True)
    assert now.hypothetical_digest == month.hypothetical_digest
    assert now.pool_recorded == settled_again.result.pool == month.pool_unchanged


def test_a_month_that_is_not_settled_is_compared_with_its_own_contract(bench: Bench) -> None:
    filled(bench)
    found = ask(bench, august(instead=equal_halves(CONTRACT)))
    (month,) = found.months
    assert (month.run, month.recorded_digest, month.same_as_recorded, month.pool_recorded) == (None,) * 4
    assert all(party.recorded is None and party.difference is None for party in month.parties)
    assert all(party.recorded is None and party.difference is None for party in found.total)
    assert any(party.by_documents.entitlement.minor for party in month.parties)
    assert "not settled" in text(found)
    assert "as contracted" in text(found)


def doubled(contract: Contract) -> Contract:
    """The agency contract with twice the guarantee: it depends on the months before."""
    clauses = tuple(
        msgspec.structs.replace(clause, annual_amount=str(2 * int(clause.annual_amount)))
        if isinstance(clause, Guarantee)
        else clause
        for clause in contract.clauses
    )
    assert clauses != contract.clauses
    return msgspec.structs.replace(contract, clauses=clauses)


def metered_quarter(bench: Bench, *versions: Contract | Tariff) -> None:
    """July to September metered under AGENCY, or under what replaced it."""
    test_corrections.founded(bench)
    for number, version in enumerate(versions):
        command = RegisterContract(version) if isinstance(version, Contract) else PublishTariff(version)
        bench.door.execute(command, command_id=f"v{number}", actor="ada")
    for month, wh in ((JULY, 1_000), (AUGUST, 12_000), (SEPTEMBER, 3_000)):
        test_corrections.record(bench, month, wh, "first")


def quarter(bench: Bench, *versions: Contract | Tariff) -> list[Result]:
    """The metered quarter, settled."""
    metered_quarter(bench, *versions)
    return [one.result for one in test_corrections.settle(bench, JULY, AUGUST, SEPTEMBER)]


def test_a_quarter_is_what_really_registering_the_contract_gives(bench: Bench) -> None:
    """The year-to-date guarantee is handed from month to month (DOMAIN.md 2.3)."""
    recorded = quarter(bench)
    found = ask(bench, Question(AGENCY.id, JULY, SEPTEMBER, instead=doubled(AGENCY)))
    fresh = type(bench)(bench.nats, bench.postgres)
    real = quarter(fresh, doubled(AGENCY))
    fresh.close()
    for month, before, after in zip(found.months, recorded, real, strict=True):
        assert month.same_as_recorded is True
        assert month.recorded_digest == before.digest()
        for name in ("entitlement", "held", "payable", "carry", "pool", "lines", "inputs_digest"):
            wanted = getattr(after, name)
            assert getattr(month.result, name) == wanted, f"{month.month} {name}"
    assert found.months[1].result.entitlement != recorded[1].entitlement
    for party in found.total:
        own = [one for month in found.months for one in month.parties if one.party == party.party]
        assert party.difference is not None
        assert party.difference.entitlement.minor == sum(
            one.difference.entitlement.minor for one in own if one.difference
        )


def test_a_dearer_quarter_is_handed_on_from_its_own_months(bench: Bench) -> None:
    """What July carries to August is the hypothetical pool, not the recorded one."""
    recorded = quarter(bench)
    other = dearer(SUMMER, 200)
    found = ask(bench, Question(AGENCY.id, JULY, SEPTEMBER, tariffs={SUMMER.id: other}))
    fresh = type(bench)(bench.nats, bench.postgres)
    real = quarter(fresh, other)
    fresh.close()
    assert [month.result.inputs for month in found.months] == [one.inputs for one in real]
    assert [month.result.carry for month in found.months] == [one.carry for one in real]
    assert [month.result.payable for month in found.months] == [one.payable for one in real]
    assert all(month.same_as_recorded for month in found.months)
    assert found.months[0].result.carry != recorded[0].carry
    assert found.months[1].result.inputs["earlier_month"] != recorded[1].inputs["earlier_month"]


def test_a_quarter_that_is_not_settled_is_chained_all_the_same(bench: Bench) -> None:
    metered_quarter(bench)
    found = ask(bench, Question(AGENCY.id, JULY, SEPTEMBER))
    assert [month.run for month in found.months] == [None] * 3
    recorded = [one.result for one in test_corrections.settle(bench, JULY, AUGUST, SEPTEMBER)]
    assert [month.unchanged_digest for month in found.months] == [one.digest() for one in recorded]


def test_the_same_contract_over_a_quarter_gives_every_recorded_run(bench: Bench) -> None:
    recorded = quarter(bench)
    found = ask(bench, Question(AGENCY.id, JULY, SEPTEMBER, instead=AGENCY))
    assert [month.hypothetical_digest for month in found.months] == [one.digest() for one in recorded]
    later = ask(bench, Question(AGENCY.id, SEPTEMBER, SEPTEMBER, instead=AGENCY))
    assert later.months[0].hypothetical_digest == recorded[2].digest(), "handed August as recorded"


def test_other_documents_from_the_middle_on_are_handed_what_was_recorded(bench: Bench) -> None:
    recorded = quarter(bench)
    version = msgspec.structs.replace(doubled(AGENCY), effective_from=date(2026, 8, 1))
    found = ask(bench, Question(AGENCY.id, AUGUST, SEPTEMBER, instead=version))
    fresh = type(bench)(bench.nats, bench.postgres)
    real = quarter(fresh, version)
    fresh.close()
    assert real[0].entitlement == recorded[0].entitlement, "July stands"
    assert [month.result.entitlement for month in found.months] == [one.entitlement for one in real[1:]]
    assert found.months[0].result.entitlement != recorded[1].entitlement


def test_who_is_no_party_is_owed_nothing(bench: Bench) -> None:
    """A party that only the other contract knows, and one that it leaves out."""
    filled(bench)
    settle(bench)
    bench.door.execute(
        RegisterParty(sample.FROM_2026, Party("investor", "Investor")), command_id="new", actor="ada"
    )
    half = equal_halves(CONTRACT)
    gone = "equipment-owner"
    parties = tuple(
        msgspec.structs.replace(party, id="investor") if party.id == gone else party for party in half.parties
    )
    found = ask(bench, august(instead=msgspec.structs.replace(half, parties=parties)))
    by_name = {party.party: party for party in found.months[0].parties}
    assert by_name["investor"].recorded is None
    assert by_name["investor"].hypothetical is not None
    assert by_name[gone].hypothetical is None
    assert by_name[gone].recorded is not None
    assert by_name[gone].difference is not None
    assert by_name[gone].difference.entitlement == -by_name[gone].recorded.entitlement
    assert "no party" in text(found)


def test_another_policy_gives_the_recorded_bytes_where_nothing_was_claimed(bench: Bench) -> None:
    filled(bench)
    (recorded,) = settle(bench)
    named = policy_file.parse((EXAMPLES / "exclusivity/rule_based.toml").read_bytes())
    policy = msgspec.structs.replace(named, id="bill_first", precedence=named.precedence[::-1])
    found = ask(bench, august(policy=policy))
    (month,) = found.months
    assert month.hypothetical_digest == month.unchanged_digest == month.recorded_digest
    assert month.result.inputs == recorded.result.inputs
    assert "exclusivity" not in month.result.inputs
    assert found.replaced[0].startswith(f"exclusivity policy -> {policy.id} ")


def test_under_strict_the_bills_own_streams_exclude_each_other_too(bench: Bench) -> None:
    """DOMAIN.md 4: S3 treats all six as exclusive, so that a kWh that holds the peak is no arbitrage; the
    bill's effect stays what it was."""
    filled(bench)
    (recorded,) = settle(bench)
    policy = policy_file.parse((EXAMPLES / "exclusivity/strict.toml").read_bytes())
    (month,) = ask(bench, august(policy=policy)).months
    assert "exclusivity" in month.result.inputs
    before: dict[str, int] = {}
    strict: dict[str, int] = {}
    for sums, result in ((before, recorded.result), (strict, month.result)):
        for line in result.lines:
            if line.kind == "stream":
                sums[line.code] = sums.get(line.code, 0) + line.amount.minor
    assert strict["arbitrage"] != before["arbitrage"], "what charged at the new maximum is the demand's"
    assert strict["demand_charge"] == before["demand_charge"]
    assert sum(strict.values()) == sum(before.values())


def test_the_text_has_each_party_and_its_three_figures(bench: Bench) -> None:
    filled(bench)
    (recorded,) = settle(bench)
    found = ask(bench, august(instead=equal_halves(CONTRACT)))
    shown = text(found).splitlines()
    assert all(len(line) <= 100 for line in shown if not line.startswith(("note", "  ")))
    row = next(line for line in shown if line.startswith("operator"))
    (operator,) = [party for party in found.months[0].parties if party.party == "operator"]
    assert operator.difference is not None
    assert row.split()[1:] == [
        "entitlement",
        f"{recorded.result.entitlement['operator'].minor / 100:,.2f}",
        f"{found.months[0].result.entitlement['operator'].minor / 100:,.2f}",
        f"{operator.difference.entitlement.minor / 100:,.2f}",
    ]


def other(**changes: object) -> Contract:
    return msgspec.structs.replace(CONTRACT, **changes)


REFUSALS = [
    (other(sites=("S9",)), {}, "unknown_site", "site"),
    (other(zone="Asia/Tokyo"), {}, "zone", "zone"),
    (other(id="another", effective_from=date(2026, 8, 15)), {}, "what_if_scope", "instead.effective_from"),
    (other(effective_from=date(2026, 8, 15)), {}, "contract_change", "effective_from"),
    (other(id="another", effective_from=date(2026, 9, 1)), {}, "not_in_force", "month"),
    (other(id="another", currency="EUR"), {}, "currency", "contract another"),
    (None, {"elsewhere": TARIFF}, "unknown_tariff", "tariffs.elsewhere"),
    (None, {TARIFF.id: msgspec.structs.replace(TARIFF, id="no id")}, "id", "tariff.id"),
]


def test_what_cannot_be_asked_is_refused(bench: Bench) -> None:
    filled(bench)
    settle(bench)
    for instead, tariffs, code, place in REFUSALS:
        with pytest.raises(Refused) as caught:
            ask(bench, august(instead=instead, tariffs=tariffs))
        assert (caught.value.code, caught.value.place) == (code, place)
    stranger = tuple(
        msgspec.structs.replace(party, id="nobody") if party.id == "equipment-owner" else party
        for party in CONTRACT.parties
    )
    with pytest.raises(Refused) as caught:
        ask(bench, august(instead=msgspec.structs.replace(equal_halves(CONTRACT), parties=stranger)))
    assert caught.value.code == "unknown_party"
    with pytest.raises(Refused) as caught:
        ask(bench, Question("nobody", AUGUST, AUGUST))
    assert caught.value.code == "unknown_contract"
    for position in (0, 10**6):
        with pytest.raises(Refused) as caught:
            ask(bench, august(), position)
        assert (caught.value.code, caught.value.place) == ("as_of", "as_of")
    with pytest.raises(Refused) as caught:
        ask(bench, Question(CONTRACT.id, JULY, AUGUST))
    assert caught.value.code == "missing_readings", "a month without readings is not zero"


@pytest.mark.parametrize(
    ("first", "last"), [(Month(2026, 9), Month(2026, 8)), (Month(2026, 1), Month(2036, 1))]
)
def test_a_period_that_is_no_period_is_refused(first: Month, last: Month) -> None:
    with pytest.raises(Refused) as caught:
        Question("c", first, last)
    assert (caught.value.code, caught.value.place) == ("month", "last")


def test_a_tariff_on_other_clocks_is_refused(bench: Bench) -> None:
    filled(bench)
    abroad = msgspec.structs.replace(TARIFF, calendar=calendar("none", "Asia/Tokyo"))
    with pytest.raises(Refused) as caught:
        ask(bench, august(tariffs={TARIFF.id: abroad}))
    assert (caught.value.code, caught.value.place) == ("zone", f"tariffs.{TARIFF.id}")


def test_what_the_storage_holds_is_handed_on_too() -> None:
    """PV energy that July opened with and kept is still PV energy when August discharges it."""
    account = msgspec.structs.replace(SITE.account, parts="two_part", demand=ActualDemand())
    site = msgspec.structs.replace(SITE, tariff=SUMMER.id, account=account)
    empty = np.zeros(2976, dtype=np.int64)
    discharge = empty.copy()
    discharge[:4] = 10_000

    def month(month: Month, discharge_wh: npt.NDArray[np.int64], opening: Stored) -> Inputs:
        one = SiteInputs(site, SUMMER, 900, empty, empty, discharge_wh, None, (), None, opening)
        contract = msgspec.structs.replace(CONTRACT, effective_from=date(2026, 7, 1))
        return Inputs(contract, month, 1, (one,), None, Source("contract.eaas-s1", ()))

    opening, other = Stored(pv_wh=40_000, grid_wh=0), Stored(pv_wh=0, grid_wh=7)
    july, august = settle_chain([month(JULY, empty, opening), month(AUGUST, discharge, other)])
    assert july.stored == {site.id: opening}
    shifted = next(line for line in august.lines if line.code == "pv_time_shift")
    assert [term.quantity for term in shifted.basis if term.label.startswith("discharged")] == ["40000"]
    assert august.stored == {}
