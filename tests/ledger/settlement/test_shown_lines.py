"""What a line shows a party that sees no bill: no note that tells the host's consumption."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, get_args

import pytest

from ledger.quantity import Money
from ledger.settlement.line import Line
from ledger.settlement.statement import _shown
from ledger.stream import OF_THE_BILL, Stream

NOTE = "with the storage the site exported 500 Wh more (1200 -> 1700)"


def line(stream: str) -> Line:
    amount = Money.parse("12", "CNY")
    return Line(1, "stream", stream, "r", "S1", "investor", "", "", "", "12", amount, "0", (), (), note=NOTE)


@pytest.mark.parametrize("stream", sorted(OF_THE_BILL))
def test_who_sees_no_bill_reads_nothing_of_it_in_any_line(stream: str) -> None:
    sees = {"host": ("S1",), "neighbour": ("S2",)}
    result: Any = SimpleNamespace(sees_pool=(), sees_bill=sees)
    for party in ("investor", "neighbour"):
        assert NOTE not in _shown(line(stream), result, party).note
    assert _shown(line(stream), result, "host").note == NOTE


def test_the_lines_of_a_bill_are_streams() -> None:
    assert set(get_args(Stream)) >= OF_THE_BILL >= {"interaction", "power_factor", "demand_charge"}
