"""Why a run was corrected, and of which of the trade's two classes the correction is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from ledger.settlement.inputs import Part
from ledger.settlement.result import Result

Cause = Part | Literal["retroactive_amendment", "void"]
"""What changed since the run before. `contract` is another text of a version that the month's first run
knew already; a version recorded after that run, and in force in its month, is a `retroactive_amendment`.
`void`: the run before was declared void, because it was recorded from altered rows.
`rule` is our own rules of computing, `market_rule` a market's."""

CorrectionClass = Literal["data_error", "rule_or_price_change"]

TERMS: Final[dict[CorrectionClass, str]] = {"data_error": "退补", "rule_or_price_change": "清算"}
"""What the Chinese market rules call them (DOMAIN.md 3.10)."""

_CLASSES: Final[dict[Cause, CorrectionClass | None]] = {
    "rule": "rule_or_price_change",
    "contract": "data_error",
    "retroactive_amendment": "data_error",
    "void": "data_error",
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


def causes(
    result: Result,
    before: Mapping[Part, str],
    first_position: int,
    unamended: Mapping[Part, str] | None = None,
    *,
    void: bool = False,
) -> tuple[Cause, ...]:
    """What `result` corrects: the parts whose digests `before` has otherwise.

    That a rule or policy comes into use because a market told something changes neither: what was told has a
    label of its own. `first_position` is the sequence number that the month's initial run was read at.

    Another version of the contract can have other days, sites and capital, and then rests on other readings,
    prices and facts although none of them changed. So where the contract changed, the other parts are
    compared as they would be now under the version before: `unamended`, or None where that one cannot be
    settled any more or held on no day. Then the contract alone is named. An amendment that moves nothing in
    the month is no cause beside others: `before` then has the digest of the new version.

    With `void` the run before was declared void: that is the first cause, and may be the only one.
    """
    amended = result.inputs.get("contract") != before.get("contract")
    now = result.inputs if not amended else before if unamended is None else unamended
    told = now.get("market") != before.get("market")
    found: list[Cause] = ["void"] if void else []
    for part in dict.fromkeys((*result.inputs, *now, *before)):
        if part == "contract":
            found += [_contract_cause(result, first_position)] if amended else []
        elif now.get(part) != before.get(part) and not (told and _only_used(now.get(part, ""), before, part)):
            found.append(part)
    return tuple(found)


def _contract_cause(result: Result, first_position: int) -> Cause:
    return "retroactive_amendment" if _contract_recorded_at(result) > first_position else "contract"


def _only_used(now: str, before: Mapping[Part, str], part: Part) -> bool:
    """Whether a policy, or rules, came into use or fell out of it, and none that was used is another one."""
    then = before.get(part, "")
    if part == "exclusivity":
        return not (now and then)
    if part != "market_rule":
        return False
    known = dict(one.split(":") for one in then.split())
    return all(known.get(name, digest) == digest for name, digest in (one.split(":") for one in now.split()))


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
