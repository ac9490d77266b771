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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import groupby, pairwise, zip_longest
from math import isqrt, prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

Json = dict[str, Any]
NONE: Json = {}

BUNDLE = "wattledger.bundle.v1"
DOCUMENT = "wattledger.disclosure.v1"
ENTRY_BYTES_MAX = 65_535
LINE_BYTES_MAX = 64 << 20
"""No envelope can be larger, as NATS takes no larger message; a line beyond it is not read to its end."""
DIGITS_MAX, FACTORS_MAX, SCALE_MAX, TERMS_MAX = 400, 8, 9, 4_000
"""Of a number's text, a price's factors, digits after the point, and a line's terms: no book has so many."""
SPAN_S_MAX = 10 * 366 * 86_400
"""No time that a fact is of is longer."""
MINOR_DIGITS = {"CNY": 2, "EUR": 2, "USD": 2, "AUD": 2, "GBP": 2, "JPY": 0, "TWD": 2}
FIRM = frozenset("ACF")
"""Qualities of readings that an estimate or substitute never supersedes."""
FEES = frozenset({"base_fee", "discharged_price", "indexed_fee", "service_fee"})
"""Clauses by which one pays another; all others divide the pool."""
BILL_EFFECT = ("arbitrage", "pv_time_shift", "demand_charge", "power_factor", "interaction")
OF_OTHERS = "demand charge of intervals that "
TAX = "tax"
"""What a term is `of` that takes the tax in markets' prices out of a stream's line."""
LINES_OF_ONE = {"floored_split": 2, "discharged_price": 3, "early_termination": 4}
"""How many lines a clause may give one party; a tiered share one for each bracket, all others one."""
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


class Unknown(Exception):
    """What a check needs is not known here: what was not recomputed is counted under this name."""


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
    if len(text) > DIGITS_MAX or not re.fullmatch(r"-?[0-9]+(\.[0-9]+|/0*[1-9][0-9]*)?", text, re.ASCII):
        return None
    return Fraction(text)


def exactly(text: str) -> Fraction:
    """The one way to read a number here: no exponent, blank, underscore or foreign digit."""
    value = maybe_number(text)
    if value is None:
        raise ValueError(f"{text[:60]!r} is not an exact number")
    return value


def number(text: str, place: str) -> Fraction:
    value = maybe_number(text)
    if value is None:
        raise Wrong(place, f"{text[:60]!r} is not an exact number")
    return value


def maybe_product(text: str) -> Fraction | None:
    """A price, which may be written as a product: `40 x 0.9`."""
    value, factors = Fraction(1), text.split(" x ", FACTORS_MAX)
    if len(factors) > FACTORS_MAX:
        raise ValueError(f"{text[:60]!r} has more than {FACTORS_MAX} factors")
    for factor in map(maybe_number, factors):
        if factor is None:
            return None
        value *= factor
    return value


def ten_to(scale: Any) -> int:
    """The power of ten of a scale, which has at most nine digits after the point."""
    if type(scale) is not int or not 0 <= scale <= SCALE_MAX:
        raise ValueError(f"{str(scale)[:40]} digits are not 0 to {SCALE_MAX}")
    return int(10**scale)


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
    need(isinstance(head.get("handovers", []), list), place, "its handovers are not a list")
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
    """Seconds since 1970 of an instant, which names its offset."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text[:40]!r} is not an instant with an offset")
    return int((found - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())


# ------------------------------------------------------------------ lines and their sums


def check_line(line: Json, currency: str, counts: Counter[str], place: str) -> None:
    """A line's terms sum to its exact amount, which a stream's line rounds once; a clause's may differ by
    the unit that a largest remainder gives."""
    unit = 10 ** MINOR_DIGITS[currency]
    need(len(line["basis"]) <= TERMS_MAX, place, f"it has more than {TERMS_MAX} terms")
    exact, amount = number(line["exact"], place), minor(line["amount"], currency, place)
    need(
        line["kind"] in ("stream", "clause") and type(line["pooled"]) is bool, place, "it is of no known kind"
    )
    need(Fraction(amount, unit) - exact == number(line["rounding"], place), place, "its rounding is another")
    if line["kind"] == "stream" and not in_part(line):
        need(amount == rounded(exact * unit), place, f"its amount is not {line['exact']} rounded once")
    need(abs(amount - exact * unit) < 1, place, "more than one minor unit was rounded")
    own = [line[name] for name in ("quantity", "unit", "price")][2 * (line["code"] == "arbitrage") :]
    need(not line["basis"] or not any(own), place, "it states a quantity or a price beside its terms")
    for at, term in enumerate(line["basis"] or [line], 1):
        check_product(term, unit, counts, f"{place}, term {at}")
    total = Fraction(0)
    for term in line["basis"]:
        total += number(term["exact"], place)
        need(total.denominator < 10**DIGITS_MAX, place, "its terms sum to no number that can be written")
    need(total == exact or not line["basis"], place, f"its terms sum to {total}, not to {exact}")
    counts["lines"] += 1


def check_product(term: Json, unit: int, counts: Counter[str], place: str) -> None:
    """Quantity x price, or its opposite, is the exact amount, up to half a minor unit of rounding."""
    quantity, price = maybe_number(term["quantity"]), maybe_product(term["price"])
    if quantity is None or price is None:
        return
    product = quantity * price / (1000 if term["unit"].startswith("Wh") else 1)
    exact = number(term["exact"], place)
    if term.get("of") == TAX:
        off = abs(exact + quantity * price / (1 + price)) * unit
        need(off < 1, place, f"{term['exact']} is not the tax in {term['quantity']} at {term['price']}")
        return
    near = min(abs(exact - product), abs(exact + product)) if not term.get("of") else abs(exact - product)
    need(2 * near * unit <= 1, place, f"{term['quantity']} x {term['price']} is not {term['exact']}")
    counts["terms that are quantity x price"] += 1


def without_product(line: Json) -> int:
    """How many of a line's terms state no product."""
    terms = line["basis"] or [line]
    stated = [maybe_number(one["quantity"]) and maybe_product(one["price"]) for one in terms]
    return sum(one is None for one in stated)


def with_tax(line: Json) -> Fraction:
    """A line's exact amount with the tax that a contract without taxes took out of it."""
    taxes = (exactly(one["exact"]) for one in line["basis"] if one.get("of") == TAX)
    return exactly(line["exact"]) - sum(taxes, Fraction(0))


def in_part(line: Json) -> bool:
    """Whether it is a part of an amount that was rounded as a whole: of a month's, or of a unit's
    statement."""
    own = [one["label"] for one in line["basis"] if one.get("of") != TAX and line["code"] not in BILL_EFFECT]
    return any(re.search(r", of unit |; [0-9]+ of [0-9]+ days, ", one) for one in own)


def gross_of(line: Json, unit: int) -> int:
    """Its minor units before a tax was taken out of them."""
    taxes = [exactly(one["quantity"]) * unit for one in line["basis"] if one.get("of") == TAX]
    if in_part(line):
        return rounded(taxes[0]) if taxes else int(line["amount"]["minor"])
    return rounded(with_tax(line) * unit)


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


def paying(runs: list[Run]) -> list[Run]:
    return [one for one in runs if one.body["kind"] != "provisional"]


def shown_of(runs: list[Run], void: set[tuple[str, str, int]]) -> list[Run]:
    """The last paying run of a month that nobody declared void, and the void ones after it."""
    found = paying(runs)
    right = [at for at, run in enumerate(found) if run.name not in void]
    return found[max(right, default=0) :]


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
    before = paying(earlier)
    due = f"correction {len(before)}" if before else "initial"
    due = due if result["through"] is None else "provisional"
    need(body["kind"] == due, place, f"it is {body['kind']}, and {due} is due")
    check_waterfall(run, counts, place)
    delta = {party: minor(one, currency, place) for party, one in body["delta"].items()}
    now, then = run.payable(), before[-1].payable() if before else {}
    right = {party: now.get(party, 0) - then.get(party, 0) for party in {*now, *then}}
    need(
        delta == ({} if due == "provisional" else right),
        place,
        "its delta is not payable less the run before",
    )
    need(not before or due == "provisional" or body["causes"], place, "a correction has no cause")
    need(before or not body["causes"], place, "it corrects nothing, and says why")
    counts["settlement runs"] += 1
    counts["causes of corrections, proven unaltered only"] += bool(body["causes"])
    counts["warnings of runs, proven unaltered only"] += len(result["warnings"])
    counts["sites' stored energy, proven unaltered only"] += len(result["stored"])


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
    """A clause's lines are a whole amount by largest remainder, or several that follow each other; or each
    is rounded once by itself. A guarantee's two lines are together what reached it."""
    exacts = [number(line["exact"], place) * unit for line in parts]
    amounts = [line["amount"]["minor"] for line in parts]
    whole, names = sum(exacts) == sum(amounts), [line["party"] for line in parts]
    if whole and (len({*names}) == len(names) and by_remainder(names, exacts, amounts)):
        counts["splits by largest remainder"] += len(parts) > 1
        return
    once = [rounded(one) for one in exacts] == amounts and (len(parts) == 1 or parts[0]["code"] in FEES)
    guarantee = whole and parts[0]["code"] == "guarantee" and len(parts) == 2
    right = once or guarantee or follow_each_other(names, exacts, amounts)
    need(right, place, "its lines are not what largest remainders give, nor rounded once")


def by_remainder(names: list[str], exacts: list[Fraction], amounts: list[int]) -> bool:
    """Whether the amounts are the largest remainders of their sum."""
    if not sum(amounts) or (min(exacts) < 0 < max(exacts)):
        return amounts == exacts
    right = largest_remainder(sum(amounts), dict(zip(names, map(abs, exacts), strict=True)))
    return amounts == [right[name] for name in names]


def follow_each_other(names: list[str], exacts: list[Fraction], amounts: list[int]) -> bool:
    """Whether they are several splits, each of the lines up to where their exact sum is whole."""
    begin, total = 0, Fraction(0)
    for end, exact in enumerate(exacts, 1):
        total += exact
        if total.denominator == 1:
            span = slice(begin, end)
            if sum(amounts[span]) != total or not by_remainder(names[span], exacts[span], amounts[span]):
                return False
            begin, total = end, Fraction(0)
    return begin == len(exacts)


# ------------------------------------------------------------------ what clauses, bills and taxes come to


class Reached(NamedTuple):
    """What reaches a clause, in minor units of which `unit` are one of the currency: of a month, of which the
    contract covers the part `covered`. `before` is what earlier months handed on to it, the energies what all
    storages of the contract discharged and charged, and what that is worth at the tariffs; None for not known
    here. `streams` are the pool's, `excluded` days with their causes, `scores` those of parties' services,
    `kept` what the clauses above hand on, `end` the first day of the month without the contract."""

    remaining: int
    unit: int
    year: int
    month: int
    covered: Fraction | None = None
    before: Json | None = None
    discharged_wh: int | None = None
    charged_wh: int | None = None
    discharge_value: Fraction | None = None
    charge_cost: Fraction | None = None
    streams: dict[str, int] = NONE
    excluded: tuple[tuple[str, date], ...] = ()
    scores: dict[str, str] = NONE
    kept: dict[str, Json] = NONE
    end: str = ""

    def months(self, terms: Json) -> Fraction | None:
        """The part of the month that counts, less the days that a carve-out excludes."""
        whole = self.covered if terms.get("proration") == "days" else Fraction(1)
        days = {day for cause, day in self.excluded if cause in terms.get("carve_outs", ())}
        first, following = days_of_month({"year": self.year, "month": self.month})
        length = (following - first).days
        return whole if whole is None or not days else max(whole - Fraction(len(days), length), Fraction(0))


class Due(NamedTuple):
    """Party -> what a clause gives it, exact, in minor units; and the account that it hands on, `plain`."""

    parts: dict[str, Fraction]
    account: Json | None = None
    amounts: Json = NONE
    """What is paid to a party, where that is not its part by largest remainder."""


def plain(account: Json) -> Json:
    """An account's fields as numbers: money in minor units, exact texts as fractions."""
    texts = {"months", "make_up_wh"}
    money = {name: one["minor"] for name, one in account.items() if isinstance(one, dict) and "minor" in one}
    return account | money | {name: exactly(one) for name, one in account.items() if name in texts}


def portion(text: str) -> Fraction:
    """`70%`, `0.7` or `1/3`."""
    return exactly(text[:-1]) / 100 if text.endswith("%") else exactly(text)


def shared(amount: int, shares: dict[str, str]) -> dict[str, Fraction]:
    return {party: portion(share) * amount for party, share in shares.items()}


def by_service(amount: int, clause: Json, at: Reached) -> Due | None:
    """By fixed shares, or by the scores of the parties that `shares` names."""
    if clause.get("weights", "fixed") == "fixed" or not amount:
        return Due(shared(amount, clause["shares"]))
    if not clause["shares"].keys() <= at.scores.keys():
        return None
    scores = {party: exactly(at.scores[party]) for party in clause["shares"]}
    total = sum(scores.values())
    if not total:
        return Due(shared(amount, clause["shares"])) if clause["zero_scores"] == "shares" else None
    return Due({party: amount * score / total for party, score in scores.items()})


def due_of(clause: Json, at: Reached) -> Due | None:
    """What the contract's clause gives, and hands on; None where that needs what is not known here."""
    counted = at.months(clause)
    if counted is None:
        return None
    left = max(at.remaining, 0)
    match clause["type"]:
        case "remainder_split":
            return by_service(left, clause, at)
        case "capped_tier":
            return by_service(min(left, rounded(exactly(clause["cap"]) * counted * at.unit)), clause, at)
        case "stream_tier":
            earned = sum(at.streams.get(one, 0) for one in clause["streams"])
            return by_service(max(0, min(earned, at.remaining)), clause, at)
        case "loss_split":
            return loss_due(clause, at)
        case "hurdle":
            return hurdle_due(clause, at, counted)
        case "tiered_share":
            return tiered_due(clause, at, counted)
        case "floored_split":
            return floored_due(clause, at, counted)
        case "guarantee":
            return guarantee_due(clause, at, counted)
        case "base_fee" | "indexed_fee":
            return fee(clause, fee_of(clause, at, counted) * at.unit)
        case "service_fee":
            parts = {"discharge": [at.discharged_wh], "charge": [at.charged_wh]}
            energies = parts.get(clause["basis"], [at.discharged_wh, at.charged_wh])
            if None in energies:
                return None
            return fee(clause, exactly(clause["rate"]) * sum(wh or 0 for wh in energies) / 1000 * at.unit)
        case "discharged_price":
            return discharged_due(clause, at)
        case "early_termination":
            return termination_due(clause, at)
        case _:
            return None


def carried(clause: Json, at: Reached) -> Json | None:
    """What earlier months handed on, where the count does not begin anew in this month."""
    anew = at.month == clause.get("reset_month")
    if anew and at.before and at.before["month"] == {"year": at.year, "month": at.month}:
        return at.before
    return {} if anew and at.covered is not None else at.before


def loss_due(clause: Json, at: Reached) -> Due | None:
    if not clause["carry_forward"]:
        return Due(shared(min(at.remaining, 0), clause["shares"]))
    if at.before is None:
        return None
    unrecovered = at.before["amount"]["minor"] if at.before else 0
    taken = min(at.remaining, unrecovered)
    return Due(shared(taken, clause["shares"]), {"type": "loss_unrecovered", "amount": unrecovered - taken})


def hurdle_due(clause: Json, at: Reached, counted: Fraction) -> Due | None:
    """The return on the stated capital, with what earlier months left unpaid where that is carried."""
    if clause["carry_forward"] and at.before is None:
        return None
    unpaid = at.before["amount"]["minor"] if clause["carry_forward"] and at.before else 0
    monthly = exactly(clause["capital"]) * portion(clause["annual_rate"]) / 12
    due = rounded(monthly * counted * at.unit) + unpaid
    taken = min(max(at.remaining, 0), due)
    account = {"type": "hurdle_unpaid", "amount": due - taken} if clause["carry_forward"] else None
    return Due(shared(taken, clause["shares"]), account)


def tiered_due(clause: Json, at: Reached, counted: Fraction) -> Due | None:
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
            after if bracket.get("up_to") is None else rounded(exactly(bracket["up_to"]) * counted * at.unit)
        )
        inside = max(min(after, max(high, low)) - max(before, low), 0)
        for party, amount in shared(inside, bracket["shares"]).items():
            due[party] += amount
        low = high
    month = {"year": at.year, "month": at.month}
    by_year = clause["period"] == "year"
    return Due(due, {"type": "pool_to_date", "month": month, "amount": after} if by_year else None)


def floored_due(clause: Json, at: Reached, counted: Fraction) -> Due | None:
    """What the party's share lacks of its minimum the funders give: all of it, or no more than they have."""
    carry = clause["shortfall"] == "carried"
    if carry and at.before is None:
        return None
    taken = max(at.remaining, 0)
    due = defaultdict(Fraction, shared(taken, clause["shares"]))
    own = largest_remainder(taken, {party: portion(one) for party, one in clause["shares"].items()})
    unpaid = at.before["amount"]["minor"] if carry and at.before else 0
    least = rounded(exactly(clause["minimum"]) * counted * at.unit) + unpaid
    lacking = max(least - own.get(clause["party"], 0), 0)
    funders = {party: portion(one) for party, one in clause["funded_by"].items()}
    given = within(lacking, funders, own) if carry else largest_remainder(lacking, funders)
    for party, one in given.items():
        due[party] -= one
        due[clause["party"]] += one
    account = {"type": "minimum_unpaid", "amount": lacking - sum(given.values())}
    return Due(due, account if carry else None)


def within(total: int, funders: dict[str, Fraction], most: dict[str, int]) -> dict[str, int]:
    """By the funders' parts, none above its most; what one cannot give, the others give."""
    given = dict.fromkeys(funders, 0)
    while total and (
        able := {one: part for one, part in funders.items() if part and given[one] < most.get(one, 0)}
    ):
        for party, wanted in largest_remainder(total, able).items():
            more = min(wanted, most[party] - given[party])
            given[party] += more
            total -= more
    return given


def guarantee_due(clause: Json, at: Reached, counted: Fraction) -> Due | None:
    """U = G + alpha x max(R - G, 0), year or contract to date, less the same up to the month before."""
    begun = carried(clause, at)
    if begun is None:
        return None
    before, pool = (exactly(begun["months"]), begun["pool"]["minor"]) if begun else (Fraction(0), 0)
    monthly, alpha = exactly(clause["annual_amount"]) * at.unit / 12, portion(clause["excess_share"])
    guaranteed = rounded(monthly * before)
    paid = guaranteed + rounded(alpha * max(pool - guaranteed, 0))
    months = before + counted
    excess = max(pool + at.remaining - rounded(monthly * months), 0)
    exact = monthly * months + alpha * excess - paid
    month, to_date = {"year": at.year, "month": at.month}, pool + at.remaining
    account = {"type": "guarantee_to_date", "month": month, "months": months, "pool": to_date}
    guaranteed_by, other = clause["guaranteed_party"], clause["other_party"]
    amount = rounded(monthly * months) + rounded(alpha * excess) - paid
    amounts = {guaranteed_by: amount, other: at.remaining - amount}
    return Due({guaranteed_by: exact, other: at.remaining - exact}, account, amounts)


