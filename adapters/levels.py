"""What seldom changes is not read each time: one question tells that of a whole kind nothing was added.

A session of fifty clients has fifty keys and as many units, and none of them changes for days.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from adapters.nats.log import Log, StoreUnavailable

_SELDOM: Final = frozenset({"key", "market", "trading_unit"})
"""Kinds with few and short events; the last one of a kind is sent with the answer."""


def seldom(aggregates: Iterable[str]) -> list[str]:
    """Those of kinds that seldom change."""
    return [name for name in aggregates if name.partition(".")[0] in _SELDOM]


async def last_of_kinds(log: Log, aggregates: Collection[str]) -> dict[str, int]:
    """Of each of these aggregates, whose kinds seldom change, the sequence of the kind's last event.

    Read through the leader, so that an aggregate whose events were all known up to there has not changed. All
    kinds are asked for at the same time.

    Raises:
        StoreUnavailable, nats.errors.Error: NATS does not answer.
    """
    kinds: dict[str, list[str]] = {}
    for name in aggregates:
        kinds.setdefault(name.partition(".")[0], []).append(name)
    try:
        lasts = await asyncio.gather(*map(log.last_of_noun, kinds))
    except OSError as error:
        raise _unanswered(error) from error
    return {name: last for names, last in zip(kinds.values(), lasts, strict=True) for name in names}


async def confirmed(log: Log, versions: Mapping[str, int]) -> set[str]:
    """Of which the leader knows no later version: another server that was read from may lag behind it.

    Raises:
        StoreUnavailable, nats.errors.Error: NATS does not answer.
    """
    try:
        lasts = await asyncio.gather(*map(log.last_of, versions))
    except OSError as error:
        raise _unanswered(error) from error
    return {
        name
        for (name, version), last in zip(versions.items(), lasts, strict=True)
        if last is not None and last[0] == version
    }


def _unanswered(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"NATS did not answer a read: {error!r}")
