"""What seldom changes is not read each time: one question tells that of a whole kind nothing was added.

A session of fifty clients has fifty keys and as many units, and none of them changes for days.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

from adapters.nats.log import Log, StoreUnavailable

T = TypeVar("T")

_SELDOM: Final = frozenset({"key", "market", "trading_unit"})
"""Kinds with few and short events; the last one of a kind is sent with the answer."""


def last_of_kinds(log: Log, aggregates: Sequence[str]) -> dict[str, int]:
    """Of each aggregate of a kind that seldom changes, the sequence of that kind's last event.

    Only where several of a kind are asked for: one costs as much itself. Read through the leader, so that an
    aggregate whose events were all known up to there has not changed.

    Raises:
        StoreUnavailable, nats.errors.Error: NATS does not answer.
    """
    kinds: dict[str, list[str]] = {}
    for name in aggregates:
        kinds.setdefault(name.partition(".")[0], []).append(name)
    found: dict[str, int] = {}
    for kind, names in kinds.items():
        if kind in _SELDOM and len(names) > 1:
            found |= dict.fromkeys(names, _answer(log, log.last_of_noun(kind)))
    return found


def confirmed(log: Log, versions: Mapping[str, int]) -> set[str]:
    """Of which the leader knows no later version: another server that was read from may lag behind it.

    Raises:
        StoreUnavailable, nats.errors.Error: NATS does not answer.
    """
    if not versions:
        return set()
    return _answer(log, _confirmed(log, versions))


async def _confirmed(log: Log, versions: Mapping[str, int]) -> set[str]:
    lasts = await asyncio.gather(*map(log.last_of, versions))
    return {
        name
        for (name, version), last in zip(versions.items(), lasts, strict=True)
        if last is not None and last[0] == version
    }


def _answer(log: Log, question: Coroutine[Any, Any, T]) -> T:
    try:
        return log.client.run(question)
    except OSError as error:
        raise StoreUnavailable(f"NATS did not answer a read: {error!r}") from error
