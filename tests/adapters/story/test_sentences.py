"""Every kind of event has its sentence in both languages, made of fields that it has."""

from __future__ import annotations

import inspect
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from adapters import links
from adapters.events import Event
from adapters.links import FOLLOWS, KNOWN_AS, LINKS, NAMES
from adapters.links.link import key_of
from adapters.queries.story import sentence as story_sentence
from adapters.queries.story.sentence import sentence
from ledger.quantity import Money
from ledger.statement.invoice_number import InvoiceNumberUsed
from ledger.statement.life import Payment, StatementKey
from ledger.statement.money import PaymentRecorded
from tests.adapters import sample

FILE = Path(inspect.getfile(story_sentence)).with_suffix("").parent / "sentences.toml"
TEXTS: dict[str, dict[str, str]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
EVENTS = {str(kind.__struct_config__.tag): kind for kind in get_args(Event)}
GIVEN = {"id", "event_id", "version", "what", "spans", "because", "state"}
"""What a template gets beside the event's own fields."""


def test_every_event_has_its_sentence() -> None:
    """A new event without one fails here."""
    assert set(TEXTS) - {"word"} == set(EVENTS)
    for kind, texts in TEXTS.items():
        if kind != "word":
            assert set(texts) == {"en", "zh"}, kind


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_a_sentence_asks_only_for_what_the_event_has(kind: str) -> None:
    """Each `{a.b.c}` is followed through the types; both languages tell the same fields."""
    asked = {language: set(fields(text)) for language, text in TEXTS[kind].items()}
    assert asked["en"] == asked["zh"], "neither language leaves anything out"
    for path in asked["en"]:
        first, *rest = path.split(".")
        if first in GIVEN and first not in EVENTS[kind].__struct_fields__:
            assert not rest, path
            continue
        found = {EVENTS[kind]}
        for name in (first, *rest):
            found = set(step(found, name, f"{kind}: {path}"))


def fields(text: str) -> Iterator[str]:
    for _, name, _, _ in Formatter().parse(text):
        if name is not None:
            yield name


def step(kinds: set[Any], name: str, place: str) -> Iterator[Any]:
    """The types that an attribute may have, on every kind of a union."""
    for kind in kinds:
        hints = get_type_hints(kind) if isinstance(kind, type) else {}
        if name in hints:
            yield from unpacked(hints[name])
        else:
            assert isinstance(getattr(kind, name, None), property), f"{place}: {kind} has no {name}"
            yield from unpacked(get_type_hints(getattr(kind, name).fget)["return"])


def unpacked(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in {Union, types.UnionType}:
        for one in get_args(hint):
            if one is not types.NoneType:
                yield from unpacked(one)
    elif isinstance(get_origin(hint), type) and issubclass(get_origin(hint), msgspec.Struct):
        yield get_origin(hint)
    else:
        yield hint


def test_a_sentence_in_both_languages() -> None:
    payment = Payment(id="b1", on=sample.AUGUST.date(), amount=Money(-123_45, "CNY"), kind="write_off")
    told = PaymentRecorded(payment)
    assert sentence(told, "statement.C_2026-08_P_1", 2, "en") == (
        "-123.45 CNY was recorded on statement C_2026-08_P_1 as write off b1 of 2026-08-01."
    )
    assert sentence(told, "statement.C_2026-08_P_1", 2, "zh") == (
        "在结算单C_2026-08_P_1上登记2026-08-01的核销b1：-123.45 CNY。"
    )
    used = InvoiceNumberUsed(StatementKey("C", "2026-08", "P", 1), "received", "{id}")
    assert "Invoice number {id} (received)" in sentence(used, "invoice_number.x", 1, "en"), "no template"


def test_every_link_kind_is_in_the_list() -> None:
    """One file a kind; none forgotten, none named twice."""
    folder = Path(inspect.getfile(links)).parent
    written = {file.stem for file in folder.glob("*.py") if "\nKIND = LinkKind(" in file.read_text()}
    listed = {kind.found.__module__.rpartition(".")[2] for kind in LINKS}
    assert written == listed
    names = [*FOLLOWS, KNOWN_AS, NAMES, *(kind.name for kind in LINKS), *(kind.back for kind in LINKS)]
    assert len(names) == len(set(names))


def test_an_endless_name_has_a_short_key() -> None:
    short, long = "document/发票 1", "document/" + "发" * 400
    assert key_of(short) == short
    assert key_of(long).startswith("document/sha256:")
    assert len(key_of(long).encode()) < 100
    assert key_of(long) != key_of(long + "票")
