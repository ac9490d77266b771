"""An archive that goes further than the stream and every signed checkpoint is believed by nobody unasked."""

from __future__ import annotations

import pytest

from adapters import replay
from adapters.beyond_checkpoint import Unproven, Wanted
from adapters.nats import wire
from adapters.repair import begun, repair, survey
from adapters.transparency.published_log import PublishedLog
from ledger.refusal import Refused
from ledger.repair_record import BeyondCheckpoint
from tests.adapters.test_tamper import ARCHIVE_HOLDS, Kept, kept, own_nats

__all__ = ["kept", "own_nats"]
STREAM_HOLDS = Wanted("stream", "nobody has a receipt of these")


def forge_tail(kept: Kept, *, stream_ends: int) -> list[bytes]:
    """Parties F1 and F2 stand in archive, tree and rows with every hash right, and in no stream.

    Answers what the archive holds.
    """
    kept.add("F1")
    kept.add("F2")
    held = kept.payloads()
    kept.recreate(held[:stream_ends])
    return held


def archive(kept: Kept) -> list[tuple[object, ...]]:
    return kept.bench.query("SELECT sequence, payload FROM ledger.envelope ORDER BY sequence")


@pytest.mark.parametrize("stream_ends", [4, 3])
def test_a_forged_tail_is_not_put_into_the_stream_unasked(kept: Kept, stream_ends: int) -> None:
    kept.published.sign()
    held = forge_tail(kept, stream_ends=stream_ends)
    found = survey(kept.shop())
    assert (found.unproven, found.proven, found.nothing_to_do) == ((5, 6), 4, False)
    before = archive(kept)
    with pytest.raises(Unproven, match=r"2 events, sequences 5 to 6, .* checkpoint that holds covers 4"):
        repair(kept.shop(), actor="operator")
    assert kept.payloads() == held[:stream_ends]
    assert archive(kept) == before
    assert begun(kept.folder / "repair") is None
    assert not (kept.folder / "checkpoints/000/000/000/006").exists()


@pytest.mark.parametrize("stream_ends", [4, 3])
def test_the_stream_believed_sets_the_tail_aside_and_keeps_what_is_proven(
    kept: Kept, stream_ends: int
) -> None:
    kept.published.sign()
    held = forge_tail(kept, stream_ends=stream_ends)
    record = kept.mended(wanted=STREAM_HOLDS)
    assert record.beyond == BeyondCheckpoint("stream", 5, 6, 2, "nobody has a receipt of these")
    assert (record.last_sequence, record.checkpoint_size) == (4, 4)
    assert [(one.sequence, one.aggregate) for one in record.set_aside] == [(5, "party.F1"), (6, "party.F2")]
    steps = [(one.action, one.place, one.first, one.last) for one in record.steps]
    assert ("envelopes_set_aside", "envelope", 5, 6) in steps
    assert ("stream_restored" in [one.action for one in record.steps]) == (stream_ends < 4)
    now = kept.payloads()
    assert now[:4] == held[:4]
    assert not set(now) & set(held[4:])


def test_the_archive_believed_is_on_record_with_the_reason(kept: Kept) -> None:
    kept.published.sign()
    held = forge_tail(kept, stream_ends=3)
    record = kept.mended(wanted=ARCHIVE_HOLDS)
    assert record.beyond == BeyondCheckpoint("archive", 5, 6, 2, ARCHIVE_HOLDS.reason)
    assert record.checkpoint_size == 4
    assert kept.payloads()[:6] == held


def test_what_a_checkpoint_proves_needs_nobody(kept: Kept) -> None:
    kept.add("F1")
    kept.published.sign()
    held = kept.payloads()
    kept.recreate(held[:3])
    assert kept.mended().beyond is None
    assert kept.payloads()[:5] == held


def test_a_last_row_forged_in_archive_and_tree_does_not_replace_the_stream_s(kept: Kept) -> None:
    """The tree's leaf agrees with the forged row; the stream was never touched."""
    kept.published.sign()
    kept.add("P1")
    kept.add("P2")
    whole = kept.payloads()
    kept.recreate([*whole[:5], whole[5].replace(b"P2", b"P9")])
    replay.mend(kept.bench.log, kept.bench.database, lambda _: None)
    kept.recreate(whole)
    assert survey(kept.shop()).unproven == (6,)
    with pytest.raises(Unproven, match="1 event, sequence 6"):
        repair(kept.shop(), actor="operator")
    assert kept.payloads() == whole
    kept.mended(wanted=STREAM_HOLDS)
    assert kept.payloads()[:6] == whole


def test_a_stream_written_on_stays_where_it_follows_what_is_proven(kept: Kept) -> None:
    """Its own new end is no less believed than the archive's, and stays when the stream is."""
    kept.published.sign()
    held = forge_tail(kept, stream_ends=4)
    other = held[4].replace(b"F1", b"G1")
    kept.recreate([*held[:4], other])
    assert wire.header_of(other).aggregate == "party.G1"
    record = kept.mended(wanted=STREAM_HOLDS)
    assert kept.payloads()[:5] == [*held[:4], other]
    assert [one.aggregate for one in record.set_aside] == ["party.F1", "party.F2"]


def test_nothing_is_signed_that_the_stream_does_not_hold(kept: Kept) -> None:
    kept.published.sign()
    log = kept.published
    streamed = PublishedLog(
        log.database, log.book, log.origin, log.folder, log.key_file, makes_key=False, stream=kept.bench.log
    )
    held = forge_tail(kept, stream_ends=4)
    for code, stream in (
        ("tree_stream", held[:4]),
        ("tree_leaf", [*held[:4], held[4].replace(b"F1", b"G1"), held[5]]),
    ):
        kept.recreate(stream)
        with pytest.raises(Refused) as refused:
            streamed.sign()
        assert refused.value.code == code
        assert streamed.signed_size() == 4
    kept.recreate(held)
    streamed.sign()
    assert streamed.signed_size() == 6


@pytest.mark.parametrize(
    "beyond", [("archive", 5, 6, 2, " "), ("nobody", 5, 6, 2, "why"), ("stream", 5, 6, 3, "why")]
)
def test_a_choice_names_copy_range_and_reason(beyond: tuple[object, ...]) -> None:
    with pytest.raises(Refused):
        BeyondCheckpoint(*beyond)  # type: ignore[arg-type]
