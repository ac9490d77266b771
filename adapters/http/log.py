"""The transparency log: its files for everybody (C2SP tlog-tiles), proofs and entries for who may ask.

Checkpoint and tiles hold hashes and signatures only and need no key: whoever keeps them can tell later
whether history was changed. docs/transparency-log.md describes them, as OpenAPI cannot.
"""

from __future__ import annotations

import gzip
from typing import Annotated, Any, Final, Self, TypeVar

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from adapters.continuity import Discontinuity
from adapters.http.caller import Caller
from adapters.http.problem import READ_PROBLEMS
from adapters.http.service import Service
from adapters.settling import lowest_position
from adapters.transparency.inclusion import Inclusion
from adapters.transparency.published_log import PublishedLog
from ledger.refusal import Refused
from ledger.transparency.base64_text import base64_text
from ledger.transparency.checkpoint import Checkpoint
from ledger.transparency.entry_bundle import EntryBundle
from ledger.transparency.tile import TILE_HEIGHT, TILE_WIDTH, HashTile

_OCTETS: Final = "application/octet-stream"
_FOR_EVER: Final = "max-age=31536000, immutable"
_SEQUENCE_MAX: Final = 1 << 62
_NOT_HELD: Final = frozenset({"tile_path", "tile_level", "tile_index", "tile_width", "tile_beyond"})

F = TypeVar("F", HashTile, EntryBundle)


class InclusionBody(msgspec.Struct, frozen=True):
    """`path` leads from `leaf` (leaf number `sequence` - 1) to `root`, the sibling first (RFC 9162 2.1.3).

    Hashes are base64. `checkpoint` is the signed note over `size` and `root`, null where none was signed.
    """

    sequence: int
    leaf: str
    size: int
    root: str
    path: tuple[str, ...]
    checkpoint: str | None

    @classmethod
    def of(cls, one: Inclusion) -> Self:
        path = tuple(base64_text(node) for node in one.path)
        return cls(
            one.sequence, base64_text(one.leaf), one.size, base64_text(one.root), path, one.checkpoint_text
        )


class ConsistencyBody(msgspec.Struct, frozen=True):
    """`path` shows that the tree of `old` begins that of `new` (RFC 9162 2.1.4); hashes are base64.

    The checkpoints are those signed over these sizes, null where none was.
    """

    old: int
    new: int
    old_root: str
    root: str
    path: tuple[str, ...]
    old_checkpoint: str | None
    new_checkpoint: str | None


@get("/log/checkpoint", include_in_schema=False, sync_to_thread=True)
def show_checkpoint(published: NamedDependency[PublishedLog]) -> Response[bytes]:
    """The newest checkpoint, as a signed note."""
    note = published.latest()
    if note is None:
        raise Refused("unknown_checkpoint", "nothing was signed yet", place="checkpoint")
    return Response(note.content(), media_type="text/plain", headers={"Cache-Control": "public, max-age=1"})


@get("/log/tile/{level:str}/{index:path}", include_in_schema=False, sync_to_thread=True)
def show_tile(
    request: Request[Any, Any, Any],
    published: NamedDependency[PublishedLog],
    level: Annotated[str, PathParameter()],
    index: Annotated[str, PathParameter()],
) -> Response[bytes]:
    """A tile of hashes, whole or partial, of what was signed."""
    tile = _held(HashTile, f"tile/{level}/{_number(index)}", published, request)
    content = published.tile(tile)
    _check_tile(published, tile)
    return _file(content, f"public, {_FOR_EVER}")


@get(
    "/log/tile/entries/{index:path}",
    summary="Up to 256 envelopes of the log, each behind its length (C2SP tlog-tiles)",
    description="Compressed with gzip. One above 65,535 bytes is a line with its length and SHA-256.",
    responses=READ_PROBLEMS,
    media_type=_OCTETS,
    tags=["Proof"],
    sync_to_thread=True,
)
def show_entries(
    request: Request[Any, Any, Any],
    published: NamedDependency[PublishedLog],
    index: Annotated[str, PathParameter(description="Such as x001/067, or x001/067.p/17 for the first 17")],
) -> Response[bytes]:
    bundle = _held(EntryBundle, f"tile/entries/{_number(index)}", published, request)
    content = gzip.compress(published.entries(bundle), mtime=0)
    return _file(content, f"private, {_FOR_EVER}", {"Content-Encoding": "gzip"})


