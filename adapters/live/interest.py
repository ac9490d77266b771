"""What a listener wants to hear."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from adapters.live.message import LiveMessage
from adapters.live.told import TYPES
from ledger.identity import checked_id
from ledger.refusal import Refused

GATE_TYPES: Final = ("gate.closes.v1", "gate.opens.v1")
ALL_TYPES: Final = tuple(sorted((*TYPES, *GATE_TYPES)))
KINDS: Final = tuple(
    sorted({*(one.partition(".")[0] for one in ALL_TYPES), *(one.rpartition(".")[0] for one in ALL_TYPES)})
)
"""What `kinds` may name: a noun for all about it, or noun and verb."""


class Interest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of those kinds, markets and units; none named is all.

    A message that names no market or no unit is about all of them: the switch passes whoever asks for a unit.

    Raises:
        Refused: `live_kind`, `id`.
    """

    kinds: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_kinds(self.kinds, "kind")
        for place, names in (("market", self.markets), ("unit", self.units)):
            for name in names:
                checked_id(name, place)

    def wants(self, message: LiveMessage) -> bool:
        return (
            (not self.kinds or message.kind in self.kinds or message.noun in self.kinds)
            and (not self.markets or message.market is None or message.market in self.markets)
            and (not self.units or message.unit is None or message.unit in self.units)
        )


def check_kinds(kinds: Iterable[str], place: str) -> None:
    """Raises:
    Refused: `live_kind`.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise Refused("live_kind", f"{kind!r} is none of {', '.join(KINDS)}", place=place)
