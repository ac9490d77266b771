"""Whether a month that was settled would be settled the same under a newer version of its contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from adapters.front_door import FrontDoor
from ledger.contract import Contract
from ledger.effective import History
from ledger.settlement.inputs import Part, contract_digest
from ledger.settlement.result import Result
from ledger.settlement.run import Runs

_SEEN_IN_THE_RESULT: Final = frozenset({"effective_to", "clauses", "capital_cost"})
"""Terms that change a settled month only through what the run says."""
_NOT_SETTLED_FROM: Final = frozenset({"statement_terms", "run_calendar", "forbidden_streams"})


def changes_nothing(
    door: FrontDoor, result: Result, run: int, restated: Mapping[Part, str] | None = None
) -> bool:
    """Whether `result` differs from `run` of its month in the contract's version alone, and says the same.

    Such as a version that changes later months: what is in force in this one did not change, and there is
    nothing to correct. The run is the one of the stream, not the row; `restated` are its digests as they are
    made now, where they were made otherwise.
    """
    runs = door.state(f"settlement.{result.contract}_{result.month}")
    return says_the_same(runs, door.state(f"contract.{result.contract}"), result, run, restated)


def says_the_same(
    runs: object, history: object, result: Result, run: int, restated: Mapping[Part, str] | None
) -> bool:
    """As `changes_nothing`, of the folded runs of the month and versions of the contract."""
    found = [one.result for one in runs.runs if one.number == run] if isinstance(runs, Runs) else []
    if not found or beside_the_contract(restated or found[0].inputs) != beside_the_contract(result.inputs):
        return False
    if not isinstance(history, History):
        return False
    documents: dict[str, Contract] = {contract_digest(one.document): one.document for one in history.versions}
    before, now = (documents.get(one.inputs["contract"]) for one in (found[0], result))
    return before is not None and now is not None and moves_nothing(before, now, found[0], result)


def moves_nothing(before: Contract, now: Contract, was: Result, result: Result) -> bool:
    """Whether two versions of a contract give the same of a month: `was` under the one, `result` under the
    other, from the same facts."""
    return _other_terms(now) == _other_terms(before) and _without(was) == _without(result)


def beside_the_contract(inputs: Mapping[Part, str]) -> dict[str, str]:
    """What a run was settled from, without the contract's version."""
    return {part: digest for part, digest in inputs.items() if part != "contract"}


def _without(result: Result) -> Result:
    """The result without what names the contract's version, and without the events that it rests on: the
    digests of those are compared."""
    return msgspec.structs.replace(result, position=0, inputs_digest="", inputs={}, sources=())


def _other_terms(contract: Contract) -> dict[str, object]:
    left_out = _SEEN_IN_THE_RESULT | _NOT_SETTLED_FROM
    return {name: value for name, value in msgspec.structs.asdict(contract).items() if name not in left_out}
