"""A line's note is read by its own party, which may see the pool: it tells no other party's amount.

What a contract shows to whom is `ledger.settlement.sight`'s to say: a pool's total, others' percentages and a
host's bill. What another party gets is among none of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses.floored_split import FlooredSplit
from ledger.contract import Contract
from tests.ledger.clauses.months import Given, settled, with_rest
from tests.ledger.contract_samples import agency, co_investment, eaas

FLOORED = FlooredSplit(
    shares={"a-investor": "40%", "operator": "40%", "host": "20%"},
    party="a-investor",
    minimum="12000",
    proration="days",
    funded_by={"operator": "75%", "host": "25%"},
    shortfall="paid",
)
CONTRACTS = (agency(), co_investment(), eaas(), with_rest(FLOORED))
AMOUNT = re.compile(r"-?[\d,]+\.\d\d(?= CNY)")


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.sampled_from(CONTRACTS),
    st.lists(st.integers(-(10**7), 10**8).filter(lambda fen: fen % 100 != 0), min_size=1, max_size=4),
)
def test_no_note_tells_what_another_party_gets(terms: Contract, pools: Sequence[int]) -> None:
    """An uneven pool, so that no two parties' amounts are alike by chance."""
    for month in settled(terms, [Given(f"{fen}/100", discharge_kwh=99, charge_kwh=108) for fen in pools]):
        for line in month.lines:
            told = {text.replace(",", "").lstrip("-") for text in AMOUNT.findall(line.basis)}
            others = {
                str(other.amount).lstrip("-")
                for other in month.lines
                if (other.clause, other.party) != (line.clause, line.party) and other.clause == line.clause
            }
            own = {str(line.amount).lstrip("-"), str(month.pool).lstrip("-"), "0.00"}
            assert not (told - own) & others, (line.party, line.basis)
