"""Stories of a book that has lived: complete, in order, linked from both ends, and the same for ever."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.queries.journal import entries_by_event, journal
from adapters.queries.story.actor import actor
from adapters.queries.story.contract import contract
from adapters.queries.story.device import device
from adapters.queries.story.document import document
from adapters.queries.story.entry import Entry, Story
from adapters.queries.story.event import event
from adapters.queries.story.line import line
from adapters.queries.story.meter import meter
from adapters.queries.story.reading import reading
from adapters.queries.story.site import site
from adapters.queries.story.telling import Part
from adapters.story_text import rendered
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.http.test_netting import OURS, THEIRS
from tests.adapters.story.books import DIGEST, INVOICE, MONTH, lived
from tests.adapters.story.link_walk import WALKED, walked
from tests.stack import NatsServer, PostgresServer

AT = sample.AUGUST + timedelta(hours=10)
"""An instant of which S3 was read twice."""
Told = Callable[[Connection, int], Story]
STORIES: Final[dict[str, Told]] = {
    "reading": lambda c, p: reading(c, p, "S3-M", AT, register="discharge"),
    "line": lambda c, p: line(c, p, OURS.id, MONTH, 1, 1),
    "contract": lambda c, p: contract(c, p, OURS.id),
    "device": lambda c, p: device(c, p, "D3"),
    "meter": lambda c, p: meter(c, p, "S3-M"),
    "site": lambda c, p: site(c, p, "S3"),
    "actor": lambda c, p: actor(c, p, "bob"),
    "invoice": lambda c, p: document(c, p, INVOICE),
    "slip": lambda c, p: document(c, p, "slip 7/26"),
}


@pytest.fixture(scope="module")
def book(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Api]:
    """Only read by the tests of this module."""
    bench = Bench(nats_server, migrated)
    made = lived(bench)
    made.secrets["partner"] = made.grant("partner", "host")
    for role in ("auditor", "finance", "market_desk"):
        made.secret(role)
    made.wait()
    yield made
    made.close()
    bench.close()


@pytest.fixture(scope="module")
def connection(book: Api) -> Iterator[Connection]:
    with book.bench.database.reading(book.bench.book) as found:
        yield found


@pytest.fixture(scope="module")
def last(connection: Connection) -> int:
    found = connection.execute("SELECT max(sequence) FROM ledger.envelope").fetchone()
    assert found is not None
    return int(found[0])


def kinds(story: Story) -> list[str]:
    return [kind for entry in story.entries for kind in entry.kinds]


# ------------------------------------------------------------------ what they tell


def test_one_kwh_from_its_file_to_the_bank(connection: Connection, last: int) -> None:
    """Both versions of the reading, each with the run that used it, and what followed from those."""
    found = STORIES["reading"](connection, last)
    by_kind: dict[str, list[Any]] = {}
    for entry in found.entries:
        by_kind.setdefault(entry.kinds[0], []).append(entry)
    first, second = by_kind["meter.readings_recorded.v1"]
    assert first.notes == ("discharge 1000 Wh in 900 s from 2026-08-01T10:00Z, quality A",)
    assert second.notes == ("discharge 1003 Wh in 900 s from 2026-08-01T10:00Z, quality A",)
    assert {one.kinds[0] for one in by_kind["import.opened.v1"]} == {"import.opened.v1"}
    one, two = by_kind["settlement.recorded.v1"]
    assert (one.aggregate, two.aggregate) == (f"settlement.{OURS.id}_{MONTH}",) * 2
    assert one.notes[0].startswith("lines 1"), one.notes
    used = {link.sequence for link in second.links if link.link == "used_by"}
    assert used == {two.sequence}, "the first run knew nothing of the second reading"
    for kind in (
        "statement.issued.v1", "dispute.raised.v1", "dispute.corrected.v1", "invoice.recorded.v1",
        "invoice.number_used.v1", "netting.recorded.v1", "payment.named.v1", "payment.recorded.v1",
        "settlement.finalised.v1", "month.closed.v1", "proposal.made.v1", "proposal.approved.v1",
    ):  # fmt: skip
        assert kind in by_kind, kind
    assert any("receivable" in text.lower() for text in one.postings), one.postings


def test_one_yuan_from_its_leaves_to_its_statement(connection: Connection, last: int) -> None:
    found = STORIES["line"](connection, last)
    assert found.facts[0].startswith("line 1: arbitrage of host,")
    assert len(found.facts) > 2, "its leaves"
    told = kinds(found)
    for kind in ("meter.readings_recorded.v1", "contract.registered.v1", "statement.issued.v1"):
        assert kind in told
    lives = {one.aggregate for one in found.entries if one.aggregate.startswith("statement.")}
    assert f"statement.{OURS.id}_{MONTH}_host_1" in lives
    assert not any("operator" in name or THEIRS.id in name for name in lives), "no other party's life"


def test_one_device_and_one_user(connection: Connection, last: int) -> None:
    assert kinds(STORIES["device"](connection, last)) == ["site.registered.v1", "device.registered.v1"]
    bob = STORIES["actor"](connection, last)
    raw = {sequence for sequence, _, body in envelopes(connection, last) if body["actor"] == "bob"}
    assert raw <= {one.sequence for one in bob.entries}
    others = [one for one in bob.entries if one.sequence not in raw]
    assert all("bob" in one.sentence or "bob" in one.sentence_zh for one in others), others


@pytest.mark.parametrize("name", [INVOICE, "slip 7/26", "n-1", DIGEST, "s3.csv"])
def test_a_paper_by_any_of_its_names(name: str, connection: Connection, last: int) -> None:
    told = kinds(document(connection, last, name))
    wanted = {
        INVOICE: {"invoice.recorded.v1", "invoice.number_used.v1", "settlement.recorded.v1"},
        "slip 7/26": {"payment.named.v1", "payment.recorded.v1"},
        "n-1": {"netting.recorded.v1", "payment.recorded.v1", "proposal.approved.v1"},
    }.get(name, {"import.opened.v1", "meter.readings_recorded.v1", "settlement.recorded.v1"})
    assert wanted <= set(told)


def test_what_is_not_there_is_named(connection: Connection, last: int) -> None:
    later = AT + timedelta(days=400)
    cases: tuple[tuple[str, Callable[[], Story]], ...] = (
        ("unknown_contract", lambda: contract(connection, last, "nothing")),
        ("unknown_settlement", lambda: line(connection, last, OURS.id, MONTH, 9, 1)),
        ("unknown_line", lambda: line(connection, last, OURS.id, MONTH, 1, 99)),
        ("unknown_meter", lambda: meter(connection, last, "nothing")),
        ("unknown_meter", lambda: reading(connection, last, "nothing", AT)),
        ("unknown_reading", lambda: reading(connection, last, "S3-M", later)),
        ("unknown_device", lambda: device(connection, last, "nothing")),
        ("unknown_site", lambda: site(connection, last, "nothing")),
        ("unknown_actor", lambda: actor(connection, last, "nobody")),
        ("unknown_document", lambda: document(connection, last, "nothing")),
        ("unknown_event", lambda: event(connection, last, last + 1)),
        ("unknown_contract", lambda: contract(connection, 1, OURS.id)),
    )
    for code, told in cases:
        with pytest.raises(Refused) as caught:
            told()
        assert caught.value.code == code


# ------------------------------------------------------------------ properties


def test_every_link_is_there_from_both_ends(connection: Connection, last: int) -> None:
    """A walk from any event along any of its links, and back by the other name."""
    found = walked(connection, last, range(1, last + 1))
    assert found >= WALKED["lived"]
    for sequence in range(1, last + 1):
        own = next(one for one in event(connection, last, sequence).entries if one.sequence == sequence)
        assert not own.more, "the event's own story leaves nothing out"


def test_every_source_of_a_run_is_linked(connection: Connection, last: int) -> None:
    """What a result says it rests on, read from the payload, is what the run is linked to."""
    runs = 0
    for sequence, _, body in envelopes(connection, last):
        for one in body["events"]:
            if one["kind"] != "settlement.recorded.v1":
                continue
            runs += 1
            ranges = [bounds for source in one["run"]["result"]["sources"] for bounds in source["sequences"]]
            expected = {number for first, end in ranges for number in range(first, end + 1)}
            own = next(e for e in event(connection, last, sequence).entries if e.sequence == sequence)
            assert {link.sequence for link in own.links if link.link == "rests_on"} == expected
    assert runs == 3


@settings(derandomize=True, max_examples=25)
@given(data=st.data())
def test_later_events_never_change_a_story(data: st.DataObject, connection: Connection, last: int) -> None:
    """As of S a story is what a book that ended with S would tell: nothing of it is later than S, and all
    that it says stands in the rows up to S."""
    name = data.draw(st.sampled_from(sorted(STORIES)))
    whole = STORIES[name](connection, last)
    at = data.draw(st.sampled_from([entry.sequence for entry in whole.entries]))
    try:
        found = STORIES[name](connection, at)
    except Refused as refused:
        assert refused.code.startswith("unknown_"), refused.code
        return
    assert found.position == at
    for entry in found.entries:
        assert entry.sequence <= at
        assert all(one.sequence <= at for one in entry.links)
    known = {entry.sequence: entry for entry in whole.entries}
    for entry in found.entries:
        then, now = entry, known[entry.sequence]
        kept = tuple(one for one in now.links if one.sequence <= at)
        assert (then.sentence, then.actor, then.recorded_at) == (now.sentence, now.actor, now.recorded_at)
        if not now.more:
            assert then.links == kept


def test_a_story_as_of_then_is_the_same_after_more_was_recorded(book: Api) -> None:
    """The same question before and after new events of the same contract, meter and person."""
    bench = book.bench
    before = {name: _as_of(bench, told) for name, told in STORIES.items()}
    bench.door.execute(
        sample.record_readings("S3-M", day=2, count=4), command_id="more-readings", actor="bob"
    )
    bench.door.execute(sample.register_site("S3"), command_id="s3-again", actor="bob")
    book.wait()
    position = before["contract"].position
    for name, told in STORIES.items():
        with bench.database.reading(bench.book) as connection:
            assert told(connection, position) == before[name], name


def _as_of(bench: Bench, told: Told) -> Story:
    with bench.database.reading(bench.book) as connection:
        found = connection.execute("SELECT max(sequence) FROM ledger.envelope").fetchone()
        assert found is not None
        return told(connection, int(found[0]))


@pytest.mark.parametrize("name", [OURS.id, THEIRS.id])
def test_a_contracts_story_is_every_envelope_that_mentions_it(
    name: str, connection: Connection, last: int
) -> None:
    """An independent scan: the payloads' own text, and the decisions about what mentions it."""
    mentioned, proposals = set(), set()
    everything = list(envelopes(connection, last))
    word = re.compile(rf"(?:settlement|statement|disclosure|contract)\.{re.escape(name)}(?:_.*)?")
    for sequence, aggregate, body in everything:
        words = set(strings(body["events"])) | {aggregate}
        if name in words or any(word.fullmatch(one) for one in words):
            mentioned.add(sequence)
            if aggregate.startswith("proposal."):
                proposals.add(aggregate)
    approved = {body["causation"] for sequence, _, body in everything if sequence in mentioned}
    decided = {s for s, aggregate, _ in everything if aggregate in proposals | approved}
    found = {entry.sequence for entry in contract(connection, last, name).entries}
    assert found == mentioned | decided
    assert len(found) > 15


