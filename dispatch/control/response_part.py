"""A response's part that falls to one driver's devices, where several drive the devices of one book.

All storages on record that are under it share it by their ratings, whoever drives them: so no two drivers
give the same part, and neither needs to ask the other. What falls to a storage that nobody drives now is
given by nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

import msgspec

from dispatch.control.emergency import Emergencies, Emergency
from ledger.split import largest_remainder


class Rated(msgspec.Struct, frozen=True):
    """A registered storage and its rating. `driven`: a driver that lives holds its lease."""

    device: str
    site: str
    power_w: int
    driven: bool = True


class ResponsePart(msgspec.Struct, frozen=True):
    """Of a response of `whole_w` what falls to the driver's own devices, and what to devices of others that
    nobody drives; W, above 0 discharging."""

    whole_w: int
    own_w: int
    undriven_w: int = 0
    undriven: tuple[str, ...] = ()


def response_parts(
    emergencies: Emergencies, own: Sequence[Rated], others: Sequence[Rated], now: datetime
) -> dict[int, ResponsePart]:
    """By number of each response that stands for any of them. Where no other storage is under it the driver's
    devices give the whole."""
    under: dict[int, tuple[list[Rated], list[Rated]]] = {}
    for place, devices in enumerate((own, others)):
        for one in devices:
            first = next(
                (
                    each
                    for each in emergencies.standing(one.device, one.site, now)
                    if each.order.kind != "limit_export"
                ),
                None,
            )
            if first is not None and first.order.kind == "respond_now":
                under.setdefault(first.number, ([], []))[place].append(one)
    orders = {one.number: one.order for one in emergencies.open}
    found: dict[int, ResponsePart] = {}
    for number, (ours, theirs) in under.items():
        whole_w = orders[number].power_w
        assert whole_w is not None, "a response has its power"
        if not any(one.power_w for one in theirs):
            found[number] = ResponsePart(whole_w, whole_w)
            continue
        parts = largest_remainder(whole_w, {one.device: Fraction(one.power_w) for one in (*ours, *theirs)})
        idle = [one.device for one in theirs if not one.driven]
        found[number] = ResponsePart(
            whole_w,
            sum(parts[one.device] for one in ours),
            sum(parts[name] for name in idle),
            tuple(sorted(idle)),
        )
    return found


def with_parts(emergencies: Emergencies, parts: dict[int, ResponsePart]) -> Emergencies:
    """The same emergencies, each response with the power that falls to the driver's own devices."""

    def cut(one: Emergency) -> Emergency:
        part = parts.get(one.number)
        if part is None or part.own_w == one.order.power_w:
            return one
        order = msgspec.structs.replace(one.order, power_w=part.own_w)
        return msgspec.structs.replace(one, order=order)

    return msgspec.structs.replace(emergencies, open=tuple(map(cut, emergencies.open)))
