"""A new site: the mean profile of its peers for the power that it has contracted, until it has its own."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import msgspec
import numpy as np

from dispatch.forecasts.day_table import DayTable, Values
from dispatch.forecasts.past import SEASON_DAYS, Past, column_means
from dispatch.forecasts.prediction import LEVELS, Prediction, monotone
from ledger.refusal import Refused

DAYS: Final = 14
"""With fewer whole days than these a subject has no history of its own."""


class Peer(msgspec.Struct, frozen=True, eq=False):
    """Another site's days and the power that it has contracted, in the same unit."""

    name: str
    days: DayTable
    capacity: float

    def __post_init__(self) -> None:
        if not self.capacity > 0:
            raise Refused("forecast_peer", "a contracted power above zero", place=f"peers.{self.name}")


def from_peers(
    own: DayTable | None, capacity: float, peers: tuple[Peer, ...], past: Past, first: date, last: date
) -> Prediction:
    """The peers' mean days of the same kind (working or off), scaled by contracted power, at that power.

    The level moves to the site's own by the part that its days are of two weeks. Quantiles are those of
    single peers' days. `past` tells kinds of days alone.

    Raises:
        Refused: `forecast_history` where there is no peer, or none that knows anything.
    """
    rows, kinds = _last_weeks(peers, past)
    if not len(rows):
        raise Refused(
            "forecast_history", f"under {DAYS} whole days are known, and no peer's either", place="subject"
        )
    expected, quantiles = [], []
    for day in (first + timedelta(days=n) for n in range((last - first).days + 1)):
        alike = rows[kinds == past.kinds(day, day)[0, 7]]
        alike = alike if len(alike) else rows
        mean = column_means(alike)
        expected.append(np.where(np.isnan(mean), np.nanmean(rows), mean))
        whole = np.where(np.isnan(alike), expected[-1], alike)
        quantiles.append(np.quantile(whole, LEVELS, axis=0))
    scale = capacity * _own_level(own, rows, capacity)
    return Prediction(np.array(expected) * scale, monotone(np.array(quantiles).transpose(1, 0, 2) * scale))


def _last_weeks(peers: tuple[Peer, ...], past: Past) -> tuple[Values, Values]:
    rows, kinds = [np.zeros((0, past.days.slots))], [np.zeros(0)]
    for peer in peers:
        begin = peer.days.last - timedelta(days=SEASON_DAYS - 1)
        values = peer.days.between(begin, peer.days.last)
        known = ~np.isnan(values).all(axis=1)
        if values.shape[1] == past.days.slots:
            rows.append(values[known] / peer.capacity)
            kinds.append(past.kinds(begin, peer.days.last)[known, 7])
    return np.concatenate(rows), np.concatenate(kinds)


def _own_level(own: DayTable | None, rows: Values, capacity: float) -> float:
    """What the site's days so far say of its level, over what the peers say; 1 where they say nothing."""
    if own is None or np.isnan(own.values).all():
        return 1.0
    peers = float(np.nanmean(rows))
    days = int((~np.isnan(own.values)).any(axis=1).sum())
    if abs(peers) < 1e-12:
        return 1.0
    seen = float(np.nanmean(own.values)) / capacity / peers
    return 1.0 + (max(seen, 0.0) - 1.0) * min(days / DAYS, 1.0)
