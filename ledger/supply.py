"""What was metered of each supply of a grid account: its maximum demand and its import over a cycle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ledger.demand import DemandTerms, averaging_s, demand_w
from ledger.grid_account import Account
from ledger.period_energy import peak_wh
from ledger.refusal import Refused

Wh = npt.NDArray[np.int64]


class FeederSupply(NamedTuple):
    """One of an account's feeders, or its one supply, whose `feeder` is empty.

    `measured_w` is None where the mode does not look at the demand.
    """

    feeder: str
    terms: DemandTerms
    measured_w: Fraction | None
    imported_wh: int


def feeder_supplies(
    accounts: Sequence[Account],
    profiles: Wh,
    imported_wh: Sequence[int],
    feeders: Sequence[Mapping[str, Wh]],
    interval_s: int,
) -> list[list[FeederSupply]]:
    """The supplies of each account that are charged for demand or capacity (DOMAIN.md 3.3).

    `profiles` are accounts x intervals, net import in Wh, and `imported_wh` what each imported in all;
    `feeders` are the profiles of each feeder by its id, for accounts that have several.

    Raises:
        Refused: `feeder_profile` for feeders that are not the account's, or do not add up to its profile;
            `demand_interval`.
    """
    lengths = {averaging_s(account.demand) for account in accounts if account.demand is not None}
    peaks = {length: peak_wh(profiles, interval_s, length).tolist() for length in lengths if length}
    found: list[list[FeederSupply]] = []
    for number, account in enumerate(accounts):
        if account.feeders:
            found.append(_feeders(account, profiles[number], feeders[number], interval_s))
        elif account.demand is not None:
            length = averaging_s(account.demand)
            measured = None if length is None else demand_w(peaks[length][number], length)
            found.append([FeederSupply("", account.demand, measured, imported_wh[number])])
        else:
            found.append([])
    return found


def _feeders(account: Account, profile: Wh, feeders: Mapping[str, Wh], interval_s: int) -> list[FeederSupply]:
    known = [feeder.id for feeder in account.feeders]
    if feeders.keys() != set(known):
        raise Refused(
            "feeder_profile",
            f"account {account.id} has feeders {', '.join(known)};"
            f" metered are {', '.join(sorted(feeders)) or 'none'}",
            place="feeders",
        )
    if not np.array_equal(np.sum([feeders[name] for name in known], axis=0), profile):
        raise Refused(
            "feeder_profile", f"the feeders of account {account.id} do not add up to it", place="feeders"
        )
    found: list[FeederSupply] = []
    for feeder in account.feeders:
        own, length = feeders[feeder.id], averaging_s(feeder.demand)
        measured = None
        if length is not None:
            measured = demand_w(int(peak_wh(own[None, :], interval_s, length)[0]), length)
        found.append(FeederSupply(feeder.id, feeder.demand, measured, int(np.maximum(own, 0).sum())))
    return found
