"""Meter files and bodies to validated runs of readings. Each format is one module with one profile.

The whole file is parsed and validated before anything else happens; the caller decides from the report
whether to refuse the file or to accept what is valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import BinaryIO, Final, Literal, get_args

from adapters.meters.csv_long import CsvLong
from adapters.meters.csv_meters import CsvMeters
from adapters.meters.csv_wide import CsvWide
from adapters.meters.gateway_json import GatewayJson
from adapters.meters.nem12 import Nem12
from adapters.meters.report import Parsed
from adapters.meters.text import load
from ledger.readings import MeterSpec
from ledger.toml_file import TomlFile

Profile = CsvLong | CsvMeters | CsvWide | GatewayJson | Nem12
"""Every format that is read, by the `format` of its profile: the list to extend."""


FORMATS: Final[dict[str, type[Profile]]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(Profile)
}


def profile_of(toml: str | bytes) -> Profile:
    """A profile from its TOML text (see examples/meters).

    Raises:
        Refused: what `TomlFile` refuses, and the code of the rule that a field breaks, with the line.
    """
    file = TomlFile(toml)
    if "format" not in file.root:
        raise file.refusal("field_missing", f"format must be stated: {', '.join(FORMATS)}", ("format",))
    kind = FORMATS[file.choice(Literal[tuple(FORMATS)], file.root["format"], ("format",))]
    return file.struct(kind, file.root, ())


def read(
    source: bytes | BinaryIO,
    profile: Profile,
    meters: Mapping[str, MeterSpec] | None,
    received_at: datetime | None = None,
) -> Parsed:
    """Parse and validate a whole file (gzip or plain) against the meters that the ledger knows.

    `meters` None checks only what the file shows by itself, for a preview. With `received_at`, when the
    file came, a reading of an interval that had not ended by then is rejected.

    Raises:
        Refused: what makes the whole file unreadable; a single wrong reading is `Parsed.rejected`.
    """
    return profile.read(load(source), meters, received_at)
