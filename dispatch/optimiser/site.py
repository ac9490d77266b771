"""One site as the optimiser sees it: load, PV, prices, meter limits and a storage, interval by interval."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from dispatch.optimiser.series import LARGEST, Series, checked_number, checked_series
from ledger.identity import checked_id
from ledger.refusal import Refused

PlanStream = Literal["demand_charge", "demand_response", "spot", "ancillary"]
"""What a contract may bar or weigh. Energy behind the meter (arbitrage, PV time shift) always counts."""

Days = npt.NDArray[np.int64]

PLAN_STREAMS: Final[tuple[PlanStream, ...]] = get_args(PlanStream)
SpotMode = Literal["free", "held", "barred"]
"""Whether the account may still choose to settle its storage at spot, already does, or must not."""


class Storage(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A battery behind one converter. Power at the AC side, energy inside the cells.

    `availability` is the part of the nameplate that runs in each interval (0 to 1), in both directions unless
    `discharge_availability` says another of discharging; `leased_kw` is not ours to use. Stored energy stays
    from `floor_kwh` + `reserve_kwh` to `ceiling_kwh`; the reserve is what a data centre's UPS or a capacity
    obligation needs at each interval's end; of it `wish_kwh` gives way
    before any limit does (None: nothing). `end_kwh` is a soft target.
    `wear_price` is money per kWh of throughput, half on each direction; `discharge_kwh_max` what each day may
    still take out of the cells (cycles), `day` says which of these days, the first being 0, each interval is
    of (None: all of the first); `ramp_kw` the change of the setpoint from one interval to the next; None is
    no such limit. `start_setpoint_kw` is what runs before the first, above 0 discharging.
    """

    charge_kw: float
    discharge_kw: float
    floor_kwh: float
    ceiling_kwh: float
    start_kwh: float
    end_kwh: float
    charge_efficiency: float
    discharge_efficiency: float
    availability: Series
    reserve_kwh: Series
    discharge_availability: Series | None = None
    loss_per_interval: float = 0.0
    leased_kw: float = 0.0
    wear_price: float = 0.0
    wish_kwh: Series | None = None
    discharge_kwh_max: tuple[float, ...] | None = None
    day: Days | None = None
    ramp_kw: float | Series | None = None
    start_setpoint_kw: float = 0.0

    def check(self, place: str, count: int) -> None:
        """Refuse what no storage can be.

        Raises:
            Refused: `storage_capacity`, `stored_energy_limits`, `series_shape` or `series_value`.
        """
        for name in ("charge_kw", "discharge_kw"):
            if not 0 < getattr(self, name) <= LARGEST:
                message = f"a storage's power is above 0 and up to {LARGEST:g} kW"
                raise Refused("storage_capacity", message, place=f"{place}.{name}")
        for name in ("floor_kwh", "ceiling_kwh", "start_kwh", "end_kwh", "wear_price"):
            checked_number(getattr(self, name), f"{place}.{name}")
        if self.ceiling_kwh <= self.floor_kwh:
            message = "the usable energy is above 0: a ceiling above the floor"
            raise Refused("storage_capacity", message, place=f"{place}.ceiling_kwh")
        for name in ("start_kwh", "end_kwh"):
            if not self.floor_kwh <= getattr(self, name) <= self.ceiling_kwh:
                message = f"{self.floor_kwh:g} to {self.ceiling_kwh:g} kWh"
                raise Refused("stored_energy_limits", message, place=f"{place}.{name}")
        for name in ("charge_efficiency", "discharge_efficiency"):
            checked_number(getattr(self, name), f"{place}.{name}", low=0.01, high=1.0)
        checked_number(self.loss_per_interval, f"{place}.loss_per_interval", high=0.5)
        checked_number(self.leased_kw, f"{place}.leased_kw", high=min(self.charge_kw, self.discharge_kw))
        if isinstance(self.ramp_kw, np.ndarray):
            checked_series(self.ramp_kw, f"{place}.ramp_kw", count, low=0.0)
        elif self.ramp_kw is not None:
            checked_number(self.ramp_kw, f"{place}.ramp_kw")
        self._check_days(place, count)
        power = max(self.charge_kw, self.discharge_kw)
        checked_number(self.start_setpoint_kw, f"{place}.start_setpoint_kw", low=-power, high=power)
        checked_series(self.availability, f"{place}.availability", count, low=0.0, high=1.0)
        own = self.discharge_availability
        if own is not None:
            checked_series(own, f"{place}.discharge_availability", count, low=0.0, high=1.0)
        room = self.ceiling_kwh - self.floor_kwh
        checked_series(self.reserve_kwh, f"{place}.reserve_kwh", count, low=0.0, high=room)
        if self.wish_kwh is not None:
            checked_series(self.wish_kwh, f"{place}.wish_kwh", count, low=0.0, high=room)

    def _check_days(self, place: str, count: int) -> None:
        limits = self.discharge_kwh_max
        if limits is None:
            return
        for number, limit in enumerate(limits):
            checked_number(limit, f"{place}.discharge_kwh_max[{number}]")
        day = self.days(count)
        in_turn = day.shape == (count,) and day[0] == 0 and bool(np.isin(np.diff(day), (0, 1)).all())
        if not in_turn or int(day[-1]) + 1 != len(limits):
            message = f"{count} day numbers that begin with 0 and rise by 1, and a limit for each of the days"
            raise Refused("series_shape", message, place=f"{place}.day")

    def until(self, count: int) -> Storage:
        """The same for the first `count` intervals."""
        day = self.days(len(self.availability))[:count]
        limits, own = self.discharge_kwh_max, self.discharge_availability
        return msgspec.structs.replace(
            self,
            availability=self.availability[:count],
            discharge_availability=None if own is None else own[:count],
            reserve_kwh=self.reserve_kwh[:count],
            wish_kwh=None if self.wish_kwh is None else self.wish_kwh[:count],
            discharge_kwh_max=None if limits is None else limits[: int(day[-1]) + 1],
            day=day,
            ramp_kw=self.ramp_kw[:count] if isinstance(self.ramp_kw, np.ndarray) else self.ramp_kw,
        )

    @property
    def discharging(self) -> Series:
        """The part of the nameplate that can discharge in each interval."""
        return self.availability if self.discharge_availability is None else self.discharge_availability

    def days(self, count: int) -> Days:
        """Which day of `discharge_kwh_max` each of so many intervals is of."""
        return np.zeros(count, dtype=np.int64) if self.day is None else self.day


