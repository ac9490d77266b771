"""A market's regulation signal: heard every few seconds, followed within the band, and measured for
settlement.

It comes as JSON on the NATS subject `$AGC.<book>.<portfolio>`, outside the book's stream: no signal is an
event. What was measured of an hour is, as a fact of our own that the market's figures correct.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
import nats.errors
import numpy as np
from nats.aio.msg import Msg

from adapters.driving.device_state import instant
from adapters.driving.stream_ear import closed
from adapters.driving.watched_door import WatchedDoor
from adapters.nats.client import NatsClient
from adapters.nats.question import ONCE_S
from dispatch.control.regulation_following import SIGNAL_PPM_MAX, STEP_S
from dispatch.control.regulation_measure import (
    Instruction,
    Samples,
    Subject,
    check_measured,
    has_gap,
    instructions_fact,
    performance_fact,
)
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Instant, Interval
from ledger.market_fact import RecordMarketFact
from ledger.refusal import Refused
from ledger.streams.performance_factor import Product, WeightedSum
from ledger.streams.regulation import AgcInstructions, RegulationPerformance, RegulationRule

FRESH_S: Final = 3 * STEP_S
"""A signal that is older is none: the middle of the band holds."""
HOUR_MS: Final = 3_600_000
_RETRY_S: Final = 1.0
_OTHERS_FIRST_S: Final = 0.5
"""A driver without a storage of the portfolio answers so much later: whoever drives one is heard first."""


class AgcSignal(msgspec.Struct, frozen=True, kw_only=True):
    """From -1 000 000 (all down: charge) to 1 000 000 (all up), in millionths of the band; under which of the
    market's rules and for which of its products."""

    portfolio: str
    signal_ppm: int
    rule: str
    product: str
    at: Instant

    def __post_init__(self) -> None:
        for place in ("portfolio", "rule", "product"):
            checked_id(getattr(self, place), place)
        if abs(self.signal_ppm) > SIGNAL_PPM_MAX:
            raise Refused("signal", f"-{SIGNAL_PPM_MAX} to {SIGNAL_PPM_MAX} millionths", place="signal_ppm")

    def fresh(self, now: datetime) -> bool:
        return abs(now - self.at) <= timedelta(seconds=FRESH_S)

    def check_fresh(self, now: datetime) -> None:
        """Raises:
        Refused: `signal_old`, `signal_ahead`.
        """
        if self.fresh(now):
            return
        apart = f"its clock says {self.at:%Y-%m-%dT%H:%M:%SZ}, ours {now:%Y-%m-%dT%H:%M:%SZ}"
        if self.at > now:
            wrong = f"at most {FRESH_S} s ahead of our clock; {apart}"
            raise Refused("signal_ahead", wrong, place="at")
        raise Refused("signal_old", f"a signal of the last {FRESH_S} s by our clock; {apart}", place="at")

    def check_rule(self, published: object) -> None:
        """That its hour can be measured; `published` is what is on record of its rule.

        Raises:
            Refused: `unknown_market_rule`, `fact_kind` for a rule that is not of regulation,
                `unknown_product`, `measure_unknown`.
        """
        rule = regulation_rule(published, self.rule)
        check_measured(rule)
        if self.product not in rule.products:
            wrong = f"{self.product!r} is not one of {rule.id}: {', '.join(rule.products)}"
            raise Refused("unknown_product", wrong, place="product")


class SignalParts(NamedTuple):
    """A portfolio's storages. `own`: whose lease this driver holds, and that it answers for. `others`: those
    that somebody else holds, as far as is known, or is about to."""

    own: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


class Followed(msgspec.Struct, frozen=True):
    """A driver's answer to a signal: how many devices follow it; where none does, or not all that it asks for
    can be given, why (code and text). `own` are the portfolio's storages that it answers for, `others` those
    that another driver does."""

    devices: int
    why: str = ""
    own: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def regulation_rule(published: object, name: str) -> RegulationRule:
    """The newest version of what is on record under that name.

    Raises:
        Refused: `unknown_market_rule`, `fact_kind`.
    """
    if not isinstance(published, History):
        raise Refused("unknown_market_rule", f"no rule {name!r} is published", place="rule")
    rule = published.latest.document
    if not isinstance(rule, RegulationRule):
        raise Refused("fact_kind", f"{name} is not a rule of regulation", place="rule")
    return rule


