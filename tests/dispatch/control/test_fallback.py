"""A fallback schedule is relied on once the site has answered with its hash."""

from __future__ import annotations

import hashlib
import itertools
import re
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from dispatch.control.fallback import (
    AcknowledgeFallback,
    Fallback,
    FallbackSchedule,
    StoreFallback,
    fallback_aggregate,
)
from dispatch.control.loss import PARTS, TABLE, on_loss
from ledger.refusal import Refused
from tests.dispatch.control.pure_book import DEVICE, KW, START, PureBook

DOC = (Path(__file__).parents[3] / "docs/device-refusals.md").read_text(encoding="utf-8")
NIGHT = FallbackSchedule(device=DEVICE, start=START, interval_s=900, setpoint_w=(-100 * KW, 0, 200 * KW))


def held(book: PureBook) -> Fallback:
    state = book.states[fallback_aggregate(DEVICE)]
    assert isinstance(state, Fallback)
    return state


def test_only_the_hash_of_what_was_stored_last_is_taken() -> None:
    book = PureBook()
    assert book.refused(AcknowledgeFallback(DEVICE, NIGHT.digest)) == "unknown_fallback"
    assert book.do(StoreFallback(NIGHT, "anna")).digest == NIGHT.digest
    assert not held(book).agreed
    book.do(AcknowledgeFallback(DEVICE, NIGHT.digest))
    assert held(book).agreed
    newer = msgspec.structs.replace(NIGHT, setpoint_w=(-100 * KW, 0, 200 * KW + 1))
    book.do(StoreFallback(newer, "anna"))
    assert (held(book).agreed, held(book).acknowledged) == (False, NIGHT)
    assert book.refused(AcknowledgeFallback(DEVICE, NIGHT.digest)) == "fallback_digest"


def test_a_site_in_any_language_works_out_the_same_hash() -> None:
    text = f"wattledger-fallback-v1\n{DEVICE}\n{int(START.timestamp())}000000\n900\n-100000,0,200000\n"
    assert hashlib.sha256(text.encode()).hexdigest() == NIGHT.digest


def test_what_is_no_schedule() -> None:
    book = PureBook()
    too_much = msgspec.structs.replace(NIGHT, setpoint_w=(501 * KW,))
    assert book.refused(StoreFallback(too_much, "anna")) == "setpoint_power"
    other = msgspec.structs.replace(NIGHT, device="nobody")
    assert book.refused(StoreFallback(other, "anna")) == "unknown_device"
    book.wait(2700)
    assert book.refused(StoreFallback(NIGHT, "anna")) == "fallback_over"
    with pytest.raises(Refused, match="intervals"):
        msgspec.structs.replace(NIGHT, setpoint_w=())


def test_the_setpoint_of_an_instant() -> None:
    instants = [START + timedelta(seconds=s) for s in (-1, 0, 899, 900, 1800, 2699, 2700)]
    assert [NIGHT.at(one) for one in instants] == [0, -100 * KW, -100 * KW, 0, 200 * KW, 200 * KW, 0]


def test_every_loss_has_its_answer_and_none_raises_power_blindly() -> None:
    used = set()
    for size in range(len(PARTS) + 1):
        for lost in itertools.combinations(PARTS, size):
            for agreed, in_force in itertools.product((True, False), repeat=2):
                row = on_loss(frozenset(lost), agreed=agreed, in_force=in_force)
                used.add(row)
                assert (row.action == "follow_plan") == (not lost)
                assert row.action != "follow_fallback" or (agreed and "clock" not in lost)
                assert row.action != "keep_setpoint" or (in_force and not {"clock", "driver"} & set(lost))
                assert row.action not in ("stop", "keep_setpoint") or "driver" not in lost
    assert used == set(TABLE), "no row is dead"


def test_the_page_has_the_table() -> None:
    told = re.findall(r"^\| ([a-z, ]+) \| (yes|no|) ?\| (yes|no|) ?\| (\w+) \|$", DOC, re.MULTILINE)
    word = {True: "yes", False: "no", None: ""}
    wanted = [
        (
            ", ".join(part for part in PARTS if part in row.lost) or "nothing",
            word[row.agreed],
            word[row.in_force],
            row.action,
        )
        for row in TABLE
    ]
    assert told == wanted
