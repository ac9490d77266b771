"""A story as text, CSV or JSON Lines."""

from __future__ import annotations

import csv
import io
from typing import Final, Literal

import msgspec

from adapters.documents.language import Language
from adapters.queries.story.entry import Entry, Story
from ledger.interval import Instant

StoryFormat = Literal["text", "csv", "jsonl"]

_COLUMNS: Final = (
    "sequence",
    "recorded_at",
    "effective_from",
    "effective_to",
    "actor",
    "aggregate",
    "version",
    "kinds",
    "sentence",
    "sentence_zh",
    "command",
    "causation",
    "notes",
    "postings",
    "links",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a cell that begins with it for."""


def rendered(story: Story, format: StoryFormat, language: Language = "en") -> str:
    """The story; `language` is of the sentences of a text, CSV and JSON Lines have both."""
    match format:
        case "csv":
            return _csv(story)
        case "jsonl":
            return _jsonl(story)
        case "text":
            return _text(story, language)


def _jsonl(story: Story) -> str:
    """A line an entry, as the API answers it."""
    return "".join(msgspec.json.encode(entry).decode() + "\n" for entry in story.entries)


def _csv(story: Story) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for entry in story.entries:
        links = [f"{one.link}:{one.sequence}" for one in entry.links]
        links += [f"{one.link}:+{one.count}" for one in entry.more]
        cells = (
            str(entry.sequence),
            entry.recorded_at.isoformat(),
            _at(entry.effective_from),
            _at(entry.effective_to),
            entry.actor,
            entry.aggregate,
            str(entry.version),
            " ".join(entry.kinds),
            entry.sentence,
            entry.sentence_zh,
            entry.command,
            entry.causation,
            " | ".join(entry.notes),
            " | ".join(entry.postings),
            " ".join(links),
        )
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return out.getvalue()


def _text(story: Story, language: Language) -> str:
    head = f"{story.subject}: {story.events} events as of {story.position}"
    lines = [head, *(f"  {fact}" for fact in story.facts)]
    for entry in story.entries:
        lines += _entry(entry, language)
    if story.next_after is not None:
        lines.append(f"more: --after {story.next_after}")
    lines.append("go on from any event: wattledger story event SEQUENCE")
    return "\n".join(lines) + "\n"


def _entry(entry: Entry, language: Language) -> list[str]:
    said = entry.sentence if language == "en" else entry.sentence_zh
    lines = [
        f"{entry.sequence:>8}  {entry.recorded_at:%Y-%m-%d %H:%M:%SZ}  {entry.actor:<12}  {said}",
        f"{'':10}{' '.join(entry.kinds)} of {entry.aggregate} version {entry.version}",
    ]
    if entry.effective_from is not None:
        until = f" up to {_at(entry.effective_to)}" if entry.effective_to is not None else ""
        lines.append(f"{'':10}effective from {_at(entry.effective_from)}{until}")
    lines += [f"{'':10}{note}" for note in entry.notes]
    lines += [f"{'':10}posted {posting}" for posting in entry.postings]
    if entry.causation:
        lines.append(f"{'':10}after {entry.causation}")
    by_name: dict[str, list[str]] = {}
    for link in entry.links:
        by_name.setdefault(link.link, []).append(str(link.sequence))
    left = {one.link: f" and {one.count} more" for one in entry.more}
    lines += [
        f"{'':10}{name.replace('_', ' ')}: {', '.join(found)}{left.get(name, '')}"
        for name, found in by_name.items()
    ]
    return lines


def _at(instant: Instant | None) -> str:
    return "" if instant is None else instant.isoformat()
