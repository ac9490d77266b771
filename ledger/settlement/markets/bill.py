"""What the storage does on the account's bill, as claims, and what other streams leave of it (DOMAIN.md 4).

A and T claim the storage's metered Wh by their source, M what the storage did where the demand charge
depends on it. The tag governs payments only: what another stream has of A, T or M stays in the bill effect,
whose rest is the interaction line.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from ledger.exclusivity.claim import QUANTITIES, Claim, Node
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.grant import OUTWARD, Grant, Granted
from ledger.exclusivity.policy import MatrixStream, Policy
from ledger.settlement.markets.case import Case, MeteredDemand, OnBill, Whole
from ledger.settlement.markets.response_energy import Inside

BILL: Final = "bill"
_PV: Final = "bill-pv"
_BASELINE: Final = "bill-baseline"
_PV_BASELINE: Final = "bill-pv-baseline"
DEMAND: Final = "bill-demand"
_ENERGY: Final[dict[str, BillStream]] = {
    BILL: "arbitrage",
    _BASELINE: "arbitrage",
    _PV: "pv_time_shift",
    _PV_BASELINE: "pv_time_shift",
}

BillStream = Literal["arbitrage", "pv_time_shift"]
Register = Literal["charge_wh", "discharge_wh"]
_OWN: Final[tuple[MatrixStream, ...]] = ("arbitrage", "pv_time_shift", "demand_charge")
_REGISTERS: Final[tuple[Register, ...]] = get_args(Register)
Bools = npt.NDArray[np.bool_]


class Taken(NamedTuple):
    """Wh of A or T, per settled interval, that `taker` has by the matrix."""

    stream: BillStream
    taker: MatrixStream
    charge_wh: Whole
    discharge_wh: Whole
    pooled: bool
    """Whether what it does to the bill still counts, though not as the stream: so it does for energy under
    AGC, whose cost or saving is the storage's (DOMAIN.md 4: not counted as A). What a response is paid for,
    where its saving does not count, and what an excluding stream has stays with the account's holder."""


class Left(NamedTuple):
    """What other streams had of the bill's: Wh of A and T, and the intervals of M, with who had them."""

    taken: tuple[Taken, ...] = ()
    demand: Bools | None = None
    demand_takers: tuple[MatrixStream, ...] = ()

    @property
    def whole(self) -> bool:
        """Nothing was taken."""
        return not self.taken and self.demand is None


def bill_claims(case: Case, conflicts: Conflicts, inside: Inside, rebound: Bools) -> list[Claim]:
    """A and T, each outside and inside the responses' baselines, and M.

    Without `case.on_bill` all Wh are A's, and there is no M. Wh inside a baseline are told apart only where
    the matrix knows them: where whole intervals exclude each other, a baseline is no claim of its own.
    """
    on_bill = case.on_bill
    nothing = np.zeros(len(case.charge_wh), dtype=np.int64)
    pv_charge, pv_discharge = (nothing, nothing) if on_bill is None else on_bill[:2]
    found = [
        *_energy(case, conflicts, "arbitrage", case.charge_wh - pv_charge, case.discharge_wh - pv_discharge,
                 Inside(inside.charge_wh - _share(inside.charge_wh, pv_charge, case.charge_wh),
                        inside.discharge_wh - _share(inside.discharge_wh, pv_discharge, case.discharge_wh))),
        *_energy(case, conflicts, "pv_time_shift", pv_charge, pv_discharge,
                 Inside(_share(inside.charge_wh, pv_charge, case.charge_wh),
                        _share(inside.discharge_wh, pv_discharge, case.discharge_wh))),
    ]  # fmt: skip
    if on_bill is not None and on_bill.demands:
        window = demand_window(on_bill.demands, _in_month(rebound, on_bill), case.interval_s)[on_bill.days]
        if window.any():
            found.append(
                _claim(
                    case, DEMAND, "demand_charge", "bill", *_where(window, case.charge_wh, case.discharge_wh)
                )
            )
    return found


def bill_excludes_itself(policy: Policy) -> bool:
    """Whether A, T and M keep each other out, as they do under `strict`, without any market.

    Where A and T only share no Wh there is nothing to decide: the inventory told them apart.
    """
    cells = (policy.cell(*pair) for pair in combinations(_OWN, 2))
    return any(not {*policy.relations(cell)} <= {"stack", "same_energy"} for cell in cells)


def demand_window(demands: Sequence[MeteredDemand], rebound: Bools, interval_s: int) -> Bools:
    """The intervals on which M depends [D]: where demand, without or with the storage, is above the lower of
    both maxima. Charging that makes up for a response is in the window only where it raises the maximum: a
    demand that the month has anyway is not its doing."""
    window = np.zeros(len(rebound), dtype=np.bool_)
    for one in demands:
        count, over = divmod(one.averaging_s, interval_s)
        if over or len(rebound) % count:
            continue  # readings longer than the demand's interval: the bill refuses them
        with_storage = one.load_wh + one.charge_wh - one.discharge_wh
        without_rebound = with_storage - np.where(rebound, one.charge_wh, 0)
        load, demand, held = (_summed(wh, count) for wh in (one.load_wh, with_storage, without_rebound))
        reached = np.maximum(load, demand)
        held_max = max(int(held.max()), 0)
        least = min(max(int(load.max()), 0), held_max)
        made_up = _summed(rebound, count) > 0
        window |= np.repeat(reached > np.where(made_up, held_max, least), count)
    return window


