"""A command that one person gives, and that may wait for a second one."""

from __future__ import annotations

import secrets

from adapters import approving
from adapters.approving import Submitted
from adapters.cli.session import Session
from adapters.stack import Stack
from ledger.command import Command
from ledger.contract import Contract
from ledger.effective import History
from ledger.quantity import Money
from ledger.refusal import Refused


def submit(session: Session, command: Command, by: str, what: str) -> None:
    """Execute the command, or prepare it where the book asks for two persons, and say which."""
    with session.open() as stack:
        submit_to(stack, command, by, what)


def submit_to(stack: Stack, command: Command, by: str, what: str) -> None:
    """As `submit`, on a stack that is open."""
    print(f"{what}: {where(approving.submit(stack.door, command, command_id=once(), actor=by))}")


def where(done: Submitted) -> str:
    """What became of a command: its event, or the proposal that waits."""
    if done.proposal is not None:
        return f"waits for approval as {done.proposal}"
    known = ", in force already" if done.receipt.repeated else ""
    return f"event {done.receipt.sequence}{known}"


def once() -> str:
    """A command id of its own: a person at a terminal repeats a command by giving it again."""
    return f"cli:{secrets.token_hex(12)}"


def money_of(stack: Stack, contract: str, text: str, place: str) -> Money:
    """An amount in the contract's currency.

    Raises:
        Refused: `unknown_contract`, `money`.
    """
    history = stack.door.state(f"contract.{contract}")
    if not isinstance(history, History):
        raise Refused("unknown_contract", f"no contract {contract!r} is registered", place="contract")
    document = history.latest.document
    assert isinstance(document, Contract)
    try:
        return Money.parse(text, document.currency)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=place) from None
