"""Check a proof bundle without trusting whoever made it, and compute its amounts again.

    python verify_bundle.py BUNDLE --key KEYFILE [--earlier CHECKPOINT]

KEYFILE holds the log's verifier key, which you were given once and kept. CHECKPOINT is a signed checkpoint
that you kept: the bundle must go on from it. docs/bundle-format.md is the format. Nothing here is shared with
the program that writes bundles. Needs Python 3.11 and PyNaCl. Exit code 0: all holds. 1: the first
thing that does not is named, with its place.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import hmac
import json
import re
import sys
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

Json = dict[str, Any]

BUNDLE = "wattledger.bundle.v1"
DOCUMENT = "wattledger.disclosure.v1"
ENTRY_BYTES_MAX = 65_535
LINE_BYTES_MAX = 64 << 20
"""No envelope can be larger, as NATS takes no larger message; a line beyond it is not read to its end."""
MINOR_DIGITS = {"CNY": 2, "EUR": 2, "USD": 2, "AUD": 2, "GBP": 2, "JPY": 0, "TWD": 2}
FIRM = frozenset("ACF")
"""Qualities of readings that an estimate or substitute never supersedes."""
FEES = frozenset({"base_fee", "discharged_price", "indexed_fee", "service_fee"})
"""Clauses by which one pays another; all others divide the pool."""
OF_THE_BILL = frozenset({"demand_charge", "power_factor", "interaction"})
"""Streams whose terms tell the host's electricity bill."""
RULE_OR_PRICE = frozenset({"rule", "price", "market_rule", "exclusivity"})
"""Causes of a correction that are a rule or price change; all others but `earlier_month` are wrong data."""
WITHHELD = {
    "implausible_fee": "a fee of this contract is implausibly high; it was computed as written",
    "missing_stream": "a stream or an audit form was not available this month",
    "carry_dropped": "an account of earlier months was not carried on",
    "provisional": "the month is not over: nothing is payable on this",
    "uncovered_days": "a site is under no contract for days of which a market told something",
    "behind_the_meter": "capacity behind the meter is not paid by the market's rule",
    "rebound_in_peak": "a storage recharged after a response inside the demand charge's window",
    "opening_stock": "a storage's stock at the start of its first month was not stated",
    "contract_ended": "the contract ended before this month: what was settled is taken back",
}
"""What a party that may not see the pool is told of a notice."""
MAPS = ("entitlement", "held", "payable", "sees_bill", "sees_sites", "inputs", "stored", "opened")
"""Of a result: objects whose names are data. Its digest has them in order; other fields keep theirs."""


class Wrong(Exception):
    """The bundle does not hold; the place comes first."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")


def need(condition: object, place: str, reason: str) -> None:
    if not condition:
        raise Wrong(place, reason)


@contextmanager
def reading(place: str) -> Iterator[None]:
    """What is not there, or of another type, than the format says makes the bundle wrong."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise Wrong(place, f"not as the format says: {type(error).__name__} {error}") from None


# ------------------------------------------------------------------ text, JSON, numbers


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not a whole number")


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def parsed(line: bytes, place: str) -> Json:
    """A line's JSON object; floats, repeated names and lone surrogates are refused."""
    with reading(place):
        text = line.decode("utf-8")
        found = json.loads(text, object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float)
        canonical(found)
        need(isinstance(found, dict), place, "not a JSON object")
        return dict(found)


def canonical(value: object) -> bytes:
    """JSON with names in order, without blanks, in UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def own_line(line: bytes, place: str, names: str) -> Json:
    """A line of the bundle's own, which has one spelling and these fields."""
    found = parsed(line, place)
    need(canonical(found) == line, place, "not spelled as the format says")
    return with_names(found, names, place)


def with_names(found: Any, names: str, place: str) -> Json:
    """An object with exactly these fields."""
    need(isinstance(found, dict), place, "not a JSON object")
    for name in sorted(set(names.split()) ^ found.keys()):
        raise Wrong(place, f"{name!r} is not a field of this" if name in found else f"{name!r} is missing")
    return dict(found)


def whole(value: Any, place: str) -> int:
    need(type(value) is int, place, f"{str(value)[:60]!r} is not a whole number")
    return int(value)


def unbase64(text: Any, place: str, length: int | None = None) -> bytes:
    """Padded standard base64, in its one spelling."""
    with reading(place):
        value = base64.b64decode(text, validate=True)
        need(base64.b64encode(value).decode() == text, place, f"{text[:60]!r} is not base64")
    need(length is None or len(value) == length, place, f"{len(value)} bytes are not {length}")
    return value


def hashes(values: Any, place: str) -> list[bytes]:
    need(isinstance(values, list), place, "a path is not a list")
    return [unbase64(one, f"{place}, path {at}", 32) for at, one in enumerate(values)]


def hexadecimal(text: Any, place: str) -> bytes:
    """32 bytes in small letters."""
    need(
        isinstance(text, str) and re.fullmatch("[0-9a-f]{64}", text),
        place,
        f"{text!r} is not 32 bytes in hex",
    )
    return bytes.fromhex(text)


def maybe_number(text: str) -> Fraction | None:
    """An exact decimal, or numerator/denominator; None for other text."""
    if len(text) > 4000 or not re.fullmatch(r"-?[0-9]+(\.[0-9]+|/0*[1-9][0-9]*)?", text, re.ASCII):
        return None
    return Fraction(text)


def number(text: str, place: str) -> Fraction:
    value = maybe_number(text)
    if value is None:
        raise Wrong(place, f"{text[:60]!r} is not an exact number")
    return value


def maybe_product(text: str) -> Fraction | None:
    """A price, which may be written as a product: `40 x 0.9`."""
    value = Fraction(1)
    for factor in map(maybe_number, text.split(" x ")):
        if factor is None:
            return None
        value *= factor
    return value


def rounded(value: Fraction) -> int:
    """The nearest whole number, halves away from zero."""
    nearest = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return nearest if value >= 0 else -nearest


def minor(money: Any, currency: str, place: str) -> int:
    """Money in whole minor units of this currency."""
    given = with_names(money, "minor currency", place)
    need(given["currency"] == currency, place, f"it is not in {currency}")
    return whole(given["minor"], place)


def money_text(units: int, currency: str) -> str:
    digits = MINOR_DIGITS[currency]
    text = str(abs(units)).rjust(digits + 1, "0")
    sign = "-" if units < 0 else ""
    return f"{sign}{text[: len(text) - digits]}.{text[-digits:]}" if digits else sign + text


# ------------------------------------------------------------------ Merkle tree, signed notes


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_of(envelope: bytes) -> bytes:
    """A long envelope stands in the log by its length and hash."""
    if len(envelope) > ENTRY_BYTES_MAX:
        envelope = f"wattledger-digest-v1 {len(envelope)} {sha256(envelope).hex()}\n".encode()
    return sha256(b"\0", envelope)


