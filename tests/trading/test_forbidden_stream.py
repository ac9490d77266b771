"""What a contract forbids is not offered: by the example that forbids spot and regulation."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import msgspec
import pytest

from ledger import contract_file
from ledger.contract import Contract
from ledger.effective import History
from ledger.refusal import Refused
from ledger.signed_contract import ContractRegistered
from tests.trading.market_samples import bid, product
from trading.bid_commands import check_contracts
from trading.product import Kind

FILE: Final = Path(__file__).parents[2] / "examples/contracts/no-spot-strict-s1.toml"
FORBIDS: Final = contract_file.parse(FILE.read_bytes())
FREE: Final = msgspec.structs.replace(FORBIDS, forbidden_streams=())


def told(*versions: Contract) -> dict[str, object]:
    history: History[Contract] | None = None
    for version in versions:
        history = ContractRegistered(version).apply(history)
    return {f"contract.{FORBIDS.id}": history}


def check(kind: Kind, others: dict[str, object], day: date) -> None:
    unit = "MW.h" if kind.startswith("regulation") else "MWh"
    check_contracts((FORBIDS.id,), bid((), day=day), product(kind=kind, price_unit=unit), others)


@pytest.mark.parametrize(
    ("kind", "refused"), [("energy", True), ("regulation_capacity", True), ("demand_response", False)]
)
def test_a_bid_for_a_forbidden_stream_is_refused(kind: Kind, refused: bool) -> None:
    day = date(2026, 9, 1)
    if not refused:
        check(kind, told(FORBIDS), day)
        return
    with pytest.raises(Refused) as caught:
        check(kind, told(FORBIDS), day)
    assert (caught.value.code, caught.value.place) == ("contract_forbids", "product")
    assert FORBIDS.id in caught.value.reason
    check(kind, told(FREE), day)


def test_the_version_of_the_day_of_delivery_decides() -> None:
    later = msgspec.structs.replace(FREE, effective_from=date(2026, 9, 1))
    with pytest.raises(Refused, match="spot"):
        check("energy", told(FORBIDS, later), date(2026, 8, 31))
    check("energy", told(FORBIDS, later), date(2026, 9, 1))
