"""Every scenario folder, settled by the product and compared with what was worked out independently."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from ledger.accounting.billing import billing
from ledger.accounting.run_effect import Settled
from ledger.accounting.vat import Taxpayer, VatRate
from ledger.contract import Contract, ContractParty, Visibility
from ledger.demand import ActualDemand, CapacityCharge, ContractDemand, DemandTerms
from ledger.grid_account import Account, PowerFactorTerms
from ledger.interval import Month
from ledger.power_factor import Reactive
from ledger.presets import (
    AgencyOperationTerms,
    CoInvestmentTerms,
    EnergyStorageAsAServiceTerms,
    preset_clauses,
)
from ledger.quantity import Price
from ledger.settlement.inputs import Inputs, SiteInputs
from ledger.settlement.line import Source
from ledger.settlement.line_vat import vat_sums
from ledger.settlement.result import Result
from ledger.settlement.run import Run
from ledger.settlement.settle import check_line, settle
from ledger.site import Site
from ledger.storage_saving import Saving
from ledger.tariff import Tariff
from ledger.tariff_file import parse_tariff
from ledger.vat_terms import VatTerms
from tests.ledger.single_saving import storage_saving

HERE = Path(__file__).parent
TARIFFS = HERE.parents[1] / "examples/tariffs"
FILES = {
    "Shanghai two-part 1-10kV": "shanghai_two_part_1-10kv.toml",
    "Shanghai two-part 35kV": "shanghai_two_part_35kv.toml",
    "Shanghai single-part 1-10kV": "shanghai_single_part_1-10kv.toml",
}
MODELS = {
    "EaaS": "energy_storage_as_a_service",
    "co-investment": "co_investment",
    "agency": "agency_operation",
}
CLAUSES = {
    "pool share": "remainder_split",
    "loss share": "loss_split",
    "base fee": "base_fee",
    "service fee": "service_fee",
    "basic": "hurdle",
    "operating": "capped_tier",
    "excess": "remainder_split",
    "loss": "loss_split",
}
SCENARIOS = sorted(folder.parent.name for folder in HERE.glob("*/given"))
REVISED = sorted(file.parents[1].name for file in HERE.glob("*/then/corrected.csv"))
TAXED = sorted(file.parents[1].name for file in HERE.glob("*/then/vat.csv"))
Profile = npt.NDArray[np.int64]


def table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def pairs(file: Path) -> dict[str, str]:
    return {row["key"]: row["value"] for row in table(file)}


def group(terms: dict[str, str], name: str) -> dict[str, str]:
    """`share.host,70` and its like as exact fractions of their sum."""
    found = {k.partition(".")[2]: Fraction(v) for k, v in terms.items() if k.startswith(name + ".")}
    whole = sum(found.values())
    return {party: str(weight / whole) for party, weight in found.items()}


def tariff_of(site: dict[str, str]) -> Tariff:
    """The scenario's tariff; its August prices hold from July where the scenario says so."""
    file = FILES[site["tariff"]]
    tariff = parse_tariff((TARIFFS / file).read_text(encoding="utf-8"), name=file)
    august = msgspec.structs.replace(
        tariff.table_for(Month(2026, 8)), start=Month(2026, 7), until=Month(2026, 9)
    )
    return msgspec.structs.replace(tariff, tables=(august,))


def demand_of(site: dict[str, str]) -> DemandTerms | None:
    kva = None if site["capacity_kva"] == "none" else int(site["capacity_kva"]) * 1000
    rate = 260 if site["high_use_discount"] != "none" else None
    match site["demand_mode"]:
        case "none":
            return None
        case "capacity":
            assert kva is not None
            return CapacityCharge(capacity_va=kva)
        case "actual":
            return ActualDemand(capacity_va=kva, load_rate_kwh_per_kva=rate)
        case _:
            return ContractDemand(
                contract_w=int(site["contract_kw"]) * 1000,
                over_band_rule="A" if site["over_band_rule"] == "A" else "B",
                floor_percent=int(site["contract_floor_percent"]),
                capacity_va=kva,
                load_rate_kwh_per_kva=rate,
            )


