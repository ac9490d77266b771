"""What the desk goes by: its policy, what waits for approval, the switch, and how far each limit is used."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Final, cast

import msgspec

from adapters.postgres.database import Connection
from adapters.queries.folded import states
from ledger.interval import Instant
from ledger.quantity import decimal_text, round_half_away
from ledger.refusal import Refused
from trading import risk
from trading.bid_life import LimitPart
from trading.risk import Desk, Each, Limit, Measure, Pulled, RiskPolicy, Span
from trading.usage import Usage, aggregate_of

_OPEN_DAYS: Final = 32
"""How long after its delivery day a bid may count in an open limit, and a day for the zones."""

_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_parts: Final = msgspec.json.Decoder(tuple[LimitPart, ...]).decode


class StatedPolicy(msgspec.Struct, frozen=True):
    """A policy and the SHA-256 of what it says, by which it is approved."""

    digest: str
    policy: RiskPolicy

    @classmethod
    def of(cls, policy: RiskPolicy) -> StatedPolicy:
        return cls(hashlib.sha256(_encode(policy)).hexdigest(), policy)


class LimitStanding(msgspec.Struct, frozen=True):
    """What bids use of a limit, in Wh or major units of its currency; `day` is None for the open book.

    `bids` are those that use it.
    """

    limit: str
    each: Each
    value: str
    measure: Measure
    span: Span
    day: date | None
    used: str
    most: str
    currency: str | None
    bids: tuple[str, ...]


class DeskRules(msgspec.Struct, frozen=True):
    """`at` is the instant at which limits are summed up; `stopped` says who stopped trading last, and why,
    `stops` all who did since trading last went on, of whom none resumes it.

    `prepared` waits for somebody other than `prepared_by`.
    """

    position: int
    at: Instant
    stopped: Pulled | None
    in_force: StatedPolicy | None
    prepared: StatedPolicy | None
    prepared_by: str
    limits: tuple[LimitStanding, ...]
    stops: tuple[Pulled, ...]


def prepared_policy(desk: object, digest: str) -> RiskPolicy:
    """The policy whose digest begins so, and that waits for approval or, for a repeat, is in force.

    Raises:
        Refused: `risk_policy`.
    """
    for policy in (desk.prepared, desk.policy) if isinstance(desk, Desk) else ():
        if policy is not None and StatedPolicy.of(policy).digest.startswith(digest):
            return policy
    raise Refused("risk_policy", "no policy of that digest waits for approval: read it first", place="digest")


def desk_rules(connection: Connection, position: int, at: datetime) -> DeskRules:
    """As of a sequence number, with the limits as they are used at an instant."""
    found = states(connection, (risk.AGGREGATE,), position).get(risk.AGGREGATE)
    desk = found if isinstance(found, Desk) else Desk()
    return DeskRules(
        position=position,
        at=at,
        stopped=desk.pulled,
        in_force=None if desk.policy is None else StatedPolicy.of(desk.policy),
        prepared=None if desk.prepared is None else StatedPolicy.of(desk.prepared),
        prepared_by=desk.prepared_by,
        limits=() if desk.policy is None else _limits(connection, position, desk.policy, at),
        stops=desk.stops,
    )


def _limits(
    connection: Connection, position: int, policy: RiskPolicy, at: datetime
) -> tuple[LimitStanding, ...]:
    """By limit, day and value; those that nothing uses are left out."""
    rows = connection.execute(
        "SELECT DISTINCT day, (state::jsonb #> '{standing,uses}')::text FROM ledger.bid"
        " WHERE from_seq <= %s AND day >= %s AND state::jsonb #> '{standing,uses}' IS NOT NULL",
        [position, (at - timedelta(days=_OPEN_DAYS)).date()],
    ).fetchall()
    limits = {limit.id: limit for limit in policy.limits}
    keys: dict[str, tuple[Limit, str, date | None]] = {}
    for day, uses in rows:
        for part in _parts(uses):
            limit = limits.get(part.limit)
            if limit is None or (limit.span == "day" and day < at.date() - timedelta(days=1)):
                continue
            of = day if limit.span == "day" else None
            keys[aggregate_of(limit, part.value, day)] = limit, part.value, of
    used = cast("dict[str, Usage]", states(connection, tuple(keys), position))
    standing = [_standing(*keys[name], usage, at) for name, usage in used.items()]
    order = {name: number for number, name in enumerate(limits)}
    return tuple(
        sorted(
            (one for one in standing if one.bids),
            key=lambda one: (order[one.limit], one.day or date.min, one.value),
        )
    )


def _standing(limit: Limit, value: str, day: date | None, usage: Usage, at: datetime) -> LimitStanding:
    holding = tuple(one.bid for one in usage.parts if one.until > at)
    return LimitStanding(
        limit=limit.id,
        each=limit.each,
        value=value,
        measure=limit.measure,
        span=limit.span,
        day=day,
        used=_text(usage.sum_at(at, "")),
        most=limit.most,
        currency=limit.currency,
        bids=holding,
    )


def _text(value: Fraction) -> str:
    """Whole as it is, else with two decimals, halves away from zero: shown, not computed with."""
    return str(value) if value.denominator == 1 else decimal_text(round_half_away(value * 100), 2)
