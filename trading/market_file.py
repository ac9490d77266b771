"""A market's readable TOML file: its days, and the products that it trades."""

from __future__ import annotations

from ledger.toml_file import TomlFile
from trading.product import Market


def parse(text: str | bytes) -> Market:
    """The market in a TOML text (examples/markets).

    Raises:
        Refused: names the line and the field.
    """
    file = TomlFile(text)
    return file.struct(Market, file.root, ())
