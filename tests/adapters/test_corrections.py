"""A revised month settles every later settled month again: original plus deltas equals fresh."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime

import msgspec
import numpy as np

from adapters.settling import Settled, settle_month
from ledger import contract_file
from ledger.demand import ActualDemand
from ledger.grid_account import Account
from ledger.interval import Month, zone_of
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.published_tariff import PublishTariff
from ledger.readings import run_of
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import EXAMPLES, TARIFF

JULY, AUGUST, SEPTEMBER = Month(2026, 7), Month(2026, 8), Month(2026, 9)
SUMMER = msgspec.structs.replace(
    TARIFF, tables=(msgspec.structs.replace(TARIFF.tables[-1], start=JULY, until=Month(2026, 10)),)
)
AGENCY = msgspec.structs.replace(
    contract_file.parse((EXAMPLES / "demo/contracts/agency-s3.toml").read_bytes()),
    effective_from=date(2026, 7, 1),
)


def founded(bench: Bench) -> Bench:
    account = Account(id="A", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand())
    site = Site("S3", "Plant", "Asia/Shanghai", 800_000, 400_000, SUMMER.id, account)
    storage = Meter("S3-STORAGE", "S3", "storage", ("charge", "discharge"), 900, 400_000, "Asia/Shanghai")
    commands = [
        sample.found_book(),
        PublishTariff(SUMMER),
        RegisterSite(sample.FROM_2026, site),
        RegisterMeter(sample.FROM_2026, storage),
    ]
    commands += [sample.register_party(party) for party in AGENCY.party_ids]
    commands += [RegisterContract(AGENCY)]
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"c{number}", actor="ada")
    return bench


def record(bench: Bench, month: Month, discharge_wh: int, name: str) -> None:
    """A flat month: so much discharged in each quarter-hour, nothing charged."""
    interval = month.interval(zone_of("Asia/Shanghai"))
    cut = datetime(interval.end.year, interval.end.month, 1, tzinfo=UTC)
    for start, end in ((interval.start, cut), (cut, interval.end)):
        count = int((end - start).total_seconds()) // 900
        runs = tuple(
            run_of("S3-STORAGE", register, start, 900, np.full(count, wh), "A")
            for register, wh in (("charge", 0), ("discharge", discharge_wh))
        )
        command = RecordReadings("S3-STORAGE", f"{start:%Y-%m}", name, runs)
        bench.door.execute(command, command_id=f"{name}:{month}:{start:%Y-%m}", actor="gateway")


def settle(bench: Bench, *months: Month) -> list[Settled]:
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        return [
            one
            for month in months
            for one in settle_month(bench.door, bench.database, month, actor="finance").runs
        ]
    finally:
        projector.stop()
        thread.join()


def payable(bench: Bench) -> dict[str, int]:
    """What each party was owed in all, from every run's delta."""
    bench.project()
    rows = bench.query(
        "SELECT party, sum((document->'delta'->>'minor')::bigint) FROM ledger.statement GROUP BY party"
    )
    return {str(party): int(str(minor)) for party, minor in rows}


def test_a_revised_month_corrects_the_months_that_follow_it(bench: Bench) -> None:
    """The year-to-date guarantee depends on the path (DOMAIN.md 2.3)."""
    founded(bench)
    for month, wh in ((JULY, 1_000), (AUGUST, 12_000), (SEPTEMBER, 3_000)):
        record(bench, month, wh, "first")
    first = settle(bench, JULY, AUGUST, SEPTEMBER)
    assert [one.run for one in first] == [1, 1, 1]
    record(bench, JULY, 9_000, "revised")
    chain = settle(bench, JULY)
    assert [(str(one.result.month), one.run) for one in chain] == [
        ("2026-07", 2),
        ("2026-08", 2),
        ("2026-09", 2),
    ]
    fresh = founded(type(bench)(bench.nats, bench.postgres))
    for month, wh in ((JULY, 9_000), (AUGUST, 12_000), (SEPTEMBER, 3_000)):
        record(fresh, month, wh, "only")
    again = settle(fresh, JULY, AUGUST, SEPTEMBER)
    assert payable(bench) == payable(fresh)
    assert [one.result.payable for one in chain] == [one.result.payable for one in again]
    fresh.close()
