"""One site over a horizon, on whole numbers: what its plan is made from and checked against."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from dispatch.optimiser.site import PlanStream, Site, SpotMode, Storage
from dispatch.plan_check import SiteLimits, Whole
from ledger.refusal import Refused

_K: Final = 1000.0
_PPM: Final = 1e6
_WHOLE_PPM: Final = 1_000_000
_S_PER_HOUR: Final = 3600
_MICRO: Final = 1e6
_NO_KW: Final = 1e-4
"""Of a direction that has no power: the optimiser takes none of 0, and a tenth of a watt is rounded to 0."""


class SiteCase(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """`limits` in W and Wh; prices in 10^-6 of money per kWh and interval, negative where they are.

    `peak_w` is the billing period's highest mean import so far, which costs `peak_price_micro` (10^-6 of
    money per kW; 0 where no demand charge is paid). `end_wh` is what the storage should hold at the end,
    softly. Of the floor `kept_wh` is a wish that gives way before any limit does.
    `regulation_w_max` is what may be offered (0: not registered), `spot` whether the site trades, `barred`
    and
    `weights` (millionths of a stream's money) what contracts say.
    """

    limits: SiteLimits
    buy_micro: Whole
    sell_micro: Whole
    end_wh: int
    peak_w: int = 0
    peak_price_micro: int = 0
    wear_micro: int = 0
    kept_wh: Whole | None = None
    regulation_w_max: int = 0
    spot: bool = False
    spot_mode: SpotMode = "free"
    barred: frozenset[PlanStream] = frozenset()
    weights: dict[PlanStream, int] = {}

    def __post_init__(self) -> None:
        count = len(self.limits.load_w)
        for name in ("buy_micro", "sell_micro"):
            if getattr(self, name).shape != (count,):
                raise Refused(
                    "series_shape", f"{count} prices, one for each interval", place=f"{self.id}.{name}"
                )

    @property
    def id(self) -> str:
        return self.limits.id

    @property
    def count(self) -> int:
        """How many intervals the horizon has."""
        return len(self.limits.load_w)

    @property
    def _reach_wh(self) -> int:
        """The most that can be stored at the end."""
        limits = self.limits
        into = int(limits.charge_w_max.sum()) * limits.interval_s * limits.charge_efficiency_ppm
        return limits.start_wh + into // (_S_PER_HOUR * _WHOLE_PPM)

    def to_optimise(self) -> Site:
        """The same in kW, kWh and money, as the optimiser takes it.

        A storage that holds less than its floor or more than its ceiling begins where it is: the plan leads
        it back, and says that the limit gave way. Each direction has the power that is left of it in each
        interval. What cannot be charged by the end costs nothing.

        Raises:
            Refused: as `Site`.
        """
        limits = self.limits
        floor = min(int(limits.floor_wh.min()), limits.start_wh)
        ceiling = max(limits.ceiling_wh, limits.start_wh)
        charge, discharge = int(limits.charge_w_max.max()), int(limits.discharge_w_max.max())
        used_up = limits.discharge_wh_max
        storage = Storage(
            charge_kw=max(charge / _K, _NO_KW),
            discharge_kw=max(discharge / _K, _NO_KW),
            floor_kwh=floor / _K,
            ceiling_kwh=ceiling / _K,
            start_kwh=limits.start_wh / _K,
            end_kwh=min(max(min(self.end_wh, self._reach_wh), floor), ceiling) / _K,
            charge_efficiency=limits.charge_efficiency_ppm / _PPM,
            discharge_efficiency=limits.discharge_efficiency_ppm / _PPM,
            availability=limits.charge_w_max / max(charge, 1),
            discharge_availability=limits.discharge_w_max / max(discharge, 1),
            reserve_kwh=(limits.floor_wh - floor) / _K,
            loss_per_interval=limits.loss_ppm / _PPM,
            wear_price=self.wear_micro / _MICRO,
            wish_kwh=None if self.kept_wh is None else np.minimum(self.kept_wh, limits.floor_wh - floor) / _K,
            discharge_kwh_max=None if used_up is None else tuple(wh / _K for wh in used_up),
            day=limits.day,
            ramp_kw=None if limits.ramp_w is None else limits.ramp_w / _K,
            start_setpoint_kw=float(np.clip(limits.start_setpoint_w, -charge, discharge)) / _K,
        )
        return Site(
            id=self.id,
            load_kw=limits.load_w / _K,
            pv_kw=limits.pv_w / _K,
            buy_price=self.buy_micro / _MICRO,
            sell_price=self.sell_micro / _MICRO,
            import_kw_max=limits.import_w_max / _K,
            export_kw_max=limits.export_w_max / _K,
            storage=storage,
            peak_kw=max(self.peak_w, 0) / _K,
            peak_price=self.peak_price_micro / _MICRO,
            regulation_kw_max=min(self.regulation_w_max, discharge) / _K,
            baseline_kw=None if limits.baseline_w is None else limits.baseline_w / _K,
            spot=self.spot,
            spot_mode=self.spot_mode,
            weights={stream: weight / _PPM for stream, weight in self.weights.items()},
            barred=self.barred,
        )