@get(
    "/log/proofs/inclusion",
    summary="That an event is in the log, up to a signed checkpoint",
    description="Without `size` under the first checkpoint that covers it, which is signed now if need be.",
    responses=READ_PROBLEMS,
    tags=["Proof"],
    sync_to_thread=True,
)
def prove_inclusion(
    service: NamedDependency[Service],
    caller: NamedDependency[Caller],
    published: NamedDependency[PublishedLog],
    sequence: Annotated[int, QueryParameter(ge=1, lt=_SEQUENCE_MAX, description="The event's number")],
    size: Annotated[
        int | None, QueryParameter(ge=0, lt=_SEQUENCE_MAX, description="Of how many events the tree is")
    ] = None,
) -> InclusionBody:
    """A partner asks for the runs of its own statements only."""
    if caller.role == "partner":
        _check_own(service, caller, sequence)
    _check_archived(service, sequence)
    found = published.proof(sequence) if size is None else published.inclusion(sequence, size)
    if found is None:
        raise Refused("unknown_checkpoint", f"no signed checkpoint covers {sequence} yet", place="sequence")
    return InclusionBody.of(found)


@get(
    "/log/proofs/consistency",
    summary="That the log only grew from one size to another",
    responses=READ_PROBLEMS,
    tags=["Proof"],
    sync_to_thread=True,
)
def prove_consistency(
    published: NamedDependency[PublishedLog],
    old: Annotated[int, QueryParameter(ge=0, lt=_SEQUENCE_MAX, description="The smaller size")],
    new: Annotated[int, QueryParameter(ge=0, lt=_SEQUENCE_MAX, description="The larger size")],
) -> ConsistencyBody:
    found = published.consistency(old, new)
    before, after = published.signed_at(old), published.signed_at(new)
    return ConsistencyBody(
        old,
        new,
        base64_text(found.old_root),
        base64_text(found.root),
        tuple(base64_text(node) for node in found.path),
        None if before is None else before.content().decode(),
        None if after is None else after.content().decode(),
    )


def _check_tile(published: PublishedLog, tile: HashTile) -> None:
    """Accept a tile whose first and last hash lead to the root that was signed: each way crosses the others.

    Raises:
        Discontinuity: `tree_altered`; whoever got an altered tile would keep it for ever.
        Refused: `inclusion_proof`, of a tree that was altered too.
    """
    note = published.latest()
    assert note is not None, "a tile is held of what was signed only"
    checkpoint = Checkpoint.parse(note.text)
    first = tile.index * TILE_WIDTH
    height = tile.level * TILE_HEIGHT
    for sequence in ((first << height) + 1, (first + tile.width) << height):
        if published.inclusion(sequence, checkpoint.size).root != checkpoint.root:
            text = f"{tile.path} does not lead to the root that was signed"
            raise Discontinuity(text, code="tree_altered", place=tile.path)


def _check_archived(service: Service, sequence: int) -> None:
    """Of an event that the log has, the archive has it too."""
    with service.database.reading(service.book) as connection:
        last = lowest_position(connection)
        there = connection.execute("SELECT 1 FROM ledger.envelope WHERE sequence = %s", [sequence]).fetchone()
    if sequence <= last and there is None:
        text = "the archive has no such envelope"
        raise Discontinuity(text, code="archive_missing", place=f"sequence {sequence}")


def _check_own(service: Service, caller: Caller, sequence: int) -> None:
    with service.database.reading(service.book, role="wattledger_partner", party=caller.party) as connection:
        found = connection.execute(
            "SELECT 1 FROM ledger.statement WHERE sequence = %s LIMIT 1", [sequence]
        ).fetchone()
    if found is None:
        raise Refused("unknown_event", f"{sequence} is the run of no statement of yours", place="sequence")


def _number(index: object) -> str:
    return str(index).removeprefix("/")


def _held(kind: type[F], path: str, published: PublishedLog, request: Request[Any, Any, Any]) -> F:
    """The file at an address, when what was signed has it. Each has one spelling, no slash behind it."""
    if not request.scope["raw_path"].endswith(f"/{path}".encode()):
        raise Refused("unknown_tile", f"its address is {path}", place="path")
    try:
        found = kind.parse(path)
        found.check_held(published.signed_size())
    except Refused as refused:
        if refused.code not in _NOT_HELD:
            raise
        raise Refused("unknown_tile", refused.reason, place="path") from None
    return found


def _file(content: bytes, cache: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(content, media_type=_OCTETS, headers={"Cache-Control": cache, **(headers or {})})


PUBLIC: Final = (show_checkpoint, show_tile)
"""What needs no key."""

ROUTES: Final = (show_entries, prove_inclusion, prove_consistency)
