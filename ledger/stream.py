"""The revenue streams and pass-through costs that an item can belong to: stored names, closed sets."""

from __future__ import annotations

from typing import Final, Literal, get_args

Stream = Literal[
    "arbitrage",
    "pv_time_shift",
    "demand_charge",
    "power_factor",
    "interaction",
    "demand_response",
    "spot",
    "ancillary",
    "capacity",
    "service",
]
"""A, T, M, power factor and their interaction attribute the bill effect (DOMAIN.md 4); the rest are paid
by a market or a customer."""

BILL_EFFECT: Final[frozenset[Stream]] = frozenset(
    {"arbitrage", "pv_time_shift", "demand_charge", "power_factor", "interaction"}
)
"""The streams that attribute a lower electricity bill (DOMAIN.md 4): no market pays them out."""

OF_THE_BILL: Final[frozenset[Stream]] = frozenset({"demand_charge", "power_factor", "interaction"})
"""Those whose terms and notes tell the host's electricity bill."""

PassThroughCost = Literal[
    "market_fee",
    "imbalance",
    "penalty",
    "grid_fee",
    "metering",
    "maintenance",
    "insurance",
    "site_rent",
]
"""Costs that a contract may charge to the pool before the split: N = streams - pass-through costs."""

STREAMS: Final[tuple[Stream, ...]] = get_args(Stream)
PASS_THROUGH_COSTS: Final[tuple[PassThroughCost, ...]] = get_args(PassThroughCost)
