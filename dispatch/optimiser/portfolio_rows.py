"""What ties the sites together: the portfolio's regulation, response and spot position."""

from __future__ import annotations

import numpy as np

from dispatch.optimiser.lp import INFINITE, Index, Lp, Values
from dispatch.optimiser.request import PlanRequest


class PortfolioRows:
    """The portfolio's columns, and the rows that take what the sites give.

    `regulation_rows` (a block each) and `response_rows` (a slot each) want at most the sum of what is put
    into them with factor -1; `spot_rows` hold the net sale between the limits, put in with factor 1.
    """

    def __init__(self, lp: Lp, request: PlanRequest, regulation_kw: float) -> None:
        """`regulation_kw`: what all sites together could offer."""
        self.lp = lp
        self._regulation(request, regulation_kw)
        self._response(request)
        self._spot(request)

    def _regulation(self, request: PlanRequest, most: float) -> None:
        lp, terms = self.lp, request.regulation
        count = 0 if terms is None else len(terms.price)
        self.offered = lp.columns((count,), 0.0, INFINITE)
        self.offering = lp.columns((count,), 0.0, 1.0, integer=request.integer and count > 0)
        self.regulation_rows = lp.rows((count,), -INFINITE, 0.0, (self.offered, 1.0))
        if terms is None:
            return
        lp.rows((count,), 0.0, INFINITE, (self.offered, 1.0), (self.offering, -terms.kw_min))
        lp.rows((count,), -INFINITE, 0.0, (self.offered, 1.0), (self.offering, -most))
        lp.price("revenue", self.offered, terms.price)

    def _response(self, request: PlanRequest) -> None:
        lp, terms = self.lp, request.response
        count = 0 if terms is None else len(terms.slot)
        self.committed = lp.columns((count,), 0.0, INFINITE)
        self.shortfall = lp.columns((count,), 0.0, 0.0 if terms is None else terms.kw_max)
        self.committing = lp.columns((min(count, 1),), 0.0, 1.0, integer=request.integer and count > 0)
        terms_of = ((self.committed, 1.0), (self.shortfall, -1.0))
        self.response_rows = lp.rows((count,), -INFINITE, 0.0, *terms_of)
        if terms is None:
            return
        on = np.broadcast_to(self.committing, (count,))
        lp.rows((count,), 0.0, INFINITE, (self.committed, 1.0), (on, -terms.kw_min))
        lp.rows((count,), -INFINITE, 0.0, (self.committed, 1.0), (on, -terms.kw_max))
        hours = request.interval_h
        lp.price("revenue", self.committed, hours * terms.price)
        lp.price("revenue", self.shortfall, -hours * terms.shortfall_price)

    def _spot(self, request: PlanRequest) -> None:
        count = 0 if request.spot is None else request.count
        most: float | Values = 0.0 if request.spot is None else request.spot.kw_max
        self.spot_rows = self.lp.rows((count,), -np.asarray(most), most)

    def take(self, regulation: Index, reduced: Index, charge: Index, discharge: Index) -> None:
        """Tie the columns of sites (a site a row) to the portfolio's rows."""
        if regulation.size:
            self.lp.put(self.regulation_rows, regulation, -1.0)
        if reduced.size:
            self.lp.put(self.response_rows, reduced, -1.0)
        if charge.size:
            self.lp.put(self.spot_rows, charge, -1.0)
            self.lp.put(self.spot_rows, discharge, 1.0)