class Tree:
    """A growing tree, by the roots of its perfect subtrees, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        node, at = leaf, self.size
        while at & 1:
            node, at = sha256(b"\1", self._peaks.pop(), node), at >> 1
        self._peaks.append(node)
        self.size += 1

    @property
    def root(self) -> bytes:
        node = self._peaks[-1] if self._peaks else sha256()
        for peak in reversed(self._peaks[:-1]):
            node = sha256(b"\1", peak, node)
        return node


def climb(index: int, last: int, path: list[bytes], place: str) -> Iterator[tuple[bytes, bool]]:
    """Each sibling up to the root of leaves 0 to `last`, and whether it stands to the left."""
    for sibling in path:
        need(last > 0, place, "the path is too long")
        left = bool(index & 1) or index == last
        yield sibling, left
        while left and not index & 1 and index:
            index, last = index >> 1, last >> 1
        index, last = index >> 1, last >> 1
    need(last == 0, place, "the path is too short")


def check_inclusion(index: int, size: int, leaf: bytes, path: list[bytes], root: bytes, place: str) -> None:
    """RFC 9162 2.1.3.2."""
    need(0 <= index < size, place, f"there is no leaf {index} among {size}")
    node = leaf
    for sibling, left in climb(index, size - 1, path, place):
        node = sha256(b"\1", sibling, node) if left else sha256(b"\1", node, sibling)
    need(node == root, place, "the path does not lead to the root")


def check_consistency(old: int, new: int, path: list[bytes], before: bytes, after: bytes, place: str) -> None:
    """RFC 9162 2.1.4.2: the tree of `old` leaves begins that of `new`."""
    need(0 < old <= new, place, f"{old} leaves do not begin {new}")
    if old == new:
        need(not path and before == after, place, "the root is not the one that was signed")
        return
    need(path, place, "the path is too short")
    nodes = [before, *path] if old.bit_count() == 1 else path
    shift = ((old - 1) ^ old).bit_length() - 1
    first = second = nodes[0]
    for sibling, left in climb((old - 1) >> shift, (new - 1) >> shift, nodes[1:], place):
        if left:
            first, second = sha256(b"\1", sibling, first), sha256(b"\1", sibling, second)
        else:
            second = sha256(b"\1", second, sibling)
    need(first == before and second == after, place, "the root is not one that the signed one goes on from")


class Key(NamedTuple):
    """A log's verifier key; its name is the log's."""

    text: str
    name: str
    id: bytes
    public: bytes


def key_of(text: str, place: str) -> Key:
    """From name+id+base64 of 0x01 and the Ed25519 public key."""
    name, _, rest = text.partition("+")
    given, _, encoded = rest.partition("+")
    typed = unbase64(encoded, place, 33)
    need(name and typed[0] == 1, place, "not an Ed25519 verifier key")
    made = sha256(name.encode(), b"\n", typed)[:4]
    need(made.hex() == given, place, "its id is not that of its name and key")
    return Key(text, name, made, typed[1:])


class Checkpoint(NamedTuple):
    size: int
    root: bytes


def checkpoint_of(note: Any, key: Key, place: str) -> Checkpoint:
    """What a note says of the log of `key`, when that key signed it."""
    need(isinstance(note, str) and "\n\n" in note and note.endswith("\n"), place, "not a signed note")
    text, _, signatures = note[:-1].rpartition("\n\n")
    signed = False
    for line in signatures.split("\n"):
        dash, name, encoded = (*line.split(" ", 2), "", "")[:3]
        need(dash == "\u2014" and name, place, "not a signature line")
        value = unbase64(encoded, place)
        if name == key.name and value[:4] == key.id:
            try:
                VerifyKey(key.public).verify(text.encode() + b"\n", value[4:])
            except (BadSignatureError, ValueError):
                raise Wrong(place, f"the signature of {key.name} does not hold") from None
            signed = True
    need(signed, place, f"{key.name} did not sign it")
    origin, size, root = (*text.split("\n", 3), "", "")[:3]
    need(origin == key.name, place, f"it is of the log {origin[:60]!r}, not {key.name!r}")
    need(re.fullmatch(r"[1-9][0-9]{0,18}", size, re.ASCII), place, f"{size[:60]!r} is not a size")
    return Checkpoint(int(size), unbase64(root, place, 32))


class Keys(NamedTuple):
    """The keys that a log signed with: each up to and with a size, and the one that signs now."""

    name: str
    former: list[tuple[int, Key]]
    now: Key


def keys_of(head: Json, key: Key, place: str) -> Keys:
    """How the log came to its key, from or to the one that is trusted: each handover is a checkpoint that
    names two keys and that both signed, and each begins with the key that the one before ended with."""
    former: list[tuple[int, Key]] = []
    now = key
    for at, note in enumerate(head.get("handovers", [])):
        need(isinstance(note, str), place, "not a signed note")
        named = re.search(r"\nformer-key ([^\n]*)\nnext-key ([^\n]*)\n\n", note)
        need(named, place, f"handover {at + 1} does not name two keys")
        before, after = (key_of(text, place) for text in named.groups())  # type: ignore[union-attr]
        need(before.name == after.name == key.name, place, f"handover {at + 1} is of another log")
        need(not former or before == now, place, f"handover {at + 1} does not follow the one before")
        size = checkpoint_of(note, before, place).size
        checkpoint_of(note, after, place)
        need(not former or former[-1][0] < size, place, f"handover {at + 1} is not after the one before")
        former.append((size, before))
        now = after
    trusted = key in [now, *(one for _, one in former)]
    need(trusted and head["key"] == now.text, place, "it is of another log, or another key, than yours")
    return Keys(key.name, former, now)


def checkpoint_under(note: Any, keys: Keys, place: str) -> Checkpoint:
    """As `checkpoint_of`, by the key that signed the log at that size."""
    for size, key in keys.former:
        lines = note.split("\n", 2) if isinstance(note, str) else []
        if len(lines) > 1 and re.fullmatch(r"[1-9][0-9]{0,18}", lines[1], re.ASCII) and int(lines[1]) <= size:
            return checkpoint_of(note, key, place)
    return checkpoint_of(note, keys.now, place)


# ------------------------------------------------------------------ envelopes


class Envelope(NamedTuple):
    book: str
    aggregate: str
    version: int
    previous: str
    events: list[Json]


def envelope_of(content: bytes, place: str) -> Envelope:
    """An envelope out of its two lines, every field of them checked."""
    first, _, second = content.partition(b"\n")
    header = with_names(parsed(first, place), "book aggregate version topic", place)
    names = "command command_digest actor recorded_at effective causation previous salt schema events"
    state = with_names(parsed(second, place), names, place)
    need((header["topic"], state["schema"]) == ("envelope.v1", 1), place, "it is of a kind not known here")
    with reading(place):
        instant_s(state["recorded_at"])
        hexadecimal(state["command_digest"], place)
        need(re.fullmatch("[0-9a-f]{32}", state["salt"]), place, "its salt is not one")
        texts = (header["book"], header["aggregate"], state["command"], state["actor"], state["causation"])
        need(all(isinstance(one, str) for one in texts), place, "a text is not one")
        need(
            state["events"] and all(isinstance(one["kind"], str) for one in state["events"]),
            place,
            "no events",
        )
    version = whole(header["version"], place)
    return Envelope(header["book"], header["aggregate"], version, state["previous"], state["events"])


def instant_s(text: str) -> int:
    """Seconds since 1970 of an instant in UTC."""
    if not text.endswith("Z"):
        raise ValueError(f"{text[:40]!r} is not an instant in UTC")
    return int((datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())


# ------------------------------------------------------------------ lines and their sums


def check_line(line: Json, currency: str, counts: Counter[str], place: str) -> None:
    """A line's terms sum to its exact amount, which a stream's line rounds once; a clause's may differ by
    the unit that a largest remainder gives."""
    unit = 10 ** MINOR_DIGITS[currency]
    exact, amount = number(line["exact"], place), minor(line["amount"], currency, place)
    need(
        line["kind"] in ("stream", "clause") and type(line["pooled"]) is bool, place, "it is of no known kind"
    )
    need(Fraction(amount, unit) - exact == number(line["rounding"], place), place, "its rounding is another")
    if line["kind"] == "stream":
        need(amount == rounded(exact * unit), place, f"its amount is not {line['exact']} rounded once")
    need(abs(amount - exact * unit) < 1, place, "more than one minor unit was rounded")
    for at, term in enumerate(line["basis"] or [line], 1):
        check_product(term, unit, counts, f"{place}, term {at}")
    total = sum((number(term["exact"], place) for term in line["basis"]), Fraction(0))
    need(total == exact or not line["basis"], place, f"its terms sum to {total}, not to {exact}")
    counts["lines"] += 1


def check_product(term: Json, unit: int, counts: Counter[str], place: str) -> None:
    """Quantity x price, or its opposite, is the exact amount, up to half a minor unit of rounding."""
    quantity, price = maybe_number(term["quantity"]), maybe_product(term["price"])
    if quantity is None or price is None:
        counts["terms that state no product"] += 1
        return
    product = quantity * price / (1000 if term["unit"].startswith("Wh") else 1)
    exact = number(term["exact"], place)
    near = min(abs(exact - product), abs(exact + product))
    need(2 * near * unit <= 1, place, f"{term['quantity']} x {term['price']} is not {term['exact']}")
    counts["terms that are quantity x price"] += 1


def check_totals(lines: list[Json], totals: Json, party: str, currency: str, place: str) -> None:
    """Entitlement is a party's clause lines, held its streams of the pool, payable the one less the other."""
    own = [line for line in lines if line["party"] == party]
    entitled = sum(line["amount"]["minor"] for line in own if line["kind"] == "clause")
    held = sum(line["amount"]["minor"] for line in own if line["kind"] == "stream" and line["pooled"])
    for name, value in (("entitlement", entitled), ("held", held), ("payable", entitled - held)):
        given = minor(totals[name], currency, place)
        need(given == value, place, f"{name} of {party} is {given}, and its lines say {value}")


