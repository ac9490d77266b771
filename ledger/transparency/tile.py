"""Hash tiles, as C2SP's tlog-tiles serves a log's tree: 256 hashes of one level in one file.

Level 0 holds leaf hashes; each hash of a further level covers a full tile of the level below. Only the last
tile of a level is partial, and its hashes begin those of the full one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, Self

import msgspec

from ledger.refusal import Refused
from ledger.transparency.merkle import HASH_BYTES, Node, node_hash

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
"""Levels of the tree in one level of tiles: 2^8 = 256."""
TILE_LEVEL_MAX: Final = 63
TILE_INDEX_MAX: Final = 2**63 - 1

_NUMBERED: Final = re.compile(r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
_HASH_TILE: Final = re.compile(r"tile/(0|[1-9][0-9]?)/(.*)", re.ASCII)


def index_path(index: int, width: int) -> str:
    """A tile's number in groups of three digits, all but the last behind an `x`, and a partial one's width.

    >>> index_path(1234067, 256), index_path(5, 17)
    ('x001/x234/067', '005.p/17')

    Raises:
        Refused: `tile_index`, or `tile_width` unless 1 to 256.
    """
    if not 0 <= index <= TILE_INDEX_MAX:
        raise Refused("tile_index", f"{index} is not 0..{TILE_INDEX_MAX}", place="index")
    if not 1 <= width <= TILE_WIDTH:
        raise Refused("tile_width", f"{width} is not 1..{TILE_WIDTH}", place="width")
    digits = str(index)
    digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def parsed_index_path(text: str) -> tuple[int, int]:
    """The number and the width of a tile, as `index_path` writes them and no other way.

    Raises:
        Refused: `tile_path`; `tile_index` or `tile_width` for what is too large.
    """
    # A longer one is beyond any index, and turning it into a number would take its time.
    found = _NUMBERED.fullmatch(text) if len(text) <= 40 else None
    if found is None:
        raise Refused("tile_path", f"{text[:60]!r} is not like x001/x234/067 or 005.p/17", place="path")
    index = int(re.sub("[x/]", "", found[1]))
    width = int(found[2]) if found[2] else TILE_WIDTH
    if found[2] and width >= TILE_WIDTH:
        raise Refused("tile_width", f"{width} is not 1..{TILE_WIDTH - 1}, as partial tiles are", place="path")
    if index_path(index, width) != text:
        raise Refused("tile_path", f"{text!r} is not as short as can be", place="path")
    return index, width


class HashTile(msgspec.Struct, frozen=True):
    """One tile of hashes, by where it stands and how many it has."""

    level: int
    index: int
    width: int = TILE_WIDTH
    """256 for a full tile, fewer for the partial one at the end of a level."""

    def __post_init__(self) -> None:
        if not 0 <= self.level <= TILE_LEVEL_MAX:
            raise Refused("tile_level", f"{self.level} is not 0..{TILE_LEVEL_MAX}", place="level")
        index_path(self.index, self.width)

    @classmethod
    def parse(cls, path: str) -> Self:
        """From an address below a log's prefix, such as `tile/0/x001/x234/067.p/17`.

        Raises:
            Refused: `tile_path`, `tile_level`, `tile_index` or `tile_width`.
        """
        found = _HASH_TILE.fullmatch(path)
        if found is None:
            raise Refused("tile_path", f"{path[:60]!r} is not like tile/0/x001/067", place="path")
        return cls(int(found[1]), *parsed_index_path(found[2]))

    @property
    def path(self) -> str:
        """The address below a log's prefix."""
        return f"tile/{self.level}/{index_path(self.index, self.width)}"

    @classmethod
    def holding(cls, node: Node, size: int) -> Self:
        """The tile out of which a log of `size` leaves gives a perfect subtree's hash.

        Raises:
            Refused: `tile_beyond` when not all of the subtree's leaves are in the log.
        """
        if (node.position + 1) << node.level > size:
            text = f"({node.level}, {node.position}) is not in a log of {size} leaves"
            raise Refused("tile_beyond", text, place="node")
        level, height = divmod(node.level, TILE_HEIGHT)
        index = (node.position << height) // TILE_WIDTH
        held = (size >> level * TILE_HEIGHT) - index * TILE_WIDTH
        return cls(level, index, min(held, TILE_WIDTH))

    def check_held(self, size: int) -> None:
        """Accept a tile all of whose hashes a log of `size` leaves has.

        Raises:
            Refused: `tile_beyond`.
        """
        if self.index * TILE_WIDTH + self.width > size >> self.level * TILE_HEIGHT:
            raise Refused("tile_beyond", f"a log of {size} leaves has no {self.path}", place="path")

    def hashes(self, content: bytes) -> tuple[bytes, ...]:
        """The hashes of the tile's content.

        Raises:
            Refused: `tile_content` when there are not exactly `width` of 32 bytes.
        """
        if len(content) != self.width * HASH_BYTES:
            text = f"{len(content)} bytes are not {self.width} hashes of {HASH_BYTES}"
            raise Refused("tile_content", text, place=self.path)
        return tuple(content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES))


def tiles_of(nodes: Iterable[Node], size: int) -> tuple[HashTile, ...]:
    """The tiles of a log of `size` leaves that hold these perfect subtrees, each once, to be read at once.

    Raises:
        Refused: `tile_beyond`.
    """
    return tuple(dict.fromkeys(HashTile.holding(node, size) for node in nodes))


class TileHashes:
    """A `HashReader` out of the tiles of a log of `size` leaves; `fetch` gives a tile's content.

    Each tile is fetched once, and of the levels within it only what is asked for is hashed.
    """

    def __init__(self, size: int, fetch: Callable[[HashTile], bytes]) -> None:
        self._size = size
        self._fetch = fetch
        self._levels: dict[HashTile, list[dict[int, bytes]]] = {}

    def __call__(self, level: int, position: int) -> bytes:
        """Raises:
        Refused: `tile_beyond` for a subtree that is not whole; `tile_content` for a damaged tile."""
        tile = HashTile.holding(Node(level, position), self._size)
        levels = self._levels.get(tile)
        if levels is None:
            levels = [{} for _ in range(TILE_HEIGHT)]
            levels[0].update(enumerate(tile.hashes(self._fetch(tile))))
            self._levels[tile] = levels
        height = level % TILE_HEIGHT
        return _within(levels, height, position - (tile.index * TILE_WIDTH >> height))


def _within(levels: list[dict[int, bytes]], height: int, index: int) -> bytes:
    """The hash over 2^height hashes of a tile."""
    found = levels[height].get(index)
    if found is None:
        left = _within(levels, height - 1, 2 * index)
        found = node_hash(left, _within(levels, height - 1, 2 * index + 1))
        levels[height][index] = found
    return found
