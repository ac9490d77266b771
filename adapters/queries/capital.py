"""What settlements gave the parties of a contract, as of a sequence number."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from adapters.integrity.run_rows import Asked, check_runs
from adapters.postgres.database import Connection
from adapters.queries.statements import result
from ledger.capital.account import CashFlow
from ledger.interval import Month


def settled_flows(connection: Connection, contract: str, position: int) -> dict[str, list[CashFlow]]:
    """Each party's entitlement by the latest paying run of every settled month, on the month's last day.

    Raises:
        Discontinuity: a run is missing, or not what was recorded.
    """
    check_runs(connection, Asked.of(position, contracts=[contract]))
    rows = connection.execute(
        "SELECT DISTINCT ON (month) month, run FROM ledger.settlement"
        " WHERE contract = %s AND sequence <= %s AND run_kind <> 'provisional' ORDER BY month, run DESC",
        [contract, position],
    ).fetchall()
    found: dict[str, list[CashFlow]] = defaultdict(list)
    for month, run in rows:
        last = Month.parse(month).next().first_day - timedelta(days=1)
        settled = result(connection, contract, month, run)
        assert settled is not None, "its row was read"
        for party, amount in settled.entitlement.items():
            found[party].append(CashFlow(last, amount))
    return dict(found)