def largest_remainder(total: int, weights: dict[str, Fraction]) -> dict[str, int]:
    """Cut off toward zero; what is left goes one unit each to the largest fractions, ties by name."""
    sum_of_weights = sum(weights.values(), Fraction(0))
    shares = {name: abs(total) * weight / sum_of_weights for name, weight in weights.items()}
    parts = {name: share.numerator // share.denominator for name, share in shares.items()}
    left = abs(total) - sum(parts.values())
    for name in sorted(shares, key=lambda one: (parts[one] - shares[one], one))[:left]:
        parts[name] += 1
    return {name: -part if total < 0 else part for name, part in parts.items()}


# ------------------------------------------------------------------ a settlement run


class Run(NamedTuple):
    """A recorded run, by the sequence number of its event."""

    sequence: int
    body: Json

    @property
    def result(self) -> Json:
        return dict(self.body["result"])

    @property
    def currency(self) -> str:
        return str(self.body["result"]["currency"])

    @property
    def month(self) -> str:
        month = self.body["result"]["month"]
        return f"{month['year']:04d}-{month['month']:02d}"

    @property
    def name(self) -> tuple[str, str, int]:
        return self.body["result"]["contract"], self.month, self.body["number"]

    @property
    def contract_event(self) -> int:
        """Where the contract version that it rests on was recorded; 0 for nowhere."""
        of = f"contract.{self.result['contract']}"
        sources = (one for one in self.result["sources"] if one["aggregate"] == of)
        return max((last for one in sources for _, last in one["sequences"]), default=0)

    def totals(self, party: str) -> Json:
        zero = {"minor": 0, "currency": self.currency}
        return {name: self.result[name].get(party, zero) for name in ("entitlement", "held", "payable")}

    def payable(self) -> dict[str, int]:
        return {party: money["minor"] for party, money in self.result["payable"].items()}


def outputs_digest(result: Json) -> str:
    """SHA-256 of a result without the position that it was read at."""
    same = {**result, "position": 0, **{name: dict(sorted(result[name].items())) for name in MAPS}}
    same["carry"] = {**result["carry"], "accounts": dict(sorted(result["carry"]["accounts"].items()))}
    return sha256(json.dumps(same, separators=(",", ":"), ensure_ascii=False).encode()).hex()


def check_run(run: Run, earlier: list[Run], counts: Counter[str], place: str) -> None:
    """A run by itself, and against the runs of its month before it."""
    body, result, currency = run.body, run.result, run.currency
    need(currency in MINOR_DIGITS, place, f"{currency!r} is a currency not known here")
    need(body["outputs_digest"] == outputs_digest(result), place, "its digest is another result's")
    need(whole(result["position"], place) < run.sequence, place, "it was read at a later position")
    need(body["number"] == len(earlier) + 1, place, f"it is run {body['number']} after {len(earlier)}")
    paying = [one for one in earlier if one.body["kind"] != "provisional"]
    due = f"correction {len(paying)}" if paying else "initial"
    due = due if result["through"] is None else "provisional"
    need(body["kind"] == due, place, f"it is {body['kind']}, and {due} is due")
    check_waterfall(run, counts, place)
    delta = {party: minor(one, currency, place) for party, one in body["delta"].items()}
    now, then = run.payable(), paying[-1].payable() if paying else {}
    right = {party: now.get(party, 0) - then.get(party, 0) for party in {*now, *then}}
    need(
        delta == ({} if due == "provisional" else right),
        place,
        "its delta is not payable less the run before",
    )
    counts["settlement runs"] += 1


def check_waterfall(run: Run, counts: Counter[str], place: str) -> None:
    """Streams make the pool, clauses use it up in order, and each party's totals are its lines."""
    result, currency = run.result, run.currency
    lines, unit = result["lines"], 10 ** MINOR_DIGITS[currency]
    for at, line in enumerate(lines, 1):
        need(line["number"] == at, f"{place}, line {at}", f"its number is {line['number']}")
        sources = [result["sources"][whole(one, place)] for one in line["sources"] if one >= 0]
        need(len(sources) == len(line["sources"]), f"{place}, line {at}", "a source of it is not there")
        check_line(line, currency, counts, f"{place}, line {at}")
    pooled = [line for line in lines if line["kind"] == "stream" and line["pooled"]]
    reached = minor(result["pool"], currency, place)
    need(
        sum(line["amount"]["minor"] for line in pooled) == reached, place, "the pool is not its streams' sum"
    )
    clauses = [line for line in lines if line["kind"] == "clause"]
    for clause, group in groupby(clauses, lambda line: line["clause"]):
        parts = list(group)
        for term in (term for line in parts for term in line["basis"]):
            of = term.get("of", "")
            own = [line["amount"]["minor"] for line in pooled if of == f"stream:{line['code']}"]
            there = reached if of == "remaining" else sum(own)
            if of == "remaining" or of.startswith("stream:"):
                needed = number(term["quantity"], place) * unit
                need(
                    needed == there,
                    place,
                    f"{clause} divides {term['quantity']}, and {there} minor are there",
                )
        check_split(parts, unit, counts, f"{place}, {clause}")
        reached -= sum(line["amount"]["minor"] for line in parts)
    need(reached == 0, place, f"{reached} of the pool went to nobody")
    parties = result["entitlement"].keys()
    need(
        parties == result["held"].keys() == result["payable"].keys(), place, "its totals are of other parties"
    )
    need({line["party"] for line in (*clauses, *pooled)} <= parties, place, "a line is a stranger's")
    for party in parties:
        check_totals(lines, run.totals(party), party, currency, place)
        counts["parties' totals"] += 1


def check_split(parts: list[Json], unit: int, counts: Counter[str], place: str) -> None:
    """A clause's lines are a whole amount by largest remainder, or each is rounded once by itself."""
    amounts = {line["party"]: line["amount"]["minor"] for line in parts}
    exacts = [number(line["exact"], place) * unit for line in parts]
    total = sum(amounts.values())
    one_sign = all(one >= 0 for one in exacts) or all(one <= 0 for one in exacts)
    if total and one_sign and len(amounts) == len(parts) and sum(exacts) == total:
        right = largest_remainder(total, dict(zip(amounts, map(abs, exacts), strict=True)))
        need(amounts == right, place, "its lines are not what largest remainders give")
        counts["splits by largest remainder"] += 1
    else:
        once = [rounded(one) for one in exacts] == [line["amount"]["minor"] for line in parts]
        need(once, place, "its lines are neither a split nor rounded once")


# ------------------------------------------------------------------ what clauses, bills and taxes come to


class Reached(NamedTuple):
    """What reaches a clause, in minor units of which `unit` are one of the currency: of a month, of which the
    contract covers the part `covered`. `before` is what earlier months handed on to it, `discharged_wh` what
    all storages of the contract discharged; None for not known here."""

    remaining: int
    unit: int
    year: int
    month: int
    covered: Fraction | None = None
    before: Json | None = None
    discharged_wh: int | None = None


def portion(text: str) -> Fraction:
    """`70%`, `0.7` or `1/3`."""
    return Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)


