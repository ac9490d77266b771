"""The objects of our own small VTN, in memory: six kinds, their names' uniqueness, and who may see what.

Object privacy is 3.1's (Definition, "Object Privacy"): business logic sees everything; a VEN sees the vens,
resources, reports and subscriptions of its own client, and of programmes and events those without targets, or
with one that it was granted and asks by.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import msgspec

from adapters.gateway.openadr3 import wire
from adapters.gateway.openadr3.timing import instant_of, instant_text

Role = Literal["bl", "ven"]
Object = wire.Program | wire.Event | wire.Report | wire.Subscription | wire.Ven | wire.Resource

_OWNED: Final = ("REPORT", "SUBSCRIPTION", "VEN", "RESOURCE")


class Caller(NamedTuple):
    client_id: str
    role: Role


class Declined(Exception):
    """What the VTN answers instead, a status from 400 to 409, with a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class VtnStore:
    """All objects of one VTN. Every method is atomic. `clock` gives aware instants."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self._lock = threading.RLock()
        self._objects: dict[str, dict[str, Object]] = {}
        self._numbers = itertools.count(1)

    def listed(
        self,
        caller: Caller,
        object_type: str,
        fields: Mapping[str, str],
        targets: frozenset[str] = frozenset(),
    ) -> list[Object]:
        """What the caller may see, in order of creation, with these values in its fields and these targets.

        Business logic gets objects that have all of `targets`, a VEN those that have one of them.
        """
        with self._lock:
            found = [one for one in self._of(object_type) if self._matches(one, fields)]
            if caller.role == "bl":
                return [one for one in found if targets <= set(_strings(one))]
            if object_type in _OWNED:
                own = [one for one in found if getattr(one, "client_id", None) == caller.client_id]
                return [one for one in own if not targets or not targets.isdisjoint(_strings(one))]
            granted = self._granted(caller) & targets
            return [_shown(one, granted) for one in found if _is_for(one, granted, asked=bool(targets))]

    def one(self, caller: Caller, object_type: str, name: str) -> Object:
        """An object that the caller may see; one with targets is shown to who was granted one of them.

        Raises:
            Declined: 404.
        """
        with self._lock:
            found = self._objects.get(object_type, {}).get(name)
            if found is None:
                raise Declined(404, f"there is no such {object_type.lower()}")
            if caller.role == "bl":
                return found
            if object_type in _OWNED:
                if getattr(found, "client_id", None) != caller.client_id:
                    raise Declined(404, f"there is no such {object_type.lower()}")
                return found
            granted = self._granted(caller)
            if not _is_for(found, granted, asked=False):
                raise Declined(404, f"there is no such {object_type.lower()}")
            return _shown(found, granted)

    def put(
        self,
        caller: Caller,
        object_type: str,
        kind: type[Any],
        fields: Mapping[str, object],
        name: str | None,
    ) -> Object:
        """The object created (without `name`) or replaced.

        Raises:
            Declined: 404 for an object that the caller cannot see, 409 for a name that is taken or a
                programme, event or ven that is not there.
        """
        with self._lock:
            before = None if name is None else self.one(caller, object_type, name)
            key = f"{object_type.lower()}-{next(self._numbers)}" if before is None else before.id
            self._check(caller, object_type, key, fields)
            now = self.clock().astimezone(UTC)
            created = instant_text(now) if before is None else before.created_date_time
            if before is not None:
                last = instant_of(before.modification_date_time, "modificationDateTime")
                now = max(now, last + timedelta(microseconds=1))
            stamps = {"id": key, "created_date_time": created, "modification_date_time": instant_text(now)}
            made: Object = kind(**{**fields, **stamps, "object_type": object_type})
            self._objects.setdefault(object_type, {})[key] = made
            return made

    def removed(self, caller: Caller, object_type: str, name: str) -> Object:
        """The object, gone with what hangs on it: a programme's events and subscriptions, an event's reports,
        a ven's resources.

        Raises:
            Declined: 404.
        """
        with self._lock:
            found = self.one(caller, object_type, name)
            self._remove(object_type, found.id)
            return found

    def _remove(self, object_type: str, name: str) -> None:
        self._objects.get(object_type, {}).pop(name, None)
        for other, field in _HANGS_ON.get(object_type, ()):
            for one in [one for one in self._of(other) if getattr(one, field) == name]:
                self._remove(other, one.id)

    def _check(self, caller: Caller, object_type: str, name: str, fields: Mapping[str, object]) -> None:
        unique = _UNIQUE.get(object_type)
        if unique is not None:
            key = [fields[field] for field in unique]
            for one in self._of(object_type):
                if one.id != name and [getattr(one, field) for field in unique] == key:
                    raise Declined(409, f"{unique[0]} {key[0]!r} is taken")
        for other, field in _NEEDS.get(object_type, ()):
            wanted = fields.get(field)
            if wanted is not None and wanted not in self._objects.get(other, {}):
                raise Declined(409, f"there is no {other.lower()} {wanted!r}")
        if object_type == "RESOURCE":
            self.one(caller, "VEN", str(fields["ven_id"]))

    def _of(self, object_type: str) -> Iterable[Object]:
        return list(self._objects.get(object_type, {}).values())

    def _matches(self, one: Object, fields: Mapping[str, str]) -> bool:
        for field, wanted in fields.items():
            if field == "objects":
                if not isinstance(one, wire.Subscription):
                    return False
                if not any(wanted in operation.objects for operation in one.object_operations):
                    return False
            elif isinstance(one, wire.Report) and field == "program_id":
                event = self._objects.get("EVENT", {}).get(one.event_id)
                if getattr(event, "program_id", None) != wanted:
                    return False
            elif getattr(one, field, None) != wanted:
                return False
        return True

    def _granted(self, caller: Caller) -> frozenset[str]:
        """The targets of the client's vens and resources."""
        return frozenset(
            target
            for object_type in ("VEN", "RESOURCE")
            for one in self._of(object_type)
            if getattr(one, "client_id", None) == caller.client_id
            for target in _strings(one)
        )


_UNIQUE: Final = {"PROGRAM": ("program_name",), "VEN": ("ven_name",), "RESOURCE": ("resource_name", "ven_id")}
_NEEDS: Final = {
    "EVENT": (("PROGRAM", "program_id"),),
    "REPORT": (("EVENT", "event_id"),),
    "SUBSCRIPTION": (("PROGRAM", "program_id"),),
    "RESOURCE": (("VEN", "ven_id"),),
}
_HANGS_ON: Final = {
    "PROGRAM": (("EVENT", "program_id"), ("SUBSCRIPTION", "program_id")),
    "EVENT": (("REPORT", "event_id"),),
    "VEN": (("RESOURCE", "ven_id"),),
}


def _strings(one: Object) -> list[str]:
    return [target for target in getattr(one, "targets", None) or () if isinstance(target, str)]


def _is_for(one: Object, granted: frozenset[str], *, asked: bool) -> bool:
    targets = _strings(one)
    return not granted.isdisjoint(targets) if targets else not asked


def _shown(one: Object, granted: frozenset[str]) -> Object:
    """With the targets that the caller has, and no others."""
    targets = tuple(target for target in _strings(one) if target in granted)
    return msgspec.structs.replace(one, targets=targets or None) if _strings(one) else one
