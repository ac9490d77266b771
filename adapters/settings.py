"""The program's settings, from the environment; only `adapters/main.py` reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import msgspec

from adapters.nats import access_stream, telemetry_stream
from adapters.nats.wire import checked_book
from ledger.refusal import Refused

_PREFIX: Final = "WATTLEDGER_"
_PORT_MAX: Final = 65_535
_DAYS_MAX: Final = 36_525
_REPLICAS_MAX: Final = 5
"""JetStream's own limit."""
_BYTES_MAX: Final = 2**63 - 1
_ORIGIN: Final = re.compile(r"[!-*,-~]{1,200}")
"""What the name of a signed note's key can be, in ASCII (C2SP signed-note)."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`WATTLEDGER_<FIELD>` sets a field.

    Without `nats_url` and `postgres_url` both servers run embedded, their data under `state`.
    `nats_monitor_url` is the HTTP monitoring address of each server of a cluster, comma-separated:
    start checks `sync_interval` there. `stream_max_bytes` bounds the book's stream (default: an eighth of
    the free disk, at most 64 GiB); a full stream refuses new events. `nats_seed` and
    `nats_operator_seed` are nkey seed files. `http_port` 0 is any free port.

    `checkpoints` is the folder of the signed checkpoints of every book's transparency log, `log_key` the seed
    file of the key that signs them, and `log_origin` with the book behind it is a log's name for good.

    `access_days` is for how many days it stays on record who saw what, `telemetry_days` for how many days the
    devices' telemetry is kept. `personal_keys` is the folder of the
    keys that natural persons' data are encrypted under, of every book: outside backups, so that a destroyed
    key stays destroyed.

    `gateways` is the TOML file of the ways to the markets that bids are sent by; without it none are sent.
    `devices` is the TOML file of the devices that this machine drives; without it it drives none.
    `mail_url` is where alarms are mailed to: smtp://user:password@host:port/?from=A&to=B, or smtps.

    Raises:
        Refused: `settings`, `book_id`.
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
    checkpoints: Path | None = None
    log_key: Path | None = None
    log_origin: str = "wattledger"
    access_days: int = access_stream.DAYS
    telemetry_days: int = telemetry_stream.DAYS
    personal_keys: Path | None = None
    gateways: Path | None = None
    devices: Path | None = None
    mail_url: str | None = None

    def __post_init__(self) -> None:
        checked_book(self.book)
        if (self.nats_url is None) != (self.postgres_url is None):
            raise Refused("settings", "set both WATTLEDGER_NATS_URL and WATTLEDGER_POSTGRES_URL, or neither")
        _check_range("http_port", self.http_port, 0, _PORT_MAX)
        _check_range("nats_replicas", self.nats_replicas, 1, _REPLICAS_MAX)
        _check_range("access_days", self.access_days, access_stream.DAYS_MIN, _DAYS_MAX)
        _check_range("telemetry_days", self.telemetry_days, telemetry_stream.DAYS_MIN, _DAYS_MAX)
        if self.stream_max_bytes is not None:
            _check_range("stream_max_bytes", self.stream_max_bytes, 1, _BYTES_MAX)
        if not self.http_host or any(letter.isspace() for letter in self.http_host):
            raise Refused(
                "settings", "a host's name or address, without blanks", place=_variable("http_host")
            )
        if not _ORIGIN.fullmatch(self.log_origin):
            raise Refused(
                "settings",
                "a name such as ledger.example, without blanks or +",
                place=_variable("log_origin"),
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings that `environment` states.

        Raises:
            Refused: `settings` for a WATTLEDGER_ variable that is unknown, empty, of the wrong type or out
                of range.
        """
        stated = {
            name.removeprefix(_PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(_PREFIX)
        }
        for field, value in stated.items():
            if not value.strip():
                raise Refused("settings", "it is empty; unset it, or give it a value", place=_variable(field))
        try:
            return msgspec.convert(stated, cls, strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            if isinstance(error.__cause__, Refused):
                raise error.__cause__ from None
            reason, _, path = str(error).partition(" - at `$.")
            if path:
                raise Refused("settings", reason, place=_variable(path.removesuffix("`"))) from None
            known = ", ".join(map(_variable, cls.__struct_fields__))
            raise Refused("settings", f"{reason}; known: {known}") from None

    @property
    def embedded(self) -> bool:
        return self.nats_url is None

    @property
    def checkpoint_folder(self) -> Path:
        """Where the book's checkpoints are kept."""
        return (self.checkpoints or self.state / "checkpoints") / self.book

    @property
    def personal_key_folder(self) -> Path:
        """Where the keys of the book's natural persons are."""
        return (self.personal_keys or self.state / "personal") / self.book

    @property
    def log_key_file(self) -> Path:
        return self.log_key or self.state / "log.key"

    @property
    def origin(self) -> str:
        """The name that the book's log signs under."""
        return f"{self.log_origin}/{self.book}"


def _variable(field: str) -> str:
    return _PREFIX + field.upper()


def _check_range(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise Refused("settings", f"{value} is not {least} to {most}", place=_variable(field))


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"settings have no {kind}")
