"""Statements and settlement runs, as of a sequence number; a partner's role sees its own rows only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from adapters.continuity import Discontinuity
from adapters.integrity.proven_events import Proven, at, doubt
from adapters.integrity.published import recorded_runs
from adapters.integrity.run_rows import Asked, check_runs, check_statements_there
from adapters.postgres.database import Connection, own_rights, reading_party
from adapters.queries.kept import kept
from ledger.interval import Month
from ledger.settlement.cause import Cause, CorrectionClass, classes
from ledger.settlement.result import Result
from ledger.settlement.statement import Statement

_decode_statement = msgspec.json.Decoder(Statement).decode
_EVER = "9999-99"
_decode_result = msgspec.json.Decoder(Result).decode


def latest(
    connection: Connection,
    position: int,
    *,
    month: str | None = None,
    contract: str | None = None,
    party: str | None = None,
    run: int | None = None,
    after: tuple[str, str, str] = ("", "", ""),
    limit: int | None = None,
) -> list[Statement]:
    """The statements of the latest run (or of `run`) that match, in the order of month, contract, party.

    `after` is the (month, contract, party) of the last one seen, for paging; without a `limit` it is every
    one. None is missing; what each says is proven by `check_statements`.

    Raises:
        Discontinuity: as `check_statements_there`.
    """
    rows = connection.execute(
        "SELECT DISTINCT ON (month, contract, party) document::text FROM ledger.statement"
        " WHERE sequence <= %(position)s"
        " AND (%(month)s::text IS NULL OR month = %(month)s)"
        " AND (%(contract)s::text IS NULL OR contract = %(contract)s)"
        " AND (%(party)s::text IS NULL OR party = %(party)s)"
        " AND (%(run)s::bigint IS NULL OR run = %(run)s)"
        " AND (month, contract, party) > (%(m)s, %(c)s, %(p)s)"
        " ORDER BY month, contract, party, run DESC LIMIT %(limit)s",
        {
            "position": position,
            "month": month,
            "contract": contract,
            "party": party,
            "run": run,
            "m": after[0],
            "c": after[1],
            "p": after[2],
            "limit": limit,
        },
    )
    found = [kept(_decode_statement, text, "table statement") for (text,) in rows]
    asked = Asked(
        position,
        first=month or after[0],
        last=month or (found[-1].month if limit is not None and len(found) == limit else _EVER),
        contracts=None if contract is None else (contract,),
    )
    with own_rights(connection):
        check_statements_there(connection, asked, party or reading_party(connection), [] if run else found)
    return found


class RecordedRun(msgspec.Struct, frozen=True):
    """A settlement run as it is listed; a correction says what it corrects."""

    contract: str
    month: str
    run: int
    run_kind: str
    position: int
    sequence: int
    inputs_digest: str
    outputs_digest: str
    causes: tuple[Cause, ...]
    classes: tuple[CorrectionClass, ...]


def runs(
    connection: Connection, position: int, *, month: str | None = None, contract: str | None = None
) -> list[RecordedRun]:
    """Every run up to `position`, oldest month first; none is missing. What each says: `check_listed`.

    Raises:
        Discontinuity: as `check_runs`.
    """
    check_runs(connection, Asked.of(position, month, None if contract is None else (contract,)))
    return run_rows(connection, position, month=month, contract=contract)


def check_listed(connection: Connection, listed: Sequence[RecordedRun]) -> None:
    """Accept runs that say what their events recorded.

    Raises:
        Discontinuity: `row_altered`; `archive_altered` or `tree_altered`.
    """
    sequences = {one.sequence for one in listed}
    right = {one.sequence: one for event in at(connection, sequences) for one in _of(event)}
    for one in listed:
        if right.get(one.sequence) != one:
            place = f"table settlement, run {one.run} of {one.contract} for {one.month}"
            raise doubt("row_altered", place, f"event {one.sequence} recorded another run")


class _Head(msgspec.Struct, frozen=True):
    contract: str
    month: Month
    position: int
    inputs_digest: str


class _Run(msgspec.Struct, frozen=True):
    number: int
    kind: str
    result: _Head
    outputs_digest: str
    causes: tuple[Cause, ...] = ()


class _Event(msgspec.Struct, frozen=True):
    run: _Run | int | None = None


class _Envelope(msgspec.Struct, frozen=True):
    events: tuple[_Event, ...]


_decode_envelope = msgspec.json.Decoder(_Envelope).decode


def _of(event: Proven) -> Iterator[RecordedRun]:
    """The runs of an envelope; their lines are not read."""
    for one in _decode_envelope(event.state).events:
        if isinstance(run := one.run, _Run):
            of = run.result
            yield RecordedRun(
                of.contract, str(of.month), run.number, run.kind, of.position, event.sequence,
                of.inputs_digest, run.outputs_digest, run.causes, classes(run.causes),
            )  # fmt: skip


def run_rows(
    connection: Connection, position: int, *, month: str | None = None, contract: str | None = None
) -> list[RecordedRun]:
    """As `runs`, unproven: for who compares all of them.

    Raises:
        Discontinuity: `row_altered` for one that no projection writes.
    """
    rows = connection.execute(
        "SELECT contract, month, run, run_kind, position, sequence, inputs_digest, outputs_digest, causes"
        " FROM ledger.settlement WHERE sequence <= %(position)s"
        " AND (%(month)s::text IS NULL OR month = %(month)s)"
        " AND (%(contract)s::text IS NULL OR contract = %(contract)s) ORDER BY month, contract, run",
        {"position": position, "month": month, "contract": contract},
    )
    return [_recorded(*row) for row in rows]


def _recorded(
    contract: str,
    month: str,
    run: int,
    run_kind: str,
    position: int,
    sequence: int,
    inputs_digest: str,
    outputs_digest: str,
    written: list[str],
) -> RecordedRun:
    try:
        why = msgspec.convert(written, tuple[Cause, ...])
    except msgspec.ValidationError as error:
        place = f"table settlement, run {run} of {contract} for {month}"
        text = f"the row cannot be read back: causes: {error}"
        raise Discontinuity(text, code="row_altered", place=place) from error
    digests = inputs_digest, outputs_digest
    return RecordedRun(contract, month, run, run_kind, position, sequence, *digests, why, classes(why))


def result(connection: Connection, contract: str, month: str, run: int) -> Result | None:
    """The whole result of a run as its event recorded it; None when there is no such run.

    Raises:
        Discontinuity: `row_altered` and as `check_statements`: nothing is to be answered.
    """
    found = connection.execute(
        "SELECT book, sequence, run_kind, position, inputs_digest, outputs_digest FROM ledger.settlement"
        " WHERE contract = %s AND month = %s AND run = %s",
        [contract, month, run],
    ).fetchone()
    if found is None:
        return None
    book, sequence, *row = found
    recorded = recorded_runs(connection, book, [sequence]).get((contract, month, run))
    if recorded is None or row != [
        recorded.kind,
        recorded.result.position,
        recorded.result.inputs_digest,
        recorded.outputs_digest,
    ]:
        raise Discontinuity(
            f"event {sequence} recorded another run",
            code="row_altered",
            place=f"table settlement, run {run} of {contract} for {month}",
        )
    return recorded.result


def result_row(connection: Connection, contract: str, month: str, run: int) -> Result | None:
    """The result of a run as its row has it, for who compares the two.

    Raises:
        Discontinuity: `row_altered`.
    """
    found = connection.execute(
        "SELECT result::text FROM ledger.settlement WHERE contract = %s AND month = %s AND run = %s",
        [contract, month, run],
    ).fetchone()
    place = f"table settlement, run {run} of {contract} for {month}"
    return kept(_decode_result, found[0], place) if found else None