class Site(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Load, PV, prices and meter limits per interval (kW; money per kWh), and the storage behind them.

    Buying and selling prices may be negative. `peak_kw` is the billing period's highest import so far, at
    `peak_price` money per kW (0: no demand charge). `regulation_kw_max` is what the site may offer (0: not
    registered), `baseline_kw` the response's baseline in each of its slots (None: not registered), `spot`
    whether it trades, `spot_mode` what its month already says. `weights` multiplies a stream's money for this
    site in the objective (a contract's preference; 1 where not named); a stream in `barred` is not used.
    """

    id: str
    load_kw: Series
    pv_kw: Series
    buy_price: Series
    sell_price: Series
    import_kw_max: Series
    export_kw_max: Series
    storage: Storage
    peak_kw: float = 0.0
    peak_price: float = 0.0
    regulation_kw_max: float = 0.0
    baseline_kw: Series | None = None
    spot: bool = False
    spot_mode: SpotMode = "free"
    weights: dict[PlanStream, float] = {}
    barred: frozenset[PlanStream] = frozenset()

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        place = f"sites.{self.id}"
        count = len(self.load_kw) if isinstance(self.load_kw, np.ndarray) else 0
        if count == 0:
            raise Refused("series_shape", "one or more intervals", place=f"{place}.load_kw")
        for name in ("load_kw", "buy_price", "sell_price"):
            checked_series(getattr(self, name), f"{place}.{name}", count)
        for name in ("pv_kw", "import_kw_max", "export_kw_max"):
            checked_series(getattr(self, name), f"{place}.{name}", count, low=0.0)
        for name in ("peak_kw", "peak_price"):
            checked_number(getattr(self, name), f"{place}.{name}")
        high = self.storage.discharge_kw
        checked_number(self.regulation_kw_max, f"{place}.regulation_kw_max", high=high)
        self.storage.check(f"{place}.storage", count)
        self._check_streams(place)

    def _check_streams(self, place: str) -> None:
        if self.spot_mode not in get_args(SpotMode):
            raise Refused("not_allowed", "free, held or barred", place=f"{place}.spot_mode")
        if self.baseline_kw is not None:
            checked_series(self.baseline_kw, f"{place}.baseline_kw", len(self.baseline_kw))
        for stream in (*self.weights, *self.barred):
            if stream not in PLAN_STREAMS:
                raise Refused("not_allowed", f"one of {', '.join(PLAN_STREAMS)}", place=f"{place}.{stream}")
        for stream, weight in self.weights.items():
            checked_number(weight, f"{place}.weights.{stream}", high=1e6)

    @property
    def count(self) -> int:
        """How many intervals the site's plan has."""
        return len(self.load_kw)

    def uses(self, stream: PlanStream) -> bool:
        """Whether the site is registered for the stream and no contract bars it."""
        if stream in self.barred:
            return False
        match stream:
            case "demand_charge":
                return self.peak_price > 0
            case "ancillary":
                return self.regulation_kw_max > 0
            case "demand_response":
                return self.baseline_kw is not None
            case "spot":
                return self.spot and self.spot_mode != "barred"