def shared(amount: int, shares: dict[str, str]) -> dict[str, Fraction]:
    return {party: portion(share) * amount for party, share in shares.items()}


def due_of(clause: Json, at: Reached) -> dict[str, Fraction] | None:
    """Party -> what the contract's clause gives it, exact, in minor units; None where that needs facts or
    accounts that are not recomputed here."""
    counted = at.covered if clause.get("proration") == "days" else Fraction(1)
    by_score = clause.get("weights", "fixed") != "fixed"
    if counted is None or by_score or clause.get("carve_outs"):
        return None
    match clause["type"]:
        case "remainder_split":
            return shared(max(at.remaining, 0), clause["shares"])
        case "capped_tier":
            cap = rounded(Fraction(clause["cap"]) * counted * at.unit)
            return shared(min(max(at.remaining, 0), cap), clause["shares"])
        case "loss_split":
            return loss_due(clause, at)
        case "tiered_share":
            return tiered_due(clause, at, counted)
        case "floored_split" if clause["shortfall"] == "paid":
            return floored_due(clause, at, counted)
        case "guarantee":
            return guarantee_due(clause, at, counted)
        case "base_fee" | "indexed_fee" | "discharged_price":
            return fee_due(clause, at, counted)
        case _:
            return None


def carried(clause: Json, at: Reached) -> Json | None:
    """What earlier months handed on, where the count does not begin anew in this month."""
    anew = at.month == clause.get("reset_month")
    if anew and at.before and at.before["month"] == {"year": at.year, "month": at.month}:
        return at.before
    return {} if anew and at.covered is not None else at.before


def loss_due(clause: Json, at: Reached) -> dict[str, Fraction] | None:
    if not clause["carry_forward"]:
        return shared(min(at.remaining, 0), clause["shares"])
    if at.before is None:
        return None
    unrecovered = at.before["amount"]["minor"] if at.before else 0
    return shared(min(at.remaining, unrecovered), clause["shares"])


def tiered_due(clause: Json, at: Reached, counted: Fraction) -> dict[str, Fraction] | None:
    """Each bracket's shares are of what lies in it, after the months before where it counts by years."""
    begun: Json | None = {} if clause["period"] == "month" else carried(clause, at)
    if begun is None:
        return None
    before = begun["amount"]["minor"] if begun else 0
    after = before + max(at.remaining, 0)
    due: dict[str, Fraction] = defaultdict(Fraction)
    low = 0
    for bracket in clause["brackets"]:
        high = (
            after if bracket.get("up_to") is None else rounded(Fraction(bracket["up_to"]) * counted * at.unit)
        )
        inside = max(min(after, max(high, low)) - max(before, low), 0)
        for party, amount in shared(inside, bracket["shares"]).items():
            due[party] += amount
        low = high
    return due


def floored_due(clause: Json, at: Reached, counted: Fraction) -> dict[str, Fraction]:
    taken = max(at.remaining, 0)
    due = shared(taken, clause["shares"])
    parts = largest_remainder(taken, {party: portion(one) for party, one in clause["shares"].items()})
    least = rounded(Fraction(clause["minimum"]) * counted * at.unit)
    lacking = max(least - parts.get(clause["party"], 0), 0)
    funders = {party: portion(one) for party, one in clause["funded_by"].items()}
    for party, given in largest_remainder(lacking, funders).items():
        due[party] = due.get(party, Fraction(0)) - given
    due[clause["party"]] = due.get(clause["party"], Fraction(0)) + lacking
    return due


def guarantee_due(clause: Json, at: Reached, counted: Fraction) -> dict[str, Fraction] | None:
    """U = G + alpha x max(R - G, 0), year or contract to date, less the same up to the month before."""
    begun = carried(clause, at)
    if begun is None:
        return None
    before, pool = (Fraction(begun["months"]), begun["pool"]["minor"]) if begun else (Fraction(0), 0)
    monthly, alpha = Fraction(clause["annual_amount"]) * at.unit / 12, portion(clause["excess_share"])
    guaranteed = rounded(monthly * before)
    paid = guaranteed + rounded(alpha * max(pool - guaranteed, 0))
    months = before + counted
    excess = max(pool + at.remaining - rounded(monthly * months), 0)
    exact = monthly * months + alpha * excess - paid
    return {clause["guaranteed_party"]: exact, clause["other_party"]: at.remaining - exact}


def fee_due(clause: Json, at: Reached, counted: Fraction) -> dict[str, Fraction] | None:
    """A stated fee, one that follows an index or a yearly rise, or a fixed price of discharged energy."""
    kind = clause["type"]
    if kind == "base_fee":
        yearly = clause["unit"].endswith(".year")
        fee = Fraction(clause["rate"]) * Fraction(clause["quantity"]) * counted / (12 if yearly else 1)
    elif kind == "indexed_fee":
        year = at.year if at.month >= clause["adjusted_in"] else at.year - 1
        base, index = clause["base_year"], clause.get("index")
        if index:
            factor = Fraction(index[str(year)]) / Fraction(index[str(base)])
        else:
            factor = (1 + portion(clause["annual_rise"])) ** (year - base)
        fee = Fraction(clause["amount"]) * factor * counted / (12 if clause["period"] == "year" else 1)
    else:
        plain = clause["charge_cost"] == "not_passed" and clause.get("minimum") is None
        if at.discharged_wh is None or clause.get("price") is None or not plain:
            return None
        fee = Fraction(clause["price"]) * at.discharged_wh / 1000 * (1 - portion(clause["discount"]))
    paid = {} if clause["payer"] == "pool" else {clause["payer"]: -fee * at.unit}
    return {**paid, clause["payee"]: fee * at.unit}


