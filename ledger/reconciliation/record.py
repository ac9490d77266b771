"""Reconciliations as facts: what was compared, by the digest of its file, and what was found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from ledger.identity import checked_id
from ledger.reconciliation.line_report import LineReport
from ledger.reconciliation.payment_report import PaymentReport
from ledger.refusal import Refused

REPORT_BYTES_MAX: Final = 512 * 1024
"""The largest report that is recorded: an event has room for it in one message."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Reconciliation(msgspec.Struct, frozen=True):
    """`digest` is the SHA-256 of the file that was read, `source` what it is called."""

    id: str
    source: str
    digest: str
    report: LineReport | PaymentReport


class ReconciliationRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="reconciliation.recorded.v1"):
    reconciliation: Reconciliation

    def apply(self, _: object) -> Reconciliation:
        return self.reconciliation


class RecordReconciliation(msgspec.Struct, frozen=True, tag_field="command", tag="reconciliation.record"):
    """Record a reconciliation; a later one of the same file is another, with an id of its own."""

    id: str
    source: str
    digest: str
    report: LineReport | PaymentReport

    @property
    def aggregate(self) -> str:
        return f"reconciliation.{self.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Reconciliation | None, _: Mapping[str, object]) -> tuple[ReconciliationRecorded]:
        """Raises:
        Refused: `exists`, `id`, `empty`, `digest`, `report_size`."""
        checked_id(self.id, "id")
        if not self.source.strip():
            raise Refused("empty", "say what file was compared", place="source")
        if not _DIGEST.fullmatch(self.digest):
            raise Refused("digest", "64 hexadecimal digits of a SHA-256", place="digest")
        if state is not None:
            raise Refused("exists", f"reconciliation {self.id} of {state.source} exists already", place="id")
        size = len(msgspec.json.encode(self.report))
        if size > REPORT_BYTES_MAX:
            raise Refused(
                "report_size",
                f"the report has {size:,} bytes of at most {REPORT_BYTES_MAX:,}: compare fewer sites or days",
                place="report",
            )
        return (ReconciliationRecorded(Reconciliation(self.id, self.source, self.digest, self.report)),)
