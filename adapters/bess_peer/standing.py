"""The faults that a device has at the moment."""

from __future__ import annotations

from typing import TypeVar

from adapters.bess_peer.fault import Fault

F = TypeVar("F", bound=Fault)


class Standing:
    """One fault a kind: a newer one of the same kind replaces it."""

    def __init__(self) -> None:
        self._faults: dict[type, tuple[Fault, int | None, int | None]] = {}

    def __bool__(self) -> bool:
        return bool(self._faults)

    def begin(self, fault: Fault, now_ms: int) -> None:
        until = None if fault.for_ms is None else now_ms + fault.for_ms
        self._faults[type(fault)] = (fault, until, fault.times)

    def clear(self) -> None:
        self._faults.clear()

    def find(self, kind: type[F], now_ms: int) -> F | None:
        """The fault of that kind, if it stands."""
        if not self._faults:
            return None
        entry = self._faults.get(kind)
        if entry is None:
            return None
        fault, until, _ = entry
        if until is not None and now_ms >= until:
            del self._faults[kind]
            return None
        assert isinstance(fault, kind)
        return fault

    def take(self, kind: type[F], now_ms: int) -> F | None:
        """The same, and one of its times is used."""
        fault = self.find(kind, now_ms)
        if fault is None:
            return None
        _, until, times = self._faults[kind]
        if times is not None:
            if times == 1:
                del self._faults[kind]
            else:
                self._faults[kind] = (fault, until, times - 1)
        return fault

    def ends_at(self, kind: type[F]) -> int | None:
        entry = self._faults.get(kind)
        return None if entry is None else entry[1]

    def names(self) -> list[str]:
        return sorted(str(kind.__struct_config__.tag) for kind in self._faults)  # type: ignore[attr-defined]
