"""What every way of forecasting can do."""

from __future__ import annotations

from datetime import date
from typing import Protocol

from dispatch.forecasts.past import Past
from dispatch.forecasts.prediction import Prediction


class Fitted(Protocol):
    """A member that has learned."""

    def predict(self, past: Past, first: date, last: date) -> Prediction:
        """Those days, each from what was known the model's lead before it, and nothing later."""
        ...


class Member(Protocol):
    """One way of forecasting."""

    @property
    def name(self) -> str:
        """The stored name; never changes."""
        ...

    @property
    def days_min(self) -> int:
        """Of how many days it has to know something."""
        ...

    def fit(self, past: Past, lead: int) -> Fitted:
        """Learn to forecast the day that is `lead` days after the last one known whole."""
        ...
