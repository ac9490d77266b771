"""What was answered as of a moment is answered so for ever: over random streams, for every route."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.adapters.conftest import Bench
from tests.adapters.http.as_of_questions import Answer, Question, answered, as_of_routes, questions
from tests.adapters.http.as_of_stream import STEPS, Stream, founded
from tests.stack import NatsServer, PostgresServer

KINDS: Final = sorted(STEPS)
HOURS: Final = (0, 0, 1, 24, 24 * 20, -1, -30, -24 * 9)
"""How the clock is turned before a step: it may go back."""


def streams(seed: int) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Steps before and after the moment that is asked for; each is a kind and how the clock is turned."""
    chance = random.Random(seed)
    turned = [(kind, chance.choice(HOURS)) for kind in chance.sample(KINDS, len(KINDS))]
    cut = chance.randrange(10, len(KINDS) - 8)
    return turned[:cut], turned[cut:]


@pytest.mark.long
def test_a_suffix_never_changes_what_was_answered(nats_server: NatsServer, migrated: PostgresServer) -> None:
    """As of: a suffix of new events never changes an answer as of a sequence number or an instant, also when
    it holds facts for earlier days and was recorded by clocks that were turned back."""
    accepted: dict[str, int] = {}
    ever: dict[str, set[int]] = defaultdict(set)

    @settings(max_examples=2, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def holds(seed: int) -> None:
        before, after = streams(seed)
        bench = Bench(nats_server, migrated)
        api = founded(bench)
        try:
            stream = Stream(api, accepted)
            stream.take("settle")
            _take(stream, before)
            stream.seal()
            moments = _moments(stream, seed)
            first = {moment: answered(api, of, moment) for moment, of in moments.items()}
            stream.seal()
            _take(stream, after)
            _take(stream, [(kind, 0) for kind in ("reading", "settle", "site", "issue")])
            _take(stream, [(kind, 0) for kind in KINDS if not accepted.get(kind)])
            for moment, of in moments.items():
                _same(first[moment], answered(api, of, moment), moment)
            for found in first.values():
                _note(ever, found)
            _note(ever, _rest(stream, ever))
            assert ever.keys() == as_of_routes(api).keys()
        finally:
            api.close()
            bench.close()

    holds()
    assert accepted.keys() == STEPS.keys()
    assert not [kind for kind, count in accepted.items() if not count], accepted
    never = [route for route, statuses in ever.items() if 200 not in statuses]
    assert not never, "asked of nothing"


def _take(stream: Stream, steps: list[tuple[str, int]]) -> None:
    for kind, hours in steps:
        stream.turn_clock(timedelta(hours=hours))
        stream.take(kind)


def _moments(stream: Stream, seed: int) -> dict[str, list[Question]]:
    """The newest sequence number and now: both for each route with what it requires, the one with a
    quarter of the questions that have more."""
    last = stream.api.bench.recorder.max_notification_id()
    asked = questions(stream.api)
    plain = _plain(asked)
    more = [one for one in asked if one not in plain]
    some = random.Random(seed).sample(more, len(more) // 4)
    return {str(last): [*plain, *some], stream.api.bench.now.isoformat(): plain}


def _plain(asked: list[Question]) -> list[Question]:
    first = {(one.route, one.role): one for one in reversed(asked)}
    return list(first.values())


def _rest(stream: Stream, ever: dict[str, set[int]]) -> dict[Question, Answer]:
    """At the end, what no moment before had an answer for."""
    last = str(stream.api.bench.recorder.max_notification_id())
    asked = [one for one in questions(stream.api) if 200 not in ever[one.route]]
    return answered(stream.api, asked, last)


def _note(ever: dict[str, set[int]], found: dict[Question, Answer]) -> None:
    for one, answer in found.items():
        ever[one.route].add(answer.status)


def _same(before: dict[Question, Answer], after: dict[Question, Answer], moment: str) -> None:
    for one, answer in before.items():
        again = after[one]
        assert again == answer, f"as of {moment} {one.path} {dict(one.parameters)} {one.role} changed"
