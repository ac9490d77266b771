"""What settlements gave the parties of a contract, as of a sequence number."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

import msgspec

from adapters.postgres.database import Connection
from ledger.capital.account import CashFlow
from ledger.interval import Month
from ledger.quantity import Money

_decode = msgspec.json.Decoder(dict[str, Money]).decode


def settled_flows(connection: Connection, contract: str, position: int) -> dict[str, list[CashFlow]]:
    """Each party's entitlement by the latest paying run of every settled month, on the month's last day."""
    rows = connection.execute(
        "SELECT DISTINCT ON (month) month, (result->'entitlement')::text FROM ledger.settlement"
        " WHERE contract = %s AND sequence <= %s AND run_kind <> 'provisional' ORDER BY month, run DESC",
        [contract, position],
    )
    found: dict[str, list[CashFlow]] = defaultdict(list)
    for month, text in rows:
        last = Month.parse(month).next().first_day - timedelta(days=1)
        for party, amount in _decode(text).items():
            found[party].append(CashFlow(last, amount))
    return dict(found)
