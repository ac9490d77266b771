"""A month from readings to what each party is owed, through the real servers."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from adapters import replay
from adapters.settling import Behind, Settled, lowest_position, settle_month, wait_until
from ledger import contract_file, tariff_file
from ledger.contract import Contract
from ledger.demand import ActualDemand
from ledger.grid_account import Account
from ledger.interval import Month
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.published_tariff import PublishTariff
from ledger.readings import run_of
from ledger.refusal import Refused
from ledger.settlement.settle import check_line
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from ledger.tariff import prices_of_month
from tests.adapters import sample
from tests.adapters.conftest import Bench

EXAMPLES = Path(__file__).parents[2] / "examples"
AUGUST = Month(2026, 8)
START = datetime(2026, 7, 31, 16, tzinfo=UTC)
TARIFF = tariff_file.parse_tariff(
    (EXAMPLES / "tariffs/shanghai_two_part_1-10kv.toml").read_text(), name="shanghai_two_part_1-10kv.toml"
)
CONTRACT = contract_file.parse((EXAMPLES / "contracts/eaas-s1.toml").read_bytes())


def founded(bench: Bench, *contracts: Contract) -> Bench:
    account = Account(
        id="A-S1",
        zone="Asia/Shanghai",
        parts="two_part",
        demand=ActualDemand(),
        power_factor=None,
        export_price=None,
    )
    site = Site("S1", "Plant", "Asia/Shanghai", 500_000, 250_000, TARIFF.id, account)
    storage = Meter("S1-STORAGE", "S1", "storage", ("charge", "discharge"), 900, 250_000, "Asia/Shanghai")
    load = Meter("S1-LOAD", "S1", "load", ("load",), 900, 2_000_000, "Asia/Shanghai")
    commands = [sample.found_book(), PublishTariff(TARIFF), RegisterSite(sample.FROM_2026, site)]
    commands += [sample.register_party(party) for party in CONTRACT.party_ids]
    commands += [RegisterMeter(sample.FROM_2026, meter) for meter in (storage, load)]
    commands += [RegisterContract(contract) for contract in contracts or (CONTRACT,)]
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"c{number}", actor="ada")
    return bench


def record(bench: Bench, meter: str, register: str, values: npt.NDArray[np.int64], name: str) -> None:
    """Store a month's values, cut at the UTC month."""
    cut = 8 * 4
    for month, start, part in (
        ("2026-07", START, values[:cut]),
        ("2026-08", START + timedelta(hours=8), values[cut:]),
    ):
        run = run_of(meter, register, start, 900, part, "A")
        bench.door.execute(
            RecordReadings(meter, month, "test", (run,)), command_id=f"{name}-{month}", actor="gateway"
        )


