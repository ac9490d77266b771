"""A trading unit's statement in plain text: sites, what the operator keeps, its rounding, and their sum."""

from __future__ import annotations

from typing import Final

from adapters.documents.readable import readable_money
from adapters.queries.unit_statements import UnitLine, UnitStatement

_NAME: Final = 36
_MONEY: Final = 16


def text(statement: UnitStatement) -> str:
    """One block a statement of the market."""
    out = [f"unit {statement.unit} ({statement.unit_code}), {statement.month}"]
    for line in statement.lines:
        out += ["", *_block(line)]
    out += [
        f"\n{name}: not allocated yet; wattledger allocate {statement.month}" for name in statement.waiting
    ]
    if not statement.lines and not statement.waiting:
        out.append("the market told nothing about it")
    return "\n".join(out)


def _block(line: UnitLine) -> list[str]:
    one = line.allocation
    stale = f"; {line.changed}: allocate again" if line.changed else ""
    head = f"{one.fact}: {one.stream.replace('_', ' ')}, document {one.document}, run {one.run};"
    out = [f"{head} allocation {line.version}, event {line.sequence}{stale}"]
    for site, share in one.sites.items():
        parts = ", ".join(f"{term.item} {readable_money(term.amount)}" for term in share.terms)
        out += [_row(site, readable_money(share.amount), parts), f"    {share.note}"]
    out += [
        _row(f"kept by {one.operated_by}, the operator", readable_money(one.kept)),
        _row("operator's rounding", readable_money(one.operators_rounding)),
        _row("the market's statement", readable_money(one.statement), one.statement.currency),
    ]
    out += [f"  {item.name}: {item.note}" for item in one.items]
    return out


def _row(name: str, amount: str, more: str = "") -> str:
    return f"  {name:<{_NAME}}{amount:>{_MONEY}}  {more}".rstrip()
