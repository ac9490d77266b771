"""Every row of a file that could not be read: the file is refused whole, and says where."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ledger.refusal import Refused


class RejectedRow(msgspec.Struct, frozen=True):
    """`row` counts the file's lines, or the sheet's rows, from 1; `column` is empty for the whole row."""

    row: int
    column: str
    code: str
    reason: str

    @property
    def place(self) -> str:
        return f"row {self.row}, {self.column}" if self.column else f"row {self.row}"


class RowsRejected(Refused):
    """A statement of which `rejected` rows could not be read; code and place are those of the first."""

    def __init__(self, rejected: Sequence[RejectedRow]) -> None:
        first = rejected[0]
        more = f" (and {len(rejected) - 1} more)" if len(rejected) > 1 else ""
        super().__init__(first.code, first.reason + more, place=first.place)
        self.rejected = tuple(rejected)
