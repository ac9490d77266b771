"""In any order of what persons and markets do nothing is sold twice, and every refusal has its reason.

The desk's own code runs on aggregates in memory; a model of plain lists says what must be bound and used.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, Final

import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ledger.effective import Period, extended
from ledger.exclusivity import policy_file
from ledger.refusal import Refused
from tests.adapters.desk.desk_book import (
    CLOSES,
    DAY,
    DAY_AHEAD,
    MARKET,
    MW,
    RESPONSE_CALL,
    ROOT,
    market,
    unit,
)
from tests.adapters.desk.pure_desk import PureDesk, PureDoor
from trading.bid import Bid
from trading.bid_life import LIVE, BidState
from trading.clearing import Award, Clearing
from trading.commitment import UnitDay, aggregate_of
from trading.envelope import UnitEnvelope
from trading.market_answer import AcknowledgeBid
from trading.product import Product
from trading.risk import ApprovalRule, Limit, ResumeTrading, RiskPolicy
from trading.risk import Desk as DeskState
from trading.usage import Usage
from trading.usage import aggregate_of as usage_of

REGULATION: Final = msgspec.structs.replace(
    DAY_AHEAD,
    id="regulation",
    kind="regulation_capacity",
    price_unit="MW.h",
    energy_check="none",
    sustain_min=15,
)
PRODUCTS: Final[dict[str, Product]] = {one.id: one for one in (DAY_AHEAD, RESPONSE_CALL, REGULATION)}
BIDS: Final = {
    "a1": ("vpp", "day_ahead"),
    "a2": ("vpp", "day_ahead"),
    "a3": ("vpp", "regulation"),
    "b1": ("drp", "response"),
    "b2": ("drp", "response"),
    "b3": ("drp", "regulation"),
}
SLOTS: Final = (40, 41)
HALF: Final = MW // 2
UNIT_W: Final = 2 * MW
"""Each unit has two sites of 1 MW; they have one of them in common."""
BOTH_W: Final = 3 * MW
MOST_WH: Final = 1_250_000
ENVELOPE: Final = UnitEnvelope(
    discharge_w=UNIT_W,
    charge_w=UNIT_W,
    stored_wh=50 * MW,
    floor_wh=0,
    ceiling_wh=100 * MW,
    charge_ppm=10**6,
    discharge_ppm=10**6,
)
LIMIT: Final = Limit(id="volume", measure="volume_wh", each="user", span="day", most=str(MOST_WH))
POLICY: Final = RiskPolicy(
    exclusivity="rule_based",
    limits=(LIMIT,),
    approvals=(
        ApprovalRule(kinds=("energy",), persons=1),
        ApprovalRule(kinds=("demand_response",), persons=0),
    ),
)

Powers = tuple[tuple[int, int], ...]
"""What a revision may be awarded in each of `SLOTS`: up, down."""


class Revision:
    def __init__(self, number: int, by: str, powers: Powers) -> None:
        self.number, self.by, self.powers = number, by, powers
        self.approved = self.overridden = False

    @property
    def volume_wh(self) -> int:
        return sum(max(pair) for pair in self.powers) // 4


class Modelled:
    """One bid: its newest revision, and those that may be awarded, the newest first, with their status."""

    def __init__(self, draft: Revision) -> None:
        self.draft = draft
        self.standing: list[list[Any]] = []
        self.ended = ""
        self.ended_revision = 0
        self.award: Powers | None = None
        self.used: dict[str, int] = {}

    @property
    def bound(self) -> Powers:
        if self.award is not None:
            return self.award
        every = [one.powers for one, _ in self.standing] or [((0, 0),) * len(SLOTS)]
        return tuple(
            (max(powers[n][0] for powers in every), max(powers[n][1] for powers in every))
            for n in range(len(SLOTS))
        )

    def use(self) -> None:
        self.used = {}
        for one, _ in self.standing:
            self.used[one.by] = max(self.used.get(one.by, 0), one.volume_wh)


def part(power: int) -> int:
    """What half of a power is, rounded up: of two sites one is shared."""
    return -(-power // 2)


def excluded(first: str, second: str) -> bool:
    return {first, second} == {"day_ahead", "response"}


class BidLives(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, Modelled] = {}
        self.stopped = False
        self.runs: dict[str, int] = {}
        self.count = 0
        self.peaks: dict[tuple[str, int], Powers] = {}

    @initialize()
    def furnish(self) -> None:
        self.door = PureDoor(CLOSES - timedelta(minutes=40))
        since = Period(datetime(2026, 1, 1, tzinfo=UTC))
        states = self.door.states
        states["exclusivity.rule_based"] = policy_file.parse(
            (ROOT / "examples/exclusivity/rule_based.toml").read_bytes()
        )
        states[f"market.{MARKET}"] = extended(None, since, market(*PRODUCTS.values()))
        for name, sites in (("vpp", ("S1", "S2")), ("drp", ("S1", "S3"))):
            states[f"trading_unit.{name}"] = extended(None, since, unit(name, sites))
            states[f"envelope.{name}"] = extended(None, since, ENVELOPE)
        states["risk.desk"] = DeskState(policy=POLICY)
        self.desk = PureDesk(self.door)
        self.door.watch = self.check_prefix

    # ------------------------------------------------------------------ persons

    @rule(
        name=st.sampled_from(sorted(BIDS)),
        powers=st.tuples(*[st.tuples(st.integers(0, 4), st.integers(0, 4))] * len(SLOTS)),
        by=st.sampled_from(["anna", "carl"]),
        approve=st.booleans(),
    )
    def draft(self, name: str, powers: tuple[tuple[int, int], ...], by: str, approve: bool) -> None:
        asked = tuple((up * HALF, down * HALF) for up, down in powers)
        product = BIDS[name][1]
        if product == "response":
            asked = tuple((up, 0) for up, _ in asked)
        bid = bid_of(name, asked)
        if product == "regulation":
            asked = tuple((max(pair),) * 2 for pair in asked)  # type: ignore[misc]
        known = self.model.get(name)
        number = 0 if known is None else known.draft.number
        expected = set[str]()
        if not any(up or down for up, down in asked):
            expected.add("bid_empty")
        if known is not None and known.award is not None:
            expected.add("bid_status")
        if known is not None:
            before = self.desk.bids()[name]
            stands = before.standing
            is_open = stands is None or (
                stands.status in LIVE - {"withdrawing", "submitted"} and stands.draft.revision == number
            )
            if before.draft.digest == bid.digest and is_open:
                expected.add("bid_exists")
        if self.door.now >= CLOSES - timedelta(seconds=2):
            expected.add("gate_closed")
        done = self.ask(lambda key: self.desk.draft(bid, revision=number, command_id=key, actor=by), expected)
        if not done:
            return
        revision = Revision(number + 1, by, asked)
        if known is None:
            self.model[name] = Modelled(revision)
        else:
            known.draft = revision
        if approve:
            self.approve(name, "bert", old=False)

    @rule(
        name=st.sampled_from(sorted(BIDS)),
        powers=st.tuples(*[st.tuples(st.integers(0, 4), st.integers(0, 4))] * len(SLOTS)),
        by=st.sampled_from(["anna", "carl"]),
    )
    def offer(self, name: str, powers: tuple[tuple[int, int], ...], by: str) -> None:
        self.draft(name, powers, by, approve=True)
        if name in self.model:
            self.submit_one(name)

    @precondition(lambda self: any(one.standing for one in self.model.values()))
    @rule(
        data=st.data(),
        powers=st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * len(SLOTS)),
        told=st.sampled_from(["", "yes", "lost"]),
    )
    def revise(self, data: st.DataObject, powers: tuple[tuple[int, int], ...], told: str) -> None:
        """Another revision over one that was sent, answered or not."""
        name, known = self.live(data)
        if told and known.standing[0][1] == "submitted":
            self.send_one(name)
            if known.standing[0][1] == "sending":
                self.answer_one(name, told)
        self.offer(name, powers, known.draft.by)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), by=st.sampled_from(["anna", "bert", "carl"]), old=st.booleans())
    def approve_one(self, data: st.DataObject, by: str, old: bool) -> None:
        self.approve(data.draw(st.sampled_from(sorted(self.model))), by, old=old)

    def approve(self, name: str, by: str, *, old: bool) -> None:
        known = self.model[name]
        number = known.draft.number - old
        state = self.desk.bids()[name]
        expected = set[str]()
        if old:
            expected.add("bid_revision")
        if self.submitted(known):
            expected.add("bid_status")
        if by == known.draft.by or (by == "bert" and known.draft.approved):
            expected.add("four_eyes")
        if by != "bert" and not expected:
            return
        digest = state.draft.bid.digest
        done = self.ask(
            lambda key: self.desk.approve(name, number, digest, command_id=key, actor=by), expected
        )
        if done:
            known.draft.approved = True

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def override(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        known = self.model[name]
        expected = {"bid_status"} if self.submitted(known) else set()
        done = self.ask(
            lambda key: self.desk.override(
                name, known.draft.number, "volume", "agreed", command_id=key, actor="bert"
            ),
            expected,
        )
        if done:
            known.draft.overridden = True

    def submitted(self, known: Modelled) -> bool:
        newest = known.draft.number
        return any(one.number == newest for one, _ in known.standing) or known.ended_revision == newest

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def submit(self, data: st.DataObject) -> None:
        self.submit_one(data.draw(st.sampled_from(sorted(self.model))))

    def submit_one(self, name: str) -> None:
        known = self.model[name]
        draft = known.draft
        kept = [one for one in known.standing if one[1] != "submitted"]
        expected = self.reasons(name, known, draft)
        done = self.ask(
            lambda key: self.desk.submit(name, draft.number, command_id=key, actor="anna"), expected
        )
        if done:
            known.standing = [[draft, "submitted"], *kept]
            known.ended, known.ended_revision = "", 0
            known.use()

    def reasons(self, name: str, known: Modelled, draft: Revision) -> set[str]:
        """Every reason for which the newest revision cannot be submitted now."""
        unit_name, product = BIDS[name]
        found = set[str]()
        if self.submitted(known) or known.award is not None:
            found.add("bid_status")
        if self.stopped:
            found.add("kill_switch")
        if self.door.now >= CLOSES - timedelta(seconds=2):
            found.add("gate_closed")
        if not draft.approved and product != "response":
            found.add("approval_missing")
        for other, one in self.model.items():
            if other == name or not (one.standing or one.award is not None):
                continue
            other_unit, other_product = BIDS[other]
            if (other_unit, other_product) == (unit_name, product):
                found.add("bid_second")
        for day in ("vpp", "drp"):
            for n in range(len(SLOTS)):
                for way in (0, 1):
                    own = self.share(unit_name, day, draft.powers[n][way])
                    if not own:
                        continue
                    taken = 0
                    for other, one in self.model.items():
                        if other == name:
                            continue
                        there = [self.share(BIDS[other][0], day, power) for power in one.bound[n]]
                        taken += there[way]
                        if any(there) and excluded(product, BIDS[other][1]):
                            found.add("exclusive_stream")
                    if own + taken > UNIT_W:
                        found.add("committed")
        others = sum(one.used.get(draft.by, 0) for other, one in self.model.items() if other != name)
        if others + draft.volume_wh > MOST_WH and not draft.overridden:
            found.add("limit_volume")
        return found

    @staticmethod
    def share(unit_name: str, day: str, power: int) -> int:
        return power if unit_name == day else part(power)

    @precondition(lambda self: any(one.standing for one in self.model.values()))
    @rule(data=st.data())
    def want_back(self, data: st.DataObject) -> None:
        name, known = self.live(data)
        late = self.door.now >= CLOSES - timedelta(seconds=2)
        done = self.ask(
            lambda key: self.desk.ask_withdrawal(name, "wanted", command_id=key, actor="anna"),
            {"gate_closed"} if late else set(),
        )
        if done:
            known.standing[0][1] = "withdrawing"

    @rule(really=st.sampled_from([False, False, True]))
    def switch(self, really: bool) -> None:
        if not really and not self.stopped:
            return
        if self.stopped:
            resume = ResumeTrading("bert", "go on")
            self.ask(lambda key: self.door.execute(resume, command_id=key, actor="bert"), set())
        else:
            self.ask(lambda key: self.desk.stop("look", command_id=key, actor="anna"), set())
        self.stopped = not self.stopped

    # ------------------------------------------------------------------ the market

    @precondition(lambda self: any(one.standing for one in self.model.values()))
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        self.send_one(self.live(data)[0])

    def send_one(self, name: str) -> None:
        known = self.model[name]
        expected = set[str]()
        if known.standing[0][1] != "submitted":
            expected.add("bid_status")
        if self.stopped:
            expected.add("kill_switch")
        if self.door.now >= CLOSES - timedelta(seconds=2):
            expected.add("gate_closed")
        number = known.standing[0][0].number
        if self.ask(lambda key: self.desk.send(name, number, command_id=key, actor="gw"), expected):
            known.standing[0][1] = "sending"

    @precondition(lambda self: any(one.standing for one in self.model.values()))
    @rule(data=st.data(), told=st.sampled_from(["yes", "no", "lost", "not there", "given back", "expired"]))
    def answer(self, data: st.DataObject, told: str) -> None:
        self.answer_one(self.live(data)[0], told)

    def answer_one(self, name: str, told: str) -> None:
        known = self.model[name]
        newest, status = known.standing[0]
        number, desk = newest.number, self.desk
        allowed: dict[str, set[str]] = {
            "yes": LIVE - {"submitted"},
            "no": {"sending", "uncertain"},
            "lost": {"sending", "uncertain"},
            "not there": {"sending", "uncertain"},
            "given back": {"withdrawing"},
            "expired": {"submitted"},
        }
        standing = self.desk.bids()[name].standing
        assert standing is not None
        if status == "withdrawing":
            allowed["yes"] -= set() if standing.sent_at else {"withdrawing"}
            allowed["no"] |= set() if standing.reference else {"withdrawing"}
        expected = set() if status in allowed[told] else {"bid_status"}
        if told == "expired" and self.door.now < CLOSES - timedelta(seconds=2):
            expected.add("gate_open")
        calls: dict[str, Callable[[str], object]] = {
            "yes": lambda key: desk.acknowledge(
                AcknowledgeBid(name, number, "R", sent=True), command_id=key, actor="gw"
            ),
            "no": lambda key: desk.refuse(name, number, "no", command_id=key, actor="gw"),
            "lost": lambda key: desk.note_uncertain(name, number, "lost", command_id=key, actor="gw"),
            "not there": lambda key: desk.note_unsent(
                name, number, "asked", command_id=key, actor="gw", by_hand=False
            ),
            "given back": lambda key: desk.withdraw(name, number, "wanted", command_id=key, actor="gw"),
            "expired": lambda key: desk.expire(name, number, "late", command_id=key, actor="gw"),
        }
        if not self.ask(calls[told], expected):
            return
        match told:
            case "yes":
                known.standing = [[newest, "withdrawing" if status == "withdrawing" else "acknowledged"]]
            case "lost":
                known.standing[0][1] = "uncertain"
            case "not there":
                known.standing[0][1] = "submitted"
            case "no" | "expired":
                known.standing = known.standing[1:]
                if known.standing and status == "withdrawing":
                    known.standing[0][1] = "withdrawing"
                if not known.standing:
                    known.ended, known.ended_revision = told, number
            case "given back":
                known.standing, known.ended, known.ended_revision = [], told, number
        known.use()

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def clear(self, data: st.DataObject) -> None:
        """The market clears a product: each bid some part of one revision that it may have."""
        product = data.draw(st.sampled_from(sorted(PRODUCTS)))
        awards: dict[str, tuple[int, Powers, tuple[int, ...]]] = {}
        for name, known in sorted(self.model.items()):
            if BIDS[name][1] != product:
                continue
            sent = [one for one, status in known.standing if status != "submitted"]
            if known.award is not None:
                awards[name] = (0, tuple((up // 2, down // 2) for up, down in known.award), ())
            elif sent:
                revision = data.draw(st.sampled_from(sent))
                awards[name] = (revision.number, revision.powers, ())
        run = self.runs.get(product, 0) + 1
        told: list[Award] = []
        for name, (number, powers, _) in list(awards.items()):
            takes = [data.draw(st.sampled_from([0, 1, 2])) for _ in SLOTS]
            sells = BIDS[name][1] == "response" or data.draw(st.booleans())
            signed = [
                (up if sells else -down) // (2 * HALF) * HALF * take if take < 2 else (up if sells else -down)
                for (up, down), take in zip(powers, takes, strict=True)
            ]
            signed = [max(-down, min(up, power)) for power, (up, down) in zip(signed, powers, strict=True)]
            bid = self.desk.bids()[name].draft.bid if number == 0 else None
            power_w = [0] * 96
            for slot, power in zip(SLOTS, signed, strict=True):
                power_w[slot] = power
            if BIDS[name][1] == "regulation":
                power_w = [0] * 96
                for slot, power, pair in zip(SLOTS, signed, powers, strict=True):
                    power_w[slot] = self.within(name, number, slot, abs(power)) if any(pair) else 0
                got: Powers = tuple((power_w[slot],) * 2 for slot in SLOTS)  # type: ignore[misc]
            else:
                got = tuple((max(power_w[slot], 0), max(-power_w[slot], 0)) for slot in SLOTS)
            assert bid is None or number == 0
            told.append(Award(bid=name, power_w=tuple(power_w), revision=number or None))
            awards[name] = (number, got, tuple(power_w))
        clearing = Clearing(
            market=MARKET,
            product=product,
            day=DAY,
            run=str(run),
            published=CLOSES + timedelta(hours=run),
            price_u=(400_000,) * 96,
            awards=tuple(told),
            source="file",
            source_sha256="0" * 64,
        )
        if not self.ask(lambda key: self.desk.record_clearing(clearing, command_id=key, actor="gw"), set()):
            return
        self.runs[product] = run
        for name, (number, got, _) in awards.items():
            known = self.model[name]
            known.award, known.standing = got, []
            known.ended_revision = number or known.ended_revision

    def within(self, name: str, number: int, slot: int, power: int) -> int:
        """As much of `power` as the revision that is cleared offers toward the grid."""
        state = self.desk.bids()[name]
        found = state.standing
        while number and found is not None and found.draft.revision != number:
            found = found.behind
        assert found is not None, "what is cleared was submitted"
        curve = found.draft.bid.curves[slot]
        return min(power, max((to_w for _, to_w, _ in curve), default=0))

    @rule(minutes=st.sampled_from([1, 1, 1, 1, 5, 30]))
    def wait(self, minutes: int) -> None:
        self.door.now += timedelta(minutes=minutes)

    # ------------------------------------------------------------------ what holds

    def live(self, data: st.DataObject) -> tuple[str, Modelled]:
        name = data.draw(st.sampled_from(sorted(n for n, one in self.model.items() if one.standing)))
        return name, self.model[name]

    def ask(self, call: Callable[[str], object], expected: set[str]) -> bool:
        """Whether it was accepted; a refusal has one of the expected reasons, and changes nothing."""
        self.count += 1
        before, saves = dict(self.door.states), len(self.door.saves)
        try:
            call(f"k{self.count}")
        except Refused as refused:
            assert refused.code in expected, (
                f"{refused.code} ({refused}), expected {expected or 'no refusal'}"
            )
            assert self.door.states == before, "a refused save changes nothing"
            assert len(self.door.saves) == saves
            return False
        assert not expected, f"accepted in spite of {expected}"
        return True

    @invariant()
    def bound_is_what_may_be_awarded(self) -> None:
        for day in ("vpp", "drp"):
            state = self.door.states.get(aggregate_of(day, DAY)) or UnitDay()
            assert isinstance(state, UnitDay)
            found = {
                one.bid: tuple((one.up_w[slot], one.down_w[slot]) for slot in SLOTS)
                for one in state.commitments
            }
            wanted = {
                name: tuple(
                    (self.share(BIDS[name][0], day, up), self.share(BIDS[name][0], day, down))
                    for up, down in one.bound
                )
                for name, one in self.model.items()
                if one.standing or one.award is not None
            }
            assert found == wanted

    @invariant()
    def limits_used_are_the_live_bids_parts(self) -> None:
        for user in ("anna", "carl"):
            state = self.door.states.get(usage_of(LIMIT, user, DAY)) or Usage()
            assert isinstance(state, Usage)
            found = {one.bid: one.exact for one in state.parts if one.exact}
            wanted = {
                name: Fraction(one.used[user]) for name, one in self.model.items() if one.used.get(user)
            }
            assert found == wanted

    @invariant()
    def a_standing_bid_is_not_lost(self) -> None:
        for name, state in self.desk.bids().items():
            known = self.model[name]
            assert [(one.draft.revision, one.status) for one in state.awardable] == [
                (one.number, status) for one, status in known.standing
            ]

    def check_prefix(self) -> None:
        """After every single event: no kW is offered or awarded twice, of a unit or of both together."""
        total: dict[tuple[str, int, int], int] = {}
        streams: dict[int, set[str]] = {}
        for name, state in self.desk.bids().items():
            unit_name, product = BIDS[name]
            for n in range(len(SLOTS)):
                up, down = self.peak(name, state, n)
                if up or down:
                    streams.setdefault(n, set()).add(product)
                for way, power in enumerate((up, down)):
                    for key in (unit_name, "both"):
                        total[key, n, way] = total.get((key, n, way), 0) + power
        for (key, _, _), power in total.items():
            assert power <= (BOTH_W if key == "both" else UNIT_W), f"{power} W of {key} are sold"
        assert not any(excluded(*pair) for found in streams.values() for pair in pairs(found))

    def peak(self, name: str, state: BidState, n: int) -> tuple[int, int]:
        standing = state.standing
        if standing is not None and standing.status == "cleared":
            power = standing.awarded_w[SLOTS[n]]
            up, down = max(power, 0), max(-power, 0)
        else:
            curves = [one.draft.bid.curves[SLOTS[n]] for one in state.awardable]
            up = max((segment[1] for curve in curves for segment in curve), default=0)
            down = max((-segment[0] for curve in curves for segment in curve), default=0)
        return (max(up, down),) * 2 if BIDS[name][1] == "regulation" else (up, down)  # type: ignore[return-value]


def pairs(found: set[str]) -> list[tuple[str, str]]:
    ordered = sorted(found)
    return [(one, other) for n, one in enumerate(ordered) for other in ordered[n + 1 :]]


def bid_of(name: str, powers: Powers) -> Bid:
    curves: list[tuple[tuple[int, int, int], ...]] = [()] * 96
    schedule = [0] * 96
    for slot, (up, down) in zip(SLOTS, powers, strict=True):
        curves[slot] = ((-down, up, 300_000),) if up or down else ()
    scheduled = BIDS[name][1] == "day_ahead"
    return Bid(
        id=name,
        unit=BIDS[name][0],
        market=MARKET,
        product=BIDS[name][1],
        day=DAY,
        curves=tuple(curves),
        schedule_w=tuple(schedule) if scheduled else None,
    )


TestBidLives = BidLives.TestCase
TestBidLives.settings = settings(
    derandomize=True,
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
