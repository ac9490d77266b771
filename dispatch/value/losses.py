"""From the best that could be earned down to what was settled: which decision lost how much.

A stated sequential counterfactual: each way differs from the one before it in one thing, so that what a part
lost is the difference of two worths, and the parts add up to perfect less settled exactly (docs/value.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final, Literal, get_args

import msgspec

from ledger.refusal import Refused

Way = Literal["perfect", "plan", "award", "available", "delivered", "settled"]
"""How the storage ran, each nearer to what was: the best for what came; as planned; as awarded; as far as
what was imposed and stored energy allow of the award; as metered; and what the contract shares of that."""

Part = Literal["forecast", "bid", "availability", "dispatch", "contract"]
"""What is lost between a way and the next one: by not knowing, by what the market took, by what the storage
could not do, by what it did otherwise, by what the contract does not share."""

WAYS: Final[tuple[Way, ...]] = get_args(Way)
PARTS: Final[tuple[Part, ...]] = get_args(Part)


class Loss(msgspec.Struct, frozen=True):
    """Minor units lost by `parts` together, below zero where something was gained.

    More than one part where a way between them is not known, such as where there is no plan on record.
    """

    parts: tuple[Part, ...]
    minor: int


def losses(worth: Mapping[Way, int]) -> tuple[Loss, ...]:
    """What each part lost, in order: their sum is perfect less settled, whatever the worths are.

    `worth` is what each way is worth in minor units; a way that is not known is left out, and the parts on
    both sides of it are told together.

    >>> [(one.parts, one.minor) for one in losses({"perfect": 100, "delivered": 60, "settled": 50})]
    [(('forecast', 'bid', 'availability', 'dispatch'), 40), (('contract',), 10)]

    Raises:
        Refused: `value_ways` without the perfect and the settled way.
    """
    if "perfect" not in worth or "settled" not in worth:
        raise Refused("value_ways", "the perfect and the settled way are known", place="worth")
    found: list[Loss] = []
    above, waiting = worth["perfect"], list[Part]()
    for part, way in zip(PARTS, WAYS[1:], strict=True):
        waiting.append(part)
        if way in worth:
            found.append(Loss(tuple(waiting), above - worth[way]))
            above, waiting = worth[way], []
    return tuple(found)


def apportioned(total: int, exact: Mapping[str, Fraction]) -> dict[str, int]:
    """Minor units of a total that was rounded once, over what it was exactly made of, of either sign.

    Each part is cut off downwards; what is left goes by largest remainder, ties by name. Where the total is
    far from the exact sum, whole units of it are spread evenly first. The parts always add up to it.

    >>> apportioned(-3, {"a": Fraction(-5, 2), "b": Fraction(-1, 2)})
    {'a': -2, 'b': -1}

    Raises:
        Refused: `weights` for a total over nothing.
    """
    if not exact:
        raise Refused("weights", "one or more parts", place="exact")
    parts = {name: value.numerator // value.denominator for name, value in exact.items()}
    each, left = divmod(total - sum(parts.values()), len(parts))
    ranked = sorted(exact, key=lambda name: (parts[name] - exact[name], name))
    for rank, name in enumerate(ranked):
        parts[name] += each + (rank < left)
    return parts
