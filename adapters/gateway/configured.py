"""The gateways that an installation has, from one TOML file: how to reach each market.

A market names its gateway (`gateway` of its file); the table of that name here says where it is. Another
kind of gateway is one file beside this one, one Struct and one line here.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from adapters.gateway.file_exchange import FileExchange
from adapters.gateway.file_profile import file_profile
from adapters.gateway.gateway import Gateway
from adapters.gateway.openadr3.connection import checked_url
from adapters.gateway.openadr3.programme import Programme
from adapters.gateway.openadr3.programme_gateway import OpenAdrGateway
from adapters.gateway.openadr3.vtn_session import SpecVersion, VtnAccess, VtnSession
from adapters.gateway.reference_market import ReferenceMarket
from ledger.identity import checked_id
from ledger.refusal import Refused
from ledger.toml_file import TomlFile

_PERIOD_MAX: Final = 3600
_RECHECK_MAX: Final = 86_400


class ReferenceAccess(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="reference"
):
    """The reference market operator (docs/reference-market.md).

    `tokens`: a TOML file, readable by its owner only, with a line `unit_code = "token"` for each unit.
    """

    url: str
    tokens: str

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")) or any(c.isspace() for c in self.url):
            raise Refused("gateway_url", "an address such as http://127.0.0.1:8200", place="url")


class FilesAccess(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="files"
):
    """A market that takes and gives files in folders.

    `profile`: how its files are laid out (examples/gateways). `folder` has a folder of each unit's code with
    `in`, `ack` and `out`; `kept` is ours: what was sent and taken.
    """

    profile: str
    folder: str
    kept: str


class OpenAdrAccess(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="openadr"
):
    """The VTN of demand response programmes (docs/openadr.md).

    `secret`: a TOML file, readable by its owner only, with the lines `client_id` and `client_secret`. `ven`:
    our name there. `poll_s`: how often each programme's events are asked for.
    """

    url: str
    secret: str
    ven: str
    programmes: tuple[Programme, ...]
    version: SpecVersion = "3.1"
    token_url: str | None = None
    scope: str = ""
    poll_s: int = 30

    def __post_init__(self) -> None:
        checked_url(self.url, "url")
        if self.token_url is not None:
            checked_url(self.token_url, "token_url")
        if not self.ven.strip():
            raise Refused("empty", "state our name at the VTN", place="ven")
        if not 1 <= self.poll_s <= _PERIOD_MAX:
            raise Refused("not_allowed", f"1 to {_PERIOD_MAX} seconds", place="poll_s")
        if not self.programmes:
            raise Refused("gateway", "name at least one of the VTN's programmes", place="programmes")
        served = [(one.market, one.product, one.unit) for one in self.programmes]
        called = [(one.programme, one.unit) for one in self.programmes]
        if len(set(served)) != len(served) or len(set(called)) != len(called):
            wrong = "a unit has one programme for a product, and one product for a programme"
            raise Refused("programme_duplicate", wrong, place="programmes")


Access = ReferenceAccess | FilesAccess | OpenAdrAccess


class GatewayFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`period_s`: from one turn to the next. `recheck_s`: how often a known result is looked at again."""

    gateways: dict[str, Access]
    period_s: int = 2
    recheck_s: int = 600

    def __post_init__(self) -> None:
        if not self.gateways:
            raise Refused("gateway", "name at least one: [gateways.NAME]", place="gateways")
        for name in self.gateways:
            checked_id(name, f"gateways.{name}")
        for place, most in (("period_s", _PERIOD_MAX), ("recheck_s", _RECHECK_MAX)):
            if not 1 <= getattr(self, place) <= most:
                raise Refused("not_allowed", f"1 to {most} seconds", place=place)


def gateway_file(path: Path) -> GatewayFile:
    """The gateways named in a TOML file.

    Raises:
        Refused: what `TomlFile` and the Structs above refuse, with line and field.
        FileNotFoundError, PermissionError: it cannot be read.
    """
    file = TomlFile(path.read_bytes())
    return file.struct(GatewayFile, file.root, ())


@contextmanager
def opened(
    file: GatewayFile, folder: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Iterator[Mapping[str, Gateway]]:
    """The gateways by name, paths being relative to `folder`; closed at the end.

    Raises:
        Refused: `gateway_token`, and what a profile is refused for.
    """
    with ExitStack() as closing:
        found: dict[str, Gateway] = {}
        for name, access in file.gateways.items():
            match access:
                case ReferenceAccess():
                    gateway = ReferenceMarket(access.url, tokens(folder / access.tokens))
                    closing.callback(gateway.close)
                    found[name] = gateway
                case FilesAccess():
                    profile = file_profile((folder / access.profile).read_bytes())
                    found[name] = FileExchange(profile, folder / access.folder, folder / access.kept)
                case OpenAdrAccess():
                    found[name] = openadr(name, access, folder, clock)
        yield found


def openadr(name: str, access: OpenAdrAccess, folder: Path, clock: Callable[[], datetime]) -> OpenAdrGateway:
    """The gateway to a VTN. What is asked in vain is asked again by the next turn, not within one.

    Raises:
        Refused: `gateway_token`, `vtn_credentials`.
    """
    secret = tokens(folder / access.secret)
    vtn = VtnAccess(
        url=access.url,
        client_id=secret.get("client_id", ""),
        client_secret=secret.get("client_secret", ""),
        version=access.version,
        token_url=access.token_url,
        scope=access.scope,
        attempts=1,
    )
    return OpenAdrGateway(name, VtnSession(vtn, clock), access.ven, access.programmes, access.poll_s)


def tokens(path: Path) -> dict[str, str]:
    """Participants' tokens by unit code.

    Raises:
        Refused: `gateway_token` for a file that others can read, or that holds no texts; see `TomlFile`.
    """
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Refused("gateway_token", f"others can read {path}; chmod 600 it", place=str(path))
    root = TomlFile(path.read_bytes()).root
    for name, token in root.items():
        if not isinstance(token, str) or not token.strip():
            raise Refused("gateway_token", f'write {name} = "its token"', place=f"{path}, {name}")
    return root
