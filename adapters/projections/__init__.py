"""What is kept of the stream in PostgreSQL. A new projection is one file here and one line below."""

from __future__ import annotations

from typing import Final

from adapters.projections.archive import Archive
from adapters.projections.bids import Bids
from adapters.projections.imports import Imports
from adapters.projections.links import Links
from adapters.projections.prices import Prices
from adapters.projections.projection import Projected, Projection
from adapters.projections.readings import Readings
from adapters.projections.registered import Registered
from adapters.projections.settlements import Settlements
from adapters.projections.statement_lives import StatementLives
from adapters.projections.transparency import Tree

PROJECTIONS: Final[tuple[Projection, ...]] = (
    Archive(),
    Registered(),
    Readings(),
    Imports(),
    Prices(),
    Settlements(),
    StatementLives(),
    Bids(),
    Links(),
    Tree(),
)

__all__ = ["PROJECTIONS", "Projected", "Projection"]
