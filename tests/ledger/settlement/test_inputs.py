"""The digest of the inputs is over the same bytes for ever: stored runs are compared by it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np

from ledger import contract_file
from ledger.settlement.inputs import RULES_VERSION, Inputs, SiteInputs, digest_of
from ledger.settlement.line import Source
from ledger.stored_energy import Stored
from tests.ledger.settlement.test_behind_the_meter import AUGUST, SITE, TARIFF

FILE = Path(__file__).parents[3] / "examples/contracts/eaas-s1.toml"
CONTRACT = contract_file.parse(FILE.read_bytes())


def inputs(charge: np.ndarray[tuple[int], np.dtype[np.int64]], *, load: bool) -> Inputs:
    discharge = np.arange(2976, dtype=np.int64)
    site = SiteInputs(SITE, TARIFF, 900, discharge * 7 if load else None, charge, discharge, None, ())
    return Inputs(CONTRACT, AUGUST, 12, (site, site), None, Source("contract.eaas-s1", ((3, 3),)))


def test_each_part_has_a_digest_of_its_own() -> None:
    """What changes is what the next run is a correction for."""
    charge = np.arange(2976, dtype=np.int64)[::-1].copy()
    before = inputs(charge, load=True).digests()

    def changed(made: Inputs) -> set[str]:
        return {part for part, digest in made.digests().items() if digest != before[part]}

    assert changed(inputs(charge, load=True)) == set()
    assert changed(inputs(charge, load=False)) == {"meter"}
    assert changed(inputs(charge, load=True)._replace(position=99)) == set()
    contract = msgspec.structs.replace(CONTRACT, title="Amended")
    assert changed(inputs(charge, load=True)._replace(contract=contract)) == {"contract"}
    tariff = msgspec.structs.replace(TARIFF, id="another")
    sites = tuple(site._replace(tariff=tariff) for site in inputs(charge, load=True).sites)
    assert changed(inputs(charge, load=True)._replace(sites=sites)) == {"price"}
    stored = tuple(site._replace(opening=Stored(1, 0)) for site in inputs(charge, load=True).sites)
    assert changed(inputs(charge, load=True)._replace(sites=stored)) == {"earlier_month"}


def test_the_digest_of_all_parts_is_plain_sha_256() -> None:
    parts = inputs(np.zeros(2976, dtype=np.int64), load=False).digests()
    text = "{" + ",".join(f'"{name}":"{digest}"' for name, digest in sorted(parts.items())) + "}"
    assert digest_of(parts) == hashlib.sha256(text.encode()).hexdigest()
    assert parts["rule"] == hashlib.sha256(f'"{RULES_VERSION}"'.encode()).hexdigest()


def test_the_digest_sees_a_single_watt_hour() -> None:
    charge = np.zeros(2976, dtype=np.int64)
    before = digest_of(inputs(charge, load=False).digests())
    charge[17] += 1
    assert digest_of(inputs(charge, load=False).digests()) != before
