"""Why a run was corrected, and of which of the trade's two classes the correction is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from ledger.settlement.inputs import Part
from ledger.settlement.result import Result

Cause = Part | Literal["retroactive_amendment"]
"""What changed since the run before. `contract` is another text of a version that the month's first run
knew already; a version recorded after that run, and in force in its month, is a `retroactive_amendment`.
`rule` is our own rules of computing, `market_rule` a market's."""

CorrectionClass = Literal["data_error", "rule_or_price_change"]

TERMS: Final[dict[CorrectionClass, str]] = {"data_error": "退补", "rule_or_price_change": "清算"}
"""What the Chinese market rules call them (DOMAIN.md 3.10)."""

_CLASSES: Final[dict[Cause, CorrectionClass | None]] = {
    "rule": "rule_or_price_change",
    "contract": "data_error",
    "retroactive_amendment": "data_error",
    "earlier_month": None,
    "site": "data_error",
    "price": "rule_or_price_change",
    "meter": "data_error",
    "market": "data_error",
    "market_rule": "rule_or_price_change",
    "exclusivity": "rule_or_price_change",
    "capital": "data_error",
    "exclusion": "data_error",
    "service": "data_error",
}
"""退补 = data error (meter, archive, contract, clearing); 清算 = rule or price change (DOMAIN.md 3.10).
What an earlier month's correction carries on is of that correction's class, not of one of its own."""


def causes(result: Result, before: Mapping[Part, str], first_position: int) -> tuple[Cause, ...]:
    """What `result` corrects: the parts whose digests `before` has otherwise.

    `first_position` is the sequence number that the month's initial run was read at.
    """
    changed = (part for part, digest in result.inputs.items() if before.get(part) != digest)
    amended = _contract_recorded_at(result) > first_position
    return tuple("retroactive_amendment" if part == "contract" and amended else part for part in changed)


def classes(of: Iterable[Cause]) -> tuple[CorrectionClass, ...]:
    """The classes of these causes, each once; none for what only follows from an earlier month.

    >>> classes(["meter", "price", "market"]), classes(["earlier_month"])
    (('data_error', 'rule_or_price_change'), ())
    """
    found = {_CLASSES[cause] for cause in of}
    return tuple(one for one in TERMS if one in found)


def _contract_recorded_at(result: Result) -> int:
    """The sequence number of the contract version that the month was settled with."""
    name = f"contract.{result.contract}"
    return max((at for one in result.sources if one.aggregate == name for _, at in one.sequences), default=0)
