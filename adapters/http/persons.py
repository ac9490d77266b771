"""Natural persons as they may be shown now; registering and erasing are done at a terminal."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import ID_PATTERN, Name
from adapters.personal.people import People, ShownPerson


class PersonList(msgspec.Struct, frozen=True):
    items: tuple[ShownPerson, ...]


@get(
    "/persons",
    summary="Natural persons behind opaque ids; [erased] where nobody can read who it was",
    responses=READ_PROBLEMS,
    tags=["Access"],
    sync_to_thread=True,
)
def list_persons(
    people: NamedDependency[People],
    actor: Annotated[
        str | None, QueryParameter(pattern=ID_PATTERN, description="Who acts under this id")
    ] = None,
) -> PersonList:
    found = map(people.show, people.ids())
    return PersonList(tuple(one for one in found if actor is None or actor in one.actors))


@get(
    "/persons/{name:str}",
    summary="A natural person, and the ids that the person acts under",
    responses=READ_PROBLEMS,
    tags=["Access"],
    sync_to_thread=True,
)
def show_person(people: NamedDependency[People], name: Name) -> ShownPerson:
    return people.show(name)


ROUTES = (list_persons, show_person)
