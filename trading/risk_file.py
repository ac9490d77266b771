"""A desk's risk policy as its readable file (examples/risk)."""

from __future__ import annotations

from ledger.toml_file import TomlFile
from trading.risk import RiskPolicy


def parse(text: str | bytes) -> RiskPolicy:
    """The policy in a TOML text.

    Raises:
        Refused: names the line and the field.
    """
    file = TomlFile(text)
    return file.struct(RiskPolicy, file.root, ())