def test_postings_are_the_journals(connection: Connection, last: int) -> None:
    """Event by event they are the entries that the journal holds, in its order."""
    by_event = [entry for _, entries in entries_by_event(connection, last) for entry in entries]
    assert by_event == list(journal(connection, last).journal)


# ------------------------------------------------------------------ parts and formats


def test_parts_are_the_whole(connection: Connection, last: int) -> None:
    whole = contract(connection, last, OURS.id)
    entries: list[Entry] = []
    after = 0
    while True:
        part = contract(connection, last, OURS.id, part=Part(after, 7))
        entries += part.entries
        assert part.events == whole.events
        if part.next_after is None:
            break
        after = part.next_after
    assert tuple(entries) == whole.entries


def test_formats_hold_the_same_entries(connection: Connection, last: int) -> None:
    whole = STORIES["invoice"](connection, last)
    sequences = [entry.sequence for entry in whole.entries]
    rows = list(csv.DictReader(io.StringIO(rendered(whole, "csv"))))
    assert [int(row["sequence"]) for row in rows] == sequences
    lines = [msgspec.json.decode(text) for text in rendered(whole, "jsonl").splitlines()]
    assert [one["sequence"] for one in lines] == sequences
    assert lines[0]["links"] == [{"link": a.link, "sequence": a.sequence} for a in whole.entries[0].links]
    text = rendered(whole, "text", "zh")
    assert f"发票{INVOICE}" in text
    assert all(f"{sequence:>8}  " in text for sequence in sequences)


