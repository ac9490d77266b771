"""Committing to what a recorded run tells its parties: once a run, whoever asks first.

The secret is drawn here and recorded with the commitment, in one save. A party's document needs both; the
secret is read with the ledger's own rights and leaves by the auditor's ways only.
"""

from __future__ import annotations

import secrets
from typing import Final

import msgspec

from adapters.front_door import FrontDoor, Wish
from adapters.integrity.published import envelopes
from adapters.postgres.database import Database
from ledger.disclosure.commitment import Commitment
from ledger.disclosure.document import SECRET_BYTES
from ledger.disclosure.record import CommitDisclosure, Committed, DisclosureCommitted, SealDisclosure, Sealed
from ledger.refusal import Refused
from ledger.settlement.run import Run, SettlementRecorded

ACTOR: Final = "disclosing"
"""Who commits, whoever asked: every party of the run is shown the commitment's envelope."""


class Disclosure(msgspec.Struct, frozen=True):
    """A run's commitment, opened with its secret."""

    committed: DisclosureCommitted
    commitment: Commitment


def disclosed(door: FrontDoor, database: Database, sequence: int, *, commits: bool = True) -> Disclosure:
    """The commitment to the run that the event `sequence` recorded, made now unless it was made before.

    Another process that makes it meanwhile is as good. Who only reads, without `commits`, makes none.

    Raises:
        Refused: `unknown_commitment` without `commits` where none was made; `unknown_run` for an event that
            records no run; `disclosure_root` when the run and the secret
            do not give the root that was committed to.
        Discontinuity: the archived event is not what was recorded.
    """
    run = recorded_run(database, door.book, sequence)
    of_month = f"{run.result.contract}_{run.result.month}"
    while (committed := _committed(door, of_month).runs.get(run.number)) is None:
        if not commits:
            raise not_committed(run.number, of_month)
        try:
            door.execute_all(_wishes(run, sequence), actor=ACTOR, causation=f"sequence:{sequence}")
        except Refused as refused:
            if refused.code != "disclosed":
                raise
    sealed = door.state(f"disclosure_secret.{of_month}")
    assert isinstance(sealed, Sealed), "a commitment and its secret are saved together"
    commitment = Commitment.to(run, sequence, bytes.fromhex(sealed.secrets[run.number]))
    if commitment.root.hex() != committed.root:
        text = f"run {run.number} of {of_month} and its secret do not give the root committed to"
        raise Refused("disclosure_root", text, place=f"sequence {sequence}")
    return Disclosure(committed, commitment)


def not_committed(run: int, of_month: str) -> Refused:
    """Nothing was committed to as of then."""
    text = f"run {run} of {of_month} was not committed to as of then: ask for its bundle without as_of"
    return Refused("unknown_commitment", text, place="as_of")


def recorded_run(database: Database, book: str, sequence: int) -> Run:
    """The run that an event recorded, as the archive and the tree have it.

    Raises:
        Refused: `unknown_run`.
        Discontinuity: as `envelopes`.
    """
    with database.reading(book) as connection:
        events = envelopes(connection, book, [sequence])[sequence].events
    for event in events:
        if isinstance(event, SettlementRecorded):
            return event.run
    raise Refused("unknown_run", f"event {sequence} records no run", place="sequence")


def _committed(door: FrontDoor, of_month: str) -> Committed:
    state = door.state(f"disclosure.{of_month}")
    return state if isinstance(state, Committed) else Committed()


def _wishes(run: Run, sequence: int) -> list[Wish]:
    """The commitment and its secret; the root in the command ids tells one attempt from another's."""
    secret = secrets.token_bytes(SECRET_BYTES)
    made = Commitment.to(run, sequence, secret)
    contract, month, root = run.result.contract, str(run.result.month), made.root.hex()
    commit = CommitDisclosure(contract, month, run.number, sequence, len(made.documents), root)
    seal = SealDisclosure(contract, month, run.number, secret.hex())
    name = f"disclose:{month}:{run.number}:{root}"
    return [Wish(commit, name), Wish(seal, name)]
