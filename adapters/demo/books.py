"""Chapter 9: the month as double entry, checked by programs that are not ours, and the ledger verified."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from adapters import replay
from adapters.demo.portfolio_book import PortfolioBook
from adapters.journal_text import JournalFormat, rendered, trial_balance_text
from adapters.queries.journal import journal
from adapters.verify import verify
from ledger.accounting.trial_balance import trial_balance
from ledger.interval import Month
from ledger.refusal import Refused

_FIRST, _LAST = Month(2026, 8), Month(2026, 9)
"""The settled month, and the one in which its statements were issued."""

_CHECKS: Final[dict[JournalFormat, tuple[str, ...]]] = {
    "beancount": ("bean-check",),
    "hledger": ("hledger", "check", "--file"),
}
"""The program that checks each format; it takes the file last."""


def tell(book: PortfolioBook) -> None:
    """Raises:
    Refused: `journal` when another program refuses the journal; `verify` when the ledger does not hold."""
    book.console.rule("9. the books")
    position = book.position()
    with book.stack.database.reading(book.stack.settings.book) as connection:
        entries = list(journal(connection, position).journal)
    balance = trial_balance(entries, "CNY", _FIRST.first_day, _LAST.next().first_day)
    book.console.print(trial_balance_text(balance))
    late = [one for one in entries if one.kind == "correction" and Month.of(one.posted_on) == _LAST]
    for one in late:
        book.console.print(f"  after the close, posted on {one.posted_on}: {one.description}")
    book.folder.mkdir(parents=True, exist_ok=True)
    for kind, program in _CHECKS.items():
        file = book.folder / f"journal.{kind}"
        file.write_text(rendered(entries, kind, book.stack.settings.book), encoding="utf-8")
        book.console.print(f"  {len(entries)} entries in {file}: {_checked(file, program)}")
    _verify(book)


def _checked(file: Path, program: tuple[str, ...]) -> str:
    """What the program says of the journal.

    Raises:
        Refused: `journal`, with its words.
    """
    name, *arguments = program
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        return f"{name} is not installed here, so nobody else has checked it"
    done = subprocess.run([found, *arguments, str(file)], check=False, capture_output=True, text=True)
    if done.returncode:
        raise Refused("journal", f"{name} refuses it: {done.stdout}{done.stderr}", place=str(file))
    return f"{name} finds nothing wrong"


def _verify(book: PortfolioBook) -> None:
    stack = book.stack
    verdict = verify(stack.log, stack.database, stack.addresses.nats_monitor_url)
    proof = replay.replay(stack.log, stack.database)
    for fault in verdict.faults:
        book.console.print(f"  FAULT {fault}")
    rows = sum(table.rows for table in proof.tables)
    book.console.print(
        f"  {verdict.envelopes} envelopes: equal to the archive, chains whole; {verdict.runs} runs settled"
        f" again: the same digest; replayed: {rows:,} rows {'equal' if proof.equal else 'DIFFERENT'}"
    )
    if verdict.faults or not proof.equal:
        raise Refused("verify", "the ledger does not verify")
