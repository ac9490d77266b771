"""Where stored energy came from: an inventory of PV and grid energy in each site's storage.

A charged Wh is PV energy as far as the site had a surplus in that interval (DOMAIN.md 3.2). What is
lost between charge and discharge is not a parameter: it is what the month's registers show, and each
charged Wh bears the same part of it. A month opens with what the one before closed with.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.refusal import Refused

Method = Literal["proportional", "fifo"]
"""How a discharge is drawn from the stock: from both parts alike, or from what was charged first."""

Wh = npt.NDArray[np.int64]


class Stored(msgspec.Struct, frozen=True):
    """Energy in a storage by where it came from, as it will come out: Wh, never negative."""

    pv_wh: int = 0
    grid_wh: int = 0

    def __post_init__(self) -> None:
        if self.pv_wh < 0 or self.grid_wh < 0:
            raise Refused("stored_energy", "stored energy is not negative", place="stored")


class Tagged(NamedTuple):
    """Sites x intervals, in Wh; PV and grid parts add up to the registers, interval by interval."""

    pv_charge_wh: Wh
    pv_discharge_wh: Wh
    closing: list[Stored]
    lost_wh: list[int]
    """Charged, less what of it comes out again or is left."""
    lost_pv_wh: list[int]
    """Opened with and charged, less discharged and closed with: PV energy only."""


def tag(
    charge_wh: Wh,
    discharge_wh: Wh,
    surplus_wh: Wh,
    opening: list[Stored],
    method: Method,
    capacity_wh: list[int] | None = None,
) -> Tagged:
    """Tag a month's charge and discharge of each site (arrays of sites x intervals, none negative).

    No meter tells the state of charge, so that the loss is found where the stock was lowest [D]: it was used
    up once, and never below nothing, since half of what went in before the month's last discharge had gone
    in. A charged Wh keeps the part that follows from it, which is at most all, and all where nothing was
    discharged. What is left at the end opens the next month, up to the nameplate's energy `capacity_wh`.
    Where the month discharged more than was there, the rest is grid energy.

    >>> one = lambda *wh: np.array([wh])
    >>> tagged = tag(one(100, 100, 0), one(0, 0, 180), one(100, 0, 0), [Stored()], "proportional")
    >>> tagged.pv_discharge_wh.tolist(), tagged.lost_wh, tagged.lost_pv_wh
    ([[0, 0, 90]], [20], [10])

    100 in, 90 out, 100 in again: the second hundred has lost its ten too, and 90 are left for the next month.

    >>> tag(one(100, 0, 100), one(0, 90, 0), one(100, 0, 50), [Stored()], "fifo").closing
    [Stored(pv_wh=45, grid_wh=45)]
    """
    pv_charge = np.minimum(charge_wh, np.maximum(surplus_wh, 0))
    held = np.array([one.pv_wh + one.grid_wh for one in opening], dtype=np.int64)
    net, net_pv = _after_losses(charge_wh, pv_charge, *_kept_part(charge_wh, discharge_wh, held))
    opening_pv = np.array([one.pv_wh for one in opening], dtype=np.int64)
    draw = _proportional if method == "proportional" else _first_in_first_out
    pv_discharge, pv_left = draw(net, net_pv, discharge_wh, opening_pv, held)
    charged, discharged = charge_wh.sum(axis=1), discharge_wh.sum(axis=1)
    left = np.maximum(held + net.sum(axis=1) - discharged, 0)
    pv_left = np.clip(pv_left, 0, left)
    closing = left if capacity_wh is None else np.minimum(left, np.array(capacity_wh, dtype=np.int64))
    pv_closing = pv_left * closing // np.maximum(left, 1)
    return Tagged(
        pv_charge,
        pv_discharge,
        [Stored(int(pv), int(total - pv)) for pv, total in zip(pv_closing, closing, strict=True)],
        (charged - net.sum(axis=1) + left - closing).tolist(),
        (opening_pv + pv_charge.sum(axis=1) - pv_discharge.sum(axis=1) - pv_closing).tolist(),
    )


def _kept_part(charge: Wh, discharge: Wh, held: Wh) -> tuple[Wh, Wh]:
    """The part of a charged Wh that comes out again, as a fraction of whole numbers, a row a site.

    The largest (discharged - held at the start) / charged of the moments at which at least half of what was
    charged before the last discharge had been charged. Found without dividing: each round takes the moment
    that exceeds the part so far by most, until none does.
    """
    charged, discharged = np.cumsum(charge, axis=1), np.cumsum(discharge, axis=1) - held[:, None]
    before_last = np.max(np.where(discharge > 0, charged, 0), axis=1, initial=0)
    assert int(charged.max(initial=0)) * max(int(discharged.max(initial=0)), 1) < 2**62
    candidate = (2 * charged >= before_last[:, None]) & (charged > 0)
    part, whole = np.zeros_like(held), np.ones_like(held)
    rows = np.arange(len(held))
    while True:
        excess = np.where(candidate, discharged * whole[:, None] - charged * part[:, None], 0)
        at = np.argmax(excess, axis=1)
        better = excess[rows, at] > 0
        if not better.any():
            break
        part, whole = np.where(better, discharged[rows, at], part), np.where(better, charged[rows, at], whole)
    everything = (part > whole) | (before_last == 0)
    return np.where(everything, 1, part), np.where(everything, 1, whole)


def _after_losses(charge: Wh, pv: Wh, part: Wh, whole: Wh) -> tuple[Wh, Wh]:
    """What of each charge comes out again, all and PV: running totals scaled and rounded down, so that the
    intervals add up exactly."""

    def scaled(parts: Wh) -> Wh:
        running = np.cumsum(parts, axis=1)
        assert int(running.max(initial=0)) * int(part.max(initial=0)) < 2**63
        totals: Wh = running * part[:, None] // whole[:, None]
        return totals

    total, total_pv = scaled(charge), scaled(pv)
    # Where rounding gives an interval more PV energy than energy, the rest of it waits for the next one.
    total_pv = total + np.minimum(np.minimum.accumulate(total_pv - total, axis=1), 0)
    return np.diff(total, axis=1, prepend=0), np.diff(total_pv, axis=1, prepend=0)


def _proportional(net: Wh, net_pv: Wh, discharge: Wh, opening_pv: Wh, opening: Wh) -> tuple[Wh, Wh]:
    """PV discharge and closing PV where every discharge takes PV and grid energy as they are mixed."""
    pv_discharge = np.zeros_like(discharge)
    stock, stock_pv = opening.copy(), opening_pv.copy()
    for interval in range(discharge.shape[1]):
        stock += net[:, interval]
        stock_pv += net_pv[:, interval]
        drawn = np.minimum(discharge[:, interval], stock)
        if drawn.any():
            part = (2 * drawn * stock_pv + stock) // np.maximum(2 * stock, 1)
            part = np.minimum(np.minimum(part, stock_pv), drawn)
            part = np.maximum(part, drawn - (stock - stock_pv))
            pv_discharge[:, interval] = part
            stock -= drawn
            stock_pv -= part
    return pv_discharge, stock_pv


def _first_in_first_out(net: Wh, net_pv: Wh, discharge: Wh, opening_pv: Wh, opening: Wh) -> tuple[Wh, Wh]:
    """PV discharge and closing PV where what was charged first leaves first."""
    pv_discharge = np.zeros_like(discharge)
    closing_pv = np.zeros_like(opening_pv)
    for site in range(discharge.shape[0]):
        entered = np.concatenate(([0], [opening[site]], opening[site] + np.cumsum(net[site])))
        entered_pv = np.concatenate(([0], [opening_pv[site]], opening_pv[site] + np.cumsum(net_pv[site])))
        available = entered[2:]
        left = np.cumsum(discharge[site])
        # What could not be in stock when it left was never tagged: it is grid energy.
        short = np.maximum.accumulate(np.maximum(left - available, 0))
        drawn = left - short
        gone = _pv_of_first(drawn, entered, entered_pv)
        pv_discharge[site] = np.diff(gone, prepend=0)
        closing_pv[site] = entered_pv[-1] - (gone[-1] if len(gone) else 0)
    return pv_discharge, closing_pv


def _pv_of_first(drawn: Wh, entered: Wh, entered_pv: Wh) -> Wh:
    """How much of the first `drawn` Wh that entered was PV, rounded down within a charge."""
    at = np.clip(np.searchsorted(entered, drawn, side="right") - 1, 0, len(entered) - 2)
    size = entered[at + 1] - entered[at]
    inside = np.minimum(drawn - entered[at], size)
    share = entered_pv[at + 1] - entered_pv[at]
    found: Wh = entered_pv[at] + inside * share // np.maximum(size, 1)
    return found
