"""Members that learned once, for forecasts of the days that follow: a back-test asks for many in a row."""

from __future__ import annotations

from typing import Final

from dispatch.forecasts.past import Past
from dispatch.forecasts.trained import Trained, trained
from dispatch.forecasts.worth import Worth

KEPT_DAYS: Final = 7
"""For how many days members, weights and quantiles are kept before they are learned anew."""


class Learned:
    """What was learned last: a forecast of a later day uses it, with the values that are known by then.

    What comes after it was learned bends neither weights nor fits, so that no forecast sees what was not
    known at its issue.
    """

    def __init__(self) -> None:
        self._kept: tuple[Trained, int] | None = None

    def of(self, past: Past, worth: Worth, lead: int) -> Trained:
        """The model for a past: the one that is kept, or for an earlier or a much later past another one.

        Raises:
            Refused: what `trained` refuses.
        """
        if self._kept is not None:
            model, reach = self._kept
            if reach == lead and 0 <= (past.last - model.past.last).days < KEPT_DAYS:
                return model.later(past)
        self._kept = trained(past, worth, lead), lead
        return self._kept[0]
