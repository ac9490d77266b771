"""A month of a thousand sites, from committed rows to stored runs, against COPY OUT and bare numpy sums."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path

import msgspec
import numpy as np

from adapters.front_door import Wish
from adapters.queries import meter_month
from adapters.settling import settle_month
from benchmarks.figure import Figure, seconds
from benchmarks.rig import FROM, MONTH, REGISTERS, ZONE, Book, Rig, local_month_blocks
from ledger import contract_file, tariff_file
from ledger.interval import zone_of
from ledger.party import Party, RegisterParty
from ledger.published_tariff import PublishTariff
from ledger.signed_contract import RegisterContract
from ledger.tariff import prices_of_month

_EXAMPLES = Path(__file__).parents[1] / "examples"


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """One contract a site; every site's charge and discharge in quarter-hours."""
    sites = 100 if quick else 1000
    book = rig.book()
    found(book, sites)
    for save in local_month_blocks(sites):
        book.execute_all(save)
    projector = book.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        projector_is_level(book)
        bare = min(bare_sums(book, sites) for _ in range(3))
        taken = seconds(lambda: settle_month(book.door, book.database, MONTH, actor="bench"))
    finally:
        projector.stop()
        thread.join()
    book.close()
    intervals = sites * len(REGISTERS) * 2976
    return [
        Figure(
            f"settling {sites} sites x one month", intervals / taken, intervals / bare,
            "binary COPY OUT and bare numpy sums", "readings/s", bare / taken, 0.3,
        )
    ]  # fmt: skip


def projector_is_level(book: Book) -> None:
    from adapters.settling import wait_until

    wait_until(book.database, book.log.book, book.client.run(book.log.last_sequence()), 120)


def found(book: Book, sites: int) -> None:
    file = _EXAMPLES / "tariffs/shanghai_single_part_1-10kv.toml"
    tariff = tariff_file.parse_tariff(file.read_text(encoding="utf-8"), name=file.name)
    contract = contract_file.parse((_EXAMPLES / "demo/contracts/eaas-s4.toml").read_bytes())
    book.door.execute(PublishTariff(tariff), command_id="tariff", actor="bench")
    book.execute_all([Wish(RegisterParty(FROM, Party(p, p)), f"p-{p}") for p in contract.party_ids])
    book.register_sites(sites, tariff.id)
    only_arbitrage = {"pool_streams": ("arbitrage",), "cash_holder": {"arbitrage": "host-s4"}}
    book.execute_all(
        [
            Wish(
                RegisterContract(
                    msgspec.structs.replace(
                        contract,
                        id=f"C{i}",
                        sites=(f"S{i}",),
                        effective_from=date(2026, 8, 1),
                        **only_arbitrage,
                    )
                ),
                f"c{i}",
            )
            for i in range(sites)
        ]
    )


def bare_sums(book: Book, sites: int) -> float:
    """The same rows out by binary COPY, and energy times price summed per site in int64."""
    file = _EXAMPLES / "tariffs/shanghai_single_part_1-10kv.toml"
    tariff = tariff_file.parse_tariff(file.read_text(encoding="utf-8"), name=file.name)
    price = prices_of_month(tariff, MONTH, 900).mantissa
    rng = np.random.default_rng(5)
    energy = rng.integers(0, 60_000, (sites * len(REGISTERS), 2976))
    query = "COPY (SELECT meter, register, start, wh FROM ledger.meter_run) TO STDOUT (FORMAT binary)"

    def bare() -> None:
        with book.database.owning() as connection, connection.cursor().copy(query) as copy:
            size = sum(len(chunk) for chunk in copy)
        assert size > 0
        assert (energy @ price).shape == (sites * len(REGISTERS),)

    assert meter_month.MISSING == -1
    assert zone_of(ZONE).key == tariff.zone
    return seconds(bare)
