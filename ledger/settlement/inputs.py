"""Everything that a contract's month is settled from, as the ledger knew it at one sequence number."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.contract import Contract
from ledger.interval import Month
from ledger.power_factor import Reactive
from ledger.settlement.line import Source
from ledger.site import Site
from ledger.tariff import Tariff
from ledger.waterfall import PriorMonth

RULES_VERSION: Final = "2026-11"
"""Changes with every change to what the same inputs give; old runs keep theirs."""
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class SiteInputs(NamedTuple):
    """One site's month: energies per interval in Wh, each at least zero, nothing missing.

    `load_wh` is the site's net import without its storage (below zero is export); None where the site
    has neither a load nor a grid meter, and then only the direct form can be computed. Outside the
    contract's days charge and discharge are zero.
    """

    site: Site
    tariff: Tariff
    interval_s: int
    load_wh: npt.NDArray[np.int64] | None
    charge_wh: npt.NDArray[np.int64]
    discharge_wh: npt.NDArray[np.int64]
    reactive: Reactive | None
    sources: tuple[Source, ...]


class Inputs(NamedTuple):
    """One contract's month."""

    contract: Contract
    month: Month
    position: int
    sites: tuple[SiteInputs, ...]
    prior: PriorMonth | None
    contract_source: Source

    def digest(self) -> str:
        """SHA-256 over all that the result depends on; equal inputs give equal results anywhere."""
        total = hashlib.sha256()
        total.update(_encode([RULES_VERSION, self.contract, self.month, self.prior]))
        for item in self.sites:
            total.update(_encode([item.site, _encoded(item.tariff), item.interval_s, item.reactive]))
            for profile in (item.load_wh, item.charge_wh, item.discharge_wh):
                total.update(b"none" if profile is None else np.ascontiguousarray(profile, dtype="<i8").data)
        return total.hexdigest()


@lru_cache(maxsize=64)
def _encoded(tariff: Tariff) -> msgspec.Raw:
    """A thousand sites share one tariff."""
    return msgspec.Raw(_encode(tariff))
