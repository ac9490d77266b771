"""A device behind Modbus: its profile's blocks as samples, and setpoints as its writes in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from adapters.driving.budget_file import BudgetFile
from adapters.driving.fleet_file import FleetDevice, ModbusRtu, ModbusTcp, Mqtt
from adapters.driving.port import Unreachable, WriteUncertain, WrongAnswer
from adapters.modbus.link import Link
from dispatch.devices import writing
from dispatch.devices.profile import Block, Period, Profile
from dispatch.devices.quality import Reading
from dispatch.devices.reading import BlockReader
from dispatch.devices.role import Role
from dispatch.devices.writing import RegisterWrite
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused


class PreparedBlock(NamedTuple):
    """A block, and what its points are: roles, names of those with one, scale factors, and the points that
    are held against their last value."""

    block: Block
    reader: BlockReader
    roles: tuple[tuple[Role, str], ...]
    with_roles: tuple[str, ...]
    scales: tuple[str, ...]
    moving: tuple[str, ...]


class ModbusPort:
    """See DevicePort and FastPort in adapters.driving.port. `run` names this process's run, `clock_ms` is our
    clock.

    `link`: the serial line where several devices share one (`ports`), else its own. `budget`: how often its
    registers were written; in this process only where none is given. `blocks`: the profile's, where its
    devices share them: a thousand copies would fill the processor's cache.
    """

    def __init__(
        self,
        device: FleetDevice,
        run: str,
        clock_ms: Callable[[], int],
        *,
        link: Link | None = None,
        budget: BudgetFile | None = None,
        blocks: Sequence[PreparedBlock] | None = None,
    ) -> None:
        if isinstance(device.address, Mqtt):
            raise Refused("device_address", "modbus_tcp or modbus_rtu", place="address")
        self.profile: Final = device.profile
        self._device: Final = device
        self._run: Final = run
        self._clock_ms: Final = clock_ms
        self._turn_ms: Final = device.address.turn_ms
        self._link: Final = link or Link(device.address)
        self._budget: Final = budget or BudgetFile(None)
        self._prepared: Final = blocks or prepared_blocks(device.profile)
        channel = device.profile.fast_channel
        self._fast: Final = _prepared(device.profile, channel.as_block()) if channel else None
        self.fast_ms: Final = channel.every_ms if channel and isinstance(device.address, ModbusTcp) else 0
        """A serial line is others', too, and answers too slowly."""
        self._number = 0
        self._fast_number = 0
        self._scales: dict[str, int] = {}
        self._before: dict[str, Reading] = {}

    @property
    def device(self) -> str:
        return self._device.id

    @property
    def periods(self) -> frozenset[Period]:
        return frozenset(block.period for block in self.profile.blocks)

    async def read(self, periods: Collection[Period]) -> Sample:
        """The blocks of those periods, in the profile's order.

        Raises:
            Unreachable, WrongAnswer: within the address's `turn_ms`, whatever the device does.
        """
        chosen = [prepared for prepared in self._prepared if prepared.block.period in periods]
        at_ms = 0
        readings: dict[Role, Reading] = {}
        others: dict[str, Reading] = {}
        try:
            async with asyncio.timeout(self._turn_ms / 1000):
                for prepared in chosen:
                    words = await self._asked(prepared.block)
                    now_ms = self._clock_ms()
                    at_ms = at_ms or now_ms
                    found = prepared.reader.read(words, now_ms, self._before)
                    self._remember(prepared, found)
                    for role, name in prepared.roles:
                        readings[role] = found[name]
                    for name in prepared.with_roles:
                        del found[name]
                    others.update(found)
        except TimeoutError:
            raise WrongAnswer(f"no whole reading within {self._turn_ms} ms") from None
        self._number += 1
        return Sample(
            device=self.device,
            run=self._run,
            number=self._number,
            at_ms=at_ms or self._clock_ms(),
            device_ms=_clock_of(readings),
            readings=readings,
            others=others,
        )

    async def read_fast(self) -> Sample:
        """Raises:
        Unreachable, WrongAnswer: within the address's `answer_ms` for each.
        """
        assert self._fast is not None
        words = await self._asked(self._fast.block)
        at_ms = self._clock_ms()
        others = self._fast.reader.read(words, at_ms)
        readings: dict[Role, Reading] = {role: others[name] for role, name in self._fast.roles}
        for name in self._fast.with_roles:
            del others[name]
        self._fast_number += 1
        return Sample(
            device=self.device,
            run=self._run,
            number=self._fast_number,
            at_ms=at_ms,
            readings=readings,
            others=others,
        )

    def lost(self, why: str) -> Sample:
        self._number += 1
        return Sample(
            device=self.device, run=self._run, number=self._number, at_ms=self._clock_ms(), lost=why
        )

    def settable_w(self, power_w: int) -> int:
        """Raises:
        Refused: `scale_missing` before the device was read, `control_missing` where it is not written.
        """
        return writing.settable_w(self.profile, power_w, self._scales)

    async def write_setpoint(self, power_w: int, revert_s: int) -> None:
        """Raises:
        Unreachable, WriteRefused, WriteUncertain; Refused: as `setpoint_writes`, and `write_budget_spent`:
            nothing was written. No write budget holds back a stop.
        """
        reverts = "revert_timer" in self.profile.roles
        writes = writing.setpoint_writes(self.profile, power_w, revert_s if reverts else None, self._scales)
        spend = self._budget.spend if power_w else self._budget.spend_anyway
        spend(self.profile, writes, self._today())
        await self._write_all(writing.in_requests(self.profile, writes))

    async def release(self) -> None:
        """Raises as `write_setpoint`; Refused: `control_missing` where the profile knows no release. No write
        budget holds it back.
        """
        writes = writing.release_writes(self.profile, self._scales)
        if not writes:
            wrong = f"{self.profile.id} knows no release: write 0 W"
            raise Refused("control_missing", wrong, place="control.release")
        self._budget.spend_anyway(self.profile, writes, self._today())
        await self._write_all(writes)

    async def beat(self, number: int) -> None:
        control = self.profile.control
        if control is None or control.watchdog is None:
            return
        write = writing.heartbeat_write(self.profile, number)
        self._budget.spend(self.profile, [write], self._today())
        await self._write_all([write])

    async def close(self) -> None:
        await self._link.close()

    async def _asked(self, block: Block) -> tuple[int, ...]:
        return await self._link.read(self._device.unit, block.table, block.address, block.count)

    async def _write_all(self, writes: Sequence[RegisterWrite]) -> None:
        """One after the other over one connection: a device that was away in between may have lost the
        first."""
        connection = None
        for number, write in enumerate(writes):
            try:
                await self._link.write(self._device.unit, write, connection)
            except Unreachable as error:
                if not number:
                    raise
                raise WriteUncertain(f"{error}, after {number} of {len(writes)} writes") from None
            connection = self._link.connections

    def _remember(self, prepared: PreparedBlock, found: dict[str, Reading]) -> None:
        """Scale factors for writing, and the values that the next ones are held against."""
        for name in prepared.scales:
            scale = found[name].value
            if isinstance(scale, int):
                self._scales[name] = scale
            else:
                self._scales.pop(name, None)
        for name in prepared.moving:
            if found[name].value is not None:
                self._before[name] = found[name]

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock_ms() // 1000, UTC).date()


