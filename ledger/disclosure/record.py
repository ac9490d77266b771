"""The commitment to what a run tells its parties, as two facts that are recorded together.

The root may be shown to every party. The secret that the salts come from is for the auditor alone, so it is
an event of its own aggregate, and no answer to a partner ever rests on that one.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.disclosure.document import checked_secret
from ledger.identity import checked_id
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.run import Runs
from ledger.transparency.merkle import checked_hash


class DisclosureCommitted(msgspec.Struct, frozen=True, tag_field="kind", tag="disclosure.committed.v1"):
    """The root over the documents of `parties` parties of one run; `recorded_by` is the run's event."""

    contract: str
    month: str
    run: int
    recorded_by: int
    parties: int
    root: str

    def apply(self, state: Committed | None) -> Committed:
        before = state or Committed()
        return Committed({**before.runs, self.run: self})


class Committed(msgspec.Struct, frozen=True):
    """The commitments to a contract's month, by the number of the run."""

    runs: dict[int, DisclosureCommitted] = {}


class DisclosureSealed(msgspec.Struct, frozen=True, tag_field="kind", tag="disclosure.sealed.v1"):
    """The secret of one run's commitment, 32 bytes in hex: for the auditor alone."""

    contract: str
    month: str
    run: int
    secret: str

    def apply(self, state: Sealed | None) -> Sealed:
        before = state or Sealed()
        return Sealed({**before.secrets, self.run: self.secret})


class Sealed(msgspec.Struct, frozen=True):
    """The secrets of a contract's month, by the number of the run."""

    secrets: dict[int, str] = {}


class CommitDisclosure(msgspec.Struct, frozen=True, tag_field="command", tag="disclosure.commit"):
    """Commit to what a recorded run tells its parties; saved together with `SealDisclosure`."""

    contract: str
    month: str
    run: int
    recorded_by: int
    parties: int
    root: str

    def __post_init__(self) -> None:
        checked_id(self.contract, "contract")
        Month.parse(self.month)
        checked_hash(_bytes(self.root, "root"), "root")

    @property
    def aggregate(self) -> str:
        return f"disclosure.{self.contract}_{self.month}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"settlement.{self.contract}_{self.month}",)

    def decide(self, state: Committed | None, others: Mapping[str, object]) -> tuple[DisclosureCommitted]:
        """Raises:
        Refused: `unknown_run`; `disclosed` for a run that has its commitment."""
        runs = others[self.reads[0]]
        if not isinstance(runs, Runs) or all(one.number != self.run for one in runs.runs):
            text = f"{self.contract} has no run {self.run} of {self.month}"
            raise Refused("unknown_run", text, place="run")
        if state is not None and self.run in state.runs:
            text = f"run {self.run} of {self.contract} for {self.month} has its commitment already"
            raise Refused("disclosed", text, place="run")
        return (
            DisclosureCommitted(
                self.contract, self.month, self.run, self.recorded_by, self.parties, self.root
            ),
        )


class SealDisclosure(msgspec.Struct, frozen=True, tag_field="command", tag="disclosure.seal"):
    """Keep the secret of a commitment for the auditor."""

    contract: str
    month: str
    run: int
    secret: str

    def __post_init__(self) -> None:
        checked_id(self.contract, "contract")
        Month.parse(self.month)
        checked_secret(_bytes(self.secret, "secret"))

    @property
    def aggregate(self) -> str:
        return f"disclosure_secret.{self.contract}_{self.month}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Sealed | None, _: Mapping[str, object]) -> tuple[DisclosureSealed]:
        """Raises:
        Refused: `disclosed` for a run that has its commitment."""
        if state is not None and self.run in state.secrets:
            text = f"run {self.run} of {self.contract} for {self.month} has its commitment already"
            raise Refused("disclosed", text, place="run")
        return (DisclosureSealed(self.contract, self.month, self.run, self.secret),)


def _bytes(text: str, place: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if value.hex() != text:
        raise Refused("hex", f"{text[:70]!r} is not hex in small letters", place=place)
    return value
