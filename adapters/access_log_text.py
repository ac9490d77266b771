"""Access records as text, CSV and JSON Lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC
from typing import Final

import msgspec

from adapters.access_log import KeptRecord
from ledger.access_record import AccessRecord

_COLUMNS: Final = ("sequence", *AccessRecord.__struct_fields__)


def csv_text(records: Iterable[KeptRecord]) -> str:
    """A table with a head; what was asked for is JSON in its column."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for one in records:
        plain = msgspec.to_builtins(one.record)
        plain["what"] = msgspec.json.encode(plain["what"], order="sorted").decode()
        rows.writerow([one.sequence, *("" if value is None else value for value in plain.values())])
    return out.getvalue()


def jsonl_text(records: Iterable[KeptRecord]) -> str:
    """A JSON object a line."""
    return "".join(msgspec.json.encode(one).decode() + "\n" for one in records)


def line_of(kept: KeptRecord) -> str:
    """A record on one line."""
    one = kept.record
    reader = one.actor if one.party is None else f"{one.actor} of {one.party}"
    # As JSON, so that nothing that was asked for moves the reader's cursor.
    asked = msgspec.json.encode(one.what, order="sorted").decode()
    outcome = one.outcome if not one.code else f"{one.outcome} ({one.code})"
    at = "" if one.position is None else f"  at {one.position}"
    return (
        f"{kept.sequence:>8}  {one.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}  {reader:<24} {one.role:<11}"
        f" {one.action:<14} {outcome:<9} {asked}{at}  {one.request}"
    )