def check_vat(one: Json, rates: set[Fraction] | None, currency: str, most: int, place: str) -> None:
    """Net and tax are gross, and the tax is the rate's, up to the unit that a largest remainder gives each of
    `most` supplies; where `rates` are the contract's it is one of them."""
    net, tax, gross = (minor(one[name], currency, place) for name in ("net", "tax", "gross"))
    rate = number(one["rate"], place)
    need(net + tax == gross, place, f"net {net} and tax {tax} are not gross {gross}")
    need(abs(tax - rate * net) < most * (1 + rate), place, f"{tax} is not the tax of {net} at {one['rate']}")
    need(rates is None or rate in rates, place, f"{one['rate']} is no rate of the contract")


def check_bill(bill: Json, currency: str, counts: Counter[str], place: str) -> None:
    """A bill is the sum of its items, each its quantity x price x rate rounded once."""
    unit = 10 ** MINOR_DIGITS[currency]
    for told, name in (("without_storage", "items_without"), ("with_storage", "items_with")):
        items = [minor(one["amount"], currency, place) for one in bill[name]]
        total = minor(bill[told], currency, place)
        need(sum(items) == total, place, f"{told} is {total}, and its items say {sum(items)}")
        for one, amount in zip(bill[name], items, strict=True):
            price = Fraction(1) if one["price"] is None else number(one["price"], place)
            product = number(one["quantity"], place) * price * number(one["rate"], place)
            product /= 1000 if one["unit"] in ("Wh", "W", "VA") and one["price"] is not None else 1
            need(abs(product * unit - amount) <= Fraction(1, 2), place, f"{one['item']} is not its product")
            counts["items of bills that are quantity x price x rate"] += 1
    counts["bills that are their items' sum"] += 1


# ------------------------------------------------------------------ what a run tells each party


def documents_of(run: Run, secret: bytes) -> dict[str, bytes]:
    """Party -> the document that the run's commitment is to, in order of the parties' ids."""
    documents = {}
    for party in sorted({*run.result["entitlement"], *run.body["delta"]}):
        statement = statement_of(run, party)
        rest = money_text(run.result["pool"]["minor"] - statement["entitlement"]["minor"], run.currency)
        salt = hmac.digest(secret, f"others {party}".encode(), "sha256")
        hidden = sha256(b"\0", salt, rest.encode()).hex()
        others = {"commitment": hidden, "sum": "" if statement["pool"] is None else rest}
        told = {
            "contract_event": run.contract_event,
            "format": DOCUMENT,
            "others": others,
            "statement": statement,
        }
        documents[party] = canonical(told)
    return documents


def statement_of(run: Run, party: str) -> Json:
    """A party's statement of a run: its own lines and totals, and of the rest what it may see."""
    result, body = run.result, run.body
    zero = {"minor": 0, "currency": run.currency}
    sees_pool, bills = party in result["sees_pool"], result["sees_bill"].get(party, [])
    uses: dict[str, int] = {}
    for line in result["lines"] if sees_pool else ():
        if line["kind"] == "clause":
            uses[line["clause"]] = uses.get(line["clause"], 0) + line["amount"]["minor"]
    same = ("contract", "title", "currency", "rules_version", "position", "inputs_digest")
    of_bill = ("site", "without_storage", "with_storage")
    all_shares = party in result["sees_percentages"]
    told: Json = {name: result[name] for name in same}
    told |= run.totals(party)
    told |= {"party": party, "month": run.month, "run": body["number"], "run_kind": body["kind"]}
    told |= {"causes": body["causes"], "classes": classes_of(body["causes"])}
    told |= {"sequence": run.sequence, "outputs_digest": body["outputs_digest"]}
    told["delta"] = body["delta"].get(party, zero)
    told["pool"] = result["pool"] if sees_pool else None
    told["pool_uses"] = [{"clause": name, "amount": zero | {"minor": sum_}} for name, sum_ in uses.items()]
    told["lines"] = [shown(line, sees_pool, bills) for line in result["lines"] if line["party"] == party]
    notices = result["warnings"]
    said = (one["message"] if sees_pool else WITHHELD[one["code"]] for one in notices)
    told["warnings"] = list(dict.fromkeys(said))
    told["agent_parts"] = [one for one in result["agent_parts"] if one["party"] == party]
    told["percentages"] = [one for one in result["percentages"] if all_shares or one["party"] == party]
    told["bills"] = [{name: one[name] for name in of_bill} for one in result["bills"] if one["site"] in bills]
    told["sites"] = result["sees_sites"].get(party, [])
    return told


STATEMENT = (
    "agent_parts bills causes classes contract currency delta entitlement held inputs_digest lines month"
    " outputs_digest party payable percentages pool pool_uses position rules_version run run_kind sequence"
    " sites title warnings"
)


def shown(line: Json, sees_pool: object, bills: list[str]) -> Json:
    """Without the terms that would tell the pool, or a host's bill, to who may not see them."""
    divides = line["kind"] == "clause" and line["code"] not in FEES and not sees_pool
    billed = line["kind"] == "stream" and line["code"] in OF_THE_BILL and line["site"] not in bills
    return line | {"basis": [], "note": ""} if divides or billed else line


def classes_of(causes: list[str]) -> list[str]:
    of_rules = {cause in RULE_OR_PRICE for cause in causes if cause != "earlier_month"}
    return [
        name for name, rule in (("data_error", False), ("rule_or_price_change", True)) if rule in of_rules
    ]


# ------------------------------------------------------------------ a book


class Readings(NamedTuple):
    """Consecutive intervals of one register, as the event `sequence` has them; energies in Wh."""

    sequence: int
    start_s: int
    interval_s: int
    wh: array[int]
    quality: str


def readings_of(run: Json, sequence: int, place: str) -> Readings:
    wh = array("i", unbase64(run["wh"], place))
    if sys.byteorder == "big":
        wh.byteswap()
    need(min(wh) >= 0, place, "an energy is negative")
    interval_s, quality = whole(run["interval_s"], place), run["quality"]
    need(
        interval_s > 0 and len(quality) in (1, len(wh)), place, "its qualities or its interval are not right"
    )
    return Readings(sequence, instant_s(run["start"]), interval_s, wh, quality)


def metered_wh(runs: list[Readings], first_s: int, end_s: int, position: int, place: str) -> int:
    """The energy in [first, end) as it was known at `position`: only a firm value supersedes a firm one."""
    known: dict[int, tuple[bool, int]] = {}
    for run in (run for run in runs if run.sequence <= position and run.start_s < end_s):
        for at, wh in enumerate(run.wh):
            start_s = run.start_s + at * run.interval_s
            firm = run.quality[at if len(run.quality) > 1 else 0] in FIRM
            if first_s <= start_s < end_s and (firm or not known.get(start_s, (False, 0))[0]):
                known[start_s] = firm, wh
    lengths = {run.interval_s for run in runs}
    need(len(lengths) == 1 and len(known) * lengths.pop() == end_s - first_s, place, "readings are missing")
    return sum(wh for _, wh in known.values())


