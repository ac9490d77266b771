"""A market rule's readable TOML file: one document, its kind under `type`."""

from __future__ import annotations

from typing import cast, get_args

from ledger.streams import Rule
from ledger.toml_file import TomlFile

_KINDS = {str(kind.__struct_config__.tag): kind for kind in get_args(Rule)}


def parse(text: str | bytes) -> Rule:
    """The rule in a TOML text.

    Raises:
        Refused: names the line and the field; `type` when the file does not say which kind it is.
    """
    file = TomlFile(text)
    kind = _KINDS.get(str(file.root.get("type", "")))
    if kind is None:
        raise file.refusal("type", f"state type as one of {', '.join(sorted(_KINDS))}", ("type",))
    return cast("Rule", file.struct(kind, file.root, ()))