def signal_subject(book: str, portfolio: str) -> str:
    """Where a portfolio's signals are; `*` for all."""
    return f"$AGC.{book}.{portfolio}"


async def hear_signals(
    client: NatsClient,
    book: str,
    told: Callable[[AgcSignal], Awaitable[Followed]],
    drives: Callable[[str], bool],
    say: Callable[[str], None],
    parts: Callable[[str], SignalParts] = lambda _: SignalParts(),
) -> None:
    """Until it is cancelled; `told` is called on this loop, and what it says of how many devices follow, or
    why none does (`Refused`), is answered to who asks, with the driver's `parts` of the portfolio: later
    where it `drives` nothing of it. A reason is said once, until signals are followed again. The client
    subscribes again by itself."""
    loop = asyncio.get_running_loop()
    reasons: dict[str, str] = {}
    late: asyncio.Queue[tuple[float, str, bytes]] = asyncio.Queue()

    def answer_late(reply: str, body: bytes) -> None:
        late.put_nowait((loop.time() + _OTHERS_FIRST_S, reply, body))

    async def tell(signal: AgcSignal) -> Followed:
        try:
            followed = await told(signal)
        except Refused as refused:
            followed = Followed(0, f"{refused.code}: {refused}")
        code, _, reason = followed.why.partition(": ")
        if code and reasons.get(signal.portfolio) != code:
            how = "followed in part" if followed.devices else "not followed"
            say(f"{signal.portfolio}: signal {how} ({code}): {reason}")
        reasons[signal.portfolio] = code
        own, others = parts(signal.portfolio)
        return msgspec.structs.replace(followed, own=own, others=others)

    async def receive(message: Msg) -> None:
        try:
            signal = msgspec.json.decode(message.data, type=AgcSignal)
        except msgspec.DecodeError as error:
            loop.call_soon_threadsafe(say, f"{message.subject}: no signal: {error}")
        except Refused as refused:
            loop.call_soon_threadsafe(say, f"{message.subject}: refused ({refused.code}): {refused}")
        else:
            following = asyncio.run_coroutine_threadsafe(tell(signal), loop)
            answer = await asyncio.wrap_future(following)
            body = msgspec.json.encode(answer)
            if message.reply and not drives(signal.portfolio):
                loop.call_soon_threadsafe(answer_late, message.reply, body)
            elif message.reply:
                with contextlib.suppress(nats.errors.Error):
                    await client.publish(message.reply, body)

    while True:
        with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
            hearing = client.hear(signal_subject(book, "*"), receive)
            inbox = await asyncio.to_thread(client.run, hearing, ONCE_S + 1)
            break
        await asyncio.sleep(_RETRY_S)
    try:
        while True:
            due, reply, body = await late.get()
            await asyncio.sleep(due - loop.time())
            with contextlib.suppress(nats.errors.Error, OSError):
                await client.awaited(client.publish(reply, body))
    finally:
        with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
            await asyncio.to_thread(client.run, closed(inbox), ONCE_S + 1)


class _Asked(msgspec.Struct, frozen=True):
    at_ms: int
    target_w: int


