"""Which intervals of a meter have no energy, for whoever runs the driver: metering estimates them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from adapters.telemetry.settling_readings import Decided
from ledger.readings import Register


class MissingReadings:
    """`say` gets a line where a register's intervals begin to have none, and one where they have it again."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say: Final = say
        self._missing: dict[tuple[str, Register], list[str]] = {}
        """Why each interval so far has none."""

    def decided(self, one: Decided) -> None:
        """Each interval of each register, in order."""
        key = (one.meter, one.register)
        why, missing = one.energy.missing or one.refused, self._missing.get(key, [])
        start = datetime.fromtimestamp(one.energy.start_ms // 1000, UTC)
        about = f"readings {one.meter}: {one.register}"
        if why:
            if not missing:
                self._say(f"{about} of {start:%Y-%m-%dT%H:%M}Z has no energy ({why}): it is left to metering")
            self._missing[key] = [*missing, why]
        elif missing:
            reasons = ", ".join(dict.fromkeys(missing))
            self._say(
                f"{about} has energy again from {start:%Y-%m-%dT%H:%M}Z on:"
                f" {len(missing)} of its intervals have none ({reasons})"
            )
            del self._missing[key]