def fee(clause: Json, exact: Fraction) -> Due:
    """From the pool or a party to the payee."""
    return Due(({} if clause["payer"] == "pool" else {clause["payer"]: -exact}) | {clause["payee"]: exact})


def fee_of(clause: Json, at: Reached, counted: Fraction) -> Fraction:
    """A stated fee, or one that follows an index or a yearly rise, in major units."""
    if clause["type"] == "base_fee":
        yearly = clause["unit"].endswith(".year")
        return exactly(clause["rate"]) * exactly(clause["quantity"]) * counted / (12 if yearly else 1)
    year = at.year if at.month >= clause["adjusted_in"] else at.year - 1
    base, index = clause["base_year"], clause.get("index")
    if index:
        factor = exactly(index[str(year)]) / exactly(index[str(base)])
    else:
        factor = (1 + portion(clause["annual_rise"])) ** (year - base)
    return exactly(clause["amount"]) * factor * counted / (12 if clause["period"] == "year" else 1)


def discharged_due(clause: Json, at: Reached) -> Due | None:
    """A price of discharged energy, fixed or the tariff's; the cost of charging; a minimum take."""
    needed = [at.discharged_wh, at.discharge_value, at.charge_cost]
    uses = [True, clause["price_basis"] == "tariff", clause["charge_cost"] != "not_passed"]
    if any(one is None for one, used in zip(needed, uses, strict=True) if used):
        return None
    taken_wh, value, cost = (
        at.discharged_wh or 0,
        at.discharge_value or Fraction(0),
        at.charge_cost or Fraction(0),
    )
    if clause["price_basis"] == "fixed":
        value = exactly(clause["price"]) * taken_wh / 1000
    sign = {"not_passed": 0, "added": 1, "deducted": -1}[clause["charge_cost"]]
    exact = ((1 - portion(clause["discount"])) * value + sign * cost) * at.unit
    minimum = clause.get("minimum")
    if minimum is None:
        return fee(clause, exact)
    counted = at.months(minimum)
    if counted is None or at.before is None:
        return None
    per_wh = exactly(minimum["price"]) / 1000 * at.unit
    monthly = exactly(minimum["kwh"]) * 1000 / (1 if minimum["period"] == "month" else 12)

    def unpaid(months: Fraction, taken: int, make_up: Fraction) -> Fraction:
        short = monthly * months - taken
        return short if short > 0 else -min(-short, make_up)

    months, before_wh, make_up = Fraction(0), 0, Fraction(0)
    if at.before:
        known = plain(at.before)
        months, before_wh, make_up = known["months"], known["taken_wh"], known["make_up_wh"]
        begins = minimum["period"] == "month" or at.month == minimum.get("reset_month")
        if begins and known["month"] != {"year": at.year, "month": at.month}:
            left = make_up + unpaid(months, before_wh, make_up) if minimum["make_up"] else Fraction(0)
            months, before_wh, make_up = Fraction(0), 0, left
    paid = rounded(per_wh * unpaid(months, before_wh, make_up))
    months, taken = months + counted, before_wh + taken_wh
    exact += per_wh * unpaid(months, taken, make_up) - paid
    month = {"year": at.year, "month": at.month}
    account = {
        "type": "take_to_date",
        "month": month,
        "months": months,
        "taken_wh": taken,
        "make_up_wh": make_up,
    }
    return Due(fee(clause, exact).parts, account)


def termination_due(clause: Json, at: Reached) -> Due | None:
    """In the contract's last month: the schedule's amount, and what the hurdles above left unpaid."""
    due: dict[str, Fraction] = defaultdict(Fraction)
    if clause.get("on") is None or clause["on"] != at.end:
        return Due(due)
    steps = [one for one in clause["schedule"] if one["since"] <= clause["on"]]
    payment = rounded(exactly(steps[-1]["amount"]) * at.unit) if steps else 0
    unpaid = sum(one["amount"] for one in at.kept.values() if one["type"] == "hurdle_unpaid")
    for amount, shares in ((payment, clause.get("payment_shares")), (unpaid, clause.get("hurdle_shares"))):
        for party, part in shared(amount, shares or {}).items():
            due[party] += part
            due[clause["payer"]] -= part
    return Due(due)


def check_vat(one: Json, right: Fraction | None, currency: str, most: int, place: str) -> tuple[int, int]:
    """Net and tax are gross, and the tax is the rate's, up to the unit that a largest remainder gives each of
    `most` supplies; the rate is the `right` one, where that is known."""
    net, tax, gross = (minor(one[name], currency, place) for name in ("net", "tax", "gross"))
    rate = number(one["rate"], place)
    need(net + tax == gross, place, f"net {net} and tax {tax} are not gross {gross}")
    need(abs(tax - rate * net) < most * (1 + rate), place, f"{tax} is not the tax of {net} at {one['rate']}")
    need(right in (None, rate), place, f"{one['rate']} is not the contract's rate of it, which is {right}")
    return net, gross


def check_seen(result: Json, contract: Json, place: str) -> None:
    """Who is told of which bills, sites and percentages, and the latter, as the contract writes them."""
    hosts = hosts_of(contract)
    bills, sites, held = {}, {}, {(one["party"], one["site"]) for one in result["lines"]}
    for party in contract["parties"]:
        name, host, sees = party["id"], party["role"] == "host", party["sees"]
        own = [one for one in contract["sites"] if hosts.get(one) == name]
        if host or sees["host_bill"]:
            bills[name] = own if host else contract["sites"]
        every = sees["pool_total"] and not host
        sites[name] = [one for one in contract["sites"] if every or one in own or (name, one) in held]
    shares = [one["id"] for one in contract["parties"] if one["sees"].get("others_percentages")]
    for field, right in (("sees_bill", bills), ("sees_sites", sites), ("sees_percentages", shares)):
        words = f"{field} is {result[field]}, and the contract says {right}"
        need(result[field] == right, place, words)
    told = [(one["clause"], one["of"], one["party"], portion(one["share"])) for one in result["percentages"]]
    due = [
        (f"clause {at}, {clause['type']}", of, party, portion(share))
        for at, clause in enumerate(contract["clauses"], 1)
        for of, stated in percentages_of(clause)
        for party, share in sorted(stated.items())
    ]
    need(told == due, place, f"its percentages are {told}, and the contract says {due}")


def percentages_of(clause: Json) -> Iterator[tuple[str, dict[str, str]]]:
    """What a clause divides, and the parts that its text gives."""
    if "shares" in clause and clause.get("weights", "fixed") == "fixed":
        yield "", clause["shares"]
    match clause["type"]:
        case "floored_split":
            yield f"what {clause['party']} lacks of its minimum", clause["funded_by"]
        case "tiered_share":
            for at, one in enumerate(clause["brackets"], 1):
                up_to = one.get("up_to")
                yield f"bracket {at}" + (f", up to {up_to}" if up_to is not None else ""), one["shares"]
        case "guarantee":
            rest = str(1 - portion(clause["excess_share"]))
            parts = {clause["guaranteed_party"]: clause["excess_share"], clause["other_party"]: rest}
            yield "the excess", parts
        case "early_termination":
            for name, of in (
                ("payment_shares", "the termination payment"),
                ("hurdle_shares", "the unpaid return on capital"),
            ):
                if clause.get(name) is not None:
                    yield of, clause[name]
        case _:
            pass


class Vat:
    """A contract's terms of value-added tax, at the tax point of a month: its last day."""

    def __init__(self, contract: Json, tax_point: date) -> None:
        self._terms, self._at = contract.get("vat"), str(tax_point)
        self.inclusive = contract.get("split_basis", "tax_inclusive") == "tax_inclusive"
        self.costs = contract["pass_through_costs"]
        takes_rest = ("remainder_split", "tiered_share", "floored_split", "guarantee")
        self._rest = next((one["type"] for one in contract["clauses"] if one["type"] in takes_rest), "")

    def rate(self, item: str, supplier: str, place: str) -> Fraction:
        """Of what a party supplies under a stream, a cost or a clause."""
        need(self._terms is not None, place, "the contract states no rates")
        terms: Json = self._terms or {}
        of = terms["categories"][item], terms["taxpayers"][supplier]
        held = [one for one in terms["rates"] if (one["category"], one["taxpayer"]) == of]
        held = [one for one in held if one["effective_from"] <= self._at < (one.get("effective_to") or "~")]
        need(len(held) == 1, place, f"the contract has {len(held)} rates of {item} by {supplier}, not one")
        return portion(held[0]["rate"])

    def invoiced(self, one: Json, line: Json, most: int, place: str) -> int:
        """What is invoiced of a line, on the split basis, at the rate of its item: a saving's is the clause
        that takes the rest."""
        item = self._rest if line["kind"] == "stream" and line["code"] in BILL_EFFECT else line["code"]
        right = self.rate(item, one["supplier"], place)
        return check_vat(one, right, line["amount"]["currency"], most, place)[self.inclusive]

    def check_part(self, amount: int, line: Json, place: str) -> None:
        """No more than the line is invoiced of it, and a fee or a cost whole."""
        whole: int = line["amount"]["minor"] * (1 if line["kind"] == "clause" else -1)
        in_part = line["code"] not in FEES and line["code"] not in self.costs
        within = amount == whole or (in_part and min(whole, 0) <= amount <= max(whole, 0))
        need(within, place, f"{amount} is invoiced of a line of {whole}")

    def taken_out(self, lines: list[Json], unit: int, place: str) -> dict[int, tuple[int, Fraction, int]]:
        """By the numbers of pooled streams' lines the amount with the tax in it, its rate and its tax: a
        stream's net is rounded once for each holder, and its lines add up to it."""
        found: dict[int, tuple[int, Fraction, int]] = {}
        streams: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
        for line in lines if not self.inclusive else ():
            if line["kind"] == "stream" and line["pooled"]:
                streams[line["code"], line["party"]][line["number"]] = gross_of(line, unit)
        for (code, holder), amounts in streams.items():
            rate = self.rate(code, holder, place)
            exacts = {at: amount / (1 + rate) for at, amount in amounts.items()}
            nets = {at: int(one) for at, one in exacts.items()}
            left = rounded(sum(exacts.values(), Fraction(0))) - sum(nets.values())
            step = 1 if left >= 0 else -1
            for at in sorted(exacts, key=lambda one: (step * (nets[one] - exacts[one]), one))[: abs(left)]:
                nets[at] += step
            found |= {at: (amount, rate, amount - nets[at]) for at, amount in amounts.items()}
        return found


def whole_of(line: Json) -> int:
    return int(line["amount"]["minor"])


def parts_of(own: Json, lines: list[Json], parties: set[str]) -> dict[str, int]:
    """Who buys an agent's line, by what the pool gives each."""
    weights = dict.fromkeys(sorted(parties), 0)
    for line in lines:
        if line["kind"] == "clause" and line["code"] not in FEES and line["party"] in weights:
            weights[line["party"]] += whole_of(line)
    shares = {party: Fraction(abs(weight)) for party, weight in weights.items()}
    if not any(shares.values()):
        shares = dict.fromkeys(shares, Fraction(1))
    return {party: minor for party, minor in largest_remainder(whole_of(own), shares).items() if minor}


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


# ------------------------------------------------------------------ tariffs: kinds of days, periods, prices

PERIODS = ("sharp", "peak", "flat", "valley", "deep")
CN_HOLIDAYS = {
    2024: "0101-0101 元旦, 0210-0217 春节, 0404-0406 清明, 0501-0505 劳动节, 0610-0610 端午, 0915-0917 中秋,"
    " 1001-1007 国庆节",
    2025: "0101-0101 元旦, 0128-0204 春节, 0404-0406 清明, 0501-0505 劳动节, 0531-0602 端午,"
    " 1001-1008 国庆节 中秋",
    2026: "0101-0103 元旦, 0215-0223 春节, 0404-0406 清明, 0501-0505 劳动节, 0619-0621 端午, 0925-0927 中秋,"
    " 1001-1007 国庆节",
}
"""Holidays by the State Council's notice of each year, as month and day from and to, and their names."""
CN_WORKED = {
    2024: "0204 0218 0407 0428 0511 0914 0929 1012",
    2025: "0126 0208 0427 0928 1011",
    2026: "0104 0214 0228 0509 0920 1010",
}
"""Saturdays and Sundays that those notices make working days."""
OTHER_NAMES = {"清明节": "清明", "劳动": "劳动节", "端午节": "端午", "中秋节": "中秋", "国庆": "国庆节"}
POWER_FACTORS = {
    "0.90": (90, 70, 65, [0, 15, 30, 45, 60, 75]),
    "0.85": (85, 65, 60, [0, 10, 20, 30, 40, 50, 65, 80, 95, 110]),
    "0.80": (80, 60, 55, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 115, 130]),
}
"""Of each standard: hundredths at which nothing is adjusted, down to which a hundredth costs 0.5 %, and then
1 % (below it 2 %); and what each hundredth above gives back, in hundredths of a percent."""


def day_kind(calendar: str, day: date) -> tuple[str, set[str]]:
    """`working`, `rest`, or `holiday` with its names."""
    weekend = "rest" if day.weekday() > 4 else "working"
    if calendar == "none":
        return weekend, set()
    if calendar != "CN" or day.year not in CN_HOLIDAYS:
        raise Unknown(f"the kinds of days of calendar {calendar} in {day.year}")
    at = f"{day:%m%d}"
    for one in CN_HOLIDAYS[day.year].split(", "):
        first, last, *names = one.replace("-", " ").split()
        if first <= at <= last:
            return "holiday", set(names)
    return ("working" if at in CN_WORKED[day.year].split() else weekend), set()


def rule_level(rule: Json, calendar: str, day: date) -> int:
    """How specific a period rule is on such a day; -1 where it does not hold."""
    levels = [0 if "all" in rule["days"] else -1]
    for days in rule["days"]:
        if days != "all":
            kind, names = day_kind(calendar, day)
            if days.startswith("holiday:"):
                levels.append(2 if OTHER_NAMES.get(days[8:], days[8:]) in names else -1)
            else:
                levels.append(1 if days == kind else -1)
    return max(levels)


def day_periods(tariff: Json, schedule: Json, day: date, place: str) -> bytes:
    """The period of each of a local day's 1,440 minutes: the more specific rule holds."""
    rules = [one for one in schedule["periods"]["rules"] if day.month in one["months"]]
    levels = [rule_level(one, tariff["calendar"]["name"], day) for one in rules]
    otherwise = schedule["periods"]["otherwise"]
    minutes = bytearray([255 if otherwise is None else PERIODS.index(otherwise)]) * 1440
    for level in range(3):
        for rule in (one for one, own in zip(rules, levels, strict=True) if own == level):
            for hours in rule["hours"]:
                span = slice(hours["start"], hours["end"])
                minutes[span] = bytes([PERIODS.index(rule["period"])]) * (span.stop - span.start)
    need(255 not in minutes, place, f"tariff {tariff['id']} has minutes of {day} in no period")
    return bytes(minutes)


def of_month(entries: list[Json], year: int, month: int, place: str) -> Json:
    """The schedule, or the table of prices, that a tariff has for a month."""

    def at(one: Any) -> tuple[int, int]:
        return (one["year"], one["month"]) if one else (9999, 1)

    held = [one for one in entries if at(one["start"]) <= (year, month) < at(one["until"])]
    held = [one for one in held if month in one.get("months", (month,))]
    need(len(held) == 1, place, f"the tariff has {len(held)} entries for {year:04d}-{month:02d}, not one")
    return held[0]


