"""A month that a newer version of its contract left no day: what was paid is taken back, by every party."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.settlement.cause import causes
from ledger.settlement.ended import CODE, ended
from ledger.settlement.inputs import Part
from ledger.settlement.line import Source
from ledger.settlement.result import Result
from ledger.settlement.run import RecordSettlement, Runs
from ledger.settlement.statement import statements
from tests.ledger.contract_samples import plain_split
from tests.ledger.statement.test_life import AUGUST, result, runs

CONTRACT = msgspec.structs.replace(plain_split(), id="c1")


def taken_back(position: int = 20, recorded_at: int = 15) -> Result:
    return ended(CONTRACT, Source("contract.c1", ((recorded_at, recorded_at),)), AUGUST, position)


def owed(state: Runs) -> dict[str, int]:
    sums: dict[str, int] = {}
    for run in state.runs:
        for party, delta in run.delta.items():
            sums[party] = sums.get(party, 0) + delta.minor
    return {party: minor for party, minor in sums.items() if minor}


@settings(derandomize=True, max_examples=80, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(10**9), 10**9)), min_size=1, max_size=6))
def test_original_and_deltas_are_a_fresh_settlement(months: Sequence[int | None]) -> None:
    """None: the newest version holds on no day, of which a fresh settlement has no run at all."""
    state = runs(*(taken_back() if fen is None else result(fen) for fen in (1, *months)))
    last = months[-1]
    assert owed(state) == ({} if not last else {"host": last, "operator": -last})


def test_every_party_is_told_what_it_gives_back() -> None:
    state = runs(result(6000), taken_back())
    told = {one.party: one for one in statements(state.runs[-1], 21)}
    assert {party: one.delta.minor for party, one in told.items()} == {
        "host": -6000, "operator": 6000, "a-investor": 0, "b-platform": 0,
    }  # fmt: skip
    host = told["host"]
    assert (host.entitlement.minor, host.held.minor, host.payable.minor, host.lines) == (0, 0, 0, ())
    assert host.warnings == (taken_back().warnings[0].message,)
    hidden = msgspec.structs.replace(taken_back(), sees_pool=())
    (other,) = (one for one in statements(runs(result(6000), hidden).runs[-1], 21) if one.party == "host")
    assert other.warnings == ("the contract ended before this month: what was settled is taken back",)
    assert [notice.code for notice in hidden.warnings] == [CODE]


BEFORE: dict[Part, str] = {"contract": "old", "site": "s", "meter": "m", "price": "p"}


def test_the_contract_alone_is_the_cause() -> None:
    (first,) = RecordSettlement(msgspec.structs.replace(result(6000), inputs=BEFORE, position=9)).decide(
        None, {}
    )
    (second,) = RecordSettlement(taken_back()).decide(first.apply(None), {})
    assert second.run.causes == ("retroactive_amendment",)
    known = RecordSettlement(taken_back(recorded_at=9)).decide(first.apply(None), {})
    assert known[0].run.causes == ("contract",), "the first run knew that version already"


def test_beside_an_amendment_counts_what_changed_under_the_version_before() -> None:
    """Shorter, the contract rests on other readings and prices: of them a new reading alone is a cause."""
    source = Source("contract.c1", ((15, 15),))
    now: dict[Part, str] = {
        "contract": "new",
        "site": "s",
        "meter": "m of ten days",
        "price": "p of ten days",
    }
    amended = msgspec.structs.replace(result(1), inputs=now, sources=(source,))
    assert causes(amended, BEFORE, 9, BEFORE) == ("retroactive_amendment",)
    read_again: dict[Part, str] = {**BEFORE, "meter": "m again"}
    assert causes(amended, BEFORE, 9, read_again) == ("retroactive_amendment", "meter")
    assert causes(amended, BEFORE, 9, None) == ("retroactive_amendment",)
    same = msgspec.structs.replace(amended, inputs={**now, "contract": "old"})
    assert causes(same, BEFORE, 9) == ("meter", "price"), "the same contract: as the parts say"
