"""One root over what a run tells each of its parties, and the path from a party's document to it."""

from __future__ import annotations

from typing import Self

import msgspec

from ledger.disclosure.document import Disclosed, disclosure_leaf, salt_of
from ledger.refusal import Refused
from ledger.settlement.run import Run
from ledger.settlement.statement import statements
from ledger.transparency.merkle import check_inclusion, inclusion_proof, node_hash
from ledger.transparency.tree import Frontier


class Opened(msgspec.Struct, frozen=True):
    """One party's part of a commitment: with these, and the root, the party can prove its document."""

    party: str
    index: int
    """Its place among the parties in order of their ids."""
    parties: int
    content: bytes
    salt: bytes
    path: tuple[bytes, ...]
    """The hashes from its leaf to the root, the nearest first (RFC 9162 2.1.3.1)."""

    def check(self, root: bytes) -> None:
        """Accept that the document is the one that was committed to under `root`.

        Raises:
            Refused: `disclosure_salt`; as `ledger.transparency.merkle.check_inclusion`.
        """
        leaf = disclosure_leaf(self.salt, self.content)
        check_inclusion(self.index, self.parties, leaf, self.path, root)


class Commitment(msgspec.Struct, frozen=True):
    """What a run, recorded by the event `sequence`, tells its parties, under one secret."""

    documents: dict[str, bytes]
    """Party -> what it is told, in order of the ids."""
    salts: dict[str, bytes]

    @classmethod
    def to(cls, run: Run, sequence: int, secret: bytes) -> Self:
        """The commitment to a run; the same run and secret give the same root anywhere.

        Raises:
            Refused: `disclosure_secret`.
        """
        told = statements(run, sequence)
        pool = run.result.pool
        contract_event = _contract_event(run)
        documents = {
            one.party: Disclosed.of(
                one, pool - one.entitlement, salt_of(secret, one.party, "others"), contract_event
            ).content
            for one in told
        }
        return cls(documents, {party: salt_of(secret, party, "document") for party in documents})

    @property
    def root(self) -> bytes:
        """The RFC 9162 root over the parties' leaves."""
        frontier, _ = Frontier().append(self._leaves())
        return frontier.root

    def opened(self, party: str) -> Opened:
        """One party's document with its proof.

        Raises:
            Refused: `unknown_party`.
        """
        if party not in self.documents:
            known = ", ".join(self.documents)
            raise Refused("unknown_party", f"{party!r} has no statement here; {known} have", place="party")
        leaves = self._leaves()
        index = list(self.documents).index(party)

        def hash_at(level: int, position: int) -> bytes:
            if level == 0:
                return leaves[position]
            return node_hash(hash_at(level - 1, 2 * position), hash_at(level - 1, 2 * position + 1))

        path = inclusion_proof(index, len(leaves), hash_at)
        return Opened(party, index, len(leaves), self.documents[party], self.salts[party], path)

    def _leaves(self) -> list[bytes]:
        return [disclosure_leaf(self.salts[party], content) for party, content in self.documents.items()]


def _contract_event(run: Run) -> int:
    """The sequence of the contract version that the run was settled with; 0 where none was recorded."""
    name = f"contract.{run.result.contract}"
    return max(
        (at for one in run.result.sources if one.aggregate == name for _, at in one.sequences), default=0
    )
