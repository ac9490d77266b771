"""The settlement run that holds what the meter saw of setpoints."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.known_as import run_thing
from adapters.links.link import Found, LinkKind
from dispatch.control.command_life import CommandsSettled, settlement_parts
from ledger.envelope import Envelope


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, CommandsSettled):
            yield Found(run_thing(*settlement_parts(event.settlement)))


KIND = LinkKind("settled_in", "settles_commands", (CommandsSettled,), "the run", _found)
