"""How the storage ran: availability, cycles and efficiency."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import msgspec

from ledger.kpi.kpi import Kpi, KpiInput, quantity, quotient
from ledger.refusal import Refused


class NodeHours(msgspec.Struct, frozen=True):
    """How long a node of `energy_wh` was available in a period of `total_s` seconds."""

    node: str
    energy_wh: int
    available_s: int
    total_s: int

    def __post_init__(self) -> None:
        place = f"node {self.node}"
        if self.energy_wh <= 0 or self.total_s <= 0:
            raise Refused("node_hours", "a node has energy, and its period has a length", place=place)
        if not 0 <= self.available_s <= self.total_s:
            wrong = f"{self.available_s} s available is not 0..{self.total_s}"
            raise Refused("node_hours", wrong, place=place)


def availability(nodes: Iterable[NodeHours]) -> Kpi:
    """Available node-hours over all node-hours, each weighted by the node's kWh (DOMAIN.md 2.1 Q12), in %.

    Raises:
        Refused: `node_twice` for a node that is counted twice, `no_nodes` without any.
    """
    available = total = 0
    seen: set[str] = set()
    for one in nodes:
        if one.node in seen:
            raise Refused("node_twice", "a node counts once", place=f"node {one.node}")
        seen.add(one.node)
        available += one.energy_wh * one.available_s
        total += one.energy_wh * one.total_s
    if not seen:
        raise Refused("no_nodes", "availability needs at least one node", place="nodes")
    return quotient(
        "availability",
        "%",
        quantity("available", Fraction(available, 3_600_000), "kWh.h"),
        quantity("total", Fraction(total, 3_600_000), "kWh.h"),
        percent=True,
        otherwise="no node-hours",
    )


def equivalent_cycles(discharge_wh: int, usable_wh: int) -> Kpi:
    """Discharged energy over usable energy: full cycles in the period.

    Raises:
        Refused: `negative_energy`, `usable_energy`.
    """
    _registers(discharge_wh=discharge_wh)
    if usable_wh <= 0:
        raise Refused("usable_energy", f"{usable_wh} Wh is not above zero", place="usable_wh")
    return quotient(
        "equivalent_cycles",
        "cycles",
        _kwh("discharged", discharge_wh),
        _kwh("usable", usable_wh),
        otherwise="no usable energy",
    )


def round_trip_efficiency(discharge_wh: int, charge_wh: int, stored_change_wh: int | None) -> Kpi:
    """Discharged energy over charged energy less what stayed in the storage, at the AC meter, in %.

    `stored_change_wh` is what the storage held at the end less what it held at the start; None where it
    was not measured, which the note then says.

    Raises:
        Refused: `negative_energy`.
    """
    _registers(discharge_wh=discharge_wh, charge_wh=charge_wh)
    discharged, charged = _kwh("discharged", discharge_wh), _kwh("charged", charge_wh)
    if stored_change_wh is None:
        return quotient(
            "round_trip_efficiency",
            "%",
            discharged,
            charged,
            percent=True,
            otherwise="nothing was charged",
            note="the change of the stored energy was not measured",
        )
    formula = "100 * discharged / (charged - stored_change)"
    inputs = (discharged, charged, _kwh("stored_change", stored_change_wh))
    passed = charge_wh - stored_change_wh
    if passed <= 0:
        return Kpi("round_trip_efficiency", None, "%", formula, inputs, "nothing passed through the storage")
    value = quantity("value", Fraction(100 * discharge_wh, passed), "%").value
    note = "above 100 %: registers or stored energy are wrong" if discharge_wh > passed else ""
    return Kpi("round_trip_efficiency", value, "%", formula, inputs, note)


def _kwh(name: str, wh: int) -> KpiInput:
    return quantity(name, Fraction(wh, 1000), "kWh")


def _registers(**registers: int) -> None:
    for place, wh in registers.items():
        if wh < 0:
            raise Refused("negative_energy", "charged and discharged energy are not negative", place=place)
