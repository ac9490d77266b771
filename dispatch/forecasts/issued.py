"""Forecasts as facts: each issue is a version of its subject, with what it was made of and its scores."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dispatch.forecasts.forecast import Forecast
from ledger.refusal import Refused


class ForecastIssued(msgspec.Struct, frozen=True, tag_field="kind", tag="forecast.issued.v1"):
    """A forecast as it stood at its instant of issue; later ones of the subject do not change it."""

    forecast: Forecast

    def apply(self, _: Forecast | None) -> Forecast:
        return self.forecast


class IssueForecast(msgspec.Struct, frozen=True, tag_field="command", tag="forecast.issue"):
    """Put a forecast on record, made of what the book said up to `trained_through`."""

    forecast: Forecast

    @property
    def aggregate(self) -> str:
        return self.forecast.subject.aggregate

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Forecast | None, _: Mapping[str, object]) -> tuple[ForecastIssued]:
        """Raises:
        Refused: `forecast_subject` where the name stands for another subject; `forecast_older` for one that
            knew less, or was issued earlier, than the last on record."""
        new = self.forecast
        if state is not None:
            if state.subject != new.subject:
                message = f"{new.subject.id} is taken by {state.subject.quantity}:{state.subject.name}"
                raise Refused("forecast_subject", message, place="subject")
            if (new.trained_through, new.issued_at) < (state.trained_through, state.issued_at):
                message = f"event {state.trained_through} and {state.issued_at} are on record already"
                raise Refused("forecast_older", message, place="trained_through")
        return (ForecastIssued(new),)