def filled(
    bench: Bench, *contracts: Contract
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    rng = np.random.default_rng(7)
    load = rng.integers(80_000, 300_000, 2976)
    price = prices_of_month(TARIFF, AUGUST, 900).mantissa
    charge = np.where(price == price.min(), 20_000, 0)
    discharge = np.where(price == price.max(), 50_000, 0)
    founded(bench, *contracts)
    record(bench, "S1-LOAD", "load", load, "load")
    record(bench, "S1-STORAGE", "charge", charge, "charge")
    record(bench, "S1-STORAGE", "discharge", discharge, "discharge")
    bench.project()
    return load, charge, discharge


def settle(bench: Bench) -> list[Settled]:
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        return settle_month(bench.door, bench.database, AUGUST, actor="finance").runs
    finally:
        projector.stop()
        thread.join()


def test_a_month_settles_to_the_fen(bench: Bench) -> None:
    """The direct form and the difference of the two bills, recomputed with plain fractions."""
    load, charge, discharge = filled(bench)
    (settled,) = settle(bench)
    result = settled.result
    prices = prices_of_month(TARIFF, AUGUST, 900)
    energy = {
        name: sum(
            Fraction(int(wh), 1000) * Fraction(int(mantissa), 10**prices.scale)
            for wh, mantissa in zip(profile, prices.mantissa, strict=True)
        )
        for name, profile in (("charge", charge), ("discharge", discharge))
    }
    lines = {line.code: line for line in result.lines if line.kind == "stream"}
    assert lines["arbitrage"].amount.exact == round(
        (energy["discharge"] - energy["charge"]) * 100
    ) / Fraction(100)
    charges = [
        round(Fraction(int(net.max()) * 4, 1000) * Fraction("44.8") * 100)
        for net in (load, load + charge - discharge)
    ]
    assert lines["demand_charge"].amount.minor == charges[0] - charges[1], "each bill rounds its own charge"
    bill = result.bills[0]
    streams = sum(line.amount.minor for line in lines.values())
    assert streams == bill.without_storage.minor - bill.with_storage.minor == result.pool.minor
    for line in result.lines:
        check_line(line)
    assert result.held["host-s1"] == result.pool
    assert sum(money.minor for money in result.payable.values()) == 0
    readings = [
        source for source in result.sources if source.aggregate.startswith("readings.S1-STORAGE/charge")
    ]
    assert readings
    assert all(1 <= first <= last <= result.position for first, last in readings[0].sequences)


def test_settling_again_changes_nothing_and_a_revision_is_a_correction(bench: Bench) -> None:
    _, charge, _ = filled(bench)
    (first,) = settle(bench)
    (again,) = settle(bench)
    assert (again.recorded, again.run, again.result.inputs_digest) == (False, 1, first.result.inputs_digest)
    record(bench, "S1-STORAGE", "charge", charge + 100, "revised")
    (revised,) = settle(bench)
    assert (revised.recorded, revised.run) == (True, 2)
    record(bench, "S1-STORAGE", "charge", charge, "back")
    (back,) = settle(bench)
    assert (back.recorded, back.run) == (True, 3)
    assert back.result.inputs_digest == first.result.inputs_digest
    assert back.result.lines == first.result.lines, "the same money, resting on other events"
    bench.project()
    runs = bench.query("SELECT run, run_kind FROM ledger.settlement ORDER BY run")
    assert runs == [(1, "initial"), (2, "correction 1"), (3, "correction 2")]
    assert replay.replay(bench.log, bench.database).equal


def test_a_gap_is_refused_and_nothing_is_recorded(bench: Bench) -> None:
    founded(bench)
    record(bench, "S1-LOAD", "load", np.full(2976, 1000), "load")
    record(bench, "S1-STORAGE", "charge", np.full(2976, 1000), "charge")
    before = bench.recorder.max_notification_id()
    with pytest.raises(
        Refused, match="S1-STORAGE: 2976 intervals of register discharge are missing"
    ) as caught:
        settle(bench)
    assert caught.value.code == "missing_readings"
    assert bench.recorder.max_notification_id() == before


def test_the_position_of_a_retired_projection_holds_nothing_up(bench: Bench) -> None:
    filled(bench)
    with bench.database.owning() as connection:
        connection.execute("INSERT INTO ledger.position VALUES (%s, 'retired', 1, '')", [bench.book])
    (settled,) = settle(bench)
    assert settled.recorded


def test_a_projection_that_has_not_begun_is_named(bench: Bench) -> None:
    """Its rows are missing, which is neither zero nor level with the others."""
    founded(bench)
    with bench.database.reading(bench.book) as connection:
        assert lowest_position(connection) == 0, "nothing at all is projected"
    reached = bench.project()
    with bench.database.owning() as connection:
        connection.execute("DELETE FROM ledger.position WHERE projection = 'prices'")
    with (
        bench.database.reading(bench.book) as connection,
        pytest.raises(Behind, match="nothing is projected yet for prices;"),
    ):
        lowest_position(connection)
    with pytest.raises(Behind, match="nothing is projected yet for prices;"):
        wait_until(bench.database, bench.book, reached, 0)
    bench.project()
    wait_until(bench.database, bench.book, reached, 0)
