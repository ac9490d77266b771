"""A small book and its bundles, written down by hand: nothing of the ledger, and nothing of the verifier.

One contract, one site whose storage is metered by the hour, February 2026 settled twice, one commitment.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
from fractions import Fraction
from typing import Any

from nacl.signing import SigningKey

ORIGIN = "ledger.test/small"
HOURS = 28 * 24
MONTH = "2026-02"
SECRET = bytes(range(32))
SEED = b"\x07" * 32


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def line(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


# ------------------------------------------------------------------ RFC 9162 2.1, as it stands there


def mth(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha(b"\x01" + mth(leaves[:k]) + mth(leaves[k:]))


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def proof(m: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*proof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*proof(m - k, leaves[k:], False), mth(leaves[:k])]


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


# ------------------------------------------------------------------ C2SP signed-note


def key_text(seed: bytes = SEED, origin: str = ORIGIN) -> str:
    return f"{origin}+{key_id(seed, origin).hex()}+{b64(typed(seed))}"


def typed(seed: bytes) -> bytes:
    return b"\x01" + bytes(SigningKey(seed).verify_key)


def key_id(seed: bytes, origin: str) -> bytes:
    return sha(origin.encode() + b"\n" + typed(seed))[:4]


def checkpoint(leaves: list[bytes], seed: bytes = SEED, origin: str = ORIGIN) -> str:
    text = f"{origin}\n{len(leaves)}\n{b64(mth(leaves))}\n"
    signature = SigningKey(seed).sign(text.encode()).signature
    return f"{text}\n\u2014 {origin} {b64(key_id(seed, origin) + signature)}\n"


# ------------------------------------------------------------------ what happened


def yuan(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "CNY"}


CONTRACT = {
    "id": "C1",
    "title": "A small contract",
    "model": "co_investment",
    "sites": ["S1"],
    "currency": "CNY",
    "zone": "UTC",
    "effective_from": "2020-01-01",
    "effective_to": "2040-01-01",
    "parties": [
        {"id": "host", "role": "host", "sees": {"pool_total": False, "host_bill": False}},
        {"id": "owner", "role": "investor", "sees": {"pool_total": True, "host_bill": False}},
    ],
    "owner_position": "net",
    "pool_streams": ["arbitrage"],
    "pass_through_costs": [],
    "cash_holder": {"arbitrage": "host"},
    "clauses": [{"type": "remainder_split", "shares": {"host": "60%", "owner": "40%"}}],
}


def readings(register: str, first: int, values: list[int], quality: str = "A") -> dict[str, Any]:
    day, hour = divmod(first, 24)
    packed = struct.pack(f"<{len(values)}i", *values)
    start = f"2026-02-{day + 1:02d}T{hour:02d}:00:00Z"
    common = {"meter": "M1", "register": register, "start": start, "interval_s": 3600}
    return {**common, "wh": b64(packed), "quality": quality}


CHARGED = [(1000 if hour % 24 < 8 else 10) + hour % 7 for hour in range(HOURS)]
DISCHARGED = [(20 if hour % 24 < 8 else 900) + hour % 5 for hour in range(HOURS)]
LATE = [1, 2, 3]
PERCENTAGES = [
    {"clause": "clause 1, remainder_split", "of": "", "party": party, "share": share}
    for party, share in (("host", "60%"), ("owner", "40%"))
]


def price(mantissa: int) -> dict[str, Any]:
    return {"mantissa": mantissa, "scale": 1, "currency": "CNY", "unit": "kWh"}


def rule(period: str, start: int, end: int, *, days: str = "all") -> dict[str, Any]:
    hours = [{"start": start * 60, "end": end * 60}]
    return {"period": period, "months": list(range(1, 13)), "days": [days], "hours": hours}


JANUARY, MAY = ({"year": 2026, "month": month} for month in (1, 5))
TARIFF = {
    "id": "T1",
    "calendar": {"name": "none", "zone": "UTC"},
    "schedules": [
        {
            "start": JANUARY,
            "until": None,
            "months": list(range(1, 13)),
            "periods": {
                "rules": [rule("valley", 0, 8), rule("valley", 12, 14, days="rest")],
                "otherwise": "flat",
            },
        }
    ],
    "tables": [
        {
            "start": JANUARY,
            "until": MAY,
            "prices": {"sharp": None, "peak": None, "flat": price(5), "valley": price(2), "deep": None},
            "components": None,
            "demand": None,
            "capacity": None,
        }
    ],
}
"""Valley until 8, and at noon of Saturdays and Sundays; 1 February 2026 is a Sunday."""
SITE = {"id": "S1", "zone": "UTC", "tariff": "T1", "account": {"anchor_day": 1, "feeders": []}}


def in_valley(hour: int) -> bool:
    return hour % 24 < 8 or ((hour // 24) % 7 in (0, 6) and hour % 24 in (12, 13))


def by_period(label: str, wh: list[int], sign: int) -> list[tuple[str, int, str, int]]:
    sums = [sum(one for hour, one in enumerate(wh) if in_valley(hour) is valley) for valley in (False, True)]
    return [(f"{label}, flat", sums[0], "0.5", sign), (f"{label}, valley", sums[1], "0.2", sign)]


def run(
    number: int, position: int, sources: list[int], charge: list[int], discharge: list[int]
) -> dict[str, Any]:
    """Discharged and charged energy at 0.5 in flat hours and 0.2 in the valley; the pool split 60 to 40."""
    terms = [*by_period("discharged", discharge, 1), *by_period("charged", charge, -1)]
    exacts = [sign * Fraction(wh, 1000) * Fraction(price) for _, wh, price, sign in terms]
    exact = sum(exacts, Fraction(0))
    pool = int(exact * 100 + Fraction(1, 2))
    host, owner = pool * 60 // 100, pool * 40 // 100
    host += pool - host - owner if (pool * 60) % 100 >= (pool * 40) % 100 else 0
    owner = pool - host

    def text(value: Fraction) -> str:
        return f"{value.numerator}/{value.denominator}" if value.denominator > 1 else str(value)

    def made(
        at: int, kind: str, party: str, exact: Fraction, minor: int, basis: list[Any], **more: Any
    ) -> Any:
        common = {
            "number": at,
            "kind": kind,
            "site": None,
            "party": party,
            "quantity": "",
            "unit": "",
            "price": "",
        }
        money = {"exact": text(exact), "amount": yuan(minor), "rounding": text(Fraction(minor, 100) - exact)}
        rest = {"basis": basis, "sources": [0, 3], "note": "", "estimated": "", "pooled": True, "vat": None}
        return {**common, **money, **rest, **more}

    basis = [
        {"label": label, "quantity": str(wh), "unit": "Wh", "price": price, "exact": text(value)}
        for (label, wh, price, _), value in zip(terms, exacts, strict=True)
    ]
    stream = {"code": "arbitrage", "clause": "a rule", "site": "S1", "quantity": str(sum(discharge))}
    split_of = {"code": "remainder_split", "clause": "clause 1, remainder_split"}
    lines = [made(1, "stream", "host", exact, pool, basis, **stream)]
    for at, (party, share, minor) in enumerate((("host", "0.6", host), ("owner", "0.4", owner)), 2):
        value = Fraction(share) * Fraction(pool, 100)
        reached = f"{pool // 100}.{pool % 100:02d}"
        term = {
            "label": "what reached",
            "quantity": reached,
            "unit": "CNY",
            "price": share,
            "exact": text(value),
        }
        lines.append(made(at, "clause", party, value, minor, [{**term, "of": "remaining"}], **split_of))
    payable = {"host": yuan(host - pool), "owner": yuan(owner)}
    result: dict[str, Any] = {
        "contract": "C1", "title": CONTRACT["title"], "model": CONTRACT["model"],
        "month": {"year": 2026, "month": 2}, "currency": "CNY", "rules_version": "1", "position": position,
        "inputs_digest": "ab" * 32, "pool": yuan(pool), "lines": lines,
        "sources": [
            {"aggregate": "contract.C1", "sequences": [[1, 1]]},
            {"aggregate": "site.S1", "sequences": [[3, 3]]},
            {"aggregate": "tariff.T1", "sequences": [[2, 2]]},
            {"aggregate": "readings.M1/charge", "sequences": [[at, at] for at in sources]},
        ],
        "bills": [], "entitlement": {"owner": yuan(owner), "host": yuan(host)},
        "held": {"owner": yuan(0), "host": yuan(pool)}, "payable": payable,
        "warnings": [{"code": "carry_dropped", "message": "secret to the host", "clause": None}] * 2,
        "carry": {"month": {"year": 2026, "month": 2}, "settled_to": "2026-03-01", "accounts": {}},
        "sees_pool": ["owner"], "sees_bill": {"host": ["S1"]}, "sees_percentages": [],
        "sees_sites": {"host": ["S1"], "owner": ["S1"]}, "percentages": PERCENTAGES,
        "inputs": {"meter": "ab"}, "stored": {}, "opened": {}, "refused": [], "through": None,
        "agent_parts": [],
    }  # fmt: skip
    ordered = {name: dict(sorted(result[name].items())) for name in ("entitlement", "held", "payable")}
    digested = {**result, "position": 0, **ordered}
    digest = sha(json.dumps(digested, separators=(",", ":"), ensure_ascii=False).encode()).hex()
    delta = {"host": yuan(host - pool), "owner": yuan(owner)}
    if number > 1:
        earlier = run(1, 5, [5], CHARGED, DISCHARGED)["result"]["payable"]
        delta = {party: yuan(payable[party]["minor"] - earlier[party]["minor"]) for party in payable}
    kind, causes = ("initial", []) if number == 1 else ("correction 1", ["meter", "price"])
    return {
        "number": number, "kind": kind, "result": result, "outputs_digest": digest, "delta": delta,
        "causes": causes, "waiver": "",
    }  # fmt: skip


def document(recorded: dict[str, Any], sequence: int, party: str) -> bytes:
    """What the party is told: the owner sees the pool, the host does not."""
    result, zero = recorded["result"], yuan(0)
    sees = party == "owner"
    lines = [one for one in result["lines"] if one["party"] == party]
    if not sees:
        lines = [{**one, "basis": []} if one["kind"] == "clause" else one for one in lines]
    pool = result["pool"]["minor"]
    others = pool - result["entitlement"][party]["minor"]
    text = f"{others // 100}.{others % 100:02d}"
    salt = hmac.new(SECRET, b"others " + party.encode(), hashlib.sha256).digest()
    classes = ["data_error", "rule_or_price_change"] if recorded["causes"] else []
    statement = {
        "party": party, "contract": "C1", "title": result["title"], "month": MONTH, "run": recorded["number"],
        "run_kind": recorded["kind"], "causes": recorded["causes"], "classes": classes, "currency": "CNY",
        "entitlement": result["entitlement"][party], "held": result["held"][party],
        "payable": result["payable"][party], "delta": recorded["delta"].get(party, zero),
        "pool": yuan(pool) if sees else None,
        "pool_uses": [{"clause": "clause 1, remainder_split", "amount": yuan(pool)}] if sees else [],
        "lines": lines,
        "warnings": ["secret to the host" if sees else "an account of earlier months was not carried on"],
        "rules_version": "1", "position": result["position"], "sequence": sequence,
        "inputs_digest": result["inputs_digest"], "outputs_digest": recorded["outputs_digest"],
        "percentages": [one for one in PERCENTAGES if one["party"] == party],
        "agent_parts": [], "bills": [], "sites": result["sees_sites"][party],
    }  # fmt: skip
    hidden = sha(b"\x00" + salt + text.encode()).hex()
    told = {"commitment": hidden, "sum": text if sees else ""}
    return line(
        {"format": "wattledger.disclosure.v1", "contract_event": 1, "statement": statement, "others": told}
    )


def leaf_of_document(party: str, content: bytes) -> bytes:
    return sha(b"\x00" + salt_of_document(party) + content)


def salt_of_document(party: str) -> bytes:
    return hmac.new(SECRET, b"document " + party.encode(), hashlib.sha256).digest()


class SmallBook:
    """The envelopes, each a header line and a state line."""

    def __init__(self) -> None:
        self.envelopes: list[bytes] = []
        self._last: dict[str, tuple[int, str]] = {}
        period = {"start": "2026-01-01T00:00:00Z", "end": None}
        meter: dict[str, Any] = {
            "id": "M1",
            "site": "S1",
            "position": "storage",
            "registers": ["charge", "discharge"],
        }
        meter |= {"interval_s": 3600, "feeder": None}
        self.add("contract.C1", kind="contract.registered.v1", contract=CONTRACT)
        self.add("tariff.T1", kind="tariff.published.v1", tariff=TARIFF)
        self.add("site.S1", kind="site.registered.v1", period=period, site=SITE)
        self.add("meter.M1", kind="meter.registered.v1", period=period, meter=meter)
        self.record(readings("charge", 0, CHARGED), readings("discharge", 0, DISCHARGED))
        first = run(1, 5, [5], CHARGED, DISCHARGED)
        self.add(f"settlement.C1_{MONTH}", kind="settlement.recorded.v1", run=first)
        self.record(readings("charge", 5, LATE), readings("charge", 9, [7, 7], "E"))
        corrected = [*CHARGED[:5], *LATE, *CHARGED[8:]]
        self.second = run(2, 7, [5, 7], corrected, DISCHARGED)
        self.add(f"settlement.C1_{MONTH}", kind="settlement.recorded.v1", run=self.second)
        self.documents = {party: document(self.second, 8, party) for party in ("host", "owner")}
        self.opened = [leaf_of_document(party, content) for party, content in self.documents.items()]
        of = {"contract": "C1", "month": MONTH, "run": 2}
        self.add(
            f"disclosure.C1_{MONTH}",
            **{"kind": "disclosure.committed.v1", **of, "recorded_by": 8, "parties": 2},
            root=mth(self.opened).hex(),
        )
        self.add(
            f"disclosure_secret.C1_{MONTH}", **{"kind": "disclosure.sealed.v1", **of}, secret=SECRET.hex()
        )
        self.add(
            "party.P1", kind="party.registered.v1", party={"id": "P1", "name": "Ünlü 电力 " + "x" * 70_000}
        )

    def record(self, *runs: dict[str, Any]) -> None:
        self.add(
            f"readings.M1_{MONTH}",
            kind="meter.readings_recorded.v1",
            meter="M1",
            import_id="i",
            runs=list(runs),
        )

    def add(self, aggregate: str, **event: Any) -> None:
        version, previous = self._last.get(aggregate, (0, ""))
        header = {"book": "small", "aggregate": aggregate, "version": version + 1, "topic": "envelope.v1"}
        at = len(self.envelopes) + 1
        state = {
            "command": f"c{at}", "command_digest": f"{at:064x}", "actor": "ada",
            "recorded_at": f"2026-03-01T00:00:{at:02d}.5Z", "effective": None, "causation": "",
            "previous": previous, "salt": f"{at:032x}", "schema": 1, "events": [event],
        }  # fmt: skip
        content = b"\n".join(
            json.dumps(part, separators=(",", ":"), ensure_ascii=False).encode() for part in (header, state)
        )
        self.envelopes.append(content)
        self._last[aggregate] = (version + 1, sha(content).hex())

    @property
    def leaves(self) -> list[bytes]:
        return [leaf(one) for one in self.envelopes]

    def bundle(self, up_to: int | None = None, **signing: Any) -> bytes:
        """Of the book's first events."""
        leaves = self.leaves
        size = len(leaves) if up_to is None else up_to
        note = checkpoint(leaves, **signing)
        head = {"checkpoint": note, "path": [b64(one) for one in proof(size, leaves)], "size": size}
        return b"".join(
            one + b"\n" for one in [first_line("book", **signing), line(head), *self.envelopes[:size]]
        )

    def statement(self, party: str, size: int = 9) -> bytes:
        """Of a party, under the checkpoint of the first `size` events."""
        leaves, index = self.leaves[:size], list(self.documents).index(party)
        contract = {"leaf": b64(leaves[0]), "path": [b64(one) for one in path(0, leaves)]}
        commitment = {"path": [b64(one) for one in path(8, leaves)], "sequence": 9}
        disclosure = {"index": index, "parties": 2, "path": [b64(one) for one in path(index, self.opened)]}
        lines = [
            first_line("statement"),
            line({"checkpoint": checkpoint(leaves)}),
            line({"contract": contract}),
            line({"commitment": commitment}),
            self.envelopes[8],
            line({"disclosure": {**disclosure, "salt": b64(salt_of_document(party))}}),
            self.documents[party],
        ]
        return b"".join(one + b"\n" for one in lines)


def first_line(kind: str, **signing: Any) -> bytes:
    return line({"format": "wattledger.bundle.v1", "key": key_text(**signing), "kind": kind})


def leaf(envelope: bytes) -> bytes:
    if len(envelope) > 65_535:
        envelope = f"wattledger-digest-v1 {len(envelope)} {sha(envelope).hex()}\n".encode()
    return sha(b"\x00" + envelope)
