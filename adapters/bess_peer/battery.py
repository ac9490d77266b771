"""What a storage does with its target: ramp, losses, state of charge, and the meter beside a site's load."""

from __future__ import annotations

from typing import Final

UJ_PER_WH: Final = 3_600_000_000
"""Energies are whole microjoules: milliwatts times milliseconds."""
_STEP_MS: Final = 1000


class Battery:
    """Powers in W at the AC side, above zero discharging.

    Each way through the converter keeps `kept_permille` of the energy. One meter counts what the site takes
    from the grid and gives to it, another what the storage takes and gives at its AC side.
    """

    def __init__(
        self,
        *,
        charge_w_max: int,
        discharge_w_max: int,
        ramp_w_per_s: int,
        energy_wh: int,
        soc: int,
        soc_min: int = 0,
        soc_max: int = 100_000,
        kept_permille: int = 960,
        load_w: int = 0,
    ) -> None:
        self.charge_w_max = charge_w_max
        self.discharge_w_max = discharge_w_max
        self.energy_wh = energy_wh
        self.availability_permille = 1000
        self.load_w = load_w
        self.import_uj = self.export_uj = 0
        self.charged_uj = self.discharged_uj = 0
        self._ramp = ramp_w_per_s
        self._kept = kept_permille
        self._most_uj = energy_wh * UJ_PER_WH
        self._floor_uj = self._most_uj * soc_min // 100_000
        self._ceiling_uj = self._most_uj * soc_max // 100_000
        self._stored_uj = self._most_uj * soc // 100_000
        self._power_mw = 0
        self._target_mw = 0

    @property
    def power_w(self) -> int:
        return int(self._power_mw / 1000) if self._power_mw < 0 else self._power_mw // 1000

    @property
    def grid_w(self) -> int:
        """At the site's meter, above zero into the grid."""
        return self.power_w - self.load_w

    @property
    def target_w(self) -> int:
        return -(-self._target_mw // 1000) if self._target_mw < 0 else self._target_mw // 1000

    @property
    def stored_wh(self) -> int:
        return self._stored_uj // UJ_PER_WH

    @property
    def soc(self) -> int:
        """Thousandths of a percent."""
        return self._stored_uj * 100_000 // self._most_uj

    @soc.setter
    def soc(self, value: int) -> None:
        self._stored_uj = self._most_uj * value // 100_000

    @property
    def charge_w_now(self) -> int:
        return 0 if self._stored_uj >= self._ceiling_uj else self._available(self.charge_w_max)

    @property
    def discharge_w_now(self) -> int:
        return 0 if self._stored_uj <= self._floor_uj else self._available(self.discharge_w_max)

    def aim(self, power_w: int) -> None:
        """Go for that power, as far as the converter can."""
        self._target_mw = 1000 * power_w

    def advance(self, elapsed_ms: int) -> None:
        """Let the time pass."""
        left = elapsed_ms
        while left > 0:
            left -= self._stretch(left)

    def _stretch(self, left_ms: int) -> int:
        """One stretch of even change; how long it took."""
        goal = max(-1000 * self.charge_w_now, min(1000 * self.discharge_w_now, self._target_mw))
        away = goal - self._power_mw
        if away:
            took = min(left_ms, _STEP_MS, -(-abs(away) // self._ramp))
            change = min(abs(away), self._ramp * took)
            end = self._power_mw + (change if away > 0 else -change)
        else:
            took, end = min(left_ms, self._until_bound_ms()), goal
        moved = (self._power_mw + end) * took // 2
        self._power_mw = end
        self._store(moved)
        self.discharged_uj += max(moved, 0)
        self.charged_uj -= min(moved, 0)
        site = moved - 1000 * self.load_w * took
        if site >= 0:
            self.export_uj += site
        else:
            self.import_uj -= site
        return took

    def _store(self, moved_uj: int) -> None:
        """Take out or put in what moved at the AC side, with the losses."""
        inside = moved_uj * 1000 // self._kept if moved_uj > 0 else moved_uj * self._kept // 1000
        floor, ceiling = min(self._floor_uj, self._stored_uj), max(self._ceiling_uj, self._stored_uj)
        self._stored_uj = max(floor, min(ceiling, self._stored_uj - inside))

    def _until_bound_ms(self) -> int:
        """How long the power can go on as it is: at least a millisecond."""
        power = self._power_mw
        if not power:
            return 1 << 62
        if power > 0:
            return max(1, -(-(self._stored_uj - self._floor_uj) * self._kept // (1000 * power)))
        return max(1, -(-(self._ceiling_uj - self._stored_uj) * 1000 // (self._kept * -power)))

    def _available(self, power_w: int) -> int:
        return power_w * self.availability_permille // 1000
