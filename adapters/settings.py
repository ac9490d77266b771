"""The program's settings, from the environment; only `adapters/main.py` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import msgspec

from adapters.nats.wire import checked_book
from ledger.refusal import Refused

_PREFIX: Final = "WATTLEDGER_"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`WATTLEDGER_<FIELD>` sets a field.

    Without `nats_url` and `postgres_url` both servers run embedded, their data under `state`.
    `nats_monitor_url` is the HTTP monitoring address of each server of a cluster, comma-separated:
    start checks `sync_interval` there. `stream_max_bytes` bounds the book's stream (default: a quarter of
    the free disk, at most 64 GiB); a full stream refuses new events. `nats_seed` and
    `nats_operator_seed` are nkey seed files.
    """

    state: Path = Path("var")
    book: str = "demo"
    nats_url: str | None = None
    nats_monitor_url: str | None = None
    nats_seed: Path | None = None
    nats_operator_seed: Path | None = None
    nats_replicas: int = 1
    stream_max_bytes: int | None = None
    postgres_url: str | None = None
    http_host: str = "127.0.0.1"
    http_port: int = 8080

    def __post_init__(self) -> None:
        checked_book(self.book)
        if (self.nats_url is None) != (self.postgres_url is None):
            raise Refused("settings", "set both WATTLEDGER_NATS_URL and WATTLEDGER_POSTGRES_URL, or neither")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings that `environment` states.

        Raises:
            Refused: `settings` for a WATTLEDGER_ variable that is unknown or of the wrong type.
        """
        stated = {
            name.removeprefix(_PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(_PREFIX)
        }
        try:
            return msgspec.convert(stated, cls, strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            known = ", ".join(_PREFIX + field.upper() for field in cls.__struct_fields__)
            raise Refused("settings", f"{error}; known: {known}") from error

    @property
    def embedded(self) -> bool:
        return self.nats_url is None


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"settings have no {kind}")