def account_of(site: dict[str, str]) -> Account:
    standard = site["power_factor_standard"]
    terms = None
    if standard != "none":
        terms = PowerFactorTerms(
            standard="0.85" if standard == "0.85" else "0.90",
            fund_in_base=site["fund_in_power_factor_base"] == "yes",
        )
    price = site["export_price"]
    return Account(
        id="A",
        zone=site["zone"],
        parts="two_part" if site["account_parts"] == "two-part" else "single_part",
        demand=demand_of(site),
        power_factor=terms,
        export_price=None if price == "none" else Price.parse(price, "CNY", "kWh"),
    )


def contract_of(terms: dict[str, str]) -> Contract:
    sees = Visibility(pool_total=True, others_percentages=True, host_bill=True)
    parties = tuple(ContractParty(id=p, role="host", sees=sees) for p in terms["parties"].split())
    streams = terms["pool_streams"].split()
    start = Month.parse(terms["contract_start"])
    return Contract(
        id="C",
        title="scenario",
        model=MODELS[terms["model"]],  # type: ignore[arg-type]
        sites=("S",),
        currency="CNY",
        zone="Asia/Shanghai",
        effective_from=start.first_day,
        effective_to=date(2036, 1, 1),
        parties=parties,
        owner_position="gross",
        split_basis="tax_inclusive",
        pool_streams=tuple(streams),  # type: ignore[arg-type]
        pass_through_costs=(),
        cash_holder={s: terms[f"cash_holder.{s}"] for s in streams},  # type: ignore[misc]
        clauses=preset_clauses(terms_of(terms)),
        capital_cost=terms.get("capex") if terms.get("capex") != "none" else None,
        vat=vat_of(terms),
    )


def vat_of(terms: dict[str, str]) -> VatTerms | None:
    """Each party's own rate for all that it invoices."""
    percents = {k.partition(".")[2]: v for k, v in terms.items() if k.startswith("vat_percent.")}
    if not percents:
        return None
    assert sorted(percents.values()) == ["13", "6"], "the two taxpayers that there are have a rate each"
    kinds: dict[str, Taxpayer] = {"13": "general", "6": "small_scale"}
    since = date(2019, 4, 1)
    rates = tuple(
        VatRate(category="all", taxpayer=kind, rate=f"{one}%", effective_from=since, source="scenario")
        for one, kind in kinds.items()
    )
    items = (*terms["pool_streams"].split(), "guarantee")
    return VatTerms(
        taxpayers={party: kinds[one] for party, one in percents.items()},
        categories=dict.fromkeys(items, "all"),
        rates=rates,
    )


def terms_of(t: dict[str, str]) -> EnergyStorageAsAServiceTerms | CoInvestmentTerms | AgencyOperationTerms:
    if t["model"] == "EaaS":
        first = t["fee_timing"] == "before the split"
        return EnergyStorageAsAServiceTerms(
            fee_first=first,
            fee_payer="pool" if first else t["fee_payer"],
            base_rate=t["base_fee_rate"],
            base_unit=t["base_fee_unit"].removeprefix("CNY/"),  # type: ignore[arg-type]
            base_quantity=t["base_fee_quantity"],
            base_quantity_basis="nameplate",
            base_proration="days",
            base_payee=t["fee_payee"],
            service_rate=t["service_fee_rate"],
            service_basis=t["service_fee_basis"],  # type: ignore[arg-type]
            service_payee=t["fee_payee"],
            shares=group(t, "share"),
            loss_shares=group(t, "loss_share"),
            loss_carry_forward=False,
        )
    if t["model"] == "co-investment":
        return CoInvestmentTerms(
            capital=t["paid_in_capital"],
            annual_rate=f"{t['hurdle_percent_per_year']}%",
            hurdle_proration="days",
            hurdle_carry_forward=t["unpaid_hurdle_carries_forward"] == "yes",
            capital_shares=group(t, "investment_share"),
            operating_cap=t["operating_cap"].replace("none", "999999999999"),
            operating_proration="days",
            service_shares=group(t, "service_share"),
            risk_shares=group(t, "risk_share"),
            loss_shares=group(t, t["loss_rule"]),
            loss_carry_forward=False,
        )
    return AgencyOperationTerms(
        host=t["user"],
        operator=t["operator"],
        annual_amount=t["guarantee_per_year"],
        excess_share=f"{t['user_share_of_excess_percent']}%",
        carry="annual_reset",
        reset_month=Month.parse(t["contract_year_starts"]).month,
        proration="days",
    )


