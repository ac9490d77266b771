"""A backtest for people, and what each way's readings would settle to as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters.backtest.backtest import COMPARED, Backtest, Run
from adapters.backtest.value_text import text as value_text
from ledger.quantity import Money, decimal_text, round_half_away

_SAID: dict[Run, str] = {
    "perfect": "perfect foresight",
    "plan": "the plan, delivered",
    "rule": "the time-of-use rule",
    "idle": "doing nothing",
}


def text(found: Backtest) -> str:
    """What the contract's pool and its parties would have had by each way, then the plan's value report."""
    best = found.results["perfect"].pool
    currency = best.currency
    out = [f"{'settled by the ledger, nothing recorded':<42}{f'pool {currency}':>16}{'of perfect':>12}"]
    for run in COMPARED:
        result = found.results[run]
        out.append(f"{_SAID[run]:<42}{result.pool!s:>16}{_percent(result.pool, best):>12}")
        for party, money in sorted(result.entitlement.items()):
            out.append(f"  {party:<40}{money!s:>16}")
    return "\n".join([*out, value_text(found.report)])


def as_json(found: Backtest) -> str:
    """Each way's pool, streams and entitlements, and the report, as JSON."""
    results: dict[str, Any] = {
        run: {
            "pool": str(result.pool),
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


def _percent(part: Money, whole: Money) -> str:
    if whole.minor <= 0:
        return "-"
    return f"{decimal_text(round_half_away(part.exact * 1000 / whole.exact), 1)} %"
