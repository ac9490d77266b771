"""A policy as a readable TOML text with the fields of `Policy`; examples/exclusivity has two."""

from __future__ import annotations

from ledger.exclusivity.policy import Policy
from ledger.toml_file import TomlFile


def parse(text: str | bytes) -> Policy:
    """The policy in a TOML text.

    Raises:
        Refused: `byte_order_mark`, `encoding`, `empty_file`, `file_size` or `toml` for a text that cannot
            be read; `field_unknown`, `field_missing`, `field_type` or `not_allowed` for a field; and
            what a `Policy` and its cells refuse: `matrix_pair`, `relations`, `precedence`, `switch`,
            `source`, `id`.
    """
    file = TomlFile(text)
    return file.struct(Policy, file.root, ())
