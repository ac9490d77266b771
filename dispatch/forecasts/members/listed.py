"""Every way of forecasting that is blended: a new one is a file here and a line in this list."""

from __future__ import annotations

from typing import Final

from dispatch.forecasts.members.boosted_trees import BoostedTrees
from dispatch.forecasts.members.lear import Lear
from dispatch.forecasts.members.member import Member
from dispatch.forecasts.members.naive import Naive
from dispatch.forecasts.members.seasonal_mean import SeasonalMean

MEMBERS: Final[tuple[Member, ...]] = (Naive(), SeasonalMean(), Lear(), BoostedTrees())