class Book:
    """What the events say so far, as far as later ones are checked against it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.tree = Tree()
        self.books: set[str] = set()
        self.chains: dict[str, tuple[int, str]] = {}
        self.aggregates: list[str] = []
        self.contracts: dict[int, Json] = {}
        self.zones: dict[str, str] = {}
        self.meters: dict[str, Json] = {}
        self.readings: dict[tuple[str, str], list[Readings]] = defaultdict(list)
        self.runs: dict[str, list[Run]] = defaultdict(list)
        self.committed: dict[int, Json] = {}
        self.secrets: dict[tuple[str, str, int], str] = {}

    def take(self, content: bytes, place: str) -> None:
        """The next envelope: it goes on from its aggregate's last one, and its facts are remembered."""
        envelope = envelope_of(content, place)
        self.books.add(envelope.book)
        need(len(self.books) == 1, place, "it is of another book than the envelopes before")
        version, digest = self.chains.get(envelope.aggregate, (0, ""))
        need(envelope.version == version + 1, place, f"version {envelope.version} follows {version}")
        need(envelope.previous == digest, place, "previous is not the hash of the envelope before")
        self.chains[envelope.aggregate] = envelope.version, sha256(content).hex()
        self.aggregates.append(envelope.aggregate)
        self.tree.add(leaf_of(content))
        self.counts["envelopes"] += 1
        for event in envelope.events:
            with reading(place):
                self.remember(event, envelope.aggregate, place)

    def remember(self, event: Json, aggregate: str, place: str) -> None:
        match event["kind"]:
            case "contract.registered.v1":
                need(aggregate == f"contract.{event['contract']['id']}", place, "it is of another contract")
                self.contracts[self.tree.size] = event["contract"]
            case "site.registered.v1":
                self.zones[event["site"]["id"]] = event["site"]["zone"]
            case "meter.registered.v1":
                self.meters[event["meter"]["id"]] = event["meter"]
            case "meter.readings_recorded.v1" | "meter.readings_substituted.v1":
                for run in event["runs"]:
                    made = readings_of(run, self.tree.size, place)
                    self.readings[run["meter"], run["register"]].append(made)
                    self.counts["meter readings"] += len(made.wh)
            case "settlement.recorded.v1":
                self.settle(Run(self.tree.size, event["run"]), aggregate, place)
            case "disclosure.committed.v1":
                self.committed[self.tree.size] = event
            case "disclosure.sealed.v1":
                self.secrets[event["contract"], event["month"], event["run"]] = event["secret"]
            case _:
                self.counts["events proven unaltered only"] += 1

    def settle(self, run: Run, aggregate: str, place: str) -> None:
        """A run, against itself, its contract, the events that it rests on, and the readings."""
        need(aggregate == f"settlement.{run.result['contract']}_{run.month}", place, "it is of another month")
        check_run(run, self.runs[aggregate], self.counts, place)
        self.check_sources(run, place)
        self.check_contract(run, place)
        self.check_clauses(run, place)
        self.check_taxes(run, place)
        for bill in run.result["bills"]:
            check_bill(bill, run.currency, self.counts, f"{place}, bill of {bill['site']}")
            self.check_saving(run, bill, f"{place}, bill of {bill['site']}")
        for line in run.result["lines"]:
            if line["code"] == "arbitrage":
                self.check_energies(run, line, f"{place}, line {line['number']}")
        self.runs[aggregate].append(run)

    def check_sources(self, run: Run, place: str) -> None:
        """What a line rests on was there when the run was read, and is of what it says."""
        for source in run.result["sources"]:
            name, _, register = source["aggregate"].partition("/")
            monthly = bool(register) or name.startswith("prices.")
            begins = f"{name.replace('prices.', 'price.', 1)}_" if monthly else name
            for first, last in source["sequences"]:
                there = 0 < first <= last <= run.result["position"]
                need(there, place, f"{name} rests on events {first} to {last}, which were not there")
                for of in {self.aggregates[first - 1], self.aggregates[last - 1]}:
                    right = of.startswith(begins) if monthly else of == begins
                    need(right, place, f"{name} rests on events {first} to {last}, which are of {of}")
                self.counts["sources of lines"] += 1

    def check_contract(self, run: Run, place: str) -> None:
        """The contract version that it rests on names its parties, holders and clauses."""
        result, contract = run.result, self.contracts.get(run.contract_event)
        if contract is None:
            raise Wrong(place, "its contract is not among the events")
        for name in ("id", "title", "model", "currency"):
            need(
                contract[name] == result[name.replace("id", "contract")],
                place,
                f"its {name} is not the contract's",
            )
        sees = {one["id"]: one["sees"]["pool_total"] for one in contract["parties"]}
        need(sees.keys() == result["entitlement"].keys(), place, "its parties are not the contract's")
        need(result["sees_pool"] == [one for one in sees if sees[one]], place, "others see the pool")
        for line in result["lines"]:
            if line["kind"] == "clause":
                types = enumerate(contract["clauses"], 1)
                names = [
                    f"clause {at}, {clause['type']}" for at, clause in types if clause["type"] == line["code"]
                ]
                need(line["clause"] in names, place, f"the contract has no {line['clause']}")
            elif line["pooled"]:
                holder = contract["cash_holder"][line["code"]]
                need(holder in (line["party"], "site_host"), place, f"{line['code']} is held by {holder}")

    def check_clauses(self, run: Run, place: str) -> None:
        """Each clause gives what the contract's text makes of what reached it."""
        result, contract = run.result, self.contracts[run.contract_event]
        if any(one["code"] == "contract_ended" for one in result["warnings"]):
            return
        unit, remaining = 10 ** MINOR_DIGITS[run.currency], result["pool"]["minor"]
        year, month = result["month"]["year"], result["month"]["month"]
        covered, accounts = self.covered(run, contract), self.handed_on(run, contract)
        discharged_wh, seen = self.discharged_wh(result), Counter[str]()
        for number_of, clause in enumerate(contract["clauses"], 1):
            seen[clause["type"]] += 1
            account = f"{clause['type']}#{seen[clause['type']]}"
            before = None if accounts is None else accounts.get(account, {})
            due = due_of(clause, Reached(remaining, unit, year, month, covered, before, discharged_wh))
            name = f"clause {number_of}, {clause['type']}"
            given: dict[str, Fraction] = defaultdict(Fraction)
            for line in result["lines"]:
                if line["kind"] == "clause" and line["clause"] == name:
                    given[line["party"]] += number(line["exact"], place) * unit
                    remaining -= line["amount"]["minor"]
            if due is None:
                self.counts["clauses whose sum is proven unaltered only"] += 1
                continue
            for party in sorted({*due, *given}):
                right, told = due.get(party, Fraction(0)) / unit, given.get(party, Fraction(0)) / unit
                need(right == told, place, f"{name} gives {party} {told}, and the contract says {right}")
            self.counts["clauses recomputed from the contract"] += 1

    def covered(self, run: Run, contract: Json) -> Fraction | None:
        """The part of the month on which the contract holds; None where several versions, or a provisional
        run, leave that open."""
        result = run.result
        versions = [one for one in self.contracts.values() if one["id"] == contract["id"]]
        if len(versions) > 1 or result["through"] is not None:
            return None
        month = date(result["month"]["year"], result["month"]["month"], 1)
        following = (month + timedelta(days=31)).replace(day=1)
        ends = [one["on"] for one in contract["clauses"] if one.get("on") is not None]
        end = min(date.fromisoformat(one) for one in (contract["effective_to"], *ends, following.isoformat()))
        first = max(month, date.fromisoformat(contract["effective_from"]))
        return Fraction((end - first).days, (following - month).days)

    def handed_on(self, run: Run, contract: Json) -> Json | None:
        """The accounts that the month before left, none in the contract's first; None where they are not
        known for sure."""
        result = run.result
        dropped = any(one["code"] == "carry_dropped" for one in result["warnings"])
        if self.covered(run, contract) is None or dropped:
            return None
        month = date(result["month"]["year"], result["month"]["month"], 1)
        if date.fromisoformat(contract["effective_from"]) >= month:
            return {}
        last = month - timedelta(days=1)
        earlier = self.runs.get(f"settlement.{result['contract']}_{last.year:04d}-{last.month:02d}", [])
        known = [
            one for one in earlier if one.sequence <= result["position"] and one.body["kind"] != "provisional"
        ]
        return dict(known[-1].result["carry"]["accounts"]) if known else None

    def discharged_wh(self, result: Json) -> int | None:
        """What the storages discharged, where nothing but bill effects says otherwise."""
        streams = [one for one in result["lines"] if one["kind"] == "stream"]
        if not {one["code"] for one in streams} <= {"arbitrage", *OF_THE_BILL}:
            return None
        terms = (one for line in streams if line["code"] == "arbitrage" for one in line["basis"])
        return sum(int(one["quantity"]) for one in terms if one["label"].startswith("discharged, "))

    def check_saving(self, run: Run, bill: Json, place: str) -> None:
        """What the storage saves is the difference of the bills, where it serves nothing else all month."""
        own = [one for one in run.result["lines"] if one["kind"] == "stream" and one["site"] == bill["site"]]
        whole_month = self.covered(run, self.contracts[run.contract_event]) == 1 and bill["cycle"] is None
        if not whole_month or not {one["code"] for one in own} <= {"arbitrage", *OF_THE_BILL}:
            return
        differ = bill["without_storage"]["minor"] - bill["with_storage"]["minor"]
        told = sum(one["amount"]["minor"] for one in own)
        need(differ == told, place, f"its bills differ by {differ}, and its lines say {told}")
        self.counts["savings that are the difference of two bills"] += 1

    def check_taxes(self, run: Run, place: str) -> None:
        """The VAT of lines, and of an agent's parts, at rates of the contract."""
        result, terms = run.result, self.contracts[run.contract_event].get("vat")
        rates = {portion(one["rate"]) for one in terms["rates"]} if terms else set()
        parts = Counter(one["line"] for one in result["agent_parts"])
        for line in result["lines"]:
            if line["vat"] is not None:
                of_line = f"{place}, line {line['number']}, VAT"
                check_vat(line["vat"], rates, run.currency, 1 + parts[line["number"]], of_line)
                self.counts["lines' VAT"] += 1
        for one in result["agent_parts"]:
            check_vat(one["vat"], rates, run.currency, 1, f"{place}, VAT of {one['party']}")

    def check_energies(self, run: Run, line: Json, place: str) -> None:
        """What a storage charged and discharged on the contract's days of the month, summed from its meters'
        readings."""
        result, site, contract = run.result, line["site"], self.contracts[run.contract_event]
        streams = {one["code"] for one in result["lines"] if one["site"] == site}
        other_days = any(one["cycle"] is not None for one in result["bills"] if one["site"] == site)
        if other_days or not streams <= {"arbitrage", *OF_THE_BILL}:
            self.counts["storage energies not recomputed: other days, PV or markets"] += 2
            return
        month = date(result["month"]["year"], result["month"]["month"], 1)
        try:
            zone = ZoneInfo(self.zones[site])
        except ZoneInfoNotFoundError:
            raise Wrong(place, f"the zone {self.zones[site]} is unknown here: pip install tzdata") from None
        ends = [(month + timedelta(days=31)).replace(day=1), date.fromisoformat(contract["effective_to"])]
        ends += [date.fromisoformat(one["on"]) for one in contract["clauses"] if one.get("on") is not None]
        if result["through"] is not None:
            ends.append(date.fromisoformat(result["through"]) + timedelta(days=1))
        days = (max(month, date.fromisoformat(contract["effective_from"])), min(ends))
        first_s, end_s = (
            int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) for day in days
        )
        stands = [one for one in self.meters.values() if (one["site"], one["position"]) == (site, "storage")]
        for register, label in (("discharge", "discharged, "), ("charge", "charged, ")):
            keys = [(meter["id"], register) for meter in stands if register in meter["registers"]]
            read = sum(
                metered_wh(self.readings[key], first_s, end_s, result["position"], place) for key in keys
            )
            told = sum(int(one["quantity"]) for one in line["basis"] if one["label"].startswith(label))
            need(told == read, place, f"{told} Wh {label}and its meters read {read}")
            self.counts["storage energies recomputed from readings"] += 1

    def check_disclosures(self) -> None:
        """Every commitment is to the documents that its run and its secret give."""
        recorded = {run.sequence: run for runs in self.runs.values() for run in runs}
        for sequence, event in self.committed.items():
            with reading(f"event {sequence}"):
                self.check_disclosure(sequence, event, recorded[event["recorded_by"]], f"event {sequence}")

    def check_disclosure(self, sequence: int, event: Json, run: Run, place: str) -> None:
        need(run.name == (event["contract"], event["month"], event["run"]), place, "it is of another run")
        if run.name not in self.secrets:
            need(sequence == self.tree.size, place, "its secret is missing")
            return
        secret, tree = hexadecimal(self.secrets[run.name], place), Tree()
        for party, document in documents_of(run, secret).items():
            tree.add(sha256(b"\0", hmac.digest(secret, f"document {party}".encode(), "sha256"), document))
        need(event["parties"] == tree.size, place, f"it is of {event['parties']} parties, not of {tree.size}")
        need(event["root"] == tree.root.hex(), place, "its root is not that of the parties' documents")
        self.counts["parties' documents under their commitments"] += tree.size