# ------------------------------------------------------------------ the API


def test_the_api_answers_with_hrefs_that_go_on(book: Api) -> None:
    found = book.get(f"/v1/stories/contracts/{OURS.id}", "auditor", limit=5)
    assert found.status_code == 200, found.text
    body = found.json()
    assert len(body["entries"]) == 5
    assert body["next_begin"] == body["entries"][-1]["sequence"]
    walked = 0
    for entry in body["entries"]:
        for link in entry["links"]:
            there = book.get(link["href"], "auditor").json()
            own = next(one for one in there["entries"] if one["sequence"] == link["sequence"])
            assert entry["href"] in {one["href"] for one in own["links"]}
            walked += 1
    assert walked
    instant = AT.isoformat()
    for path in (
        f"/v1/stories/readings/S3-M/{instant}",
        f"/v1/stories/lines/{OURS.id}/{MONTH}/1/1",
        "/v1/stories/devices/D3",
        "/v1/stories/meters/S3-M",
        "/v1/stories/sites/S3",
        "/v1/stories/actors/bob",
    ):
        answer = book.get(path, "finance", as_of=str(body["position"]))
        assert answer.status_code == 200, answer.text
        assert answer.json()["entries"]
    paper = book.get("/v1/stories/documents", "auditor", name=INVOICE, format="csv")
    assert paper.headers["content-type"].startswith("text/csv")
    assert INVOICE in paper.text