def interval_periods(tariff: Json, first_s: int, end_s: int, interval_s: int, place: str) -> bytes:
    """The period of each interval from `first_s` on, by the clocks of the tariff's zone."""
    zone, days, found = zone_of(tariff["calendar"]["zone"], place), {}, bytearray()
    for start_s in range(first_s, end_s, interval_s):
        wall = datetime.fromtimestamp(start_s, zone)
        if (day := wall.date()) not in days:
            schedule = of_month(tariff["schedules"], day.year, day.month, place)
            days[day] = day_periods(tariff, schedule, day, place)
        minute = wall.hour * 60 + wall.minute
        span = set(days[day][minute : minute + interval_s // 60])
        need(len(span) == 1, place, f"the {interval_s} s from {wall} lie in two periods of {tariff['id']}")
        found.append(span.pop())
    return bytes(found)


def price_of(price: Json | None, place: str) -> Fraction:
    need(price is not None, place, "the tariff has no such price")
    return Fraction(price["mantissa"], ten_to(price["scale"]))  # type: ignore[index]


def days_of_month(month: Json) -> tuple[date, date]:
    """Its first day, and that of the month after."""
    first = date(month["year"], month["month"], 1)
    return first, (first + timedelta(days=31)).replace(day=1)


def end_of(contract: Json) -> date:
    """The first day without the contract, where no newer version replaces it before."""
    on = [one["on"] for one in contract["clauses"] if one.get("on") is not None]
    on += [contract["effective_from"]] if contract.get("withdrawn") is not None else []
    return min(date.fromisoformat(one) for one in [contract["effective_to"], *on])


def hosts_of(contract: Json) -> dict[str, str]:
    """The host of each site: the one that names it, or the only one of all."""
    hosts = [one for one in contract["parties"] if one["role"] == "host"]
    if len(hosts) == 1 and not hosts[0].get("sites"):
        return dict.fromkeys(contract["sites"], hosts[0]["id"])
    return {site: one["id"] for one in hosts for site in one.get("sites", ())}


def zone_of(name: str, place: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise Wrong(place, f"the zone {name} is unknown here: pip install tzdata") from None


def midnight_s(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


# ------------------------------------------------------------------ what a site's meters say of a month


class Priced(NamedTuple):
    """The part of a billing cycle that lies in one calendar month: its intervals and what a kWh costs."""

    label: str
    span: slice
    periods: bytes
    table: Json

    def sums(self, wh: list[int]) -> dict[int, int]:
        """By the periods that the part has."""
        found = dict.fromkeys(sorted(set(self.periods)), 0)
        for period, energy in zip(self.periods, wh[self.span], strict=True):
            found[period] += energy
        return found

    def price(self, period: int, place: str) -> Fraction:
        return price_of(self.table["prices"][PERIODS[period]], f"{place}, {PERIODS[period]}")


class Supply(NamedTuple):
    """Of a feeder, or of the whole site: net import without the storage, and what the storage took and gave,
    in Wh of each interval."""

    load: list[int] | None
    charge: list[int]
    discharge: list[int]

    @property
    def net(self) -> list[int]:
        return [a + b - c for a, b, c in zip(self.load or (), self.charge, self.discharge, strict=True)]


class SiteMonth(NamedTuple):
    """What a site's account was metered in its billing cycle, and its tariff's prices."""

    document: Json
    interval_s: int
    start_s: int
    end_s: int
    days: slice
    """The intervals of the contract's days."""
    parts: list[Priced]
    whole: Supply
    feeders: dict[str, Supply]
    reactive: tuple[int, int] | None

    @property
    def account(self) -> Json:
        return dict(self.document["account"])

    def worth(self, wh: list[int], place: str) -> Fraction:
        """At the import price of each interval."""
        sums = ((one, period, energy) for one in self.parts for period, energy in one.sums(wh).items())
        return sum((one.price(at, place) * energy / 1000 for one, at, energy in sums if energy), Fraction(0))


Item = tuple[str, str | None, Fraction, str, Fraction | None, Fraction, str]
"""Of a bill: item, period, quantity, unit, price, rate and part."""


def bill_items(site: SiteMonth, net: list[int], feeders: dict[str, list[int]], place: str) -> list[Item]:
    """Energy of each period, then what was fed in, demand or capacity of each supply, and power factor."""
    items: list[Item] = []
    one, last = Fraction(1), site.parts[-1].table
    bought = [max(wh, 0) for wh in net]
    base = fund = Fraction(0)
    for part in site.parts:
        label = part.label if len(site.parts) > 1 else ""
        for period, wh in part.sums(bought).items():
            price = part.price(period, place)
            items.append(("energy", PERIODS[period], Fraction(wh), "Wh", price, one, label))
            base += price * wh / 1000
        if part.table["components"] is not None:
            each = price_of(part.table["components"]["government_fund"], place)
            fund += each * sum(bought[part.span]) / 1000
    fed_in, feed_in = sum(bought) - sum(net), site.account["export_price"]
    if feed_in is not None and fed_in:
        items.append(("export", None, Fraction(-fed_in), "Wh", price_of(feed_in, place), one, ""))
    supplies = [(own["id"], own["demand"], feeders[own["id"]]) for own in site.account["feeders"]]
    if not supplies and site.account["demand"] is not None:
        supplies = [("", site.account["demand"], net)]
    for name, terms, own in supplies:
        items.append(demand_item(name, terms, own, site.interval_s, last, place))
        base += items[-1][2] / 1000 * (items[-1][4] or 0) * items[-1][5]
    terms = site.account["power_factor"]
    if terms is not None:
        need(site.reactive is not None, place, "its power factor rests on no reactive energy")
        lag, lead = site.reactive or (0, 0)
        reactive = lag + lead if terms["reactive_sum"] == "absolute" else abs(lag - lead)
        rate = power_factor_rate(terms["standard"], sum(bought), reactive)
        base -= 0 if terms["fund_in_base"] else fund
        items.append(("power_factor", None, base, "", None, rate, ""))
    return items


def demand_item(name: str, terms: Json, net: list[int], interval_s: int, table: Json, place: str) -> Item:
    """Capacity, the highest mean demand, or the declared demand with its band of 105 %."""
    if terms["mode"] == "capacity":
        price = price_of(table["capacity"], place)
        return "demand", None, Fraction(terms["capacity_va"]), "VA", price, Fraction(1), name
    count = terms["interval_s"] // interval_s
    peak = max(0, *(sum(net[at : at + count]) for at in range(0, len(net), count)))
    charged = measured = Fraction(peak * 3600, terms["interval_s"])
    if terms["mode"] == "contract":
        floor = Fraction(terms["floor_percent"] * (terms["capacity_va"] or 0), 100)
        declared = max(Fraction(terms["contract_w"]), floor)
        band = declared * Fraction(105, 100)
        over = (declared if terms["over_band_rule"] == "A" else band) + 2 * (measured - band)
        charged = declared if measured <= band else over
    limit = terms["load_rate_kwh_per_kva"]
    reached = limit is not None and sum(max(wh, 0) for wh in net) >= limit * terms["capacity_va"]
    rate = Fraction(9, 10) if reached else Fraction(1)
    return "demand", None, charged, "W", price_of(table["demand"], place), rate, name


def power_factor_rate(standard: str, active_wh: int, reactive_varh: int) -> Fraction:
    """Of P / sqrt(P2 + Q2) in hundredths, halves up."""
    square = active_wh**2 + reactive_varh**2
    hundredths = (isqrt(40_000 * active_wh**2 // square) + 1) // 2
    level, half_to, one_to, rewards = POWER_FACTORS[standard]
    if hundredths >= level:
        return -Fraction(rewards[min(hundredths - level, len(rewards) - 1)], 10_000)
    half = level - max(hundredths, half_to)
    one = half_to - min(max(hundredths, one_to), half_to)
    return Fraction(50 * half + 100 * one + 200 * (one_to - min(hundredths, one_to)), 10_000)


def check_items(stated: list[Json], right: list[Item], unit: str, place: str) -> None:
    """The items of a bill are those of its readings and its tariff."""
    for given, item in zip_longest(stated, right):
        missing = f"it lacks an item that was metered, {item and item[0]} {(item and item[1]) or ''}"
        need(given is not None, place, missing.rstrip())
        name = f"{place}, {given['item']} {given['period'] or ''}".rstrip()
        need(item is not None, name, "nothing that was metered is of such an item")
        fields = ("item", "period", "quantity", "unit", "price", "rate", "part")
        for field, value in zip(fields, item, strict=True):
            told: Any = given[field]
            if isinstance(value, Fraction):
                told = None if told is None else number(told, name)
            expected = unit if (field, value) == ("unit", "") else value
            words = f"its {field} is {told}, and its readings and its tariff say {expected}"
            need(told == expected, name, words)


TERM = re.compile(r"(discharged|charged), ([a-z]+)(?:, prices of ([0-9-]+))?")
FORGONE = "charged from PV, feed-in forgone"


def check_direct(lines: list[Json], site: SiteMonth, place: str) -> None:
    """What storage moved on a bill: the terms of each period add up to what its meters read, at the tariff's
    price, discharge above zero and charge below. `lines` are the site's of arbitrage, PV time shift and
    interaction, of which the last has such terms of other streams only."""
    sums: Counter[tuple[str, str, str]] = Counter()
    forgone, several = 0, len(site.parts) > 1
    parts = {part.label if several else "": part for part in site.parts}
    for line, term in ((one, term) for one in lines for term in one["basis"]):
        of_term = f"{place}, line {line['number']}, {term['label']}"
        name, of_others, _ = term["label"].partition(": ")
        direct, interaction = TERM.fullmatch(name), line["code"] == "interaction"
        if not direct and name != FORGONE:
            need(interaction or term.get("of") == TAX, of_term, "it is no term of its line")
            continue
        own = interaction == bool(of_others) and (direct or line["code"] != "arbitrage")
        need(own, of_term, "it is no term of its line")
        wh, exact = number(term["quantity"], of_term), number(term["exact"], of_term)
        given = number(term["price"].removesuffix(" (curtailed or unpaid)"), of_term)
        need(wh >= 0 and wh.denominator == 1, of_term, f"{term['quantity']} is no energy")
        way, period, month = direct.groups() if direct else ("charged", "", "")
        if direct:
            need(period in PERIODS and (month or "") in parts, of_term, "no such period")
            price = parts[month or ""].price(PERIODS.index(period), of_term)
            need(given == price, of_term, f"{term['price']} is not the tariff's {price}")
            sums[way, period, month or ""] += int(wh)
        else:
            stated = site.account["export_price"]
            right = Fraction(0) if stated is None else price_of(stated, of_term)
            need(given == right, of_term, "not the export price")
            forgone += int(wh)
        worth = (1 if way == "discharged" else -1) * wh * given / 1000
        need(exact == worth, of_term, f"it is {exact}, and its energy is worth {worth}")
    for way, moved in (("discharged", site.whole.discharge), ("charged", site.whole.charge)):
        rest = forgone if way == "charged" else 0
        for label, part in parts.items():
            for period, read in part.sums(moved).items():
                told = sums.pop((way, PERIODS[period], label), 0)
                off = read - told
                words = f"{told} Wh {way} in {PERIODS[period]} {label}".rstrip()
                need(off == 0 or 0 < off <= rest, place, f"{words}, and its meters read {read}")
                rest -= off
        words = f"{forgone} Wh charged from PV, and its meters read {forgone - rest} beside the rest"
        need(rest == 0, place, words)
    need(not any(sums.values()), place, f"energy of a period that the month does not have: {[*sums]}")


# ------------------------------------------------------------------ spot markets


class SpotMonth(NamedTuple):
    """What a spot market told of a site, its prices, and what was metered, over the contract's days."""

    rule: Json
    facts: list[Json]
    first_s: int
    injected: list[int]
    withdrawn: list[int]
    day_ahead: list[Fraction]
    real_time: list[Fraction]
    reference: list[Fraction] | None
    days: list[str]
    """The market's local day of each settlement interval."""
    charges: list[tuple[str, Fraction]]
    """What charging energy bears per kWh."""

    def told(self, kind: str) -> list[Json]:
        return [one for one in self.facts if one["type"] == kind]

    def laid_out(self, fact: Json, values: list[int], place: str) -> list[tuple[int, int]]:
        """The settlement intervals that a fact has values for, with their sums."""
        start_s, end_s = (instant_s(fact["interval"][name]) for name in ("start", "end"))
        interval_s = self.rule["interval_s"]
        count, over = divmod(interval_s * len(values), end_s - start_s)
        need(count and not over, place, "its values are not of the market's intervals")
        first = (start_s - self.first_s) // interval_s
        sums = [sum(values[at : at + count]) for at in range(0, len(values), count)]
        return [(first + at, wh) for at, wh in enumerate(sums) if 0 <= first + at < len(self.days)]


SpotLines = dict[str, list[tuple[str, Fraction, Fraction]]]
"""A line's note -> its terms: label, Wh, and what they are worth."""


def spot_lines(spot: SpotMonth, place: str) -> SpotLines:
    """Day-ahead energy, deviation in real time, contracts and trades, and what charging bears."""
    count = len(spot.days)
    lines: SpotLines = {}
    cleared = {"injected": [0] * count, "withdrawn": [0] * count}
    two, seen = spot.rule.get("settlements", "two") == "two", [0] * count
    for fact in spot.told("spot_clearing") if two else ():
        for way, values in cleared.items():
            for at, wh in spot.laid_out(fact, fact[f"{way}_wh"], f"{place}, {fact['id']}"):
                values[at], seen[at] = wh, seen[at] + 1
    need(not two or seen == [2] * count, place, "its clearings do not cover the month once")
    for way, sign, actual in (("injected", 1, spot.injected), ("withdrawn", -1, spot.withdrawn)):
        if not any(actual) and not any(cleared[way]):
            continue
        planned = [sign * wh for wh in cleared[way]]
        if two:
            lines[f"day-ahead energy, {way}"] = by_day(spot, planned, spot.day_ahead)
        off = [sign * wh - plan for wh, plan in zip(actual, planned, strict=True)]
        lines[f"real-time {'deviation' if two else 'energy'}, {way}"] = by_day(spot, off, spot.real_time)
    against = {
        "spot_contract": spot.day_ahead if two else spot.real_time,
        "spot_intraday_trade": spot.real_time,
    }
    for kind, name in (
        ("spot_contract", "contract for difference"),
        ("spot_intraday_trade", "intraday trade"),
    ):
        for fact in spot.told(kind):
            volume, gain = [0] * count, [Fraction(0)] * count
            stated = [exactly(text) for text in fact["price_per_kwh"]]
            first = (instant_s(fact["interval"]["start"]) - spot.first_s) // spot.rule["interval_s"]
            inside = spot.laid_out(fact, fact["volume_wh"], f"{place}, {fact['id']}")
            if not inside:
                continue
            for at, wh in inside:
                volume[at], gain[at] = wh, stated[at - first if len(stated) > 1 else 0] - against[kind][at]
            lines[f"{name} {fact['id']}"] = by_day(spot, volume, gain)
            if kind == "spot_contract" and spot.reference is not None:
                spread = [a - b for a, b in zip(spot.day_ahead, spot.reference, strict=True)]
                lines[f"node spread of contract {fact['id']}"] = by_day(spot, volume, spread)
    bears = spot.rule["charging_bears"]
    injected, withdrawn = sum(spot.injected), sum(spot.withdrawn)
    for fact in spot.told("spot_month"):
        injected, withdrawn = fact["injected_wh"], fact["withdrawn_wh"]
    if spot.charges and withdrawn:
        wh = withdrawn - (0 if bears == "all" else min(injected, withdrawn))
        note, label = "transmission price and funds on charging", f"{bears} of charging"
        lines[note] = [(f"{one}, {label}", Fraction(-wh), -price * wh / 1000) for one, price in spot.charges]
    return lines


def by_day(spot: SpotMonth, wh: list[int], prices: list[Fraction]) -> list[tuple[str, Fraction, Fraction]]:
    """A term for each day that has energy or money."""
    energy: dict[str, Fraction] = defaultdict(Fraction)
    worth: dict[str, Fraction] = defaultdict(Fraction)
    for day, one, price in zip(spot.days, wh, prices, strict=True):
        if one:
            energy[day] += one
            worth[day] += price * one
    return [(day, energy[day], worth[day] / 1000) for day in energy if energy[day] or worth[day]]


# ------------------------------------------------------------------ what else markets and customers pay


Span = tuple[int, int]
Prices = Callable[[], "list[Fraction | None]"]
Parts = dict[str, tuple[Fraction, int]]
"""A site's part of an item: exact, in minor units, and what that came to."""
PAID_FOR = {
    "demand_response_invitation": "demand_response",
    "demand_response_capacity": "demand_response",
    "unit_demand_response": "demand_response",
    "capacity_certified": "capacity",
    "unit_capacity": "capacity",
    "capacity_leased": "capacity_lease",
}
"""A fact's type -> the stream that may have some of a storage; energy under AGC only as far as it moved."""
HISTORY_S = 60 * 86_400
"""How far back facts and readings reach that a baseline may look at."""
UNIT_STREAMS = {
    "unit_demand_response": ("demand_response", "demand_response"),
    "unit_spot": ("spot", "spot"),
    "unit_regulation": ("regulation", "ancillary"),
    "unit_capacity": ("capacity", "capacity"),
}
"""A statement's type -> the type of the unit's terms, and the code of its lines."""


SHARED = {"stack", "same_power", "same_energy_baseline", "rebound_blocked"}
"""Relations of two streams by which neither takes energy of a bill from the other."""


def span_of(told: Json) -> Span:
    begin, end = instant_s(told["interval"]["start"]), instant_s(told["interval"]["end"])
    if not 0 <= end - begin <= SPAN_S_MAX:
        raise ValueError(f"the {end - begin} s from {told['interval']['start']} are no time of a fact")
    return begin, end


def meet(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


class Event(NamedTuple):
    """An award of a response, when it was due, and whether it was."""

    rule: Json
    award: Json
    span: Span
    called: bool


class Market:
    """What markets told of a site in a month and `HISTORY_S` before it, the rules, and its meters' readings
    of all that; `held` are the contract's days, and `resting` the events that this is of."""

    def __init__(
        self,
        of: Meters,
        facts: list[Version],
        rules: dict[str, Version],
        zone: ZoneInfo,
        month: Json,
        held: Span,
    ) -> None:
        self.of, self.zone, self.month, self.held, self.place = of, zone, days_of_month(month), held, of.place
        self.facts = sorted((one.document for one in facts), key=lambda one: str(one["id"]))
        self.rules = {name: one.document for name, one in sorted(rules.items())}
        self.resting = {one.sequence for one in (*facts, *rules.values())}
        self.calendar = "CN" if zone.key == "Asia/Shanghai" else "none"
        self.sums: dict[tuple[str, ...], list[int | None]] = {}

    def of_type(self, kind: str) -> list[Json]:
        return [one for one in self.rules.values() if one["type"] == kind]

    def told(self, kind: str, rule: Json, *, ever: bool = False) -> list[Json]:
        """The facts of a kind under a rule, of the contract's days or of whatever time."""
        found = [one for one in self.facts if (one["type"], one["rule"]) == (kind, rule["id"])]
        return [one for one in found if ever or meet(span_of(one), self.held)]

    def day(self, at_s: int) -> date:
        return datetime.fromtimestamp(at_s, self.zone).date()

    def days(self, span: Span) -> list[date]:
        first, last = self.day(span[0]), self.day(span[1] - 1)
        return [first + timedelta(days=at) for at in range((last - first).days + 1)]

    def events(self) -> list[Event]:
        """In the order in which they were announced."""
        found = []
        for rule in self.of_type("demand_response_rule"):
            calls = self.told("demand_response_instruction", rule, ever=True)
            by = {one["invitation"]: one for one in calls}
            for award in self.told("demand_response_invitation", rule, ever=True):
                called = award["id"] in by or rule["without_instruction"] == "paid"
                found.append(Event(rule, award, span_of(by.get(award["id"], award)), called))
        return sorted(found, key=lambda one: (instant_s(one.award["announced"]), one.award["id"]))

    def outages(self) -> list[tuple[Span, bool]]:
        """And whether each is excused."""
        rules = self.of_type("demand_response_rule")
        told = (one for rule in rules for one in self.told("demand_response_outage", rule, ever=True))
        return [(span_of(one), one["excused"]) for one in told]

    def summed(self, *parts: str) -> list[int | None]:
        """Registers like `+grid import`, summed over the meters; None where a reading is missing."""
        if parts not in self.sums:
            count = (self.of.end_s - self.of.start_s) // self.of.interval_s
            found: list[int | None] = [0] * count
            for part in parts:
                (position, name), sign = part[1:].split(), int(f"{part[0]}1")
                for meter in self.of.meters:
                    if meter["position"] == position and name in meter["registers"]:
                        pairs = zip(found, self.of.known(meter["id"], name, count), strict=True)
                        found = [None if a is None or b < 0 else a + sign * b for a, b in pairs]
            self.sums[parts] = found
        return self.sums[parts]

    def consumption(self, *, own: bool) -> list[int | None]:
        """What the storage takes by its own meter, or the site with it at its connection."""
        storage, at = ("+storage charge", "-storage discharge"), {one["position"] for one in self.of.meters}
        if not own and "grid" in at:
            return self.summed("+grid import", "-grid export")
        need(own or "load" in at, self.place, "its connection has no meter")
        return self.summed(*storage, *(() if own else ("+load load", "+load import", "-pv pv")))

    def known(self, values: list[int | None], span: Span) -> list[int] | None:
        """The readings of a time; None where one is missing."""
        first, last = ((at - self.of.start_s) // self.of.interval_s for at in span)
        found = [one for one in values[max(first, 0) : last] if one is not None]
        return found if len(found) == last - first else None

    def read(self, values: list[int | None], span: Span) -> list[int]:
        found = self.known(values, span)
        need(found is not None, self.place, f"readings of {span[1] - span[0]} s from {span[0]} are missing")
        return found or []

    def laid_out(self, facts: list[Json], name: str, step_s: int) -> list[Any]:
        """By settlement period of the contract's days what facts state; None where none does."""
        found: list[Any] = [None] * ((self.held[1] - self.held[0]) // step_s)
        for fact in (one for one in facts if one.get(name) is not None):
            for at, value in enumerate(fact[name], (span_of(fact)[0] - self.held[0]) // step_s):
                if 0 <= at < len(found):
                    found[at] = value
        return found

    def held_part(self, exact: Fraction, first: date, end: date, unit: int) -> tuple[Fraction, int]:
        """Of a payment for the days [first, end) the contract's: what is rounded up to their end less what is
        rounded up to their first."""
        days = (end - first).days
        before, through = (min(max((self.day(at) - first).days, 0), days) for at in self.held)
        upto = [rounded(exact * unit * at / days) for at in (before, max(before, through))]
        return exact * max(through - before, 0) / days, upto[1] - upto[0]


class Told(NamedTuple):
    """A site's lines of one stream, in the order in which they are earned; each is proven as it is met."""

    lines: list[Json]
    unit: int
    proven: set[int]
    counts: Counter[str]
    place: str

    def take(self, what: str, exact: Fraction, right: int | None = None) -> int:
        """The next line is of `exact` major units, rounded once or to the `right` minor ones, before
        taxes."""
        need(self.lines, self.place, f"it lacks a line of {what}")
        line = self.lines.pop(0)
        told, gross = with_tax(line), gross_of(line, self.unit)
        right = rounded(exact * self.unit) if right is None else right
        words = f"{what} is {told}, {gross} minor, and facts, readings and rules say {exact}, {right}"
        need((told, gross) == (exact, right), f"{self.place}, line {line['number']}", words)
        self.proven.add(line["number"])
        self.counts["lines of markets and services recomputed"] += 1
        return right

    def give_up(self, base: Fraction) -> tuple[Fraction, int, list[int]]:
        """Where the next line gives up a part of a payment for another stream: the part, above zero and no
        more than all, its minor units, and the line's number, which is not proven by that."""
        line = self.lines[0] if self.lines else NONE
        terms = [one for one in line.get("basis", ()) if one.get("of") != TAX]
        if [one["unit"] for one in terms] != ["of the payment"] or terms[0]["label"].startswith("cut of "):
            return Fraction(0), 0, []
        part = number(terms[0]["quantity"], self.place)
        need(0 < part <= 1 and base >= 0, self.place, f"line {line['number']} gives up {part} of {base}")
        amount = self.take("what it gives up", -part * base)
        self.proven.discard(line["number"])
        return part, amount, [line["number"]]

    def end(self) -> None:
        numbers = [one["number"] for one in self.lines]
        need(not numbers, self.place, f"no fact and no unit's statement gives it the lines {numbers}")


# ------------------------------------------------------------------ demand response


def own_meter(rule: Json) -> bool:
    """Whether the storage alone is measured, and not its site."""
    return rule["baseline"]["type"] in ("zero", "typical_schedule")


def baseline(rule: Json, market: Market, event: Span, announced: str, apart: list[Span]) -> list[Fraction]:
    """Wh of each interval as they would have been; `apart` are other events and outages."""
    method, wh, step_s = rule["baseline"], market.consumption(own=own_meter(rule)), rule["interval_s"]
    need(step_s == market.of.interval_s, market.place, f"its meters do not read {step_s} s as {rule['id']}")
    count = (event[1] - event[0]) // step_s
    kind = method["type"] + ", adjusted" * bool(method.get("adjustment"))
    match kind:
        case "zero":
            return [Fraction(0)] * count
        case "recent_days":
            days = normal_days(method["pool"], market, wh, event, announced, apart)
            if method["choose"] == "highest":
                days.sort(key=lambda one: (-sum(one[1]), -one[0].toordinal()))
            rows = [values for _, values in days[: method["take"]]]
            if method["value"] == "daily_maximum":
                rows = [[max(one)] * count for one in rows]
            return [Fraction(sum(column), len(rows)) for column in zip(*rows, strict=True)]
        case "point_before":
            around = [(event[0] - method["points"] * step_s, event[0])]
        case "same_day_hours":
            away, before, after = (3600 * method[f"hours_{one}"] for one in ("skipped", "before", "after"))
            around = [(event[0] - away - before, event[0] - away), (event[1] + away, event[1] + away + after)]
        case _:
            raise Unknown(f"a baseline by {kind}")
    values = [one for span in around for one in market.read(wh, span)]
    return [Fraction(sum(values), len(values))] * count


def normal_days(
    pool: Json, market: Market, wh: list[int | None], event: Span, announced: str, apart: list[Span]
) -> list[tuple[date, list[int]]]:
    """The latest normal days of the event's kind with their readings in its hours; quiet ones make room."""
    today, of_event = market.day(event[0]), market.days(event)
    begin = today if pool["counted_from"] == "event_day" else market.day(instant_s(announced))
    touched, days = {day for one in apart for day in market.days(one)}, list[tuple[date, list[int]]]()
    working = pool["days"] == "working" or day_kind(market.calendar, today)[0] == "working"
    back = iter(range(pool["nearest_day"], pool["farthest_day"] + 1))
    while True:
        while len(days) < pool["size"] and (at := next(back, None)) is not None:
            day = begin - timedelta(days=at)
            theirs = [day + timedelta(days=each) for each in range(len(of_event))]
            alike = day_kind(market.calendar, day)[0] == ("working" if working else "rest")
            if alike and touched.isdisjoint(theirs) and theirs[-1] < today:
                moved = moved_back(event, (today - day).days, market.zone)
                values = moved and market.known(wh, moved)
                days += [(day, values)] if values else []
        total, low = sum(sum(values) for _, values in days), pool.get("low_usage")
        least = portion(low) * total / len(days) if low and total > 0 else None
        loud = [one for one in days if least is None or sum(one[1]) >= least]
        if len(loud) == len(days):
            need(len(days) >= pool["at_least"], market.place, f"its baseline has {len(days)} normal days")
            return days
        days = loud


def moved_back(span: Span, days: int, zone: ZoneInfo) -> Span | None:
    """The same hours of local clocks, days earlier; None where the clocks change in them."""
    found: list[set[float]] = []
    for at in span:
        wall = datetime.fromtimestamp(at, zone).replace(tzinfo=None) - timedelta(days=days)
        found.append({wall.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1)})
    begin, end = (int(min(one)) for one in found)
    return (begin, end) if {len(one) for one in found} == {1} and end - begin == span[1] - span[0] else None


def response_of(values: list[Fraction], rule: Json) -> Fraction:
    """Clipped interval by interval, netted, or the least power throughout."""
    if rule["measure"] == "least_power":
        return max(min(values), Fraction(0)) * len(values)
    kept = values if rule["clip"] == "netted" else [max(one, Fraction(0)) for one in values]
    return max(sum(kept, Fraction(0)), Fraction(0))


Block = tuple[list[int], Fraction, Fraction, bool]
"""Intervals that are assessed together: starts, response, award, and whether it is above the minimum."""


def blocks_of(event: Event, market: Market, each: str, response: dict[int, Fraction]) -> Iterator[Block]:
    """By clock hour, interval by interval, or the whole event."""
    rule, award, groups = event.rule, event.award, defaultdict[object, list[int]](list)
    for at in response:
        hour = datetime.fromtimestamp(at, market.zone).replace(minute=0, second=0)
        groups[{"event": "", "hour": f"{hour}"}.get(each, at)].append(at)
    least = award["minimum_w"] if rule["minimum_reduction"] == "contracted" else 0
    for starts in groups.values():
        total, hours = response_of([response[at] for at in starts], rule), Fraction(rule["interval_s"], 3600)
        above = total >= least * hours * len(starts)
        watts = (award["awarded_w"][(at - span_of(award)[0]) // rule["interval_s"]] for at in starts)
        yield starts, total if above else Fraction(0), sum(watts) * hours, above


def counted(performance: Json, block: Block) -> tuple[Fraction, Fraction]:
    """What of a block's response counts, in Wh, and by which factor."""
    _, response, award, above = block
    if above and award and performance["type"] == "tracking":
        within = abs(response / award - 1) <= portion(performance["tolerance"])
        factor = exactly(performance["coefficient"]) * min(response / award, Fraction(1)) * within
        return min(response, award), factor
    if not above or not award:
        return Fraction(0), Fraction(0)
    band = [one for one in performance["bands"] if response / award >= exactly(one["from_ratio"])][-1]
    most = response if band.get("capped_at") is None else exactly(band["capped_at"]) * award
    return min(response, most), portion(band["factor"])


def event_price(event: Event, place: str) -> Fraction:
    """Per kWh, or per kW by the event's duration."""
    (paid,) = (one for one in event.rule["payments"] if one["type"] != "per_kw_month")
    if paid["type"] == "per_kw_event":
        lasts = event.span[1] - event.span[0]
        return exactly([one["price"] for one in paid["steps"] if lasts > 60 * one["over_minutes"]][-1])
    stated, told = paid["price"], event.award.get("clearing_price")
    if stated["type"] == "fixed":
        return exactly(stated["price"])
    within = told and (stated.get("cap") is None or exactly(told) <= exactly(stated["cap"]))
    need(within, place, f"{event.award['id']} cleared at {told}, the rule's cap is {stated.get('cap')}")
    return exactly(told or "")


class Settled(NamedTuple):
    """An event's paid kWh (or kW), what it lacks for its penalty; of each interval the whole Wh that were
    paid, and the response."""

    event: Event
    quantity: Fraction = Fraction(0)
    short_kwh: Fraction = Fraction(0)
    paid_wh: Json = NONE
    response_wh: Json = NONE


def settled(event: Event, market: Market, events: list[Event]) -> Settled:
    if not event.called:
        return Settled(event)
    rule, step_s, outages = event.rule, event.rule["interval_s"], market.outages()
    apart = [one.span for one in events if one.called and one.span != event.span]
    base = baseline(
        rule, market, event.span, event.award["announced"], [*apart, *(one for one, _ in outages)]
    )
    wh, sign = market.consumption(own=own_meter(rule)), 1 if rule["direction"] == "reduce" else -1
    response: dict[int, Fraction] = {}
    for value, start in zip(base, range(*event.span, step_s), strict=True):
        if not any(excused and meet((start, start + step_s), one) for one, excused in outages):
            response[start] = sign * (value - market.read(wh, (start, start + step_s))[0])
    weighted, paid_wh = Fraction(0), {f"{at:012}": 0 for at in response}
    for block in blocks_of(event, market, rule["performance"].get("assess", "interval"), response):
        kept, factor = counted(rule["performance"], block)
        weighted += kept * factor / 1000
        if factor and int(kept):
            weights = {f"{at:012}": max(response[at], Fraction(0)) for at in block[0]}
            paid_wh |= largest_remainder(int(kept), weights)
    if any(one["type"] == "per_kw_event" for one in rule["payments"]):
        weighted /= Fraction(max(len(response), 1) * step_s, 3600)
    short, penalty = Fraction(0), rule.get("penalty") or NONE
    for _, given, award, _ in blocks_of(event, market, penalty["assess"], response) if penalty else ():
        short += max(portion(penalty["below"]) * award - given, Fraction(0)) / 1000
    return Settled(event, weighted, short, paid_wh, {f"{at:012}": int(one) for at, one in response.items()})


def annual_cut(market: Market, rule: Json, at_s: int) -> Fraction:
    """The part that payments of a year lose to its cap."""
    for cut in market.told("demand_response_annual_cut", rule, ever=True):
        if span_of(cut)[0] <= at_s < span_of(cut)[1]:
            if cut.get("kept") is not None:
                return 1 - portion(cut["kept"])
            return max(1 - exactly(rule["annual_cap"]) / exactly(cut["programme"]), Fraction(0))
    return Fraction(0)


def check_paid(
    market: Market, lines: Told, rule: Json, what: str, exact: Fraction, event: Event, fine: Fraction
) -> tuple[Fraction, list[int]]:
    """A payment's line, what it gives up, its penalty and its annual cut; the part and the line given up."""
    paid = lines.take(what, exact)
    part, less, cuts = lines.give_up(exact)
    if fine:
        lines.take(f"the penalty of {what}", -fine)
    if lost := annual_cut(market, rule, event.span[0]) * max(paid + less, 0):
        lines.take(f"the annual cut of {what}", -lost / lines.unit)
    return part, cuts


def check_responses(market: Market, lines: Told) -> None:
    """Each event that begins in the contract's days, with its top-ups; then what stood contracted."""
    events, given = market.events(), list[tuple[Settled, Fraction, list[int]]]()
    for event in (one for one in events if market.held[0] <= one.span[0] < market.held[1]):
        name, one = f"event {event.award['id']}", settled(event, market, events)
        price = event_price(event, lines.place) if event.called else Fraction(0)
        fine = one.short_kwh * price * exactly((event.rule.get("penalty") or {"multiple": "0"})["multiple"])
        part, cuts = check_paid(market, lines, event.rule, name, one.quantity * price, event, fine)
        for payer in market.of_type("demand_response_top_up_rule"):
            for fact in market.told("demand_response_top_up_invitation", payer):
                if fact["invitation"] == event.award["id"]:
                    exact = one.quantity * max(exactly(payer["to"]) - price, Fraction(0))
                    more = check_paid(market, lines, payer, f"{name}, topped up", exact, event, Fraction(0))
                    need(more[0] == part, lines.place, f"{name} gives up {part}, its top-up {more[0]}")
                    cuts += more[1]
        given.append((one, part, cuts))
    check_paid_once(market, given, lines)
    for rule in market.of_type("demand_response_rule"):
        for told in market.told("demand_response_capacity", rule):
            (paid,) = (one for one in rule["payments"] if one["type"] == "per_kw_month")
            own = [one for one in events if one.called and one.rule == rule]
            called = paid["when"] == "not_called" and any(meet(one.span, span_of(told)) for one in own)
            exact = Fraction(told["contracted_w"], 1000) * exactly(paid["price"]) * (not called)
            lost = annual_cut(market, rule, span_of(told)[0]) * rounded(exact * lines.unit) / lines.unit
            amount = 0
            for what, each in (("availability", exact), ("annual cut of the availability", -lost)):
                if each or what == "availability":
                    held = market.held_part(each, *market.month, lines.unit)
                    amount += lines.take(f"the {what} {told['id']}", *held)
            lines.give_up(Fraction(amount, lines.unit))


def check_paid_once(market: Market, given: list[tuple[Settled, Fraction, list[int]]], lines: Told) -> None:
    """Of events that were called together each Wh is paid once: of an interval no more than the largest
    response, nor than the storage moved and what each is paid beyond that. Where just that is paid, what they
    gave up is what they had to."""
    groups: list[list[tuple[Settled, Fraction, list[int]]]] = []
    way, last = "", 0
    for one in sorted(given, key=lambda one: (one[0].event.rule["direction"], one[0].event.span)):
        (begin, end), own = one[0].event.span, one[0].event.rule["direction"]
        if own != way or begin >= last:
            groups.append([])
        way, last = own, max(end, last if own == way else 0)
        groups[-1].append(one)
    for group in groups:
        register = "discharge" if group[0][0].event.rule["direction"] == "reduce" else "charge"
        storage, step_s, room = market.summed(f"+storage {register}"), market.of.interval_s, 0
        for at in {at for one, _, _ in group for at in one.paid_wh}:
            (moved,) = market.read(storage, (int(at), int(at) + step_s))
            paid = [one.paid_wh[at] for one, _, _ in group if at in one.paid_wh]
            largest = max(one.response_wh[at] for one, _, _ in group if at in one.paid_wh)
            room += min(max(largest, *paid), moved + sum(max(wh - moved, 0) for wh in paid))
        kept = sum(sum(one.paid_wh.values()) * (1 - part) for one, part, _ in group)
        words = f"{kept} Wh of {group[0][0].event.award['id']} and those with it are paid, not {room}"
        need(kept <= room, lines.place, words)
        lines.proven.update(at for _, _, cuts in group for at in cuts if kept == room)


# ------------------------------------------------------------------ regulation, capacity, services


def check_regulation(market: Market, lines: Told) -> None:
    """Mileage and capacity of each product, by settlement period."""
    for rule in market.of_type("regulation"):
        awards, done = market.told("regulation_award", rule), measured_of(market, rule)
        for product in rule["products"]:
            won, told = ([one for one in all_ if one["product"] == product] for all_ in (awards, done))
            for name, exact in product_of(market, rule, product, won, told).items() if won or told else ():
                lines.take(f"{name} of {product} under {rule['id']}", exact)


def measured_of(market: Market, rule: Json) -> list[Json]:
    """What was measured, by settlement period; `k` is the factor."""
    found = []
    for one in market.told("regulation_performance", rule):
        k = [None if score is None else Fraction(score, ten_to(one["score_scale"])) for score in one["score"]]
        found.append(one | {"k": k})
    return found + [by_period(rule, one) for one in market.told("agc_instructions", rule)]


def by_period(rule: Json, told: Json) -> Json:
    """Instructions as performance: each belongs to the period in which it starts, whose K is their mean."""
    formula, (begin, end) = rule["factor"], span_of(told)
    factors: list[list[Fraction]] = [[] for _ in range(begin, end, rule["period_s"])]
    mileage = [0] * len(factors)
    for at, (start, watts) in enumerate(zip(told["started_s"], told["mileage_w"], strict=True)):
        parts = []
        for one in formula["components"]:
            value = Fraction(told["measures"][one["measure"]][at], ten_to(told["scale"]))
            value /= exactly(one.get("reference", "1"))
            value = 1 - value if one["type"] == "complement" else value
            value = value if one.get("floor") is None else max(value, exactly(one["floor"]))
            parts.append(value if one.get("cap") is None else min(value, exactly(one["cap"])))
        weights = formula.get("weights")
        k = sum(portion(a) * b for a, b in zip(weights, parts, strict=True)) if weights else prod(parts)
        factors[start // rule["period_s"]].append(Fraction(k))
        mileage[start // rule["period_s"]] += watts
    scale = ten_to(formula["hour_decimals"])
    means = [
        Fraction(rounded(Fraction(sum(one)) * scale / len(one)), scale) if one else None for one in factors
    ]
    return told | {"k": means, "instructions": [len(one) for one in factors], "mileage_w": mileage}


def product_of(
    market: Market, rule: Json, product: str, won: list[Json], told: list[Json]
) -> dict[str, Fraction]:
    """What its awards and its performance are worth: mileage x K, and capacity x 1 - weight x (1 - K)."""
    step_s, most, zone = rule["period_s"], rule.get("settled_max"), zone_of(rule["zone"], market.place)
    priced = [one for one in market.told("regulation_prices", rule) if one["product"] == product]
    for at, one in enumerate(priced):
        priced[at] = one | {one["kind"]: [Fraction(each, ten_to(one["scale"])) for each in one["mantissas"]]}
    prices = {
        name: market.laid_out(priced, name, step_s) for name in ("mileage", "capacity", "mileage_ratio")
    }
    done = {
        name: market.laid_out(told, name, step_s) for name in ("instructions", "mileage_w", "available_s")
    }
    factors, awarded = market.laid_out(told, "k", step_s), dict[str, list[int]]()
    for pays in ("mileage", "capacity"):
        own = [one for one in won if one.get("pays", pays) in ("mileage_and_capacity", pays)]
        awarded[pays] = [one or 0 for one in market.laid_out(own, "capacity_w", step_s)]
    shares: Json = {}
    for one in market.told("regulation_share", rule):
        first = datetime.fromtimestamp(span_of(one)[0], zone).date()
        shares[str(first)] = Fraction(one["shared_wh"], one["total_wh"])
    mileage, capacity = rule.get("mileage"), rule.get("capacity")
    found = {name: Fraction(0) for name in ("mileage", "capacity") if rule.get(name)}
    for at, (moved, power) in enumerate(zip(awarded["mileage"], awarded["capacity"], strict=True)):
        count, k, has = done["instructions"][at], factors[at] or Fraction(0), max(moved, power) > 0
        need(has or not count or rule["unawarded"] != "refused", market.place, f"{product} was not awarded")
        k, paid = k if most is None else min(k, exactly(most)), has
        if rule["uninstructed"] == "unpaid" and count == 0:
            paid = False
        if mileage:
            unawarded = bool(count) and not has and rule["unawarded"] == "mileage_paid"
            quantity: Any = (done["mileage_w"][at] or 0) * (moved > 0 or unawarded)
            if mileage["quantity"] == "award_x_ratio":
                quantity = paid and Fraction(moved * step_s, 3600) * (prices["mileage_ratio"][at] or 0)
            day = datetime.fromtimestamp(market.held[0] + at * step_s, zone).date()
            if quantity:
                share = shares[str(day)] if mileage["shared"] else 1
                found["mileage"] += quantity * k * prices["mileage"][at] * share / 10**6
        if capacity and paid and power:
            price = prices["capacity"][at] if capacity.get("price") is None else exactly(capacity["price"])
            seconds = done["available_s"][at] if capacity["hours"] == "available" else step_s
            weighed = 1 - exactly(capacity["performance_weight"]) * (1 - k)
            found["capacity"] += Fraction(power * seconds, 3600) * price * weighed / 10**6
    return found


def check_capacity(market: Market, lines: Told) -> None:
    """Effective power x availability x a month of the price; nothing behind the meter, unless the rule
    pays."""
    for rule in market.of_type("capacity"):
        for told in market.told("capacity_certified", rule):
            exact = Fraction(0)
            if not told["behind_the_meter"] or rule["behind_the_meter"] == "eligible":
                hours = min(exactly(told["full_hours"]) / exactly(rule["peak_hours"]), Fraction(1))
                kw = told["certified_w"] * hours * (1 - portion(rule["auxiliary"])) / 1000
                exact = kw * available(market, rule, market.held) * exactly(rule["price_per_kw_year"]) / 12
            held = market.held_part(exact, *market.month, lines.unit)
            lines.take(f"the capacity {told['id']}", *held)


def available(market: Market, rule: Json, span: Span) -> Fraction:
    """Available minutes over all, each node weighed by its energy."""
    found = [one for one in market.told("availability_measured", rule) if meet(span_of(one), span)]
    need(len(found) == 1, market.place, f"{rule['id']} has {len(found)} availabilities of the month, not one")
    (begin, end), nodes = span_of(found[0]), found[0]["nodes"]
    whole = (end - begin) // 60 * sum(one["energy_wh"] for one in nodes)
    return Fraction(sum(one["energy_wh"] * one["available_min"] for one in nodes), whole)


def check_services(market: Market, lines: Told) -> None:
    """Each payment of each order, for its days in the month; of energy, what was metered in the
    contract's."""
    for rule in market.of_type("service"):
        month = [midnight_s(day, zone_of(rule["zone"], market.place)) for day in market.month]
        for order in market.told("service_ordered", rule):
            begin, end = max(span_of(order)[0], month[0]), min(span_of(order)[1], month[1])
            own = max(begin, market.held[0]), min(end, market.held[1])
            first, last = (
                datetime.fromtimestamp(at, zone_of(rule["zone"], "")).date() for at in (begin, end)
            )
            for paid in rule["payments"]:
                name, rate = f"{paid['title']} of order {order['run']}", exactly(paid["rate"])
                by_days = paid.get("proration") == "days"
                months = Fraction((last - first).days, (market.month[1] - market.month[0]).days)
                months = months if by_days else Fraction(1)
                if paid["type"] == "throughput":
                    ways = ("charge", "discharge") if paid["basis"] == "both" else (paid["basis"],)
                    wh = (sum(market.read(market.summed(f"+storage {way}"), own)) for way in ways)
                    lines.take(name, Fraction(sum(wh) if own[0] < own[1] else 0, 1000) * rate)
                    continue
                exact = months * rate / (12 if paid.get("per") == "year" else 1)
                if paid["type"] == "availability":
                    factor = available(market, rule, span_of(order))
                    exact *= Fraction(order["ordered_w"], 1000) * factor
                    exact *= factor >= portion(paid["availability_min"])
                lines.take(name, *market.held_part(exact, first, last, lines.unit))


def under_agc(market: Market, rule: Json, done: list[Json], way: str) -> list[int]:
    """What of each reading of a register AGC moved: all in a period that it called, unless it is told how
    much, which is laid over the period's readings in proportion to them."""
    wh, told, called = market.read(market.summed(f"+storage {way}"), market.held), Counter[int](), set[int]()
    step_s, each_s, found = rule["period_s"], market.of.interval_s, list[int]()
    for fact in done:
        begin, stated = span_of(fact)[0] - market.held[0], fact.get(f"{way}d_wh")
        for at, instructed in enumerate(fact["instructions"]):
            block = (begin + at * step_s) // max(step_s, each_s)
            told[block] += stated[at] if stated is not None else 0
            called |= {block} if stated is None and instructed else set()
    count = max(step_s // each_s, 1)
    for block in range(len(wh) // count):
        own = wh[block * count : (block + 1) * count]
        upto = [sum(own[:at]) * told[block] // max(sum(own), 1) for at in range(count + 1)]
        found += own if block in called else [b - a for a, b in pairwise(upto)]
    return found


def check_agc(market: Market, lines: Told, of_units: list[Json], prices: Prices) -> bool:
    """Energy that AGC moved, each reading at its real-time price, and whether it moved any; `of_units` are
    units' records of the site."""
    rules, events, moved = market.of_type("regulation"), market.events(), False
    for rule in (one for one in rules if one["energy"] == "real_time"):
        done = measured_of(market, rule) + [one for one in of_units if one["rule"] == rule["id"]]
        into, out = (under_agc(market, rule, done, way) for way in ("charge", "discharge"))
        if any(into) or any(out):
            if events or len(rules) > 1:
                raise Unknown("energy under AGC beside a response or another market's")
            known = [(b - a, price) for a, b, price in zip(into, out, prices(), strict=True) if a or b]
            need(all(price is not None for _, price in known), market.place, "a real-time price is missing")
            worth = sum(wh * (price or 0) for wh, price in known)
            lines.take(f"energy under AGC of {rule['id']}", Fraction(worth) / 1000)
            moved = True
    return moved


# ------------------------------------------------------------------ trading units: a statement shared out


class Unit(NamedTuple):
    """A unit through a statement's time: pieces with who stands in them, by capability in W; the members'
    meters, and when they were not normal."""

    fact: Json
    terms: Json
    pieces: list[tuple[Span, dict[str, int]]]
    members: dict[str, Market]
    apart: dict[str, list[Span]]
    place: str

    def money(self, name: str) -> int:
        return rounded(exactly(self.fact[name]) * 10 ** MINOR_DIGITS[self.fact["currency"]])

    def divided(self, total: int, weights: dict[str, Fraction], otherwise: str) -> Parts:
        """By weight with largest remainders; where nobody has one, by the terms."""
        if not any(weights.values()):
            need(not total or otherwise != "refuse", self.place, "nobody has a weight")
            equally = Fraction(otherwise == "equally" and total != 0)
            weights = dict.fromkeys(weights, equally)
        if not any(weights.values()):
            return dict.fromkeys(weights, (Fraction(0), 0))
        parts, whole = largest_remainder(total, weights), sum(weights.values())
        return {site: (total * weight / whole, parts[site]) for site, weight in weights.items()}

    def items(self, rule: Json) -> dict[str, Parts]:
        """Each item of the statement, shared out."""
        match self.fact["type"]:
            case "unit_demand_response":
                return self.response(rule)
            case "unit_spot":
                return self.spot()
            case _:
                return self.power()

    def response(self, rule: Json) -> dict[str, Parts]:
        """By what each member's meters say it delivered of its part of the award, and what it lacked."""
        fact, terms, span, step_s = self.fact, self.terms, span_of(self.fact), rule["interval_s"]
        times: Json = {site: Fraction(0) for site in self.members}
        for (begin, end), members in self.pieces:
            for site, watts in members.items():
                times[site] += watts * (end - begin)
        committed = fact.get("committed_wh") or largest_remainder(fact["awarded_wh"], times)
        counts, short, sign = {}, {}, 1 if rule["direction"] == "reduce" else -1
        for site, market in self.members.items():
            base = baseline(rule, market, span, fact["announced"], self.apart[site])
            wh = market.consumption(own=own_meter(rule))
            stood = [one for one, members in self.pieces if site in members]
            starts = [(at, (one, one + step_s)) for at, one in enumerate(range(*span, step_s))]
            starts = [one for one in starts if any(meet(one[1], piece) for piece in stood)]
            values = [sign * (base[at] - market.read(wh, own)[0]) for at, own in starts]
            delivered = int(response_of(values, rule))
            counts[site] = min(Fraction(delivered), exactly(terms["delivered_cap"]) * committed[site])
            short[site] = max(portion(terms["eligibility"]) * committed[site] - delivered, Fraction(0))
        under = {site for site, wh in short.items() if wh}
        if terms["under_performer"] == "redistributed":
            counts |= dict.fromkeys(under, Fraction(0))
        paid = self.divided(self.money("payment"), counts, terms["when_nobody_delivered"])
        if terms["under_performer"] == "operator":
            paid |= dict.fromkeys(under, (Fraction(0), 0))
        items = {"payment": paid}
        if self.money("penalty"):
            items["penalty"] = self.divided(self.money("penalty"), short, terms["when_nobody_fell_short"])
        return items

    def spot(self) -> dict[str, Parts]:
        """Metered energy at the unit's node; who deviates in the unit's direction bears its deviation."""
        fact, (first, last), scheduled = self.fact, span_of(self.fact), self.fact["scheduled_wh"]
        step_s = (last - first) // len(scheduled)
        worth = {name: dict.fromkeys(self.members, 0) for name in ("energy", "deviation")}
        for (begin, end), members in self.pieces:
            weights = {one: Fraction(watts) for one, watts in members.items()}
            for start in range(begin, end, step_s):
                at, off = (start - first) // step_s, {}
                plan = largest_remainder(scheduled[at], weights) if scheduled[at] else {}
                for site in members:
                    market = self.members[site]
                    wh = -sum(market.read(market.consumption(own=True), (start, start + step_s)))
                    worth["energy"][site] += wh * fact["price"][at]
                    off[site] = wh - plan.get(site, 0)
                net = sum(off.values())
                borne = {site: abs(wh) for site, wh in off.items() if wh * net > 0}
                if borne and self.terms["netting_benefit"] == "sites":
                    borne = largest_remainder(abs(net), {one: Fraction(wh) for one, wh in borne.items()})
                for site, wh in borne.items():
                    worth["deviation"][site] += wh * fact["deviation_price"][at]
        unit = Fraction(10 ** MINOR_DIGITS[fact["currency"]], 1000) / ten_to(fact["scale"])
        return {
            name: {site: (one * unit, rounded(one * unit)) for site, one in parts.items()}
            for name, parts in worth.items()
        }

    def power(self) -> dict[str, Parts]:
        """Mileage by the sum of D x K, capacity by power x availability, as recorded of each member."""
        stated, otherwise, done, kept = self.fact["members"], self.terms["when_all_zero"], {}, {}
        stood = {site for _, members in self.pieces for site in members}
        need({one["site"] for one in stated} == stood, self.place, "it is of other members")
        capacity = self.fact["type"] == "unit_capacity"
        for one in stated:
            kept[one["site"]] = one["power_w"] * portion(one["availability"])
            pairs = () if capacity else zip(one["mileage_w"], one["score"], strict=True)
            done[one["site"]] = Fraction(sum(a * b for a, b in pairs), ten_to(one.get("score_scale", 0)))
        items = {}
        if not capacity and self.money("mileage"):
            items["mileage"] = self.divided(self.money("mileage"), done, otherwise)
        total = self.money("amount" if capacity else "capacity")
        if total or not items:
            items["capacity"] = self.divided(total, kept, otherwise)
        return items


def check_shares(items: dict[str, Parts], site: str, fact: Json, lines: Told) -> None:
    """A line for each item; of a response, what another stream has of it comes off the payment."""
    for item, parts in items.items():
        exact, amount = parts[site]
        if amount or exact or item == "payment":
            lines.take(f"{item} of {fact['id']}", exact / lines.unit, amount)
    if "payment" in items:
        lines.give_up(Fraction(items["payment"][site][1], lines.unit))


def paid_twice(market: Market, statements: list[Json]) -> bool:
    """Whether a unit's statement is of a time in which another's, or a programme, pays the site too: who has
    the energy is the matrix's."""
    theirs = [span_of(one) for one in statements if one["type"] == "unit_demand_response"]
    spans = [one.span for one in market.events() if one.called] + theirs
    return any(sum(meet(one, other) for other in spans) > 1 for one in theirs)


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


LINE = (
    "amount basis clause code estimated exact kind note number party pooled price quantity rounding site"
    " sources unit vat"
)
TERM_NAMES = "exact label price quantity unit"
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


class Meters(NamedTuple):
    """The meters that stand at a site, and their readings of a billing cycle as known at a position."""

    readings: dict[tuple[str, str], list[Readings]]
    meters: list[Json]
    interval_s: int
    start_s: int
    end_s: int
    position: int
    place: str

    def total(self, meters: list[Json], register: str, first_s: int, end_s: int) -> list[int]:
        """The sum of a register over meters, of each interval of the cycle; zero outside [first, end)."""
        count = (self.end_s - self.start_s) // self.interval_s
        span = slice(*((one - self.start_s) // self.interval_s for one in (first_s, end_s)))
        found = [0] * count
        for meter in (one for one in meters if register in one["registers"]):
            own = self.known(meter["id"], register, count)[span]
            need(min(own, default=0) >= 0, self.place, f"readings are missing: {meter['id']}, {register}")
            found[span] = [a + b for a, b in zip(found[span], own, strict=True)]
        return found

    def known(self, meter: str, register: str, count: int) -> list[int]:
        """The cycle's energies, -1 where nothing was read: only a firm value supersedes a firm one."""
        wh, firm = [-1] * count, bytearray(count)
        for run in self.readings[meter, register]:
            first = (run.start_s - self.start_s) // self.interval_s
            inside = range(max(first, 0), min(first + len(run.wh), count))
            if run.sequence > self.position or run.interval_s != self.interval_s or not inside:
                continue
            span, own = slice(inside.start, inside.stop), slice(inside.start - first, inside.stop - first)
            letters = run.quality[own] if len(run.quality) > 1 else run.quality * len(inside)
            if FIRM.issuperset(letters):
                wh[span], firm[span] = run.wh[own], b"\1" * len(inside)
                continue
            for at in inside:
                is_firm = letters[at - inside.start] in FIRM
                if is_firm or not firm[at]:
                    wh[at], firm[at] = run.wh[at - first], is_firm
        return wh

    def supply(self, feeder: str | None, held_s: tuple[int, int], read_s: int, *, billed: bool) -> Supply:
        """Of one feeder or of all: the storages' energy in `held_s`, and the net import as it would
        be without them up to `read_s`; none without a load or grid meter, or where no day is billed."""
        own = [one for one in self.meters if feeder is None or one["feeder"] == feeder]
        at = {
            name: [one for one in own if one["position"] == name]
            for name in ("storage", "grid", "load", "pv")
        }
        moved = [self.total(at["storage"], way, *held_s) for way in ("charge", "discharge")]
        whole = (self.start_s, read_s)
        if not billed or not (at["grid"] or at["load"]):
            return Supply(None, *moved)
        if at["grid"]:
            plus = [(at["grid"], "import"), (at["storage"], "discharge")]
            less = [(at["grid"], "export"), (at["storage"], "charge")]
        else:
            plus, less = [(at["load"], "load"), (at["load"], "import")], [(at["pv"], "pv")]
        sums = [[self.total(*one, *whole) for one in side] for side in (plus, less)]
        added, taken = ([sum(each) for each in zip(*side, strict=True)] for side in sums)
        return Supply([a - b for a, b in zip(added, taken, strict=True)], *moved)

    def reactive(self, read_s: int) -> tuple[int, int] | None:
        metered = [one for one in self.meters if one["position"] in ("grid", "load")]
        metered = [one for one in metered if "reactive_lagging" in one["registers"]]
        if not metered:
            return None
        lag, lead = (
            sum(self.total(metered, f"reactive_{way}", self.start_s, read_s))
            for way in ("lagging", "leading")
        )
        return lag, lead


class Version(NamedTuple):
    """A recorded document, by the sequence of its event, and the time for which it holds."""

    sequence: int
    start_s: int
    end_s: int | None
    document: Json

    def holds(self, before_s: int) -> bool:
        """Whether it holds at the last moment before."""
        return self.start_s < before_s and (self.end_s is None or before_s <= self.end_s)


class Throughput(NamedTuple):
    """What storages discharged and charged, and what that is worth at the import prices."""

    discharged_wh: int | None = 0
    charged_wh: int | None = 0
    discharge_value: Fraction | None = Fraction(0)
    charge_cost: Fraction | None = Fraction(0)

    def plus(self, site: SiteMonth, place: str) -> Throughput:
        out, into = site.whole.discharge, site.whole.charge
        return Throughput(
            (self.discharged_wh or 0) + sum(out),
            (self.charged_wh or 0) + sum(into),
            (self.discharge_value or 0) + site.worth(out, place),
            (self.charge_cost or 0) + site.worth(into, place),
        )


UNIT = "trading_unit"
DOCUMENTS = {
    "site.registered.v1": ("site", "site"),
    "meter.registered.v1": ("meter", "meter"),
    "tariff.published.v1": ("tariff", "tariff"),
    "unit.registered.v1": (UNIT, "unit"),
    "market.rule_published.v1": ("market_rule", "rule"),
    "market.fact_recorded.v1": ("market_fact", "fact"),
    "exclusivity.published.v1": ("exclusivity", "policy"),
    "exclusion.recorded.v1": ("exclusion", ""),
    "service.score_recorded.v1": ("service", ""),
}
"""Events that a month is settled from: what their aggregates are called, and the field of the document."""
CHECKED = {
    "meter.readings_recorded.v1",
    "meter.readings_substituted.v1",
    "settlement.recorded.v1",
    "disclosure.committed.v1",
    "disclosure.sealed.v1",
}
"""Events that are checked, or read for what is; others count as used once something rests on them."""


class Book:
    """What the events say so far, as far as later ones are checked against it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.tree = Tree()
        self.owner = ""
        self.books: set[str] = set()
        self.chains: dict[str, tuple[int, str]] = {}
        self.aggregates: list[str] = []
        self.contracts: dict[int, Json] = {}
        self.registered: dict[tuple[str, str], list[Version]] = defaultdict(list)
        self.prices: dict[tuple[str, str, str], list[Version]] = defaultdict(list)
        self.kinds: dict[int, list[str]] = {}
        self.used: set[int] = set()
        self.laid_out: dict[tuple[int, int, int, int], bytes] = {}
        self.facts_told: dict[int, dict[tuple[str, str], list[Version]]] = {}
        self.shared_out: dict[tuple[int, int], dict[str, Parts]] = {}
        self.cut: dict[tuple[str, int], list[tuple[Span, Json, dict[str, int]]]] = {}
        self.wrong: dict[tuple[str, str, int], Wrong] = {}
        self.void: set[tuple[str, str, int]] = set()
        self.ended: set[tuple[str, str, int]] = set()
        self.stale: set[tuple[str, str, int]] = set()
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
        kinds = [one["kind"] for one in envelope.events if one["kind"] not in CHECKED]
        self.kinds |= {self.tree.size: kinds} if kinds else {}
        for event in envelope.events:
            with reading(place):
                self.remember(event, envelope.aggregate, place)

    def remember(self, event: Json, aggregate: str, place: str) -> None:
        match event["kind"]:
            case "contract.registered.v1" | "contract.withdrawn.v1":
                self.register("contract", "contract", event, aggregate, place)
                self.contracts[self.tree.size] = event["contract"]
            case "settlement.voided.v1":
                contract, month, run = (event["void"][name] for name in ("contract", "month", "run"))
                need(aggregate == f"voided_run.{contract}_{month}_{run}", place, "it is of another run")
                recorded = self.runs.get(f"settlement.{contract}_{month}", [])
                need(0 < whole(run, place) <= len(recorded), place, f"there is no run {run} yet to be void")
                self.void.add((contract, month, run))
            case "book.founded.v1":
                self.owner = event["book"]["owner"]
            case "market.prices_recorded.v1":
                series = (event["market"], event["node"], event["product"])
                need(aggregate.startswith(f"price.{'_'.join(series)}_"), place, "it is of another series")
                self.prices[series].append(Version(self.tree.size, 0, None, event))
            case kind if kind in DOCUMENTS:
                self.register(*DOCUMENTS[kind], event, aggregate, place)
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
                pass

    def register(self, kind: str, field: str, event: Json, aggregate: str, place: str) -> None:
        """A version of a document, which holds in its period; always without one."""
        document, period = event[field] if field else event, event.get("period")
        name = document["id"] if field else event["contract"]
        need(aggregate == f"{kind}.{name}", place, f"it is of another {kind}")
        start_s = -1 if period is None else instant_s(period["start"])
        end_s = None if period is None or period["end"] is None else instant_s(period["end"])
        self.registered[kind, name].append(Version(self.tree.size, start_s, end_s, document))

    def check_rest(self) -> None:
        """No run that nobody declared void says what the events do not; and which events nothing recomputed
        rests on, by their kinds."""
        for name, wrong in self.wrong.items():
            if name not in self.void:
                raise wrong
            self.counts["runs declared void that do not follow from the events"] += 1
        for sequence, kinds in self.kinds.items():
            if sequence not in self.used:
                self.counts.update(f"events proven unaltered only: {kind}" for kind in kinds)
        older: dict[str, Run] = {}
        shown = [run for runs in self.runs.values() for run in shown_of(runs, self.void)[:1]]
        for run in sorted(shown, key=lambda one: one.month):
            contract, before = run.name[0], older.get(run.name[0])
            handed_on = before and (before.result["stored"] or before.result["carry"]["accounts"])
            with reading(f"event {run.sequence}, {' '.join(run.name[:2])}, and what came after it"):
                if run.name not in self.void and (handed_on or self.is_older(run)):
                    older[contract] = run
                    self.stale.add(run.name)
                    self.counts["runs older than events that bear on them, not corrected"] += 1

    def is_older(self, run: Run) -> bool:
        """Whether versions, readings or market facts that came after its position say another of its
        month."""
        now = run._replace(body={**run.body, "result": {**run.result, "position": self.tree.size}})
        contract, in_force = self.contracts[run.contract_event], self.version_in(run, self.tree.size)
        if in_force is None or contract != self.contracts[in_force]:
            return run.name not in self.ended
        sites = [name for name in contract["sites"] if self.touched(run, name)]
        place = f"event {run.sequence}"
        try:
            if self.of_contract(run, contract, place) != self.of_contract(now, contract, place):
                return True
            return any(self.of_site(run, contract, one) != self.of_site(now, contract, one) for one in sites)
        except Wrong:
            return True
        except Unknown:
            return False

    def touched(self, run: Run, name: str) -> bool:
        """Whether anything of a site was recorded after the run's position, readings of about its month."""
        position, (first, following) = run.result["position"], days_of_month(run.result["month"])
        near = range(midnight_s(first, ZoneInfo("UTC")) - 32 * 86_400, midnight_s(following, ZoneInfo("UTC")))
        known_sites = self.registered["site", name]
        of_site = {name, *(one.document["tariff"] for one in known_sites)}
        members = (
            (known, {each["site"] for one in versions for each in one.document["members"]})
            for (kind, known), versions in self.registered.items()
            if kind == UNIT
        )
        units = {known for known, theirs in members if name in theirs}
        facts = (
            versions[-1].document for (kind, _), versions in self.registered.items() if kind == "market_fact"
        )
        rules = {one["rule"] for one in facts if one.get("site") == name or one.get("unit") in units}
        of_site |= units | rules
        points = [one.document.get("market_point") for one in known_sites]
        markets = {(one["market"], one[node]) for one in points if one for node in ("node", "reference_node")}
        for series, blocks in self.prices.items():
            if series[:2] in markets and any(one.sequence > position for one in blocks):
                return True
        for (kind, known), versions in self.registered.items():
            if (
                known in of_site
                or any(one.document.get("site") == name for one in versions)
                or any(one.document.get("unit") in units for one in versions)
                or (kind == "market_fact" and versions[-1].document["rule"] in rules)
            ):
                registers = versions[-1].document["registers"] if kind == "meter" else ()
                found = [one for register in registers for one in self.readings[known, register]]
                newer = [one for one in found if one.start_s in near] + versions
                if any(one.sequence > position for one in newer):
                    return True
        return False

    def of_contract(self, run: Run, contract: Json, place: str) -> list[Any]:
        """What a run's clauses rest on beside its sites, as known at its position."""
        days = self.days_of(run, contract)
        accounts = self.handed_on(run, contract, place)
        stocks = [self.opening(run, name) for name in contract["sites"]]
        return [accounts, stocks, self.excluded(run, *days), self.scores(run)]

    def opening(self, run: Run, name: str) -> Json | None:
        """What a site's storage held when the month began: what the latest month before closed with; nothing
        that is known where another contract had the site earlier in the month."""
        found: dict[tuple[str, date], Json] = {}
        position, begins = run.result["position"], self.days_of(run, self.contracts[run.contract_event])[0]
        for kind, contract in [*self.registered]:
            held = kind == "contract" and contract != run.name[0] and self.version_of(contract, run, position)
            other = self.contracts[held] if held else NONE
            if name in other.get("sites", ()) and self.days_of(run, other)[0] < begins:
                return {}
        for one in (one for runs in self.runs.values() for one in paying(runs)):
            held = one.month < run.month and one.sequence <= position and self.version_in(one, position)
            if held and name in self.contracts[held]["sites"]:
                ends = self.days_of(one, self.contracts[held])[1]
                found[one.month, ends] = one.result["stored"].get(name, {})
        return found[max(found)] if found else None

    def check_opened(self, run: Run, name: str, site: SiteMonth, place: str) -> None:
        """A month opens with what the one before closed with, or with what the site states."""
        before = self.opening(run, name)
        if before is None:
            before = site.document.get("opening_stock") or {}
        told = run.result["opened"].get(name, {})
        words = f"it opened with {told}, and what was before closed with {before}"
        need(told == {one: wh for one, wh in before.items() if any(before.values())}, place, words)

    def of_site(self, run: Run, contract: Json, name: str) -> list[Any]:
        """What a site's lines rest on, as known at the run's position."""
        site, position = self.site_month(run, contract, name, name), run.result["position"]
        units = [one.document for one in self.statements(name, position, self.held(site))]
        found: list[Any] = [site, units, [self.pieces(one, position) for one in units]]
        if units or self.told(position, "site", name):
            market = self.market(position, name, run.result["month"], self.held(site), name, *units)
            called = any(meet(one.span, market.held) for one in market.events())
            bearing = [one for one in market.facts if called or meet(span_of(one), market.held)]
            rules = {one["rule"] for one in (*bearing, *units)}
            found += [bearing, [market.rules.get(one) for one in sorted(rules)]]
        point = site.document.get("market_point")
        markets = {(point["market"], point[node]) for node in ("node", "reference_node")} if point else set()
        for series in sorted(one for one in self.prices if one[:2] in markets):
            step_s = self.prices[series][0].document["interval_s"]
            found.append(self.known_prices(series, *self.held(site), step_s, position, name))
        return found

    def settle(self, run: Run, aggregate: str, place: str) -> None:
        """A run, against itself, its contract, and the events that it rests on."""
        need(aggregate == f"settlement.{run.result['contract']}_{run.month}", place, "it is of another month")
        check_run(run, self.runs[aggregate], self.counts, place)
        self.check_sources(run, place)
        for bill in run.result["bills"]:
            check_bill(bill, run.currency, self.counts, f"{place}, bill of {bill['site']}")
        proven: set[int] = set()
        try:
            with reading(place):
                ended = self.check_version(run, place)
                self.check_contract(run, place)
                self.check_alone(run, place)
                self.check_taxes(run, place)
                if not ended:
                    self.check_clauses(run, self.check_sites(run, proven, place), proven, place)
                    check_seen(run.result, self.contracts[run.contract_event], place)
        except Wrong as wrong:
            self.wrong[run.name] = wrong
        for line in run.result["lines"]:
            if line["number"] not in proven:
                name = line["code"] if line["kind"] == "stream" else f"clause {line['code']}"
                self.counts[f"lines not recomputed from the events: {name}"] += 1
                self.counts["terms of those that state no product"] += without_product(line)
            if line["kind"] == "stream" and line["code"] not in ("arbitrage", "pv_time_shift", "spot"):
                self.counts["terms of right lines, themselves proven unaltered only"] += len(line["basis"])
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

    def version_in(self, run: Run, position: int) -> int | None:
        """The event of the contract version that a run's month is settled under, as known at a position: the
        newest one that has days in it, each being replaced for good from the first day of a newer one."""
        return self.version_of(run.result["contract"], run, position)

    def version_of(self, contract: str, run: Run, position: int) -> int | None:
        first, following = days_of_month(run.result["month"])
        replaced = date.max
        for one in reversed(self.registered["contract", contract]):
            if one.sequence <= position:
                begin, end = date.fromisoformat(one.document["effective_from"]), end_of(one.document)
                if max(begin, first) < min(end, replaced, following):
                    return one.sequence
                replaced = min(replaced, begin)
        return None

    def check_version(self, run: Run, place: str) -> bool:
        """The run rests on the version in force. Whether none is, and all that was settled is taken back."""
        result, name = run.result, f"contract.{run.result['contract']}"
        in_force = self.version_in(run, result["position"])
        known = [one.sequence for one in self.registered["contract", result["contract"]]]
        right = in_force or max((one for one in known if one <= result["position"]), default=0)
        told = [one["sequences"] for one in result["sources"] if one["aggregate"] == name]
        need(right, place, "its contract is not among the events")
        words = f"it rests on {name} by {told[:1]}, and event {right} is in force"
        need(told and all(one == [[right, right]] for one in told), place, words)
        self.used.add(right)
        marked = any(one["code"] == "contract_ended" for one in result["warnings"])
        words = "whether its contract ended before the month is not what the contract says"
        need(marked == (in_force is None), place, words)
        if in_force is None:
            something = result["lines"] or result["bills"] or result["carry"]["accounts"]
            need(not something, place, "its contract holds on none of its days, and it settles something")
            self.ended.add(run.name)
        return in_force is None

    def check_contract(self, run: Run, place: str) -> None:
        """The contract names the run's parties and clauses, and which streams are pooled, held by whom: all
        but an interaction that is nothing but what other streams have of a bill's effect."""
        result, contract = run.result, self.contracts[run.contract_event]
        for name in ("id", "title", "model", "currency"):
            need(
                contract[name] == result[name.replace("id", "contract")],
                place,
                f"its {name} is not the contract's",
            )
        sees = {one["id"]: one["sees"]["pool_total"] for one in contract["parties"]}
        need(sees.keys() == result["entitlement"].keys(), place, "its parties are not the contract's")
        need(result["sees_pool"] == [one for one in sees if sees[one]], place, "others see the pool")
        hosts, pooled = hosts_of(contract), {*contract["pool_streams"], *contract["pass_through_costs"]}
        types = {f"clause {at}, {one['type']}": one for at, one in enumerate(contract["clauses"], 1)}
        seen: Counter[tuple[str, str]] = Counter()
        for line in result["lines"]:
            of_line, code = f"{place}, line {line['number']}", line["code"]
            if line["kind"] == "clause":
                clause = types.get(line["clause"], NONE)
                need(clause.get("type") == code, of_line, f"the contract has no {line['clause']}")
                most = len(clause.get("brackets", ())) or LINES_OF_ONE.get(code, 1)
                seen[line["clause"], line["party"]] += 1
                words = f"{line['clause']} has more than {most} lines of {line['party']}"
                need(seen[line["clause"], line["party"]] <= most, of_line, words)
                continue
            apart = [": " in one["label"] or one["label"].startswith(OF_OTHERS) for one in line["basis"]]
            right = code in pooled and not (code == "interaction" and apart and all(apart))
            words = f"{code} is {'' if right else 'not '}in the pool by the contract, and it says otherwise"
            need(line["pooled"] == right, of_line, words)
            holder = contract["cash_holder"][code] if right else "site_host"
            first = next((one["id"] for one in contract["parties"] if one["role"] == "host"), min(sees))
            holder = hosts.get(line["site"], first) if holder == "site_host" else holder
            need(line["party"] == holder, of_line, f"{code} is held by {holder}")

    def check_alone(self, run: Run, place: str) -> None:
        """No other contract has its sites on its days, and was settled for the month too."""
        contract, position = self.contracts[run.contract_event], run.result["position"]
        first, end = self.days_of(run, contract)
        for runs in self.runs.values():
            others = [one for one in runs if one.month == run.month and one.name not in self.void]
            other = others[-1] if others else run
            if other.name[0] == run.name[0] or not (held := self.version_in(other, position)):
                continue
            begin, until = self.days_of(other, self.contracts[held])
            sites = {*contract["sites"]} & {*self.contracts[held]["sites"]}
            words = f"{', '.join(sorted(sites))} is under contract {other.name[0]} on the same days"
            need(not sites or max(begin, first) >= min(until, end), place, words)

    def check_clauses(self, run: Run, moved: Throughput | None, proven: set[int], place: str) -> None:
        """Each clause gives what the contract's text makes of what reached it, and hands on what is left."""
        result, contract = run.result, self.contracts[run.contract_event]
        unit, remaining = 10 ** MINOR_DIGITS[run.currency], result["pool"]["minor"]
        year, month = result["month"]["year"], result["month"]["month"]
        first, end = self.days_of(run, contract)
        whole, following = days_of_month(result["month"])
        accounts, carry = self.handed_on(run, contract, place), result["carry"]
        need(carry["settled_to"] == str(end), place, f"it is settled to {carry['settled_to']}, not to {end}")
        streams: Counter[str] = Counter()
        for line in result["lines"]:
            if line["kind"] == "stream" and line["pooled"]:
                streams[line["code"]] += line["amount"]["minor"]
        part = Fraction((end - first).days, (following - whole).days)
        energies = moved or Throughput(None, None, None, None)
        out = tuple(self.excluded(run, first, end))
        at = Reached(remaining, unit, year, month, part, None, *energies, streams, out, self.scores(run))
        at = at._replace(end=str(end))
        ends = any(one.get("on") == str(end) for one in contract["clauses"])
        seen, untold = Counter[str](), set[str]()
        kept: dict[str, Json] = {}
        for number_of, clause in enumerate(contract["clauses"], 1):
            seen[clause["type"]] += 1
            account = f"{clause['type']}#{seen[clause['type']]}"
            before = None if accounts is None else accounts.get(account, {})
            name = f"clause {number_of}, {clause['type']}"
            due = None
            if not (untold and clause["type"] == "early_termination"):
                due = due_of(clause, at._replace(remaining=remaining, before=before, kept=kept))
            given: dict[str, Fraction] = defaultdict(Fraction)
            own = [one for one in result["lines"] if one["kind"] == "clause" and one["clause"] == name]
            for line in own:
                given[line["party"]] += number(line["exact"], place) * unit
                remaining -= line["amount"]["minor"]
            if due is None:
                self.counts[f"clauses not recomputed from the contract: {clause['type']}"] += 1
                untold.add(account)
                continue
            for party in sorted({*due.parts, *given}):
                right, told = due.parts.get(party, Fraction(0)) / unit, given.get(party, Fraction(0)) / unit
                need(right == told, place, f"{name} gives {party} {told}, and the contract says {right}")
            for line in own:
                amount, told_amount = due.amounts.get(line["party"]), line["amount"]["minor"]
                words = f"{name} pays {line['party']} {told_amount}, and the contract says {amount}"
                need(amount in (None, told_amount), place, words)
            proven |= {one["number"] for one in own}
            self.counts["clauses recomputed from the contract"] += 1
            if due.account is not None:
                kept[account] = due.account
        for account in sorted({*kept, *carry["accounts"]} - untold):
            stated = plain(carry["accounts"][account]) if account in carry["accounts"] else None
            due_account = None if ends else kept.get(account)
            words = f"it hands on {account} as {stated}, and the contract says {due_account}"
            need(stated == due_account, place, words)
            self.counts["accounts handed on, recomputed"] += 1

    def handed_on(self, run: Run, contract: Json, place: str) -> Json | None:
        """The accounts that the latest settled month before left, none where there is no such month."""
        result = run.result
        before: dict[str, Run] = {}
        for one in (one for runs in self.runs.values() for one in runs):
            named, month, at = one.name
            known = named == result["contract"] and month < run.month and one.sequence <= result["position"]
            if known and one.body["kind"] != "provisional":
                before[month] = one
                if one.name in self.ended and at > 1:
                    del before[month]
        first, _ = self.days_of(run, contract)
        if not before:
            return {} if date.fromisoformat(contract["effective_from"]) >= first else None
        carry = before[max(before)].result["carry"]
        if carry["settled_to"] != str(first):
            needs = result["through"] is None or carry["accounts"]
            need(not needs, place, f"the months before are settled to {carry['settled_to']}, not to {first}")
            return {}
        return dict(carry["accounts"])

    def excluded(self, run: Run, first: date, end: date) -> list[tuple[str, date]]:
        """The days of the month that recorded exclusions leave out, with their causes."""
        stated: dict[str, Json | None] = {}
        for one in self.registered["exclusion", run.result["contract"]]:
            if one.sequence <= run.result["position"]:
                stated[one.document["name"]] = one.document["exclusion"]
                self.used.add(one.sequence)
        found = []
        for exclusion in (one for one in stated.values() if one is not None):
            day, until = (date.fromisoformat(exclusion[name]) for name in ("first", "end"))
            days = range((max(day, first) - first).days, (min(until, end) - first).days)
            found += [(str(exclusion["cause"]), first + timedelta(days=at)) for at in days]
        return found

    def scores(self, run: Run) -> dict[str, str]:
        """Party -> its recorded score of the month."""
        found: dict[str, str] = {}
        for one in self.registered["service", run.result["contract"]]:
            if one.sequence <= run.result["position"] and one.document["month"] == run.result["month"]:
                found[one.document["score"]["party"]] = one.document["score"]["score"]
                self.used.add(one.sequence)
        return found

    def check_taxes(self, run: Run, place: str) -> None:
        """The taxes that a contract without them takes out of its streams, the VAT of lines, and of an
        agent's parts, which together are what the agent's own line is invoiced by."""
        lines, (_, following) = run.result["lines"], days_of_month(run.result["month"])
        vat = Vat(self.contracts[run.contract_event], following - timedelta(days=1))
        unit, parts = 10 ** MINOR_DIGITS[run.currency], defaultdict[int, list[Json]](list)
        for one in run.result["agent_parts"]:
            parts[one["line"]].append(one)
        due = vat.taken_out(lines, unit, f"{place}, tax")
        contract = self.contracts[run.contract_event]
        agent, stated = contract["owner_position"] == "net", contract.get("vat") is not None
        ended = any(one["code"] == "early_termination" for one in lines)
        for line in lines:
            of_line = f"{place}, line {line['number']}"
            gross, rate, tax = due.get(line["number"], (0, Fraction(0), 0))
            right = [(Fraction(gross, unit), rate, Fraction(-tax, unit))] if tax else []
            terms = [one for one in line["basis"] if one.get("of") == TAX]
            names = ("quantity", "price", "exact")
            told = [tuple(number(one[name], of_line) for name in names) for one in terms]
            words, due_words = ("; ".join(" ".join(map(str, one)) for one in some) for some in (told, right))
            need(
                told == right,
                f"{of_line}, tax",
                f"it says {words or None}, and the contract {due_words or None}",
            )
            own, shown = parts.pop(line["number"], []), line["vat"]
            for one in own:
                pair = {line["party"], one["party"]}
                within = len(pair) == 2 and one["party"] in run.result["payable"]
                words = f"an agent's part is of {one['party']}, invoiced by {one['vat']['supplier']}"
                need(within and one["vat"]["supplier"] in pair, of_line, words)
            of_vat, code = f"{of_line}, VAT", line["code"]
            theirs = [vat.invoiced(one["vat"], line, 1, of_vat) for one in own]
            whole = -sum(theirs) if shown is None else vat.invoiced(shown, line, 1 + len(own), of_vat)
            if own or shown:
                vat.check_part(whole, line, of_vat)
                self.counts["lines' VAT"] += 1
            fee = code in FEES if line["kind"] == "clause" else line["pooled"] and code in vat.costs
            ours = line["party"] == self.owner
            due_vat = stated and whole_of(line) and (line["kind"] == "clause" if agent and ours else fee)
            if due_vat and agent == ours and not ended and not (agent and fee):
                need(own or shown, of_vat, "it is not invoiced")
            right_parts = -sum(theirs) == whole and sum(map(abs, theirs)) == abs(whole)
            agents = shown and agent and line["kind"] == "clause" and code not in FEES
            words = f"it is of {whole}, and an agent's parts are {theirs}"
            need(right_parts if own else not agents, of_vat, words)
            if agent and ours and own and not ended and not fee:
                by_party = {one["party"]: -minor for one, minor in zip(own, theirs, strict=True)}
                due_parts = parts_of(line, lines, run.result["payable"].keys() - {self.owner})
                words = f"its agent's parts are {by_party}, and the pool gives {due_parts}"
                need(by_party == due_parts, of_vat, words)
        need(not parts, place, f"an agent's part is of line {min(parts, default=0)}, which is not there")
        if self.contracts[run.contract_event].get("vat") is not None and lines:
            self.counts["runs with VAT: who invoices whom, and which part, is proven unaltered only"] += 1
            self.check_invoices(run, place)

    def check_invoices(self, run: Run, place: str) -> None:
        """What one customer is invoiced by one supplier at one rate is rounded once."""
        sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
        for one in (*run.result["lines"], *run.result["agent_parts"]):
            if (vat := one["vat"]) and one["party"] != vat["supplier"]:
                for at, name in enumerate(("net", "tax")):
                    sums[vat["supplier"], one["party"], vat["rate"]][at] += vat[name]["minor"]
        for (supplier, customer, rate), (net, tax) in sums.items():
            off, most = abs(tax - number(rate, place) * net), (1 + number(rate, place)) / 2
            words = f"{supplier} invoices {customer} {tax} of tax at {rate} on {net}"
            need(off <= most, place, f"{words}, which is not rounded once")

    # -------------------------------------------------------------- sites

    def in_force(self, kind: str, name: str, end_s: int, position: int, place: str) -> Version:
        """The newest version, as known at `position`, that holds just before `end_s`."""
        found = [one for one in self.registered[kind, name] if one.sequence <= position and one.holds(end_s)]
        need(found, place, f"no {kind} {name} is in force")
        self.used.add(found[-1].sequence)
        return found[-1]

    def standing(self, kind: str, end_s: int, position: int, site: str) -> list[Version]:
        """The documents of this kind that name the site, each in the version that is in force."""
        found = []
        for (of, _), versions in self.registered.items():
            held = [one for one in versions if of == kind and one.sequence <= position and one.holds(end_s)]
            if held and held[-1].document.get("site") == site:
                found.append(held[-1])
        return found

    def check_sites(self, run: Run, proven: set[int], place: str) -> Throughput | None:
        """What each site's meters, tariff and spot market make of its bills and lines; the numbers of lines
        in which nothing else has a say are added to `proven`. What storages moved, where that is known."""
        result, contract = run.result, self.contracts[run.contract_event]
        streams = [one for one in result["lines"] if one["kind"] == "stream"]
        need(
            {one["site"] for one in streams} <= {*contract["sites"]}, place, "a line is of a stranger's site"
        )
        bills, moved = {one["site"]: one for one in result["bills"]}, Throughput()
        need(bills.keys() <= {*contract["sites"]}, place, "a bill is of a stranger's site")
        need(len(bills) == len(result["bills"]), place, "a site has two bills")
        complete = True
        for name in contract["sites"]:
            of_site, own = f"{place}, site {name}", [one for one in streams if one["site"] == name]
            try:
                site = self.site_month(run, contract, name, of_site)
            except Unknown as unknown:
                self.counts[f"sites not recomputed: {unknown}"] += 1
                complete = False
                continue
            self.check_opened(run, name, site, of_site)
            self.check_bill_of(run, site, bills.get(name), of_site)
            moved = moved.plus(site, of_site)
            try:
                self.check_spot(
                    run, name, site, [one for one in own if one["code"] == "spot"], proven, of_site
                )
            except Unknown as unknown:
                self.counts[f"spot months not recomputed: {unknown}"] += 1
            paid = self.check_markets(run, name, site, own, proven, of_site)
            contested = self.contested(run.result["position"], paid)
            self.check_effect(run, name, site, bills.get(name), own, proven, contested, of_site)
        return moved if complete else None

    def days_of(self, run: Run, contract: Json) -> tuple[date, date]:
        """The contract's days of the month, up to the last one of a provisional run."""
        result = run.result
        month, following = days_of_month(result["month"])
        ends = [following, end_of(contract)]
        if result["through"] is not None:
            ends.append(date.fromisoformat(result["through"]) + timedelta(days=1))
        return max(month, date.fromisoformat(contract["effective_from"])), min(ends)

    def site_month(self, run: Run, contract: Json, name: str, place: str) -> SiteMonth:
        """A site's version, tariff and readings of the billing cycle whose last day is in the run's month."""
        result, position = run.result, run.result["position"]
        known = [one for one in self.registered["site", name] if one.sequence <= position]
        need(known, place, "it is not registered")
        zone, (first, following) = zone_of(known[-1].document["zone"], place), days_of_month(result["month"])
        version = self.in_force("site", name, midnight_s(following, zone), position, place)
        cycle, days = (first, following), self.days_of(run, contract)
        anchor = version.document["account"]["anchor_day"]
        if anchor != 1:
            cycle = ((first - timedelta(days=1)).replace(day=anchor), first.replace(day=anchor))
            if len(self.registered["contract", contract["id"]]) > 1:
                raise Unknown("a cycle of other days than the month, under several versions of a contract")
            days = (max(cycle[0], date.fromisoformat(contract["effective_from"])), min(cycle[1], days[1]))
            version = self.in_force("site", name, midnight_s(cycle[1], zone), position, place)
        site = version.document
        tariff = self.in_force("tariff", site["tariff"], 1, position, place)
        for aggregate, at in ((f"site.{name}", version), (f"tariff.{site['tariff']}", tariff)):
            told = [one["sequences"] for one in result["sources"] if one["aggregate"] == aggregate]
            right = told and all(one == [[at.sequence, at.sequence]] for one in told)
            need(right, place, f"it rests on {aggregate} by {told[:1]}, and event {at.sequence} is in force")
        start_s, end_s = (midnight_s(day, zone) for day in cycle)
        read_s = end_s
        if result["through"] is not None:
            read_s = min(end_s, midnight_s(date.fromisoformat(result["through"]) + timedelta(days=1), zone))
        standing = self.standing("meter", end_s, position, name)
        self.used |= {one.sequence for one in standing}
        meters = [one.document for one in standing]
        lengths = {one["interval_s"] for one in meters}
        need(len(lengths) == 1, place, "its meters have not one length of interval")
        interval_s = lengths.pop()
        of = Meters(self.readings, meters, interval_s, start_s, end_s, position, place)
        billed = days[0] < days[1]
        held_s = (
            (midnight_s(days[0], zone), min(midnight_s(days[1], zone), read_s))
            if billed
            else (start_s, start_s)
        )
        whole = of.supply(None, held_s, read_s, billed=billed)
        names = [one["id"] for one in site["account"]["feeders"]]
        feeders = {one: of.supply(one, held_s, read_s, billed=billed) for one in names}
        parts = []
        for month in dict.fromkeys(day.replace(day=1) for day in (cycle[0], cycle[1] - timedelta(days=1))):
            begin_s = max(start_s, midnight_s(month, zone))
            until_s = min(end_s, midnight_s((month + timedelta(days=31)).replace(day=1), zone))
            key = (tariff.sequence, begin_s, until_s, interval_s)
            if key not in self.laid_out:
                self.laid_out[key] = interval_periods(tariff.document, begin_s, until_s, interval_s, place)
            span = slice((begin_s - start_s) // interval_s, (until_s - start_s) // interval_s)
            table = of_month(tariff.document["tables"], month.year, month.month, place)
            parts.append(Priced(f"{month:%Y-%m}", span, self.laid_out[key], table))
        reactive = of.reactive(read_s) if billed else None
        days_s = (held_s[0] - start_s) // interval_s, (held_s[1] - start_s) // interval_s
        return SiteMonth(site, interval_s, start_s, end_s, slice(*days_s), parts, whole, feeders, reactive)

    def check_bill_of(self, run: Run, site: SiteMonth, bill: Json | None, place: str) -> None:
        """Both bills of a site are of what was metered, at its tariff."""
        unlike = "it has a bill without meters of a load, or none with"
        need((bill is None) == (site.whole.load is None), place, unlike)
        if bill is None or site.whole.load is None:
            return
        cycle = bill["cycle"] and [instant_s(bill["cycle"][name]) for name in ("start", "end")]
        other = site.account["anchor_day"] != 1
        need(cycle == ([site.start_s, site.end_s] if other else None), place, "its bill is of other days")
        alone = {name: one.load or [] for name, one in site.feeders.items()}
        right = bill_items(site, site.whole.load, alone, place)
        check_items(bill["items_without"], right, run.currency, f"{place}, bill without storage")
        both = {name: one.net for name, one in site.feeders.items()}
        right = bill_items(site, site.whole.net, both, place)
        check_items(bill["items_with"], right, run.currency, f"{place}, bill with storage")
        self.counts["bills recomputed from readings and tariffs"] += 2

    def check_effect(
        self,
        run: Run,
        name: str,
        site: SiteMonth,
        bill: Json | None,
        own: list[Json],
        proven: set[int],
        contested: set[str],
        place: str,
    ) -> None:
        """The lines of a site's bill: energies by period at the tariff's prices, and how two bills differ;
        which part of those that are `contested` another stream has is not recomputed."""
        lines = {code: [one for one in own if one["code"] == code] for code in BILL_EFFECT}
        energy = [*lines["arbitrage"], *lines["pv_time_shift"], *lines["interaction"]]
        for code, found in lines.items():
            most = len({one["pooled"] for one in found})
            need(len(found) == most, place, f"it has {len(found)} lines of {code}")
        units = self.statements(name, run.result["position"], self.held(site))
        at_spot = any(one.document["type"] == "unit_spot" for one in units)
        at_spot = at_spot or bool(self.facts(run, name, site, "spot_"))
        if not lines["arbitrage"]:
            told_nothing = "it has no arbitrage line, and no spot market told anything of it"
            need(at_spot and not energy, place, told_nothing)
        need(not (at_spot and lines["arbitrage"]), place, "it has an arbitrage line in a spot month")
        from_pv = self.has_pv(run, name, site)
        words = f"its PV energy is {'' if from_pv else 'not '}there, and its lines say otherwise"
        need(from_pv == bool(lines["pv_time_shift"]) or at_spot, place, words)
        taken = any(": " in term["label"] for line in lines["interaction"] for term in line["basis"])
        need(contested or not taken, place, "another stream has energy that no market paid for")
        if bill is None and any("not counted" in one["note"] for one in energy):
            self.counts["arbitrage not recomputed: what other streams have of it, without a bill"] += 1
        elif energy:
            check_direct(energy, site, place)
            quantity = lines["arbitrage"][0]["quantity"] if lines["arbitrage"] else ""
            read = sum(site.whole.discharge)
            right = maybe_number(quantity) == read
            need(right, place, f"its arbitrage is of {quantity} Wh discharged, not {read}")
            self.counts["storage energies recomputed from readings"] += 2
            if not contested & {"arbitrage", "pv_time_shift"} and not from_pv:
                proven |= {one["number"] for one in lines["arbitrage"]}
        if bill is None:
            return
        unit = 10 ** MINOR_DIGITS[run.currency]
        for code in ("demand_charge", "power_factor"):
            differ = sum(
                sign * one["amount"]["minor"]
                for sign, items in ((1, "items_without"), (-1, "items_with"))
                for one in bill[items]
                if one["item"] == code.removesuffix("_charge")
            )
            apart = [
                term
                for one in lines["interaction"]
                for term in one["basis"]
                if term["label"].startswith(OF_OTHERS)
            ]
            elsewhere = sum(
                (number(one["exact"], place) for one in apart if code == "demand_charge"), Fraction(0)
            )
            told = sum(rounded(with_tax(one) * unit) for one in lines[code]) + elsewhere * unit
            need(differ == told, place, f"its bills differ by {differ} in {code}, and its lines say {told}")
            need(contested or not apart, place, "another stream has demand that no market paid for")
            if code not in contested:
                proven |= {one["number"] for one in lines[code]}
        if not lines["arbitrage"]:
            return
        differ = bill["without_storage"]["minor"] - bill["with_storage"]["minor"]
        told = sum(rounded(with_tax(one) * unit) for code in BILL_EFFECT for one in lines[code])
        need(differ == told, place, f"its bills differ by {differ}, and its lines say {told}")
        self.counts["savings that are the difference of two bills"] += 1
        others = {one["number"] for code in BILL_EFFECT for one in lines[code] if code != "interaction"}
        if others <= proven and len(lines["interaction"]) == 1:
            proven |= {one["number"] for one in lines["interaction"]}

    def has_pv(self, run: Run, name: str, site: SiteMonth) -> bool:
        """Whether a storage could charge what its site generated, or held such energy from before."""
        load = site.whole.load
        return load is not None and (min(load, default=0) < 0 or name in run.result["opened"])

    def contested(self, position: int, paid: set[str]) -> set[str]:
        """Which streams of a bill another one, of those `paid` or of the bill's, may have a part of, by the
        policies known at a position."""
        own, found = {"arbitrage", "pv_time_shift", "demand_charge"}, set[str]()
        for (kind, _), versions in self.registered.items():
            for one in [one for one in versions if kind == "exclusivity" and one.sequence <= position][-1:]:
                policy = one.document
                for cell in policy["cells"]:
                    pair, switch = {cell["first"], cell["second"]}, cell.get("switch") or NONE
                    stated = switch if switch.get("id") in policy["switches_on"] else cell
                    first = min(pair, key=policy["precedence"].index)
                    shares = {*stated["relations"]} <= (SHARED | {"same_energy"} if pair <= own else SHARED)
                    if pair <= own | paid and not shares:
                        found |= pair & own - ({first} - paid)
        return found

    # -------------------------------------------------------------- spot markets

    def held(self, site: SiteMonth) -> Span:
        begin, end = (site.start_s + at * site.interval_s for at in (site.days.start, site.days.stop))
        return begin, end

    def told(self, position: int, of: str, name: str) -> list[Version]:
        """What markets told of a `site`, of any `unit`, or under a `rule` of a market as a whole, as known at
        a position, in order of ids; of each the newest."""
        if position not in self.facts_told:
            found: dict[tuple[str, str], list[Version]] = defaultdict(list)
            for (kind, _), versions in sorted(self.registered.items()):
                known = [one for one in versions if kind == "market_fact" and one.sequence <= position]
                for one in known[-1:]:
                    about = next((of for of in ("site", "unit") if of in one.document), "rule")
                    found[about, "" if about == "unit" else one.document[about]].append(one)
            self.facts_told[position] = found
        return self.facts_told[position].get((of, name), [])

    def facts(self, run: Run, name: str, site: SiteMonth, of: str = "") -> list[Version]:
        """What markets, such as those `of` "spot", told of a site's days, as known at the run's position."""
        told = self.told(run.result["position"], "site", name)
        told = [one for one in told if one.document["type"].startswith(of)]
        return [one for one in told if meet(span_of(one.document), self.held(site))]

    def statements(self, name: str, position: int, held: Span) -> list[Version]:
        """What markets told of units while the site stood in them in a time, in order of ids."""
        told = [one for one in self.told(position, "unit", "") if meet(span_of(one.document), held)]
        return [one for one in told if self.stands(name, one.document, position, held)]

    def stands(self, site: str, fact: Json, position: int, held: Span) -> bool:
        """Whether the site stood in the unit of a statement in its time, and in `held`."""
        return any(site in who and meet(span, held) for span, _, who in self.pieces(fact, position))

    def pieces(self, fact: Json, position: int) -> list[tuple[Span, Json, dict[str, int]]]:
        """The unit through a statement's time, cut where a version or a membership begins or ends, and who
        stands in it with which capability in W."""
        key, span, name = (fact["id"], position), span_of(fact), fact["unit"]
        if key in self.cut:
            return self.cut[key]
        known = [one for one in self.registered[UNIT, name] if one.sequence <= position]
        cuts, found = {*span, *(at for one in known for at in (one.start_s, one.end_s or span[1]))}, []

        def limits(one: Json) -> Span:
            since, until = (one.get(end) for end in ("since", "until"))
            return instant_s(since) if since else span[0], instant_s(until) if until else span[1]

        cuts |= {at for one in known for member in one.document["members"] for at in limits(member)}
        for piece in pairwise(sorted(at for at in cuts if span[0] <= at <= span[1])):
            unit = [one for one in known if one.holds(piece[0] + 1)][-1:]
            need(unit, f"event {known[0].sequence}", f"no version of unit {name} holds at {piece[0]}")
            members = [one for one in unit[0].document["members"] if meet(limits(one), piece)]
            found.append((piece, unit[0].document, {one["site"]: one["capability_w"] for one in members}))
            self.used.add(unit[0].sequence)
        return self.cut.setdefault(key, found)

    def shared(self, told: Version, position: int, place: str) -> dict[str, Parts]:
        """A statement shared out among the sites that stood in the unit."""
        key, fact = (told.sequence, position), told.document
        if key not in self.shared_out:
            cut, place = self.pieces(fact, position), f"{place}, unit {fact['unit']}, {fact['id']}"
            terms = [one for one in cut[0][1]["terms"] if one["type"] == UNIT_STREAMS[fact["type"]][0]]
            first = datetime.fromtimestamp(span_of(fact)[0], zone_of(cut[0][1]["zone"], place))
            month = {"year": first.year, "month": first.month}
            rule = self.in_force("market_rule", fact["rule"], span_of(fact)[1], position, place)
            names = sorted({site for _, _, who in cut for site in who})
            metered = names if fact["type"] in ("unit_demand_response", "unit_spot") else []
            members = {site: self.market(position, site, month, None, f"{place}, {site}") for site in metered}
            events = [
                one.document for one in self.told(position, "unit", "") if one.sequence != told.sequence
            ]
            events = [one for one in events if one["type"] == "unit_demand_response"]
            apart: dict[str, list[Span]] = {}
            for site, market in members.items():
                own = [one.span for one in market.events() if one.called]
                theirs = [one for one in events if self.stands(site, one, position, span_of(one))]
                stopped = [one for one, _ in market.outages()]
                apart[site] = [*own, *(span_of(one) for one in theirs), *stopped]
            unit = Unit(fact, terms[0], [(span, who) for span, _, who in cut], members, apart, place)
            self.shared_out[key] = unit.items(rule.document)
            self.used.add(told.sequence)
        return self.shared_out[key]

    def market(
        self, position: int, name: str, month: Json, held: Span | None, place: str, *also: Json
    ) -> Market:
        """What was told and read of a site in a month, by the rules that held in it, of units' statements
        too; `held` are the contract's days, all of them without one."""
        known = [one for one in self.registered["site", name] if one.sequence <= position]
        zone = zone_of(known[-1].document["zone"], place)
        begin, end = (midnight_s(day, zone) for day in days_of_month(month))
        whole, far = (begin, end), (begin - HISTORY_S, end)
        own = [one for one in self.told(position, "site", name) if meet(span_of(one.document), far)]
        rules, spans = dict[str, Version](), defaultdict[str, list[Span]](list)
        for one in (*(one.document for one in own), *also):
            spans[one["rule"]].append(span_of(one))
        for rule, times in spans.items():
            inside = [(max(one[0], begin), min(one[1], end)) for one in times if meet(one, whole)]
            ends = [at for one in inside or [whole, *times] for at in (one[0] + 1, one[1])]
            known = [one for one in self.registered["market_rule", rule] if one.sequence <= position]
            held_then = [one for one in known if any(one.holds(at) for at in ends)]
            need(held_then or not inside, place, f"no market rule {rule} is in force")
            rules |= {rule: held_then[-1]} if held_then else {}
            own += [one for one in self.told(position, "rule", rule) if meet(span_of(one.document), whole)]
        meters = [one.document for one in self.standing("meter", end, position, name)]
        lengths = {one["interval_s"] for one in meters}
        need(len(lengths) == 1, place, "its meters have not one length of interval")
        of = Meters(self.readings, meters, lengths.pop(), far[0], end, position, place)
        return Market(of, own, rules, zone, month, held or whole)

    def check_markets(
        self, run: Run, name: str, site: SiteMonth, lines: list[Json], proven: set[int], place: str
    ) -> set[str]:
        """A site's lines of markets beside spot, of services and of its trading units; the streams that could
        have energy or power of its storage."""
        position, zone = run.result["position"], zone_of(site.document["zone"], place)
        checks = {
            "ancillary": check_regulation,
            "demand_response": check_responses,
            "capacity": check_capacity,
            "service": check_services,
            "spot": lambda *_: None,
        }
        first, end = (midnight_s(day, zone) for day in self.days_of(run, self.contracts[run.contract_event]))
        units = self.statements(name, position, (first, end))
        told = [one.document for one in units]
        if not (told or self.told(position, "site", name) or any(one["code"] in checks for one in lines)):
            return set()
        market = self.market(position, name, run.result["month"], (first, end), place, *told)
        at_spot = self.facts(run, name, site, "spot_") or any(one["type"] == "unit_spot" for one in told)
        records = [
            one | {"rule": fact["rule"], "interval": fact["interval"], "instructions": one["mileage_w"]}
            for fact in told
            for one in fact.get("members", ())
            if fact["type"] == "unit_regulation" and one["site"] == name
        ]
        paid = set[str]()
        for code, check in checks.items():
            own = [one for one in lines if one["code"] == code]
            if code == "spot":
                own = [one for one in own if re.match("(energy|deviation) of unit ", one["note"])]
            taken = Told(own, 10 ** MINOR_DIGITS[run.currency], proven, self.counts, f"{place}, {code}")
            try:
                check(market, taken)
                for one in units:
                    if UNIT_STREAMS[one.document["type"]][1] == code:
                        check_shares(self.shared(one, position, place), name, one.document, taken)
                if code == "demand_response" and paid_twice(market, told):
                    proven -= {one["number"] for one in lines if one["code"] == code}
                if code == "ancillary" and not at_spot:
                    prices = lambda: self.real_time(position, site, market)  # noqa: E731
                    paid |= {code} if check_agc(market, taken, records, prices) else set()
                taken.end()
            except Unknown as unknown:
                paid.add(code)
                self.counts[f"streams not recomputed: {unknown}"] += 1
        inside = [one for one in (*market.facts, *told) if meet(span_of(one), market.held)]
        if inside:
            self.used |= market.resting
        return paid | {PAID_FOR[one["type"]] for one in inside if one["type"] in PAID_FOR}

    def real_time(self, position: int, site: SiteMonth, market: Market) -> list[Fraction | None]:
        """The real-time price of each reading of the contract's days."""
        point, each_s, place = site.document["market_point"], market.of.interval_s, market.place
        need(point is not None, place, "it has no point of a market")
        series = (point["market"], point["node"], "real_time")
        step_s = self.prices[series][0].document["interval_s"] if self.prices[series] else each_s
        prices = self.known_prices(series, *market.held, step_s, position, place)
        if step_s >= each_s:
            return [one for one in prices for _ in range(step_s // each_s)]
        count = each_s // step_s
        rows = [prices[at : at + count] for at in range(0, len(prices), count)]
        return [None if None in row else Fraction(sum(one or 0 for one in row)) / count for row in rows]

    def check_spot(
        self, run: Run, name: str, site: SiteMonth, own: list[Json], proven: set[int], place: str
    ) -> None:
        """The lines of a spot month: cleared and metered energy at the prices of each interval."""
        facts = self.facts(run, name, site, "spot_")
        if not facts:
            return
        rules = {one.document["rule"] for one in facts}
        need(len(rules) == 1, place, f"it is under the spot rules {sorted(rules)} at once")
        spot = self.spot_month(run, site, [one.document for one in facts], rules.pop(), place)
        self.used |= {one.sequence for one in facts}
        for note, right in spot_lines(spot, place).items():
            lines = [one for one in own if one["note"] == note]
            need(len(lines) == 1, place, f"it has {len(lines)} lines of {note}, not one")
            terms = [one for one in lines[0]["basis"] if one.get("of") != TAX]
            for term, item in zip_longest(terms, right):
                label = (term or {"label": item and item[0]})["label"]
                of_term = f"{place}, {note}, {label}"
                told = term and (
                    term["label"],
                    number(term["quantity"], of_term),
                    number(term["exact"], of_term),
                )
                said = f"{term and term['quantity']} Wh for {term and term['exact']}"
                due = f"{item and item[1]} Wh for {item and item[2]}"
                need(told == item, of_term, f"it says {said}, and the facts, readings and prices say {due}")
                self.counts["days' energies and prices of spot markets recomputed"] += 1
            proven.add(lines[0]["number"])

    def spot_month(self, run: Run, site: SiteMonth, facts: list[Json], rule_id: str, place: str) -> SpotMonth:
        first_s, end_s = (site.start_s + at * site.interval_s for at in (site.days.start, site.days.stop))
        until_s = min(end_s, *(instant_s(one["interval"]["end"]) for one in facts))
        rule = self.in_force(
            "market_rule", rule_id, max(until_s, first_s + 1), run.result["position"], place
        ).document
        if rule["type"] != "spot_rule" or rule["price_point"] == "generation_weighted":
            raise Unknown("a unified price that is weighed by generation")
        if any(one["type"] == "spot_month" and one["without_contract"] for one in facts):
            raise Unknown("a user without a contract")
        need(not (end_s - first_s) % rule["interval_s"], place, "its days are not whole settlement intervals")
        zone, point = zone_of(rule["zone"], place), site.document["market_point"]
        count = rule["interval_s"] // site.interval_s
        starts = range(first_s, end_s, rule["interval_s"])
        rows = range(site.days.start, site.days.stop, count)
        injected = [sum(site.whole.discharge[at : at + count]) for at in rows]
        withdrawn = [sum(site.whole.charge[at : at + count]) for at in rows]
        need(point is not None, place, "it has no point of a market")

        def priced(node: str, product: str) -> list[Fraction]:
            each_s = rule[f"{product}_interval_s"]
            prices = self.priced(
                (point["market"], node, product), first_s, end_s, each_s, run.result["position"], place
            )
            parts = rule["interval_s"] // each_s
            return [sum(prices[at : at + parts], Fraction(0)) / parts for at in range(0, len(prices), parts)]

        real_time = priced(point["node"], "real_time")
        day_ahead = (
            priced(point["node"], "day_ahead") if rule.get("settlements", "two") == "two" else real_time
        )
        at_node = rule["contract_point"] == "reference_node"
        reference = priced(point["reference_node"], "day_ahead") if at_node else None
        charges: list[tuple[str, Fraction]] = []
        if rule["charging_bears"] in ("all", "losses"):
            components = site.parts[-1].table["components"]
            need(components is not None, place, "its tariff states no components of its price")
            named = (("transmission", "transmission"), ("funds", "government_fund"))
            charges = [(label, price_of(components[field], place)) for label, field in named]
        days = [str(datetime.fromtimestamp(start, zone).date()) for start in starts]
        return SpotMonth(
            rule, facts, first_s, injected, withdrawn, day_ahead, real_time, reference, days, charges
        )

    def priced(self, series: tuple[str, str, str], *where: Any) -> list[Fraction]:
        """As `known_prices`, none of which is missing."""
        found = self.known_prices(series, *where)
        prices = [one for one in found if one is not None]
        need(len(prices) == len(found), where[-1], f"prices of {' '.join(series)} are missing")
        return prices

    def known_prices(
        self, series: tuple[str, str, str], first_s: int, end_s: int, step_s: int, position: int, place: str
    ) -> list[Fraction | None]:
        """A market's prices per kWh, of each interval the one recorded last; None where none was."""
        found: list[Fraction | None] = [None] * ((end_s - first_s) // step_s)
        for block in self.prices[series]:
            if block.sequence > position:
                break
            start_s, scale = instant_s(block.document["start"]), ten_to(block.document["scale"])
            same = block.document["interval_s"] == step_s
            need(same, place, f"prices of {series} are of another interval")
            at = (start_s - first_s) // step_s
            inside = range(max(at, 0), min(at + len(block.document["mantissas"]), len(found)))
            for place_of in inside:
                found[place_of] = Fraction(block.document["mantissas"][place_of - at], scale)
            if inside:
                self.used.add(block.sequence)
        return found

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
    book.check_rest()
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


def check_own(statement: Json, counts: Counter[str], place: str) -> None:
    """All beside the lines is of its type, and the party's; or counted, where only the contract tells whether
    the party may see it."""
    party, currency = statement["party"], statement["currency"]
    names = ("party", "title", "rules_version", "inputs_digest", "outputs_digest")
    texts = [statement[name] for name in names]
    for name in ("causes", "classes", "sites", "warnings"):
        need(isinstance(statement[name], list), place, f"its {name} are no list")
        texts += statement[name]
    for one in statement["agent_parts"]:
        with_names(one, "line party vat", place)
        whole(one["line"], place)
        need(one["party"] == party, place, f"an agent's part is {one['party']}'s")
    for one in statement["percentages"]:
        texts += [*with_names(one, "clause of party share", place).values()]
        number(str(portion(one["share"])), place)
        counts["percentages of other parties, which the contract must show"] += one["party"] != party
    for one in statement["bills"]:
        texts.append(with_names(one, "site with_storage without_storage", place)["site"])
        for name in ("with_storage", "without_storage"):
            minor(one[name], currency, place)
        counts["bills of sites, which the contract must show"] += 1
    clauses = [with_names(one, "amount clause", place)["clause"] for one in statement["pool_uses"]]
    own = {one["clause"] for one in statement["lines"] if one["kind"] == "clause"}
    unlike = len({*clauses}) != len(clauses) or (statement["pool"] is not None and not own <= {*clauses})
    need(not unlike, place, "its pool's uses are not of its clauses, each once")
    named = all(re.fullmatch(r"clause [0-9]+, [a-z_]+", one) for one in clauses)
    need(named, place, "a use of the pool is of no clause")
    need(all(isinstance(one, str) for one in texts), place, "a text is not one")
    need(statement["classes"] == classes_of(statement["causes"]), place, "its classes are not its causes'")


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
    check_own(statement, counts, place)
    for line in statement["lines"]:
        with_names(line, LINE, place)
        for term in line["basis"]:
            with_names(term, TERM_NAMES + " of" * ("of" in term), place)
        need(line["party"] == party, place, f"line {line['number']} is somebody else's")
        check_line(line, currency, counts, f"{place}, line {line['number']}")
        counts["terms that state no product"] += without_product(line)
        if line["vat"] is not None:
            parts = 1 + len(statement["lines"]) + len(statement["agent_parts"])
            net, gross = check_vat(line["vat"], None, currency, parts, f"{place}, line {line['number']}, VAT")
            most = abs(line["amount"]["minor"])
            words = f"{net} and tax are invoiced of line {line['number']}, which is of {most}"
            need(min(abs(net), abs(gross)) <= most, place, words)
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
    return [f"{count:>12,}  {name}" for name, count in sorted(counts.items()) if count]


def row(*cells: str) -> str:
    return f"  {cells[0]:<24}" + "".join(f"{cell:>18}" for cell in cells[1:])


def checked(file: BinaryIO, key: Key, kept: str | None) -> list[str]:
    """What was checked, in lines for people; `kept` is an earlier checkpoint, by any of the log's keys.

    Raises:
        Wrong: the first thing that does not hold.
    """
    lines = Lines(file)
    try:
        return told_of(lines, key, kept)
    except (Wrong, MemoryError):
        raise
    except Exception as error:
        raise Wrong(lines.place, f"not as the format says: {type(error).__name__} {error}") from None


def told_of(lines: Lines, key: Key, kept: str | None) -> list[str]:
    first = lines.next()
    handed_over = b'"handovers":' in first
    head = own_line(first, lines.place, "format key kind" + " handovers" * handed_over)
    need(head["format"] == BUNDLE, lines.place, f"the format is not {BUNDLE}")
    with reading(lines.place):
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
    for run in (run for runs in book.runs.values() for run in shown_of(runs, book.void)):
        contract, month, at = run.name
        old = ", older than events that bear on it" if run.name in book.stale else ""
        void = ", DECLARED VOID" if run.name in book.void else ""
        told.append(f"{contract}, {month}, run {at} ({run.body['kind']}), {run.currency}{old}{void}")
        told += [row("party", *names)] * (not void)
        for party in sorted(run.result["entitlement"]) if not void else ():
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
