"""Any history of offers, withdrawals, clock steps and restarts, against a plain list of what was asked."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adapters.reference_market.offer_book import Receipt
from ledger.refusal import Refused
from tests.adapters.reference_market.markets import DAY, PUBLISHED, at, curve, local, offer, opened

GATE = local("2026-01-25T10:30")

revisions = st.integers(1, 5)
keys = st.sampled_from(["k1", "k2", "k3", "k4"])
bodies = st.integers(0, 1)
participants = st.sampled_from(["alpha", "beta"])


class History(RuleBasedStateMachine):
    """What each participant asked is kept as a list; what the market must hold follows from it."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.market = opened(Path(self.folder.name))
        self.accepted: dict[str, list[tuple[str, int, int | None]]] = {"alpha": [], "beta": []}
        self.answers: dict[tuple[str, str], Receipt] = {}

    def asked(self, name: str, key: str, revision: int, content: int | None) -> str | Receipt:
        """The market's answer: its receipt, or the code of its refusal."""
        place = at(name)
        try:
            if content is None:
                return self.market.withdraw(place, key, revision)
            sale = offer(curve(8, (0, 50 + content, 400)), revision=revision)
            return self.market.put_offer(place, key, str(content) * 64, sale)
        except Refused as refused:
            return refused.code

    def expected(self, name: str, key: str, revision: int, content: int | None) -> str | None:
        """The code of the refusal; none when it is accepted."""
        known = self.accepted[name]
        if any(one[0] == key for one in known):
            return None if (key, revision, content) in known else "idempotency_key_reused"
        if self.market.clock.now() >= GATE:
            return "gate_closed"
        if known and revision <= known[-1][1]:
            return "revision_behind"
        if content is None and (not known or known[-1][2] is None):
            return "unknown_offer"
        return None

    @rule(name=participants, key=keys, revision=revisions, content=st.none() | bodies)
    def ask(self, name: str, key: str, revision: int, content: int | None) -> None:
        expected = self.expected(name, key, revision, content)
        answer = self.asked(name, key, revision, content)
        if expected is not None:
            assert answer == expected
            return
        assert isinstance(answer, Receipt)
        assert self.answers.setdefault((name, key), answer) == answer
        if (key, revision, content) not in self.accepted[name]:
            self.accepted[name].append((key, revision, content))

    @rule(minutes=st.sampled_from([0, 30, 100, 240]))
    def step(self, minutes: int) -> None:
        self.market.set_clock(self.market.clock.now() + timedelta(minutes=minutes))

    @rule()
    def restart(self) -> None:
        self.market.close()
        self.market = opened(Path(self.folder.name))

    @rule()
    def look(self) -> None:
        """Once published, every asking has the same result, of what was held at the gate."""
        if self.market.clock.now() < PUBLISHED:
            return
        result = self.market.result("day_ahead", DAY)
        last = {name: known[-1] for name, known in self.accepted.items() if known}
        standing = {name: one[1] for name, one in last.items() if one[2] is not None}
        assert (result.run, result.revisions) == (1, standing)
        assert result.awards_w.keys() == standing.keys()

    @invariant()
    def holds_the_last(self) -> None:
        for name, known in self.accepted.items():
            if known:
                receipt, held = self.market.offer(at(name))
                assert (receipt.idempotency_key, receipt.revision) == known[-1][:2]
                assert (held is None) == (known[-1][2] is None)

    def teardown(self) -> None:
        self.market.close()
        self.folder.cleanup()


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=20, stateful_step_count=25)
