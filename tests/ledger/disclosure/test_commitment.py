"""What a run tells its parties is committed to: each can prove its own part, and learns of no other."""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.disclosure.commitment import Commitment
from ledger.disclosure.document import Disclosed, disclosure_leaf, salt_of
from ledger.disclosure.record import CommitDisclosure, SealDisclosure
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.run import RecordSettlement, Run, Runs
from ledger.settlement.statement import statements
from tests.scenarios import test_scenarios as scenarios

SECRET = bytes(range(32))


@cache
def runs() -> tuple[Run, ...]:
    """A run of every scenario's months, with the pool shown to all, and to none."""
    found = []
    for name in scenarios.SCENARIOS:
        for _, _, result in scenarios.settled(scenarios.HERE / name / "given"):
            for sees in (tuple(result.entitlement), ()):
                shown = msgspec.structs.replace(result, sees_pool=sees)
                (event,) = RecordSettlement(shown).decide(None, {})
                found.append(event.run)
    return tuple(found)


def rfc_root(leaves: list[bytes]) -> bytes:
    """RFC 9162 2.1.1, written down as it stands there."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + rfc_root(leaves[:k]) + rfc_root(leaves[k:])).digest()


def test_the_root_is_that_of_the_salted_documents_in_order_of_party() -> None:
    for run in runs():
        made = Commitment.to(run, 7, SECRET)
        leaves = []
        for party in sorted(made.documents):
            salt = hmac.new(SECRET, b"document " + party.encode(), hashlib.sha256).digest()
            leaves.append(hashlib.sha256(b"\x00" + salt + made.documents[party]).digest())
        assert made.root == rfc_root(leaves)
        assert list(made.documents) == sorted({*run.result.entitlement, *run.delta})


@settings(max_examples=60)
@given(st.data())
def test_each_party_proves_its_own_document_and_no_other(data: st.DataObject) -> None:
    run = data.draw(st.sampled_from(runs()))
    made = Commitment.to(run, 7, SECRET)
    party = data.draw(st.sampled_from(sorted(made.documents)))
    opened = made.opened(party)
    opened.check(made.root)
    at = data.draw(st.integers(0, len(opened.content) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    altered = bytearray(opened.content)
    altered[at] ^= bit
    salt = bytearray(opened.salt)
    salt[at % 32] ^= bit
    others = sorted(set(made.documents) - {party})
    wrong = [
        msgspec.structs.replace(opened, content=bytes(altered)),
        msgspec.structs.replace(opened, salt=bytes(salt)),
        *(msgspec.structs.replace(opened, content=made.documents[other]) for other in others),
    ]
    for one in wrong:
        with pytest.raises(Refused):
            one.check(made.root)


def test_a_document_is_the_partys_statement_and_one_sum() -> None:
    for run in runs():
        told = {one.party: one for one in statements(run, 7)}
        for party, content in Commitment.to(run, 7, SECRET).documents.items():
            found = json.loads(content)
            assert found["statement"] == json.loads(msgspec.json.encode(told[party]))
            others = run.result.pool - told[party].entitlement
            salt = salt_of(SECRET, party, "others")
            assert found["others"]["commitment"] == disclosure_leaf(salt, str(others).encode()).hex()
            assert found["others"]["sum"] == (str(others) if party in run.result.sees_pool else "")


def test_nobody_is_told_of_anothers_line() -> None:
    for run in runs():
        for party, content in Commitment.to(run, 7, SECRET).documents.items():
            assert {line["party"] for line in json.loads(content)["statement"]["lines"]} <= {party}


def test_equal_documents_of_two_runs_have_different_leaves() -> None:
    run = runs()[0]
    first, second = (Commitment.to(run, 7, secret) for secret in (SECRET, SECRET[::-1]))
    assert first.documents.keys() == second.documents.keys()
    assert first.root != second.root
    assert Commitment.to(run, 7, SECRET) == first


def test_an_others_sum_that_is_not_the_rest_of_the_pool_is_refused() -> None:
    run = next(run for run in runs() if run.result.sees_pool)
    (one, *_) = statements(run, 7)
    assert one.pool is not None
    others = one.pool - one.entitlement
    salt = salt_of(SECRET, one.party, "others")
    with pytest.raises(Refused, match="are not the pool"):
        Disclosed.of(one, others + Money(1, others.currency), salt, 1)
    hidden = msgspec.structs.replace(one, pool=None)
    shown = Disclosed.of(one, others, salt, 1).others
    with pytest.raises(Refused, match="where the pool is"):
        Disclosed("wattledger.disclosure.v1", 1, hidden, shown)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"contract": "a b"}, "id"),
        ({"month": "2026-13"}, "month"),
        ({"root": "00"}, "hash_bytes"),
        ({"root": "G" * 64}, "hex"),
        ({"run": 2}, "unknown_run"),
    ],
)
def test_a_commitment_that_cannot_be_is_refused(change: dict[str, Any], code: str) -> None:
    run = runs()[0]
    given = {"contract": "C", "month": "2026-01", "run": 1, "recorded_by": 7, "parties": 3, "root": "ab" * 32}
    with pytest.raises(Refused) as caught:
        command = CommitDisclosure(**{**given, **change})  # type: ignore[arg-type]
        command.decide(None, {"settlement.C_2026-01": Runs((run,))})
    assert caught.value.code == code


def test_a_run_is_committed_to_once() -> None:
    commit = CommitDisclosure("C", "2026-01", 1, 7, 3, "ab" * 32)
    others = {"settlement.C_2026-01": Runs((runs()[0],))}
    (event,) = commit.decide(None, others)
    state = event.apply(None)
    with pytest.raises(Refused, match="has its commitment already"):
        commit.decide(state, others)
    seal = SealDisclosure("C", "2026-01", 1, SECRET.hex())
    (sealed,) = seal.decide(None, {})
    with pytest.raises(Refused, match="has its commitment already"):
        seal.decide(sealed.apply(None), {})
    with pytest.raises(Refused, match="31 bytes are not the 32"):
        SealDisclosure("C", "2026-01", 1, SECRET.hex()[2:])
