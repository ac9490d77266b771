"""A kind of device as data: its register map, how it is read and written, and what its points are to us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from dispatch.devices.control import MODULUS, Control, Limits, Watchdog, WriteStep
from dispatch.devices.countable import countable
from dispatch.devices.point import ADDRESS_MAX, DIGITS, Point, Table
from dispatch.devices.profile_limits import check_limits
from dispatch.devices.role import NEEDED, ROLES, DeviceKind, DeviceState, Role
from ledger.clauses.flow import one_of
from ledger.identity import checked_id
from ledger.refusal import Refused

Period = Literal["fast", "normal", "slow"]
PERIOD_S: Final[Mapping[Period, int]] = MappingProxyType({"fast": 1, "normal": 5, "slow": 60})
"""How often a block is read."""

FAST_MS: Final = (50, 100, 200, 500)
"""How often a fast channel is read."""

REGISTERS_MAX: Final = 125
"""The most that one request reads (MODBUS Application Protocol 1.1b3, 6.3)."""
UNIT_MAX: Final = 247
_DAY_S: Final = 86_400


class Block(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Registers that one request reads, so that they are of one moment as far as the device keeps them so."""

    table: Table = "holding"
    address: int
    count: int
    period: Period = "normal"

    def __post_init__(self) -> None:
        one_of(self.table, Table, "table")
        one_of(self.period, Period, "period")
        if not 1 <= self.count <= REGISTERS_MAX:
            raise Refused("block_count", f"one request reads 1 to {REGISTERS_MAX} registers", place="count")
        if not 0 <= self.address <= ADDRESS_MAX + 1 - self.count:
            raise Refused("register_range", f"registers are 0 to {ADDRESS_MAX}", place="address")

    def holds(self, point: Point) -> bool:
        """The whole of the point."""
        own = self.table == point.table
        return own and self.address <= point.address and point.end <= self.address + self.count

    def touches(self, point: Point) -> bool:
        own = self.table == point.table
        return own and self.address < point.end and point.address < self.address + self.count