def profiles_of(given: Path, month: Month, *, revised: bool = False) -> dict[str, Profile]:
    """Each quarter-hour of the month, expanded from the typed days, as first told or as `revised`."""
    rows = table(given / "days.csv") + (table(given / "revised_days.csv") if revised else [])
    days = {row["date"]: row["day_type"] for row in rows}
    columns = ("load_wh", "charge_wh", "discharge_wh", "reactive_lag_varh", "reactive_lead_varh")
    typed: dict[str, dict[str, list[int]]] = defaultdict(lambda: {column: [0] * 96 for column in columns})
    for row in table(given / "profile.csv"):
        first, last = (_quarter(row[name]) for name in ("from", "until"))
        for column in columns:
            typed[row["day_type"]][column][first:last] = [int(row[column])] * (last - first)
    dates = [f"{month}-{day:02d}" for day in range(1, month.days + 1)]
    return {
        column: np.array([wh for day in dates for wh in typed[days[day]][column]], dtype=np.int64)
        for column in columns
    }


def _quarter(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 4 + int(minute) // 15


def settled(given: Path, *, revised: bool = False) -> list[tuple[Month, Saving, Result]]:
    """The scenario's months in order, each with what the storage saved and how it was split."""
    terms = pairs(given / "contract.csv")
    site, contract = pairs(given / "site.csv"), contract_of(terms)
    tariff, account = tariff_of(site), account_of(site)
    found: list[tuple[Month, Saving, Result]] = []
    prior = None
    for month in map(Month.parse, site["months"].split()):
        p = profiles_of(given, month, revised=revised)
        reactive = Reactive(int(p["reactive_lag_varh"].sum()), int(p["reactive_lead_varh"].sum()))
        measured = p["load_wh"], p["charge_wh"], p["discharge_wh"]
        saving = storage_saving(account, tariff, month, *measured, interval_s=900, reactive=reactive)
        place = Site("S", "S", "Asia/Shanghai", 1, 1, tariff.id, account)
        inputs = SiteInputs(place, tariff, 900, *measured, reactive, ())
        source, owner = Source("contract.C", ((1, 1),)), terms.get("book_owner", "")
        result = settle(Inputs(contract, month, 1, (inputs,), prior, source, owner=owner))
        found.append((month, saving, result))
        prior = result.carry
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_bills_are_those_worked_out(name: str) -> None:
    items = {"energy": "energy", "export": "export", "demand": "demand", "power_factor": "power_factor"}
    for month, saving, _ in settled(HERE / name / "given"):
        for case, bill in (("without", saving.without), ("with", saving.with_storage)):
            ours: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
            for line in bill.lines:
                ours[items[line.item], line.period or ""] += line.amount.exact
            theirs: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
            for row in table(HERE / name / "then/bill.csv"):
                if (row["month"], row["case"]) == (str(month), case) and row["item"] != "total":
                    item = "demand" if row["item"] in {"demand_charge", "capacity_charge"} else row["item"]
                    theirs[item, row["period"] if item == "energy" else ""] += Fraction(row["amount"])
            assert {k: v for k, v in ours.items() if v} == {k: v for k, v in theirs.items() if v}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_streams_are_those_worked_out(name: str) -> None:
    for month, _, result in settled(HERE / name / "given"):
        ours = {line.code: line.amount.exact for line in result.lines if line.kind == "stream"}
        rows = [row for row in table(HERE / name / "then/streams.csv") if row["month"] == str(month)]
        for row in rows:
            if row["stream"] != "total":
                assert ours.get(row["stream"], 0) == Fraction(row["amount"]), row["stream"]
        for line in result.lines:
            check_line(line)


@pytest.mark.parametrize("name", SCENARIOS)
def test_everybody_gets_what_was_worked_out(name: str) -> None:
    for month, _, result in settled(HERE / name / "given"):
        for row in table(HERE / name / "then/split.csv"):
            if row["month"] == str(month):
                party = row["party"]
                ours = (result.entitlement[party], result.held[party], result.payable[party])
                theirs = (row["entitlement"], row["already_held"], row["payable"])
                assert tuple(map(str, ours)) == theirs, party
        parts: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        for line in result.lines:
            if line.kind == "clause" and line.code != "guarantee":
                parts[line.party, line.code] += line.amount.exact
        worked: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        for row in table(HERE / name / "then/parts.csv"):
            if row["month"] == str(month) and result.model != "agency_operation":
                worked[row["party"], CLAUSES[row["clause"]]] += Fraction(row["amount"])
        assert {k: v for k, v in parts.items() if v} == {k: v for k, v in worked.items() if v}


@pytest.mark.parametrize("name", REVISED)
def test_a_correction_is_of_every_month_that_it_changes(name: str) -> None:
    """The origin month and the later ones, in order; the deltas of the parties add up to nothing."""
    given, rows = HERE / name / "given", table(HERE / name / "then/corrected.csv")
    first = settled(given)
    for (month, _, before), (_, _, after) in zip(first, settled(given, revised=True), strict=True):
        ours = {
            party: tuple(
                map(str, (after.entitlement[party], after.held[party], due, due - before.payable[party]))
            )
            for party, due in after.payable.items()
        }
        columns = ("entitlement", "already_held", "payable", "delta")
        of_month = [row for row in rows if row["month"] == str(month)]
        assert ours == {row["party"]: tuple(row[one] for one in columns) for row in of_month}
        assert sum(Fraction(row["delta"]) for row in of_month) == 0


@pytest.mark.parametrize("name", TAXED)
def test_the_invoices_of_each_run_and_their_tax_are_those_worked_out(name: str) -> None:
    """And what is invoiced for the correction is the new run's less the old one's."""
    given, rows = HERE / name / "given", table(HERE / name / "then/vat.csv")
    terms = pairs(given / "contract.csv")
    contract, owner = contract_of(terms), terms["book_owner"]
    party = next(one for one in terms["parties"].split() if one != owner)
    names = ("net", "tax", "gross")
    chains = {"original": settled(given), "corrected": settled(given, revised=True)}
    for run, months in chains.items():
        for month, _, result in months:
            lines = [line.vat for line in result.lines if line.party == party and line.vat is not None]
            ours = {
                one.supplier: tuple(abs(getattr(one, amount).exact) for amount in names)
                for one in vat_sums(lines)
            }
            assert ours == {
                row["supplier"]: tuple(Fraction(row[amount]) for amount in names)
                for row in rows
                if (row["run"], row["month"]) == (run, str(month))
            }
    for (month, _, old), (_, _, new) in zip(*chains.values(), strict=True):
        runs = [Run(number, "run", each, each.digest(), {}) for number, each in enumerate((old, new), 1)]
        before, after = (Settled(contract, one) for one in runs)
        billed = billing(owner, party, after, before)
        for supplier, side in ((owner, billed.issued), (party, billed.received)):
            signed = {"original": -1, "corrected": 1}
            worked = [
                signed[row["run"]] * Fraction(row["tax"])
                for row in rows
                if (row["month"], row["supplier"]) == (str(month), supplier)
            ]
            assert side.tax is not None
            assert side.tax.exact == sum(worked), (month, supplier)


def test_the_worked_out_figures_are_those_of_the_oracle() -> None:
    """`then/` was not edited by hand: the oracle, which shares no code with the product, agrees."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, str(HERE / "oracle.py"), "--check"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
