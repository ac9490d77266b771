"""Statements with what their files show beside them: when they were recorded, and the parties' names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from adapters.documents.statement_document import StatementDocument
from adapters.documents.statement_proof import StatementProof
from adapters.founded import book_at
from adapters.personal.people import People
from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.beside_statements import beside
from adapters.queries.clause_rows import clause_rows
from adapters.queries.void_runs import void_reasons
from adapters.transparency.inclusion import Inclusion
from adapters.transparency.published_log import PublishedLog
from ledger.party import Party
from ledger.settlement.line_delta import key_of
from ledger.settlement.statement import Statement


def documents(
    connection: Connection,
    position: int,
    statements: Sequence[Statement],
    proven: Mapping[int, StatementProof],
    people: People,
) -> list[StatementDocument]:
    """Each statement as a document, with what `proofs` gave; the names are those in force at `position`, but
    that of a natural person as it may be shown now.

    Raises:
        Refused: `unknown_book` before the book is founded; `personal_key` for a key that does not fit.
    """
    names = _names_on_paper(connection, position, {one.party for one in statements}, people)
    issued_by = issuer(connection, position)
    recorded = recorded_at(connection, [one.sequence for one in statements])
    void = void_reasons(connection, position, statements)
    found = beside(connection, position, statements)
    terms = clause_rows(connection, statements)
    return [
        StatementDocument(
            statement=one,
            recorded_at=recorded[one.sequence],
            issuer=issued_by,
            party_name=names.get(one.party, ""),
            proof=proven[one.sequence],
            void=void.get(one.sequence, ""),
            due=None if one.sequence in void else found[key_of(one)].due,
            deltas=found[key_of(one)].deltas,
            terms=terms.get(key_of(one), {}),
        )
        for one in statements
    ]


def proofs(
    published: PublishedLog, statements: Iterable[Statement], at: int | None = None
) -> dict[int, StatementProof]:
    """That the statements' runs are in the log, by sequence, under the first checkpoint that covers each;
    with `at` under one that is not of more events than that, else in the tree of that size.

    Raises:
        Refused: as `PublishedLog.proof`.
    """
    return {
        sequence: StatementProof(
            book=published.book, sequence=sequence, inclusion=_inclusion(published, sequence, at)
        )
        for sequence in sorted({one.sequence for one in statements})
    }


def _inclusion(published: PublishedLog, sequence: int, at: int | None) -> Inclusion | None:
    found = published.proof(sequence)
    if at is None or (found is not None and found.size <= at):
        return found
    return msgspec.structs.replace(published.inclusion(sequence, at), note=None)


def _names_on_paper(
    connection: Connection, position: int, wanted: set[str], people: People
) -> dict[str, str]:
    parties = registered.load(connection, "party", Party, position).versions
    newest = {name: versions[-1].document for name, versions in parties.items() if name in wanted}
    return {name: people.show(one.person).name if one.person else one.name for name, one in newest.items()}


def names_of(connection: Connection, position: int) -> dict[str, str]:
    """The parties' registered names, by id: of a natural person one that is none."""
    parties = registered.load(connection, "party", Party, position).versions
    return {name: versions[-1].document.name for name, versions in parties.items()}


def issuer(connection: Connection, position: int) -> str:
    """The name of the book's owner, from whom documents come.

    Raises:
        Refused: `unknown_book` before the book is founded.
    """
    owner = book_at(connection, position).owner
    return names_of(connection, position).get(owner, owner)


def recorded_at(connection: Connection, sequences: Iterable[int]) -> dict[int, datetime]:
    """When each of the events was recorded."""
    rows = connection.execute(
        "SELECT sequence, recorded_at FROM ledger.envelope WHERE sequence = ANY(%s)",
        [sorted(set(sequences))],
    )
    return dict(rows.fetchall())