class RegulationTrace:
    """What one site was asked and did in the hours that are not told yet; ms since 1970 UTC.

    `alarm` gets why an hour could not be recorded, and an empty text when the next one was."""

    def __init__(self, site: str, rated_w: int, alarm: Callable[[str], None]) -> None:
        self.site = site
        self._rated_w = rated_w
        self._alarm = alarm
        self._asked: dict[tuple[str, str], list[_Asked]] = {}
        self._samples: dict[int, int] = {}

    def asked(self, signal: AgcSignal, target_w: int, at_ms: int) -> None:
        """The signal wants that power of the site from then on; the same power again is the same
        instruction."""
        before = self._asked.setdefault((signal.rule, signal.product), [])
        if not before or (before[-1].at_ms < at_ms and before[-1].target_w != target_w):
            before.append(_Asked(at_ms, target_w))

    def sampled(self, at_ms: int, power_w: int) -> None:
        """What all its devices together did; nothing is told of a moment in which one was not read."""
        if self._asked:
            self._samples[at_ms] = power_w

    @property
    def open(self) -> bool:
        """Something was asked that is not told yet."""
        return bool(self._asked)

    def over(self, now_ms: int) -> list[tuple[str, str, int]]:
        """Rules, products and begins of hours that are over, and in which something was asked."""
        found = {
            (rule, product, one.at_ms - one.at_ms % HOUR_MS)
            for (rule, product), asked in self._asked.items()
            for one in asked
        }
        return sorted(one for one in found if one[2] + HOUR_MS + STEP_S * 1000 <= now_ms)

    def hour(self, rule: str, product: str, start_ms: int) -> tuple[list[Instruction], Samples]:
        """The hour's instructions and samples, ms from its start; the last instruction goes on to its end."""
        end_ms = start_ms + HOUR_MS
        here = [one for one in self._asked[rule, product] if one.at_ms < end_ms]
        ends = [*(one.at_ms for one in here[1:]), end_ms]
        found = [
            Instruction(max(one.at_ms, start_ms) - start_ms, until - start_ms, one.target_w)
            for one, until in zip(here, ends, strict=True)
            if until > start_ms
        ]
        at = sorted(at for at in self._samples if start_ms <= at < end_ms)
        samples = Samples(
            np.array([one - start_ms for one in at], dtype=np.int64),
            np.array([self._samples[one] for one in at], dtype=np.int64),
        )
        return found, samples

    def forget(self, rule: str, product: str, start_ms: int) -> None:
        """The hour is told."""
        end_ms = start_ms + HOUR_MS
        left = [one for one in self._asked.pop((rule, product)) if one.at_ms >= end_ms]
        if left:
            self._asked[rule, product] = left
        oldest = min((one[0].at_ms for one in self._asked.values()), default=None)
        kept = end_ms if oldest is None else min(oldest - oldest % HOUR_MS, end_ms)
        self._samples = {at: power for at, power in self._samples.items() if at >= kept}

    async def tell(self, door: WatchedDoor, now_ms: int, say: Callable[[str], None]) -> None:
        """Record what was measured of the hours that are over; what cannot be measured is said, and an alarm.

        Raises:
            StoreLost: nothing is forgotten; call it again.
        """
        for rule_id, product, start_ms in self.over(now_ms):
            published = await door.state(f"market_rule.{rule_id}")
            instructions, samples = self.hour(rule_id, product, start_ms)
            about = f"regulation at {self.site}, {instant(start_ms):%Y-%m-%dT%H:%MZ}"
            try:
                fact = measured(
                    regulation_rule(published, rule_id),
                    product,
                    self.site,
                    start_ms,
                    instructions,
                    samples,
                    self._rated_w,
                )
                await door.execute(RecordMarketFact(fact), f"measured-{fact.id}")
            except Refused as refused:
                say(f"{about}: refused ({refused.code}): {refused}")
                self._alarm(f"{about} is not on record ({refused.code}): {refused}")
            else:
                say(f"{about}: {_share(instructions, samples)} measured as {fact.id}")
                self._alarm("")
            self.forget(rule_id, product, start_ms)


def _share(instructions: list[Instruction], samples: Samples) -> str:
    """How much of what was asked was measured."""
    left = [one for one in instructions if not has_gap(one, samples)]
    if len(left) == len(instructions):
        return f"{len(left)} instructions"
    part, whole = (sum(one.until_ms - one.at_ms for one in those) for those in (left, instructions))
    return f"{len(left)} of {len(instructions)} instructions, {part * 100 // whole} % of their time,"


def measured(
    rule: RegulationRule,
    product: str,
    site: str,
    start_ms: int,
    instructions: list[Instruction],
    samples: Samples,
    rated_w: int,
) -> AgcInstructions | RegulationPerformance:
    """The hour's fact. An instruction over a gap of telemetry is not in it: nothing is measured over a gap.

    Raises:
        Refused: `telemetry_gap` where none is left, and as `instructions_fact`, `performance_fact`.
    """
    start = instant(start_ms)
    hour = Interval(start, start + timedelta(hours=1))
    subject = Subject(f"agc-{site}-{product}-{start:%Y%m%dT%H}", rule.id, site, product, hour)
    left = [one for one in instructions if not has_gap(one, samples)]
    if instructions and not left:
        raise Refused("telemetry_gap", "no instruction has samples throughout", place=f"{start}")
    if isinstance(rule.factor, WeightedSum | Product):
        return instructions_fact(subject, rule, left, samples, rated_w)
    return performance_fact(subject, rule, instructions, samples)