class FastChannel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Registers that one request reads many times a second, for the eye: they are in the blocks, too, and
    nothing is settled, judged or dispatched by what is read so."""

    table: Table = "holding"
    address: int
    count: int
    every_ms: int

    def __post_init__(self) -> None:
        if self.every_ms not in FAST_MS:
            allowed = ", ".join(map(str, FAST_MS))
            raise Refused("fast_channel", f"one of {allowed} ms", place="every_ms")
        self.as_block()

    def as_block(self) -> Block:
        """Raises:
        Refused: as a block is.
        """
        return Block(table=self.table, address=self.address, count=self.count)


class Profile(msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True):
    """Every device of one make that is wired alike; its address is stated where it is commissioned."""

    id: str
    vendor: str
    title: str
    kind: DeviceKind
    unit_id: int = 1
    points: tuple[Point, ...]
    blocks: tuple[Block, ...]
    roles: dict[Role, str] = {}
    states: dict[str, DeviceState] = {}
    """The numbers of the point with the role `state`, as text, and what they mean."""
    limits: Limits | None = None
    control: Control | None = None
    source: str = ""
    fast_channel: FastChannel | msgspec.UnsetType = msgspec.UNSET
    """Unset, and so not in the profile's digest, where there is none."""

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        for place in ("vendor", "title"):
            if not getattr(self, place).strip():
                raise Refused("empty", f"state the {place}", place=place)
        one_of(self.kind, DeviceKind, "kind")
        if not 0 <= self.unit_id <= UNIT_MAX:
            raise Refused("unit_id", f"0 to {UNIT_MAX}", place="unit_id")
        self._check_points()
        self._check_blocks()
        self._check_roles()
        self._check_states()
        self._check_control()
        if self.limits is not None:
            setpoint = self.point_of("setpoint")
            at = "" if setpoint is None else f"points[{self.points.index(setpoint)}]"
            check_limits(self.limits, setpoint, at)

    @cached_property
    def by_name(self) -> Mapping[str, Point]:
        return MappingProxyType({point.name: point for point in self.points})

    def point_of(self, role: Role) -> Point | None:
        """The point with that role; None where the device has none."""
        name = self.roles.get(role)
        return None if name is None else self.by_name[name]

    def every_s(self, role: Role) -> int:
        """How often the point with that role is read, or told by itself, s; as seldom as anything where there
        is none."""
        point = self.point_of(role)
        found = [PERIOD_S[one.period] for one in self.blocks if point is not None and one.holds(point)]
        return min(found, default=max(PERIOD_S.values()))

    def point(self, name: str) -> Point:
        """Raises:
        Refused: `point_unknown`.
        """
        found = self.by_name.get(name)
        if found is None:
            raise Refused("point_unknown", f"{self.id} has no point {name}", place="point")
        return found

    def state_of(self, raw: int) -> DeviceState | None:
        """What a number of the point `state` means; None where the profile does not say."""
        return self.states.get(str(raw))

    def read_in(self, block: Block) -> tuple[Point, ...]:
        """The points that a block reads whole and with their scale factor, by address."""
        names = {point.name for point in self.points if block.holds(point)}
        whole = (point for point in self.points if point.name in names)
        own = (point for point in whole if point.scale_point is None or point.scale_point in names)
        return tuple(sorted(own, key=lambda point: point.address))

    def writes_per_day(self, point: Point) -> int:
        """How often the point may be written in a day."""
        assert self.control is not None
        return point.writes_per_day or self.control.writes_per_day

    def _check_points(self) -> None:
        if not self.points:
            raise Refused("empty", "a profile has points", place="points")
        seen: dict[str, int] = {}
        for number, point in enumerate(self.points):
            if point.name in seen:
                raise Refused(
                    "point_duplicate", f"{point.name} is there twice", place=f"points[{number}].name"
                )
            seen[point.name] = number
        order = sorted(self.points, key=lambda point: (point.table, point.address))
        for before, after in pairwise(order):
            if before.table == after.table and after.address < before.end:
                wrong = f"its registers are {before.name}'s, which end at {before.end - 1}"
                raise Refused("point_overlap", wrong, place=f"points[{seen[after.name]}].address")
        for number, point in enumerate(self.points):
            if point.scale_point is None:
                continue
            scale = self.by_name.get(point.scale_point)
            if scale is None or scale.type not in ("sunssf", "int16"):
                wrong = f"{point.scale_point} is no point of type sunssf or int16"
                raise Refused("point_scale", wrong, place=f"points[{number}].scale_point")

    def _check_blocks(self) -> None:
        for number, point in enumerate(self.points):
            place = f"points[{number}].address"
            holding = [block for block in self.blocks if block.holds(point)]
            if not holding:
                if any(block.touches(point) for block in self.blocks):
                    raise Refused("point_split", f"{point.name} is read in two parts", place=place)
                raise Refused("point_unread", f"no block reads {point.name}", place=place)
            if point.scale_point is None:
                continue
            scale = self.by_name[point.scale_point]
            if not any(block.holds(scale) for block in holding):
                wrong = f"no block reads {point.name} together with {scale.name}"
                raise Refused("scale_split", wrong, place=place)

        if self.fast_channel and not self.read_in(self.fast_channel.as_block()):
            raise Refused("fast_channel", "a point, whole and with its scale factor", place="fast_channel")

    def _check_roles(self) -> None:
        for role, name in self.roles.items():
            place = f"roles.{role}"
            one_of(role, Role, place)
            point = self.by_name.get(name)
            if point is None:
                raise Refused("point_unknown", f"{self.id} has no point {name}", place=place)
            rule = ROLES[role]
            if point.unit not in rule.units or point.text:
                raise Refused("role_unit", f"{role} is in {' or '.join(rule.units)}", place=place)
            if rule.access == "rw" and point.access != "rw":
                raise Refused("role_access", f"{role} is written", place=place)
        for needed in NEEDED[self.kind]:
            if needed not in self.roles:
                wrong = f"a {self.kind} has {', '.join(NEEDED[self.kind])}"
                raise Refused("role_missing", wrong, place=f"roles.{needed}")
        if self.kind == "bess" and (self.limits is None or self.control is None):
            place = "limits" if self.limits is None else "control"
            raise Refused("role_missing", "what is dispatched has limits and control", place=place)

    def _check_states(self) -> None:
        if self.states and "state" not in self.roles:
            raise Refused("role_missing", "states are those of the role state", place="roles.state")
        for raw, state in self.states.items():
            one_of(state, DeviceState, f"states.{raw}")
            if not raw.isascii() or not raw.isdigit() or str(int(raw)) != raw:
                raise Refused("number", f"{raw!r} is not a whole number", place=f"states.{raw}")
        if self.kind == "bess" and "running" not in self.states.values():
            raise Refused("role_missing", "name the state that is running", place="states")

    def _check_control(self) -> None:
        if self.control is None:
            return
        if self.limits is None:
            raise Refused("role_missing", "what is written has limits", place="limits")
        if self.kind == "bess" and not self.control.release:
            wrong = "a step that gives a storage back to its own control"
            raise Refused("write_step", wrong, place="control.release")
        self._check_steps(self.control.steps, "control.steps")
        self._check_steps(self.control.release, "control.release")
        self._check_order(self.control.steps)
        timer = self.point_of("revert_timer")
        if timer is not None and countable(timer, _DAY_S) < 1:
            raise Refused("value_range", f"{timer.name} cannot hold a second", place="roles.revert_timer")
        watchdog = self.control.watchdog
        if watchdog is None:
            return
        place = "control.watchdog"
        beat = self.by_name.get(watchdog.point)
        if beat is None or beat.access != "rw" or beat.text:
            raise Refused("watchdog", "a point that is written", place=f"{place}.point")
        watchdog = self._counting(watchdog, beat)
        if -(-_DAY_S // watchdog.period_s) > self.writes_per_day(beat):
            wrong = f"{-(-_DAY_S // watchdog.period_s)} writes a day are over {beat.name}'s budget"
            raise Refused("write_budget", wrong, place=f"{place}.period_s")
        self._check_function(beat, f"{place}.point")

    def _counting(self, watchdog: Watchdog, beat: Point) -> Watchdog:
        """The watchdog with a counter that its point can hold; one that is stated is held against it."""
        place = "control.watchdog.modulus"
        assert self.control is not None
        _check_written(beat, 1, place)
        if watchdog.modulus is None:
            most = countable(beat, MODULUS - 1)
            if most < 2:
                wrong = f"{beat.name} counts to {most}: the counter has at least two values"
                raise Refused("watchdog", wrong, place="control.watchdog.point")
            watchdog = msgspec.structs.replace(watchdog, modulus=most + 1)
            stated = msgspec.structs.replace(self.control, watchdog=watchdog)
            msgspec.structs.force_setattr(self, "control", stated)
            return watchdog
        if watchdog.modulus - 1 > beat.kind.highest:
            raise Refused("watchdog", f"the counter does not fit {beat.type}", place=place)
        _check_written(beat, watchdog.modulus - 1, place)
        most = countable(beat, watchdog.modulus - 1)
        if watchdog.modulus - 1 > most:
            wrong = f"{most + 1} means that {beat.name} has no value: a modulus of at most {most + 1}"
            raise Refused("watchdog", wrong, place=place)
        return watchdog

    def _check_steps(self, steps: Iterable[WriteStep], place: str) -> None:
        for number, step in enumerate(steps):
            point = self.by_name.get(step.point)
            if point is None or point.access != "rw" or point.text:
                raise Refused("write_step", f"{step.point} is not written", place=f"{place}[{number}].point")
            if step.gives != "constant" and self.roles.get(step.gives) != step.point:
                wrong = f"the point with the role {step.gives}"
                raise Refused("write_step", wrong, place=f"{place}[{number}].point")
            if step.constant is not None:
                _check_written(point, step.constant, f"{place}[{number}].constant")
            self._check_function(point, f"{place}[{number}].point")

    def _check_function(self, point: Point, place: str) -> None:
        assert self.control is not None
        if point.count > 1 and 16 not in self.control.functions:
            wrong = f"{point.name} has {point.count} registers, which function 06 cannot write at once"
            raise Refused("write_function", wrong, place=place)

    def _check_order(self, steps: tuple[WriteStep, ...]) -> None:
        """A value, then its revert timer, then the enable: else a stale setpoint is enabled for a moment."""
        gives = [step.gives for step in steps]
        enabling = [number for number, step in enumerate(steps) if step.point == self.roles.get("enable")]
        rank = {"setpoint": 0, "revert_timer": 1}
        found = [rank[kind] for kind in gives if kind in rank]
        if self.kind == "bess" and gives.count("setpoint") != 1:
            raise Refused("write_order", "one step gives the setpoint", place="control.steps")
        if found != sorted(set(found)):
            wrong = "the setpoint once, then its revert timer"
            raise Refused("write_order", wrong, place="control.steps")
        if "enable" in self.roles and enabling != [len(steps) - 1]:
            raise Refused("write_order", "the enable once, as the last step", place="control.steps")
        if "revert_timer" in self.roles and "revert_timer" not in gives:
            raise Refused("write_order", "every setpoint has its revert timer", place="control.steps")


def _check_written(point: Point, value: int, place: str) -> None:
    """That the point holds a number of ours that is always written, as far as its scale is known."""
    lowest, highest = point.kind.lowest, point.kind.highest
    if point.kind.form == "integer" and point.scale_point is None:
        raw = Fraction(-value if point.flips else value) / Fraction(10) ** (point.scale + DIGITS[point.unit])
        if not lowest <= raw <= highest:
            wrong = f"{value} does not fit {point.name}, whose {point.type} holds {lowest} to {highest}"
            raise Refused("value_range", wrong, place=place)
    low = value if point.minimum is None else point.minimum
    high = value if point.maximum is None else point.maximum
    if not low <= value <= high or point.fixed not in (None, value):
        allowed = f"{point.minimum} to {point.maximum}" if point.fixed is None else f"{point.fixed}"
        raise Refused("value_range", f"{value} is beyond {point.name}'s {allowed}", place=place)
