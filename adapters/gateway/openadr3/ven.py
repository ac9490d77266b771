"""A VEN: the client that hears an OpenADR 3 programme's events and reports to its VTN. Synchronous.

`poll` takes a listing whole or not at all; `reported` may be called again after any failure, since it looks
first whether the report is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar
from urllib.parse import quote

import msgspec

from adapters.gateway.openadr3 import wire
from adapters.gateway.openadr3.event_watch import (
    KnownEvent,
    ProgrammeRules,
    RefusedEvent,
    Seen,
    compared,
    digest_of,
)
from adapters.gateway.openadr3.vtn_session import VtnSession, read
from ledger.refusal import Refused

T = TypeVar("T")


class VenClient:
    """`targets` are those that the VTN granted us; in 3.1 a targeted event is shown to who asks by one."""

    def __init__(self, session: VtnSession, targets: Sequence[str] = ()) -> None:
        self._session = session
        self._targets = tuple(targets)
        self._old = session.access.version == "3.0"

    def programmes(self) -> tuple[wire.Program, ...]:
        """All programmes that the client may see.

        Raises:
            Refused: as `poll`.
            VtnUnavailable: the VTN does not answer.
        """
        return tuple(self._objects("/programs", {}, wire.Program))

    def poll(self, programme: str, known: Mapping[str, KnownEvent], rules: ProgrammeRules) -> Seen:
        """What became of a programme's events since `known`; nothing of a listing that fails is taken.

        A known event that is not listed counts as gone only when the VTN answers 404 for it: pages shift
        while they are read. One that is wrong is refused by itself, in the answer.

        Raises:
            Refused: `event_duplicate` for one id told twice with other content; `clock_skew`, `vtn_pages`,
                `vtn_refused`, `vtn_answer`, `vtn_credentials`, `json`, `field_type`.
            VtnUnavailable: the VTN does not answer, or fails `attempts` times.
        """
        listed, refused = self._listed(programme)
        told = {one.event for one in refused}
        gone: set[str] = set()
        for name in known:
            if name in listed or name in told:
                continue
            event = self._event(name)
            if event is None or event.program_id != programme:
                gone.add(name)
            else:
                listed[name] = event
        seen = compared(known, list(listed.values()), frozenset(gone), self._session.clock(), rules)
        return msgspec.structs.replace(seen, refused=(*refused, *seen.refused))

    def reported(self, report: wire.ReportRequest) -> wire.Report:
        """Have the report at the VTN, created or put right; the same report again changes nothing.

        Our reports are known by event, client name and report name.

        Raises:
            Refused: `report_name` without one, `report_duplicate` when the VTN holds two of it; as `poll`.
            VtnUnavailable: it is not known whether the report arrived; call again.
        """
        name = report.report_name
        if not name:
            raise Refused("report_name", "a report has a name, to be found by again", place="reportName")
        sent = report if self._old else msgspec.structs.replace(report, program_id=None)
        key = (report.event_id, report.client_name, name)
        query = {"eventID": report.event_id, "clientName": report.client_name}
        same = [
            one
            for one in self._objects("/reports", query, wire.Report)
            if (one.event_id, one.client_name, one.report_name) == key
        ]
        if len(same) > 1:
            raise Refused("report_duplicate", f"the VTN holds {len(same)} of it", place=name)
        if not same:
            return self._written("POST", "/reports", sent, wire.Report)
        held = same[0]
        if (held.resources, held.payload_descriptors) == (report.resources, report.payload_descriptors):
            return held
        return self._written("PUT", f"/reports/{quote(held.id, safe='')}", sent, wire.Report)

    def events(self, programme: str) -> tuple[wire.Event, ...]:
        """The programme's events as they stand; those that cannot be read are left out, as `poll` says them.

        Raises:
            Refused: as `poll`.
            VtnUnavailable: the VTN does not answer.
        """
        return tuple(self._listed(programme)[0].values())

    def event(self, name: str) -> wire.Event | None:
        """One event as it stands; None when the VTN has it no more.

        Raises:
            Refused: as `poll`.
            VtnUnavailable: the VTN does not answer.
        """
        return self._event(name)

    def reports(self, programme: str, client_name: str) -> tuple[wire.Report, ...]:
        """Our reports of that name to a programme's events.

        Raises:
            Refused: as `poll`.
            VtnUnavailable: the VTN does not answer.
        """
        query = {"programID": programme, "clientName": client_name}
        return tuple(
            one for one in self._objects("/reports", query, wire.Report) if one.client_name == client_name
        )

    def placed(self, report: wire.ReportRequest, instead_of: str | None) -> wire.Report:
        """Send a report, in place of the one with that id at the VTN.

        Raises:
            Refused: as `poll`.
            VtnUnavailable: it is not known whether it arrived; look at `reports` first.
        """
        sent = report if self._old else msgspec.structs.replace(report, program_id=None)
        if instead_of is None:
            return self._written("POST", "/reports", sent, wire.Report)
        return self._written("PUT", f"/reports/{quote(instead_of, safe='')}", sent, wire.Report)

    def taken_back(self, report: str) -> None:
        """Delete our report of that id; one that is not there any more is taken back.

        Raises:
            Refused: as `poll`.
            VtnUnavailable: it is not known whether it is gone; call again.
        """
        self._session.ask("DELETE", f"/reports/{quote(report, safe='')}", (), None, missing=True)

    def found_resource(self, ven_name: str, resource_name: str) -> wire.Resource | None:
        """The resource of our ven; None where either is not enrolled.

        Raises:
            Refused: as `poll`.
            VtnUnavailable: the VTN does not answer.
        """
        for ven in self._objects("/vens", {"venName": ven_name}, wire.Ven):
            if ven.ven_name != ven_name:
                continue
            path, query = self._resources(ven.id, resource_name)
            for found in self._objects(path, query, wire.Resource):
                if found.resource_name == resource_name:
                    return found
        return None

    def enrolled(self, ven_name: str) -> wire.Ven:
        """The client's own ven object of that name, created where there is none.

        Raises:
            Refused: as `poll`.
            VtnUnavailable: call again.
        """
        for ven in self._objects("/vens", {"venName": ven_name}, wire.Ven):
            if ven.ven_name == ven_name:
                return ven
        body = {"venName": ven_name} if self._old else wire.VenVenRequest(ven_name=ven_name)
        return self._written("POST", "/vens", body, wire.Ven)

    def resource(self, ven_id: str, resource_name: str) -> wire.Resource:
        """A resource of the ven, created where there is none.

        Raises:
            Refused: as `poll`.
            VtnUnavailable: call again.
        """
        path, query = self._resources(ven_id, resource_name)
        for found in self._objects(path, query, wire.Resource):
            if found.resource_name == resource_name:
                return found
        body = (
            {"resourceName": resource_name}
            if self._old
            else wire.VenResourceRequest(resource_name=resource_name, ven_id=ven_id)
        )
        return self._written("POST", path, body, wire.Resource)

    def _resources(self, ven_id: str, resource_name: str) -> tuple[str, dict[str, str]]:
        if self._old:
            return f"/vens/{quote(ven_id, safe='')}/resources", {"resourceName": resource_name}
        return "/resources", {"venID": ven_id, "resourceName": resource_name}

    def _listed(self, programme: str) -> tuple[dict[str, wire.Event], list[RefusedEvent]]:
        """The programme's events by id: those for our targets first, then those for everyone."""
        queries: list[list[tuple[str, str]]] = [[("programID", programme)]]
        if self._targets and self._old:
            queries[0] += [("targetType", "GROUP"), *(("targetValues", one) for one in self._targets)]
        elif self._targets:
            queries.insert(0, [*queries[0], *(("targets", one) for one in self._targets)])
        found: dict[str, wire.Event] = {}
        refused: dict[str, RefusedEvent] = {}
        for query in queries:
            for number, raw in enumerate(self._session.paged("/events", query)):
                try:
                    event = wire.decoded(raw, wire.Event)
                except Refused as error:
                    name = _id_of(raw) or f"events[{number}]"
                    refused[name] = RefusedEvent(name, error.code, error.reason, error.place)
                    continue
                if event.program_id == programme:
                    _check_same(found.setdefault(event.id, event), event)
        return found, [one for name, one in refused.items() if name not in found]

    def _event(self, name: str) -> wire.Event | None:
        path = f"/events/{quote(name, safe='')}"
        answer = self._session.ask("GET", path, (), None, missing=True)
        return None if answer.status == 404 else read(answer, wire.Event, path)

    def _objects(self, path: str, query: Mapping[str, str], kind: type[T]) -> list[T]:
        raws = self._session.paged(path, list(query.items()))
        return [wire.decoded(raw, kind, f"{path}[{number}]") for number, raw in enumerate(raws)]

    def _written(self, method: Literal["POST", "PUT"], path: str, body: object, kind: type[T]) -> T:
        found: T = read(self._session.ask(method, path, (), wire.encoded(body)), kind, path)
        return found


def _check_same(before: wire.Event, event: wire.Event) -> None:
    """Two tellings of one event may differ in the targets that each query is shown, and in nothing else."""
    if digest_of(before) != digest_of(event):
        wrong = "the VTN tells it twice, with other content; ask again"
        raise Refused("event_duplicate", wrong, place=event.id)


def _id_of(raw: msgspec.Raw) -> str | None:
    """The id of an object that cannot be read as what it should be."""
    try:
        found = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get("id")
        return None if found is None else msgspec.json.decode(found, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
