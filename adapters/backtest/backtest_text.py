"""A backtest for people, and what each way's readings would settle to as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters.backtest.backtest import COMPARED, Backtest, Run
from adapters.backtest.value_text import text as value_text
from adapters.documents.readable import readable_money
from ledger.quantity import Money, decimal_text, round_half_away

_SAID: dict[Run, str] = {
    "perfect": "perfect foresight",
    "plan": "the plan, delivered",
    "rule": "the time-of-use rule",
    "idle": "doing nothing",
}


def text(found: Backtest) -> str:
    """What the storages that ran, the contract's pool and its parties would have had by each way, then the
    plan's value report. The pool has what other sites earned as they ran; the part of perfect has not.
    """
    earned = _earned(found)
    best = earned["perfect"]
    head = f"{f'storage {best.currency}':>16}{'of perfect':>12}{f'pool {best.currency}':>16}"
    out = [f"{'settled by the ledger, nothing recorded':<42}{head}"]
    for run in COMPARED:
        result, own = found.results[run], earned[run]
        out.append(
            f"{_SAID[run]:<42}{readable_money(own):>16}{_percent(own, best):>12}"
            f"{readable_money(result.pool):>16}"
        )
        for party, money in sorted(result.entitlement.items()):
            out.append(f"  {party:<68}{readable_money(money):>16}")
    return "\n".join([*out, value_text(found.report)])


def as_json(found: Backtest) -> str:
    """Each way's pool, what of it the storages that ran earned, streams, entitlements, and the report."""
    earned = _earned(found)
    results: dict[str, Any] = {
        run: {
            "pool": str(result.pool),
            "storage": str(earned[run]),
            "streams": [
                {"site": line.site, "stream": line.code, "amount": str(line.amount), "pooled": line.pooled}
                for line in result.lines
                if line.kind == "stream"
            ],
            "entitlement": {party: str(money) for party, money in result.entitlement.items()},
            "inputs": result.inputs_digest,
        }
        for run, result in found.results.items()
    }
    whole = {"results": results, "report": found.report}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()


def _earned(found: Backtest) -> dict[Run, Money]:
    """What the storages that ran are worth by each way."""
    total = found.report.total
    minor: dict[Run, int] = {
        "perfect": total.worth["perfect"],
        "plan": total.worth["delivered"],
        "rule": total.beside["rule"],
        "idle": total.beside["idle"],
    }
    return {run: Money(one, found.report.currency) for run, one in minor.items()}


def _percent(part: Money, whole: Money) -> str:
    if whole.minor <= 0:
        return "-"
    return f"{decimal_text(round_half_away(part.exact * 1000 / whole.exact), 1)} %"
