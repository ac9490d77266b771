"""A device profile's readable TOML file."""

from __future__ import annotations

from dispatch.devices.profile import Profile
from ledger.toml_file import TomlFile


def parse(text: str | bytes) -> Profile:
    """The profile in a TOML text (examples/devices).

    Raises:
        Refused: names the line and the field.
    """
    file = TomlFile(text)
    return file.struct(Profile, file.root, ())