def ports(
    devices: Iterable[FleetDevice],
    run: str,
    clock_ms: Callable[[], int],
    budget_of: Callable[[str], BudgetFile | None] = lambda _: None,
) -> list[ModbusPort]:
    """A port for each device that is reached by Modbus; those on one serial line share its link.

    Devices behind one TCP gateway have a connection each, so that a silent one does not hold up the others.
    """
    lines: dict[str, Link] = {}
    blocks: dict[int, Sequence[PreparedBlock]] = {}
    made = []
    for device in devices:
        address = device.address
        if isinstance(address, Mqtt):
            continue
        link = None
        if isinstance(address, ModbusRtu):
            link = lines.setdefault(address.path, Link(address))
        shared = blocks.get(id(device.profile)) or prepared_blocks(device.profile)
        blocks[id(device.profile)] = shared
        made.append(ModbusPort(device, run, clock_ms, link=link, budget=budget_of(device.id), blocks=shared))
    return made


def prepared_blocks(profile: Profile) -> Sequence[PreparedBlock]:
    return [_prepared(profile, block) for block in profile.blocks]


def _prepared(profile: Profile, block: Block) -> PreparedBlock:
    reader = BlockReader(profile, block)
    names = [point.name for point in reader.points]
    scaling = {point.scale_point for point in profile.points}
    known = set(profile.roles.values())
    return PreparedBlock(
        block,
        reader,
        tuple((role, name) for role, name in profile.roles.items() if name in names),
        tuple(name for name in names if name in known),
        tuple(name for name in names if name in scaling),
        tuple(point.name for point in reader.points if point.change_max_per_s is not None),
    )


def _clock_of(readings: dict[Role, Reading]) -> int | None:
    """The device's clock in milliseconds, where it was read."""
    found = readings.get("device_clock")
    if found is None or found.quality != "good" or not isinstance(found.value, int):
        return None
    return 1000 * found.value
