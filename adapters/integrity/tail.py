"""What the stream holds behind the archive's end: envelopes that go on from it, and messages that do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from adapters.integrity.copies import Copies, digest_of
from adapters.integrity.fault import Fault
from adapters.integrity.origin import Chains, NewerEnvelope, Origin, origin_at
from adapters.nats.wire import Alien


class Tail(NamedTuple):
    """`from_backup` are those that the backup has and the stream has not, or has an alien in place of.

    `aliens` maps the sequence of each message that cannot stay to whose envelope it says it is, None where
    nobody waits for it: it is none, or its aggregate has that version already. `newer` are those that only a
    newer version of the program reads.
    """

    from_backup: frozenset[int]
    aliens: Mapping[int, Origin | None]
    newer: frozenset[int]
    faults: tuple[Fault, ...]


def judged_tail(book: str, tail: Iterable[Copies], chains: Chains, backup: Mapping[int, bytes]) -> Tail:
    """Judge what follows the archive's end, in order; `chains` are those of what is archived.

    An alien is stepped over: what stands behind it goes on from what is before it.
    """
    from_backup: set[int] = set()
    aliens: dict[int, Origin | None] = {}
    newer: set[int] = set()
    faults: list[Fault] = []
    for one in tail:
        at = one.sequence
        found: list[Alien | NewerEnvelope | Origin] = []
        for payload in (one.stored, backup.get(at)):
            doubt = None if payload is None else _doubt(book, at, payload, chains)
            if payload is not None and doubt is None:
                from_backup |= set() if payload == one.stored else {at}
                found = []
                break
            if doubt is not None:
                found.append(doubt)
        if not found:
            continue
        first = found[0]
        if isinstance(first, NewerEnvelope):
            newer.add(at)
            continue
        known = isinstance(first, Origin) and first.version > chains.version_of(first.aggregate)
        aliens[at] = first if isinstance(first, Origin) and known else None
        if one.stored is not None:
            faults.append(Fault("stream_alien", f"sequence {at}", _said(first, chains)))
    return Tail(frozenset(from_backup), aliens, frozenset(newer), tuple(faults))


def _doubt(book: str, sequence: int, payload: bytes, chains: Chains) -> Alien | NewerEnvelope | Origin | None:
    """None for an envelope that goes on; it is its aggregate's last from now on."""
    try:
        origin = origin_at(book, sequence, payload)
    except (Alien, NewerEnvelope) as doubt:
        return doubt
    return None if chains.goes_on(origin, digest_of(payload)) else origin


def _said(doubt: Alien | Origin, chains: Chains) -> str:
    if isinstance(doubt, Alien):
        return no_envelope(doubt)
    return follows_nothing(doubt.aggregate, doubt.version, chains.version_of(doubt.aggregate))


def no_envelope(alien: Alien) -> str:
    """What it is, in a sentence."""
    return f"a message that is no envelope of this book: {alien.why}"


def follows_nothing(aggregate: str, version: int, last: int) -> str:
    """That an envelope is not the next of its aggregate, in a sentence."""
    which = f"an envelope that says it is version {version} of {aggregate}"
    if version <= last:
        return f"{which}, which has that version already: somebody appended it again"
    return f"{which}, and does not follow version {last}"
