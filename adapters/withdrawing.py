"""Withdrawing a contract: the command that looks at all the months in which it could have been settled."""

from __future__ import annotations

from adapters.front_door import FrontDoor
from ledger.contract import Contract
from ledger.contract_withdrawal import WithdrawContract, months_of
from ledger.effective import History
from ledger.refusal import Refused


def withdrawal(door: FrontDoor, contract: str, reason: str) -> WithdrawContract:
    """The command, over the months of all the contract's versions.

    Raises:
        Refused: `unknown_contract`, `reason`.
    """
    history = door.state(f"contract.{contract}")
    if not isinstance(history, History):
        raise Refused("unknown_contract", f"no contract {contract!r} is registered", place="contract")
    documents: list[Contract] = [version.document for version in history.versions]
    return WithdrawContract(contract, reason, *months_of(documents))