def test_a_partner_and_the_market_desk_are_refused(book: Api) -> None:
    for role in ("partner", "market_desk"):
        for path in (f"contracts/{OURS.id}", "actors/ada", "events/1", f"lines/{OURS.id}/{MONTH}/1/1"):
            problem(book.get(f"/v1/stories/{path}", role), 403, "forbidden")


def test_addresses_that_name_nothing(book: Api) -> None:
    problem(book.get("/v1/stories/contracts/nothing", "auditor"), 404, "unknown_contract", "contract")
    problem(book.get("/v1/stories/events/999999999", "auditor"), 404, "unknown_event", "sequence")
    problem(book.get("/v1/stories/readings/S3-M/noon", "auditor"), 400, "instant", "instant")


# ------------------------------------------------------------------ the command line


def test_a_terminal_tells_the_same(book: Api, capsys: pytest.CaptureFixture[str]) -> None:
    run = terminal_of(book.bench, capsys)
    text = run("story", "reading", "S3-M", AT.isoformat(), "--register", "discharge")
    assert "discharge 1003 Wh in 900 s from 2026-08-01T10:00Z, quality A" in text
    assert "go on from any event: wattledger story event SEQUENCE" in text
    first = run("story", "event", "1", "--language", "zh")
    assert "设立账簿" in first
    rows = run("story", "contract", OURS.id, "--format", "csv", "--limit", "3", "--as-of", "40").splitlines()
    assert len(rows) == 4
    line_one = run("story", "line", OURS.id, MONTH, "1", "1", "--format", "jsonl")
    entries = [msgspec.json.decode(row) for row in line_one.splitlines()]
    assert "settlement.recorded.v1" in {kind for entry in entries for kind in entry["kinds"]}
    with pytest.raises(Refused) as caught:
        run("story", "actor", "nobody")
    assert caught.value.code == "unknown_actor"


# ------------------------------------------------------------------ helpers


def envelopes(connection: Connection, last: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Sequence, aggregate and decoded envelope of each payload, by nothing but JSON."""
    rows = connection.execute(
        "SELECT sequence, payload FROM ledger.envelope WHERE sequence <= %s ORDER BY sequence", [last]
    )
    for sequence, payload in rows:
        raw = bytes(payload)
        yield sequence, wire.header_of(raw).aggregate, msgspec.json.decode(wire.state_of(raw))


def strings(value: object) -> Iterator[str]:
    """Every text in a JSON value, keys too."""
    match value:
        case str():
            yield value
        case dict():
            for name, one in value.items():
                yield str(name)
                yield from strings(one)
        case list():
            for one in value:
                yield from strings(one)
        case _:
            pass
