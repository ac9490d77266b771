"""The digest of the inputs is over the same bytes for ever: stored runs are compared by it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np

from ledger import contract_file
from ledger.settlement.inputs import RULES_VERSION, Inputs, SiteInputs
from ledger.settlement.line import Source
from tests.ledger.settlement.test_behind_the_meter import AUGUST, SITE, TARIFF

FILE = Path(__file__).parents[3] / "examples/contracts/eaas-s1.toml"
CONTRACT = contract_file.parse(FILE.read_bytes())


def inputs(charge: np.ndarray[tuple[int], np.dtype[np.int64]], *, load: bool) -> Inputs:
    discharge = np.arange(2976, dtype=np.int64)
    site = SiteInputs(SITE, TARIFF, 900, discharge * 7 if load else None, charge, discharge, None, ())
    return Inputs(CONTRACT, AUGUST, 12, (site, site), None, Source("contract.eaas-s1", ((3, 3),)))


def test_the_digest_is_over_rules_contract_sites_and_profiles() -> None:
    encode = msgspec.json.Encoder(order="deterministic").encode
    for load in (False, True):
        charge = np.arange(2976, dtype=np.int64)[::-1]
        made = inputs(charge, load=load)
        whole = encode([RULES_VERSION, CONTRACT, AUGUST, None])
        for site in made.sites:
            whole += encode([SITE, TARIFF, 900, None])
            whole += b"none" if site.load_wh is None else site.load_wh.astype("<i8").tobytes()
            whole += charge.astype("<i8").tobytes() + site.discharge_wh.astype("<i8").tobytes()
        assert made.digest() == hashlib.sha256(whole).hexdigest()


def test_the_digest_sees_a_single_watt_hour() -> None:
    charge = np.zeros(2976, dtype=np.int64)
    before = inputs(charge, load=False).digest()
    charge[17] += 1
    assert inputs(charge, load=False).digest() != before
