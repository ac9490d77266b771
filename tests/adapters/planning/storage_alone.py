"""A storage that stands alone at its connection: its meter is the only one, and no demand is charged."""

from __future__ import annotations

from ledger.grid_account import Account
from ledger.meter import Meter, Position, RegisterMeter
from ledger.readings import Register
from ledger.site import RegisterSite, Site
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import TARIFF

_REGISTERS: dict[Position, tuple[Register, ...]] = {
    "storage": ("charge", "discharge"),
    "load": ("load",),
    "pv": ("pv",),
}


def merchant(bench: Bench, name: str, *meters: Position) -> None:
    """Register it, or with further meters."""
    account = Account(
        id=f"A-{name}",
        zone="Asia/Shanghai",
        parts="single_part",
        demand=None,
        power_factor=None,
        export_price=None,
    )
    site = Site(name, name, "Asia/Shanghai", 500_000, 250_000, TARIFF.id, account)
    bench.door.execute(RegisterSite(sample.FROM_2026, site), command_id=name, actor="ada")
    for position in ("storage", *meters):
        registers = _REGISTERS[position]
        meter = Meter(f"{name}-{position}", name, position, registers, 900, 250_000, "Asia/Shanghai")
        bench.door.execute(RegisterMeter(sample.FROM_2026, meter), command_id=meter.id, actor="ada")