# ------------------------------------------------------------------ bundles


class Lines:
    """A bundle's lines, with the number of the last one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.at = 0

    @property
    def place(self) -> str:
        return f"line {self.at}"

    def more(self) -> bytes | None:
        """The next line without its end, or None at the end."""
        self.at += 1
        try:
            line = self._file.readline(LINE_BYTES_MAX + 2)
        except (EOFError, OSError, zlib.error) as error:
            raise Wrong(self.place, f"the file cannot be read: {error}") from None
        need(len(line) <= LINE_BYTES_MAX + 1, self.place, f"the line has more than {LINE_BYTES_MAX:,} bytes")
        need(not line or line.endswith(b"\n"), self.place, "the line has no end")
        return line[:-1] if line else None

    def next(self) -> bytes:
        line = self.more()
        if line is None:
            raise Wrong(self.place, "the file ends too early")
        return line

    def own(self, names: str) -> Json:
        return own_line(self.next(), self.place, names)


def check_book(lines: Lines, keys: Keys, earlier: Checkpoint | None) -> Book:
    """Every envelope, the tree over all of them under its signature, and what the settlement runs say."""
    head = lines.own("checkpoint path size")
    checkpoint = checkpoint_under(head["checkpoint"], keys, lines.place)
    size, path = whole(head["size"], lines.place), hashes(head["path"], lines.place)
    book = Book()
    while (first := lines.more()) is not None:
        place = f"line {lines.at}, event {book.tree.size + 1}"
        need(book.tree.size < size, place, f"there are more events than {size}")
        book.take(first + b"\n" + lines.next(), place)
        if earlier is not None and book.tree.size == earlier.size:
            same = book.tree.root == earlier.root
            need(
                same, "--earlier", f"a split view: the first {earlier.size} events are not those you know of"
            )
    need(book.tree.size == size, lines.place, f"{book.tree.size} events are not {size}")
    need(
        earlier is None or earlier.size <= size, "--earlier", f"the bundle ends at event {size}, before yours"
    )
    check_consistency(size, checkpoint.size, path, book.tree.root, checkpoint.root, "the tree of all events")
    book.check_disclosures()
    return book


def check_statement(lines: Lines, keys: Keys, earlier: Checkpoint | None, counts: Counter[str]) -> Json:
    """One party's document, in the commitment of its run, in the signed log."""
    size, root = checkpoint_under(lines.own("checkpoint")["checkpoint"], keys, lines.place)
    alone = f"this bundle shows the log at {size} only: check a book's bundle against yours"
    need(earlier in (None, (size, root)), "--earlier", alone)
    contract = with_names(lines.own("contract")["contract"], "leaf path", lines.place)
    contract_place = lines.place
    proof = with_names(lines.own("commitment")["commitment"], "path sequence", lines.place)
    proof_place, content = lines.place, lines.next() + b"\n" + lines.next()
    sequence, path = whole(proof["sequence"], proof_place), hashes(proof["path"], proof_place)
    check_inclusion(sequence - 1, size, leaf_of(content), path, root, proof_place)
    event = committed_in(content, keys, lines.place)
    opened = with_names(lines.own("disclosure")["disclosure"], "index parties path salt", lines.place)
    place, document = lines.place, lines.next()
    need(lines.more() is None, lines.place, "something follows the document")
    need(whole(opened["parties"], place) == event["parties"], place, "its parties are not those committed to")
    leaf, path = sha256(b"\0", unbase64(opened["salt"], place, 32), document), hashes(opened["path"], place)
    root_of_run = hexadecimal(event["root"], place)
    check_inclusion(whole(opened["index"], place), event["parties"], leaf, path, root_of_run, place)
    place = f"line {lines.at - 1}"
    with reading(place):
        told = check_document(document, event, sequence, counts, place)
    leaf, path = unbase64(contract["leaf"], contract_place, 32), hashes(contract["path"], contract_place)
    check_inclusion(told["contract_event"] - 1, size, leaf, path, root, contract_place)
    return dict(told["statement"])