def _summed(values: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """The sums of every `count` values."""
    sums: npt.NDArray[Any] = values if count == 1 else values.reshape(-1, count).sum(axis=1)
    return sums


def left_of(granted: Granted) -> Left:
    """What the matrix left of the bill's claims; in a spot month A and T do not exist, and M may."""
    names = {DEMAND} if spot_month(granted) else {DEMAND, *_ENERGY}
    taken: dict[tuple[BillStream, MatrixStream], Taken] = {}
    demand: Bools | None = None
    takers: list[MatrixStream] = []
    for rank, position in enumerate(granted.decided):
        grant = granted.grants[position]
        if grant.whole or grant.claim.id not in names:
            continue
        left = {quantity: _lost(grant, quantity) for quantity in _REGISTERS}
        if grant.claim.id == DEMAND:
            demand = (left["charge_wh"] > 0) | (left["discharge_wh"] > 0)
        for other in (granted.grants[earlier] for earlier in granted.decided[:rank]):
            got = {quantity: _had(granted, grant, other, quantity, left[quantity]) for quantity in _REGISTERS}
            if not any(array.any() for array in got.values()):
                continue
            left = {quantity: left[quantity] - got[quantity] for quantity in _REGISTERS}
            if grant.claim.id == DEMAND:
                takers.append(other.claim.stream)
                continue
            key = (_ENERGY[grant.claim.id], other.claim.stream)
            known = taken.get(key)
            more = (got["charge_wh"], got["discharge_wh"])
            if known is not None:
                more = (known.charge_wh + more[0], known.discharge_wh + more[1])
            blocks = granted.conflicts.blocks[grant.claim.node]
            excluded = any(block.other.stream == other.claim.stream for block in blocks)
            taken[key] = Taken(*key, *more, pooled=other.claim.stream == "ancillary" and not excluded)
        assert not any(array.any() for array in left.values()), "what was refused is another stream's"
    return Left(tuple(taken.values()), demand, tuple(dict.fromkeys(takers)))


def spot_month(granted: Granted) -> bool:
    """Whether the account's energy was settled at spot, which excludes its retail price for the month."""
    excluding = {
        block.other
        for block in granted.conflicts.blocks[Node("arbitrage", "bill")]
        if block.scope == "account_month"
    }
    return any(
        grant.claim.node in excluding and _present(grant, outward=False).any() for grant in granted.grants
    )


def _energy(
    case: Case,
    conflicts: Conflicts,
    stream: BillStream,
    charge_wh: Whole,
    discharge_wh: Whole,
    inside: Inside,
) -> list[Claim]:
    known = conflicts.energy_rule(Node(stream, "baseline"), Node("demand_response", "market"))
    names = (BILL, _BASELINE) if stream == "arbitrage" else (_PV, _PV_BASELINE)
    found: list[Claim] = []
    if known and (inside.charge_wh.any() or inside.discharge_wh.any()):
        charge_wh, discharge_wh = charge_wh - inside.charge_wh, discharge_wh - inside.discharge_wh
        found.append(_claim(case, names[1], stream, "baseline", *inside))
    if stream == "arbitrage" or charge_wh.any() or discharge_wh.any():
        found.append(_claim(case, names[0], stream, "bill", charge_wh, discharge_wh))
    return found


def _claim(
    case: Case,
    name: str,
    stream: MatrixStream,
    purpose: Literal["bill", "baseline"],
    charge_wh: Whole,
    discharge_wh: Whole,
) -> Claim:
    return Claim(
        id=name,
        stream=stream,
        site=case.site.id,
        purpose=purpose,
        interval=case.market.interval,
        discharge_wh=discharge_wh,
        charge_wh=charge_wh,
    )


def _share(of_wh: Whole, part_wh: Whole, whole_wh: Whole) -> Whole:
    """`of` x part / whole, rounded down."""
    if not part_wh.any() or not of_wh.any():
        return np.zeros_like(of_wh)
    assert int(of_wh.max()) * int(part_wh.max()) < 2**63
    found: Whole = of_wh * part_wh // np.maximum(whole_wh, 1)
    return found


def _where(window: Bools, *registers: Whole) -> tuple[Whole, ...]:
    return tuple(np.where(window, wh, 0) for wh in registers)


def _in_month(settled: Bools, on_bill: OnBill) -> Bools:
    month = np.zeros(len(on_bill.demands[0].load_wh), dtype=np.bool_)
    month[on_bill.days] = settled
    return month


def _lost(grant: Grant, quantity: Register) -> Whole:
    asked, got = grant.claim.asked(quantity), grant.granted(quantity)
    assert asked is not None
    assert got is not None
    return asked - got


def _had(granted: Granted, grant: Grant, other: Grant, quantity: Register, asked: Whole) -> Whole:
    """What of the Wh that a claim was refused the earlier one has, or keeps it from in the interval."""
    had = np.zeros(granted.storage.count, dtype=np.int64)
    span = granted.storage.span(other.claim)
    held = other.granted(quantity)
    if held is not None and granted.conflicts.energy_rule(grant.claim.node, other.claim.node):
        had[span] = held
    for block in granted.conflicts.blocks[grant.claim.node]:
        if block.other == other.claim.node and block.scope != "account_month":
            outward = block.scope == "discharge"
            if not outward or quantity in OUTWARD:
                had[span] = np.where(_present(other, outward=outward), np.iinfo(np.int64).max, had[span])
    found: Whole = np.minimum(had, asked)
    return found


def _present(grant: Grant, *, outward: bool) -> Bools:
    """Where a claim was granted anything, or anything toward the grid."""
    arrays = [grant.granted(quantity) for quantity in QUANTITIES if not outward or quantity in OUTWARD]
    found = np.zeros(grant.claim.count, dtype=np.bool_)
    for array in arrays:
        if array is not None:
            found |= array > 0
    return found
