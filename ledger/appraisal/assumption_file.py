"""An assumption set as a readable TOML text; examples/appraisal has one."""

from __future__ import annotations

from ledger.appraisal.assumption import AssumptionSet
from ledger.toml_file import TomlFile


def parse(text: str | bytes) -> AssumptionSet:
    """The assumption set in a TOML text.

    Raises:
        Refused: `byte_order_mark`, `encoding`, `empty_file`, `file_size` or `toml` for a text that cannot
            be read; `field_unknown`, `field_missing`, `field_type` or `not_allowed` for a field; and what
            an `AssumptionSet` refuses: `number`, `name`, `printed`, `empty`, `duplicate`, `currency`,
            `unknown_figure`, `id`.
    """
    file = TomlFile(text)
    return file.struct(AssumptionSet, file.root, ())
