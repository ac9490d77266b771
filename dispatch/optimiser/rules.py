"""What the exclusivity matrix means for a plan: read from the policy that settlement obeys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from ledger.exclusivity.policy import MatrixStream, Policy, Relation

SpotScope = Literal["horizon", "interval"]


class Rules(msgspec.Struct, frozen=True):
    """How streams of one storage exclude each other in the model (DOMAIN.md 4).

    `spot_scope`: a storage settles at spot for the whole horizon, or interval by interval. A W is never
    committed twice, so that one of the two always holds. `response_bars_spot`: a site that responds
    does not trade. `regulation_alone`: a storage that regulates in a block does nothing else in it.
    """

    spot_scope: SpotScope = "horizon"
    response_bars_spot: bool = True
    regulation_alone: bool = False


def strictest(rules: Iterable[Rules]) -> Rules:
    """What holds where each of these must: those of the model's defaults where there are none.

    >>> strictest([Rules(regulation_alone=True), Rules(spot_scope="interval", response_bars_spot=False)])
    Rules(spot_scope='horizon', response_bars_spot=True, regulation_alone=True)
    """
    every = tuple(rules)
    if not every:
        return Rules()
    return Rules(
        spot_scope="horizon" if any(one.spot_scope == "horizon" for one in every) else "interval",
        response_bars_spot=any(one.response_bars_spot for one in every),
        regulation_alone=any(one.regulation_alone for one in every),
    )


def rules_of(policy: Policy) -> Rules:
    """The rules of a policy, its switches considered.

    That a W is committed once holds under every policy. What the matrix says of attribution alone (which
    stream a kWh of the bill counts for, rebound) moves no setpoint and is decided at settlement.
    """

    def relations(first: MatrixStream, second: MatrixStream) -> frozenset[Relation]:
        return frozenset(policy.relations(policy.cell(first, second)))

    exclusive: frozenset[Relation] = frozenset(("exclusive_interval", "exclusive_account_month"))
    month = "exclusive_account_month" in relations("arbitrage", "spot")
    behind: tuple[MatrixStream, ...] = ("arbitrage", "pv_time_shift", "spot")
    return Rules(
        spot_scope="horizon" if month else "interval",
        response_bars_spot=bool(relations("demand_response", "spot") & exclusive),
        regulation_alone=any(relations(stream, "ancillary") & exclusive for stream in behind),
    )
