"""Commands about money: settle, statement, explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from adapters import lives, statement_text
from adapters.cli import given_file
from adapters.cli.as_of import AsOf, moment
from adapters.cli.counted import counted
from adapters.cli.session import ACTOR, Session
from adapters.documents.language import Language
from adapters.documents.readable import readable_sum
from adapters.documents.statement_document import StatementDocument
from adapters.documents.statement_parquet import statement_parquet
from adapters.documents.statement_pdf import statement_pdf, statement_pdfs
from adapters.documents.statement_xlsx import statement_xlsx
from adapters.documents.typesetting import Typesetters
from adapters.integrity.published import check_statements
from adapters.leaves_text import leaves_text
from adapters.postgres.database import Connection
from adapters.queries import statements
from adapters.queries.beside_statements import Beside, beside
from adapters.queries.clause_rows import clause_rows
from adapters.queries.documents import documents, proofs
from adapters.queries.explain import Explanation, explain_amount
from adapters.queries.explain import explain as explain_line
from adapters.queries.void_runs import void_reasons
from adapters.settling import Settled, settle_month
from adapters.transparency.published_log import PublishedLog
from ledger.clauses.flow import grouped
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.amount_tree import AmountName
from ledger.settlement.clause_terms import TermRow
from ledger.settlement.line_delta import Key, key_of
from ledger.settlement.statement import Statement

Format = Literal["text", "csv", "json", "pdf", "xlsx", "parquet"]

_Rows = Mapping[Key, Mapping[int, Sequence[TermRow]]]
_SUFFIX = {"text": ".txt", "csv": ".csv", "json": ".json"}
_SHOWN = 20
_LEAVES = 40


def add_to(app: App, session: Session) -> None:
    """Add the commands."""

    @app.command
    def settle(
        month: str,
        *contracts: str,
        through: Annotated[
            date | None, Parameter(help="provisionally, with the days up to and with this one (2026-08-14)")
        ] = None,
    ) -> int:
        """Settle a month (2026-08) for all its contracts, or for those named.

        A contract whose inputs have not changed keeps its run. Missing readings, an open import or a gap
        in the contracts refuse the month. A contract that alone is refused, such as for a correction beyond
        its look-back, keeps its run: the others are settled, it is named, and the exit code is 2. With
        --through nothing is payable: it is accrued, and the month's initial run takes its place.
        """
        with session.open() as stack:
            done = settle_month(
                stack.door,
                stack.database,
                Month.parse(month),
                actor=ACTOR,
                contracts=contracts,
                through=through,
                today=lives.today(stack.door, stack.clock),
            )
        for one in done.runs:
            state = "recorded" if one.recorded else "unchanged"
            print(
                f"{one.result.month}  {one.result.contract:<24} run {one.run} {state:<10}"
                f" pool {readable_sum(one.result.pool)}  event {one.sequence}{_why(one)}"
            )
        for other in done.refused:
            print(f"{other.month}  {other.contract:<24} refused ({other.code}): {other.reason}")
        for nobody in done.nobody:
            print(f"note: {nobody.words}")
        for before in done.earlier:
            print(f"note: {before.words}")
        return 2 if done.refused else 0

    @app.command
    def statement(
        month: str,
        *,
        party: Annotated[str | None, Parameter(help="only this party's")] = None,
        contract: Annotated[str | None, Parameter(help="only of this contract")] = None,
        format: Format = "text",
        language: Annotated[Language, Parameter(help="of a PDF or workbook")] = "zh",
        out: Annotated[Path | None, Parameter(help="write to this file, or to this folder")] = None,
        as_of: AsOf = None,
        proof: Annotated[bool, Parameter(help="with each text, that its run is in the signed log")] = False,
    ) -> None:
        """Print the latest statements of a month: what each partner is entitled to, holds and is paid.

        With pdf or xlsx each statement becomes a file in the folder OUT, with its proof; with parquet all
        lines are one file there, and terms, totals, percentages and bills one each.
        """
        files = format in ("pdf", "xlsx", "parquet")
        if files and (out is None or out.is_file()):
            raise Refused("out", "name a folder for the files with --out", place="--out")
        if out is not None and not files:
            given_file.check_new(out, (_SUFFIX[format],))
        if proof and format != "text":
            raise Refused("proof", "--proof goes with --format text", place="--proof")
        when = str(Month.parse(month))
        with session.open() as stack:
            position = moment(stack, as_of, fresh=False).position
            with stack.database.reading(stack.settings.book) as connection:
                found = statements.latest(connection, position, month=when, party=party, contract=contract)
                if not found:
                    raise _no_statement(connection, position, when, party, contract)
                check_statements(stack.database, stack.settings.book, found)
                void = void_reasons(connection, position, found)
                described: list[StatementDocument] = []
                if format in ("pdf", "xlsx"):
                    proven = proofs(stack.published, found, None if as_of is None else position)
                    described = documents(connection, position, found, proven, stack.people)
                told = {} if files else beside(connection, position, found)
                rows = clause_rows(connection, found) if format == "text" else {}
            rendered = "" if files else render(found, format, void, told, rows)
            if proof:
                rendered = "\n\n".join(_with_proof(one, stack.published, void, told, rows) for one in found)
        if format == "parquet" and out is not None:
            _write_tables(found, str(Month.parse(month)), out)
            return
        if files and out is not None:
            _write_files(described, format, language, out)
            return
        if out is None:
            print(rendered)
        else:
            given_file.write(out, (rendered + "\n").encode())

    @app.command
    def explain(
        contract: str,
        month: str,
        line: int | None = None,
        *,
        amount: Annotated[AmountName | None, Parameter(help="instead of a line: this amount")] = None,
        party: Annotated[str, Parameter(help="whose amount; needed for all but the pool and bills")] = "",
        site: Annotated[str, Parameter(help="of a bill")] = "",
        leaves: Annotated[int, Parameter(help="how many rows of leaves to print")] = _LEAVES,
        as_of: AsOf = None,
    ) -> None:
        """Show what one line or amount of a statement is made of, down to the events in the ledger.

        The leaves are exact: with their ratios they sum to the amount.
        """
        if (line is None) == (amount is None):
            raise Refused("explain", "name a line, or an amount with --amount", place="line")
        when = str(Month.parse(month))
        with session.open() as stack:
            position = moment(stack, as_of, fresh=False).position
            with stack.database.reading(stack.settings.book) as connection:
                if amount is not None:
                    total = explain_amount(
                        connection, contract, when, amount, party=party, site=site, position=position
                    )
                    print(f"contract {contract}, {when}, run {total.run}")
                    print(leaves_text(total.leaves, leaves))
                elif line is not None:
                    found = explain_line(connection, contract, when, line, position=position)
                    print(explained(found))
                    print(leaves_text(found.leaves, leaves))


def _why(one: Settled) -> str:
    """What a run is beside the initial one, and what a correction corrects."""
    if one.result.through is not None:
        return f"  provisional up to {one.result.through}"
    return f"  {one.kind}: {statement_text.because(one.causes)}" if one.causes else ""


def _no_statement(
    connection: Connection, position: int, month: str, party: str | None, contract: str | None
) -> Refused:
    """What was asked for, and what there is."""
    of_month = statements.latest(connection, position, month=month)
    if not of_month:
        months = (
            ", ".join(dict.fromkeys(run.month for run in statements.runs(connection, position))) or "none"
        )
        return Refused("no_statement", f"{month} is not settled; months settled: {months}", place="month")
    asked = [*([f"party {party}"] if party else []), *([f"contract {contract}"] if contract else [])]
    there = ", ".join(f"{one.party} under {one.contract}" for one in of_month[:_SHOWN])
    more = f" and {len(of_month) - _SHOWN} more" if len(of_month) > _SHOWN else ""
    return Refused("no_statement", f"none of {month} for {' and '.join(asked)}; there are: {there}{more}")


def _write_tables(found: list[Statement], month: str, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    tables = statement_parquet(found)
    for name, content in tables.items():
        given_file.write(out / f"{month}_{name}.parquet", content)
    print(f"{counted(len(tables), 'file')} in {out}")


def _write_files(described: list[StatementDocument], format: Format, language: Language, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if format == "xlsx":
        made = [statement_xlsx(one, language) for one in described]
    elif len(described) == 1:
        made = [statement_pdf(described[0], language)]
    else:
        with Typesetters() as typesetters:
            made = statement_pdfs(described, language, typesetters)
    for one, content in zip(described, made, strict=True):
        given_file.write(out / f"{one.file_stem}.{format}", content)
    print(f"{counted(len(made), 'file')} in {out}")


def _with_proof(
    one: Statement, log: PublishedLog, void: Mapping[int, str], told: Mapping[Key, Beside], rows: _Rows
) -> str:
    inclusion = log.proof(one.sequence)
    if inclusion is None or inclusion.note is None:
        proof = "not yet covered by a signed checkpoint; to sign one: wattledger log checkpoint"
    else:
        proof = inclusion.tlog_proof
    return f"{_text(one, void, told, rows)}\n\n{proof}"


def render(
    found: list[Statement],
    format: Format,
    void: Mapping[int, str],
    told: Mapping[Key, Beside],
    rows: _Rows = MappingProxyType({}),
) -> str:
    """Statements in one of the formats; `void` says why runs were declared void, by their sequence, `told`
    what stands beside each, and `rows` what a text's clause lines are made of."""
    if format == "json":
        return msgspec.json.format(
            msgspec.json.encode([_json(one, told) for one in found]), indent=2
        ).decode()
    if format == "csv":
        return statement_text.csv_text(found, {key: one.deltas for key, one in told.items()})
    return "\n\n".join(_text(one, void, told, rows) for one in found)


