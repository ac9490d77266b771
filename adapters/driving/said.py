"""What a person was told last about each thing, so that nothing is said twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

_AGAIN_S: Final = 10.0
"""What is missing is said again with other figures no sooner than that."""


class Said:
    """`say` gets a line for each change."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], datetime]) -> None:
        self._say = say
        self._clock = clock
        self._last: dict[str, tuple[str, datetime]] = {}

    def tell(
        self,
        about: str,
        text: str,
        *,
        loud: bool = True,
        well: str = "all of it is given",
        again: bool = False,
    ) -> None:
        """Say it, unless it is what was said last about that; with other numbers only where it is `loud`.
        `again`: that all is well is said the first time, too, and other figures only after `_AGAIN_S`."""
        now = self._clock()
        said = self._last.get(about)
        if said is None:
            if not text and not again:
                return
        else:
            before, at = said
            if before == text or (not loud and bool(before) == bool(text)):
                return
            soon = abs((now - at).total_seconds()) < _AGAIN_S
            if again and soon and before and text:
                return
        self._last[about] = (text, now)
        self._say(f"{about}: {text or well}")
