"""A party's statement as a file that proves itself: nothing in it is anybody else's."""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.bundle.bundle_line import bundle_line, first_line, path_text
from adapters.disclosing import disclosed, not_committed
from adapters.front_door import FrontDoor
from adapters.integrity.published import check_statements
from adapters.postgres.database import Database
from adapters.settling import wait_until
from adapters.transparency.inclusion import Inclusion
from adapters.transparency.published_log import PublishedLog
from ledger.disclosure.commitment import Opened
from ledger.disclosure.document import Disclosed
from ledger.disclosure.record import DisclosureCommitted
from ledger.refusal import Refused
from ledger.settlement.statement import Statement
from ledger.transparency.base64_text import base64_text

_decode: Final = msgspec.json.Decoder(Disclosed).decode


def statement_bundle(
    door: FrontDoor,
    database: Database,
    published: PublishedLog,
    statement: Statement,
    timeout: float,
    *,
    at: int | None = None,
) -> bytes:
    """The bundle of a statement, which was read with the rights of whoever asks.

    The run is committed to now, unless it was before, and the log signed over it. Asked as of the position
    `at` nothing is recorded, and a commitment that was made later is none.

    Raises:
        Refused: `unknown_checkpoint` while no signed checkpoint covers the commitment; `unknown_commitment`
        as of
            before it; as `disclosed`.
        Discontinuity: the statement or its run is not what was recorded.
        Behind: the projections did not reach the commitment in time.
    """
    check_statements(database, door.book, [statement])
    found = disclosed(door, database, statement.sequence, commits=at is None)
    opened = found.commitment.opened(statement.party)
    document = _decode(opened.content)
    assert document.statement == statement, "what was committed to is what is shown"
    wait_until(database, door.book, door.recorder.max_notification_id() or 0, timeout)
    sequence, envelope = _archived(database, door.book, found.committed)
    if at is not None and sequence > at:
        raise not_committed(found.committed.run, f"{found.committed.contract}_{found.committed.month}")
    proof = _proved(published, sequence)
    contract = published.inclusion(document.contract_event, proof.size)
    return _content(published, proof, contract, envelope, opened)


def _content(
    published: PublishedLog, proof: Inclusion, contract: Inclusion, envelope: bytes, opened: Opened
) -> bytes:
    return b"".join(
        [
            first_line("statement", published),
            bundle_line({"checkpoint": proof.checkpoint_text}),
            bundle_line({"contract": {"leaf": base64_text(contract.leaf), "path": path_text(contract.path)}}),
            bundle_line({"commitment": {"path": path_text(proof.path), "sequence": proof.sequence}}),
            envelope + b"\n",
            bundle_line(
                {
                    "disclosure": {
                        "index": opened.index,
                        "parties": opened.parties,
                        "path": path_text(opened.path),
                        "salt": base64_text(opened.salt),
                    }
                }
            ),
            opened.content + b"\n",
        ]
    )


def _archived(database: Database, book: str, committed: DisclosureCommitted) -> tuple[int, bytes]:
    """Where the commitment is in the log, and its envelope."""
    aggregate = f"disclosure.{committed.contract}_{committed.month}"
    with database.reading(book) as connection:
        rows = connection.execute(
            "SELECT sequence, payload FROM ledger.envelope WHERE book = %s AND aggregate = %s"
            " ORDER BY version",
            [book, aggregate],
        ).fetchall()
    for sequence, payload in rows:
        if committed.root.encode() in bytes(payload):
            return sequence, bytes(payload)
    raise Refused("disclosure_root", f"the archive has no commitment {committed.root}", place=aggregate)


def _proved(published: PublishedLog, sequence: int) -> Inclusion:
    proof = published.proof(sequence)
    if proof is None:
        text = f"no signed checkpoint covers the commitment, event {sequence}, yet; ask again later"
        raise Refused("unknown_checkpoint", text, place="bundle")
    return proof
