"""Run within a peer's own environment: prices in as JSON, a schedule a day out, kW above 0 discharging.

Imports nothing of this project, and of the peers only the one that is asked for.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any, Final

Asked = dict[str, Any]
Schedules = list[list[float]]

_FLEXMEASURES: Final = "flexmeasures.data.models.planning.linear_optimization"


def energypylinear(asked: Asked) -> Schedules:
    """One battery; the round trip is lost in charging, so that its room is what it can deliver."""
    epl = import_module("energypylinear")

    found = []
    for day in asked["prices"]:
        battery = epl.Battery(
            power_mw=asked["kw"] / 1000, capacity_mwh=asked["efficiency"] * asked["kwh"] / 1000,
            efficiency_pct=asked["efficiency"] ** 2, initial_charge_mwh=0.0, final_charge_mwh=0.0,
            electricity_prices=[1000 * price for price in day],
            export_electricity_prices=[1000 * price for price in day], freq_mins=60,
        )  # fmt: skip
        results = battery.optimize(verbose=False).results
        sold = results["site-export_power_mwh"] - results["site-import_power_mwh"]
        found.append([1000 * float(one) for one in sold])
    return found


def pypsa(asked: Asked) -> Schedules:
    """One bus; what is bought and sold are generators of the hour's price."""
    peer = import_module("pypsa")

    found = []
    for day in asked["prices"]:
        network = peer.Network()
        network.set_snapshots(range(len(day)))
        network.add("Bus", "bus")
        network.add("Generator", "bought", bus="bus", p_nom=1e6, marginal_cost=day)
        network.add("Generator", "sold", bus="bus", p_nom=1e6, p_min_pu=-1.0, p_max_pu=0.0, marginal_cost=day)
        network.add(
            "StorageUnit", "storage", bus="bus", p_nom=asked["kw"], max_hours=asked["kwh"] / asked["kw"],
            efficiency_store=asked["efficiency"], efficiency_dispatch=asked["efficiency"],
            state_of_charge_initial=0.0, cyclic_state_of_charge=False,
        )  # fmt: skip
        network.optimize(solver_name="highs")
        found.append([float(one) for one in network.storage_units_t.p["storage"]])
    return found


def emhass(asked: Asked) -> Schedules:
    """Its optimisation of one battery at prices known, everything else as its defaults have it."""
    pd, np = import_module("pandas"), import_module("numpy")
    made = import_module("emhass.optimization").Optimization
    package = Path(str(import_module("emhass").__file__)).parent
    defaults = json.loads((package / "data/config_defaults.json").read_text(encoding="utf-8"))

    found = []
    for day in asked["prices"]:
        hours = len(day)
        index = pd.date_range("2021-01-01", periods=hours, freq="h", tz="UTC")
        settings = defaults | {
            "optimization_time_step": pd.Timedelta("1h"), "time_zone": index.tz,
            "delta_forecast_daily": pd.Timedelta("1D"),
            "sensor_power_photovoltaics": "pv", "sensor_power_load_no_var_loads": "load",
            "set_use_battery": True, "set_use_pv": False, "number_of_deferrable_loads": 0,
            "nominal_power_of_deferrable_loads": [], "set_total_pv_sell": False,
            "weight_battery_discharge": 0.0, "weight_battery_charge": 0.0, "set_battery_dynamic": False,
            "set_nodischarge_to_grid": False, "set_nocharge_from_grid": False,
            "battery_discharge_power_max": asked["kw"] * 1000, "battery_charge_power_max": asked["kw"] * 1000,
            "battery_nominal_energy_capacity": asked["kwh"] * 1000,
            "battery_charge_efficiency": asked["efficiency"],
            "battery_discharge_efficiency": asked["efficiency"],
            "battery_minimum_state_of_charge": 0.0, "battery_maximum_state_of_charge": 1.0,
            "battery_target_state_of_charge": 0.0, "maximum_power_from_grid": 1e9,
            "maximum_power_to_grid": 1e9, "inverter_is_hybrid": False, "compute_curtailment": False,
        }  # fmt: skip
        data = pd.DataFrame({"pv": 0.0, "load_positive": 0.0, "cost": day, "price": day}, index=index)
        with tempfile.TemporaryDirectory() as folder:
            solver = made(
                settings, settings, settings, "cost", "price", "profit",
                {"data_path": Path(folder), "root_path": Path(folder)}, logging.getLogger("emhass"),
            )  # fmt: skip
            nothing = np.zeros(hours)
            done = solver.perform_optimization(
                data, nothing, nothing, np.array(day), np.array(day), soc_init=0.0, soc_final=0.0
            )
        found.append([float(one) / 1000 for one in done["P_batt"]])
    return found


def flexmeasures(asked: Asked) -> Schedules:
    """Its device scheduler alone: one device within its power and stored energy, prices both ways."""
    pd, flask = import_module("pandas"), import_module("flask")
    device_scheduler = import_module(_FLEXMEASURES).device_scheduler

    app = flask.Flask("peer")
    app.config |= {"FLEXMEASURES_LP_SOLVER": "appsi_highs", "LOGGING_LEVEL": "WARNING"}
    found = []
    for day in asked["prices"]:
        index = pd.date_range("2021-01-01", periods=len(day), freq="h", tz="UTC")
        kw, kwh, one_way = asked["kw"], asked["kwh"], asked["efficiency"]
        device = pd.DataFrame(
            {
                "min": 0.0, "max": kwh, "equals": float("nan"), "derivative min": -kw, "derivative max": kw,
                "derivative equals": float("nan"), "derivative down efficiency": one_way,
                "derivative up efficiency": one_way,
            },
            index=index,
        )  # fmt: skip
        ems = pd.DataFrame({"derivative min": -kw, "derivative max": kw}, index=index)
        price = pd.Series(day, index=index)
        with app.app_context():
            planned, *_ = device_scheduler(
                [device], ems, commitment_quantities=[pd.Series(0.0, index=index)],
                commitment_upwards_deviation_price=[price], commitment_downwards_deviation_price=[price],
                initial_stock=0,
            )  # fmt: skip
        found.append([-float(one) for one in planned[0]])
    return found


def main() -> None:
    """Answer the schedules and how long they took, as the last line."""
    peers = {"energypylinear": energypylinear, "pypsa": pypsa, "emhass": emhass, "flexmeasures": flexmeasures}
    asked = json.load(sys.stdin)
    began = time.perf_counter()
    schedules = peers[sys.argv[1]](asked)
    print(json.dumps({"kw": schedules, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
