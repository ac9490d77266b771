"""What a repair would take from another copy than the stream with no signed checkpoint to prove it.

An honest tail that the stream lost and a forged one that somebody wrote into the archive look alike: hashes,
chain and tree agree in both. So it is for a person to say which copy to believe there, and why.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from adapters.integrity.copies import Copies, digest_of
from adapters.integrity.judgement import Forked, Judgement, Right, forked_of
from adapters.integrity.origin import Chains, origin_of
from ledger.repair_record import Believed


class Unproven(RuntimeError):
    """Sequences behind the newest checkpoint stand in another copy than the stream only; nothing changed."""

    def __init__(self, sequences: tuple[int, ...], proven: int) -> None:
        self.sequences, self.proven = sequences, proven
        super().__init__(f"{described(sequences, proven)}: nothing was changed")


class Wanted(NamedTuple):
    """What a person says of sequences that nothing proves: which copy holds there, and why."""

    believed: Believed
    reason: str


class Kept(NamedTuple):
    """A judgement by which the stream holds where nothing is proven, and what of the archive then falls."""

    judgement: Judgement
    fallen: tuple[Forked, ...]


def described(sequences: tuple[int, ...], proven: int) -> str:
    """How many they are and from where to where: `2 events, sequences 5 to 6, ...`."""
    count, first, last = len(sequences), sequences[0], sequences[-1]
    noun = "1 event" if count == 1 else f"{count} events"
    where = f"sequence {first}" if first == last else f"sequences {first} to {last}"
    signed = f"the newest checkpoint that holds covers {proven}" if proven else "no signed checkpoint holds"
    return f"{noun}, {where}, stand in another copy than the stream only, and {signed}"


def unproven(judgement: Judgement, proven: int) -> tuple[int, ...]:
    """The sequences that are taken from elsewhere although neither a checkpoint over the first `proven`
    envelopes nor a later envelope of the stream itself has them."""
    return tuple(
        sequence
        for sequence, copy in sorted(judgement.right.items())
        if copy != "stream" and sequence > proven and sequence not in judgement.chained
    )


def kept_to_stream(
    judgement: Judgement,
    sequences: tuple[int, ...],
    proven: int,
    copies: Iterable[tuple[Copies, bytes | None]],
) -> Kept:
    """The same judgement, with the stream believed at `sequences`; `copies` are each with the backup's.

    Behind the first `proven` it ends before the first envelope that the stream has not, or that does not
    follow what was before it.
    """
    doubted = frozenset(sequences)
    chains = Chains()
    right: dict[int, Right] = {}
    forked: list[Forked] = []
    fallen: list[Forked] = []
    end = last_stored = 0
    goes_on = True
    for one, further in copies:
        at = one.sequence
        name: Right = "stream" if at in doubted else judgement.right.get(at, "stream")
        payload = {"stream": one.stored, "archive": one.archived, "backup": further}[name]
        follows = payload is not None and _follows(chains, payload)
        goes_on = goes_on and (follows or at <= proven)
        if goes_on:
            end = at
            right |= {at: name} if at in judgement.right else {}
        if one.stored is not None:
            last_stored = at
            if not goes_on or name != "stream":
                forked.append(forked_of(at, one.stored))
        if at in doubted and one.archived is not None:
            fallen.append(forked_of(at, one.archived))
    kept = msgspec.structs.replace(
        judgement,
        end=end,
        right=right,
        forked=tuple(forked),
        stream_differs=end < last_stored or any(name != "stream" for name in right.values()),
    )
    return Kept(kept, tuple(fallen))


def _follows(chains: Chains, payload: bytes) -> bool:
    origin = origin_of(payload)
    return origin is not None and chains.follows(origin, digest_of(payload))