def _json(one: Statement, told: Mapping[Key, Beside]) -> dict[str, object]:
    """The statement with the deltas of its lines and what is to be paid for it."""
    found = told[key_of(one)]
    deltas = [{**msgspec.to_builtins(change), "delta": change.delta} for change in found.deltas]
    due = found.due
    to_pay = None if due is None else {**msgspec.to_builtins(due), "with_tax": due.with_tax}
    return {**msgspec.structs.asdict(one), "line_deltas": deltas, "to_pay": to_pay}


def _text(one: Statement, void: Mapping[int, str], told: Mapping[Key, Beside], rows: _Rows) -> str:
    key, why = key_of(one), void.get(one.sequence, "")
    due = None if why else told[key].due
    return statement_text.text(one, why, due=due, deltas=told[key].deltas, rows=rows.get(key, {}))


def explained(found: Explanation) -> str:
    """An explanation in plain text."""
    line = found.line
    out = [
        f"contract {found.contract}, {found.month}, run {found.run}, line {line.number}: {line.code}",
        f"  rule      {line.clause}" + ("" if line.pooled else "; not in this contract's pool"),
        f"  party     {line.party}" + (f", site {line.site}" if line.site else ""),
        f"  exact     {grouped(line.exact)}",
        f"  rounding  {line.rounding}",
        f"  amount    {readable_sum(line.amount)}",
    ]
    if line.note:
        out.append(f"  because   {line.note}")
    out += [
        f"  term      {t.label}: {t.quantity} {t.unit} x {t.factor} = {grouped(t.exact)}" for t in line.basis
    ]
    out += [f"  rests on  {source}" for source in found.sources]
    out.append(f"  events ({len(found.events)} of {found.events_in_all})")
    out += [
        f"    {e.sequence:>8}  {e.recorded_at:%Y-%m-%dT%H:%M:%SZ}  {e.actor:<10} {e.aggregate}"
        f"  {', '.join(e.kinds)}  sha256 {e.sha256[:16]}"
        for e in found.events
    ]
    return "\n".join(out)