def committed_in(content: bytes, keys: Keys, place: str) -> Json:
    """The one commitment of an envelope."""
    envelope = envelope_of(content, place)
    need(keys.name.endswith(f"/{envelope.book}"), place, f"it is of the book {envelope.book!r}")
    event = with_names(envelope.events[0], "kind contract month run recorded_by parties root", place)
    need(
        event["kind"] == "disclosure.committed.v1" and len(envelope.events) == 1,
        place,
        "it commits to nothing",
    )
    need(
        envelope.aggregate == f"disclosure.{event['contract']}_{event['month']}",
        place,
        "it is of another month",
    )
    for name in ("run", "recorded_by", "parties"):
        whole(event[name], place)
    return event


def check_document(content: bytes, event: Json, sequence: int, counts: Counter[str], place: str) -> Json:
    """What a party was told: of the run committed to, its own lines only, and its sums."""
    told = own_line(content, place, "contract_event format others statement")
    need(told["format"] == DOCUMENT, place, f"the format is not {DOCUMENT}")
    whole(told["contract_event"], place)
    statement = with_names(told["statement"], STATEMENT, place)
    others = with_names(told["others"], "commitment sum", place)
    hexadecimal(others["commitment"], place)
    for name in ("contract", "month", "run"):
        need(statement[name] == event[name], place, f"its {name} is not the one committed to")
    need(statement["sequence"] == event["recorded_by"] < sequence, place, "it is of another event")
    currency, party = statement["currency"], statement["party"]
    need(currency in MINOR_DIGITS, place, f"{currency!r} is a currency not known here")
    for line in statement["lines"]:
        need(line["party"] == party, place, f"line {line['number']} is somebody else's")
        check_line(line, currency, counts, f"{place}, line {line['number']}")
        if line["vat"] is not None:
            parts = 1 + len(statement["lines"]) + len(statement["agent_parts"])
            check_vat(line["vat"], None, currency, parts, f"{place}, line {line['number']}, VAT")
    for part in statement["agent_parts"]:
        check_vat(part["vat"], None, currency, 1, f"{place}, VAT of {part['party']}")
    check_totals(statement["lines"], statement, party, currency, place)
    minor(statement["delta"], currency, place)
    uses = sum(minor(one["amount"], currency, place) for one in statement["pool_uses"])
    if statement["pool"] is None:
        need(not others["sum"] and not statement["pool_uses"], place, "it tells of a pool that it withholds")
        return told
    pool = minor(statement["pool"], currency, place)
    rest = money_text(pool - statement["entitlement"]["minor"], currency)
    need(
        (uses, others["sum"]) == (pool, rest), place, "the pool is not what its clauses, or the parties, get"
    )
    counts["pools that are this party's and the others'"] += 1
    return told


def report(counts: Counter[str]) -> list[str]:
    return [f"{count:>12,}  {name}" for name, count in sorted(counts.items())]


def row(*cells: str) -> str:
    return f"  {cells[0]:<24}" + "".join(f"{cell:>18}" for cell in cells[1:])


def checked(file: BinaryIO, key: Key, kept: str | None) -> list[str]:
    """What was checked, in lines for people; `kept` is an earlier checkpoint, by any of the log's keys.

    Raises:
        Wrong: the first thing that does not hold.
    """
    lines = Lines(file)
    first = lines.next()
    handed_over = b'"handovers":' in first
    head = own_line(first, lines.place, "format key kind" + " handovers" * handed_over)
    need(head["format"] == BUNDLE, lines.place, f"the format is not {BUNDLE}")
    keys = keys_of(head, key, lines.place)
    earlier = None if kept is None else checkpoint_under(kept, keys, "--earlier")
    names = ("entitlement", "held", "payable")
    if head["kind"] == "statement":
        counts: Counter[str] = Counter()
        one = check_statement(lines, keys, earlier, counts)
        title = f"{one['contract']}, {one['month']}, run {one['run']} ({one['run_kind']}), {one['currency']}"
        cells = [money_text(one[name]["minor"], one["currency"]) for name in names]
        return [*report(counts), title, row("party", *names), row(one["party"], *cells)]
    need(head["kind"] == "book", lines.place, "it is neither a statement's bundle nor a book's")
    book = check_book(lines, keys, earlier)
    told = report(book.counts)
    for runs in book.runs.values():
        for run in [run for run in runs if run.body["kind"] != "provisional"][-1:]:
            contract, month, at = run.name
            told += [
                f"{contract}, {month}, run {at} ({run.body['kind']}), {run.currency}",
                row("party", *names),
            ]
            for party in sorted(run.result["entitlement"]):
                totals = run.totals(party)
                told.append(row(party, *(money_text(totals[name]["minor"], run.currency) for name in names)))
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a proof bundle; exit code 0 when all of it holds.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", type=Path, required=True, help="a file with the log's verifier key")
    parser.add_argument("--earlier", type=Path, help="a signed checkpoint of the log that you kept")
    given = parser.parse_args()
    try:
        key = key_of(given.key.read_text("utf-8").removesuffix("\n"), str(given.key))
        kept = given.earlier.read_bytes().decode("utf-8") if given.earlier else None
        with given.bundle.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            with gzip.open(plain) if packed else plain as file:
                told = checked(file, key, kept)
    except (Wrong, OSError, UnicodeDecodeError) as wrong:
        print(f"REFUSED {wrong}")
        return 1
    except MemoryError:
        print("REFUSED the bundle: it needs more memory than there is")
        return 1
    print("\n".join([*told, f"all of it holds, under the signature of {key.name}"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
