"""A reading after a write: ours, the one before, or somebody else's, with who it is held to be."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.control.foreign_writer import read_back

W = st.integers(-1000, 1000)


def test_who_is_held_to_have_written() -> None:
    assert read_back(500, 0, 503, tolerance_w=3).answer == "applied"
    assert read_back(500, 0, 504, tolerance_w=3) == ("foreign", "stranger")
    assert read_back(500, 0, 0, safe_w=0).answer == "not_applied", "what stood before comes first"
    assert read_back(500, 100, 0, safe_w=0) == ("foreign", "watchdog")
    assert read_back(500, 100, 0, safe_w=0, remote=False) == ("foreign", "local_panel")
    assert read_back(500, 100, 250, earlier_w=(1, 250)) == ("foreign", "another_driver")
    at_once, late = (
        read_back(500, 0, 0, safe_w=0, fallback_s=30, after=timedelta(seconds=s)) for s in (29, 30)
    )
    assert (at_once, late) == (("not_applied", None), ("foreign", "watchdog")), "it may have held in between"
    later = timedelta(hours=1)
    assert read_back(500, 100, 100, safe_w=0, fallback_s=30, after=later).answer == "not_applied"
    assert read_back(500, 0, 500, safe_w=0, fallback_s=30, after=later).answer == "applied"
    assert read_back(500, None, 0) == ("foreign", "stranger"), "not known is not the same as before"


@given(written=W, before=st.none() | W, found=W, tolerance=st.integers(0, 50), safe=st.none() | W)
@settings(derandomize=True, max_examples=100, deadline=None, database=None)
def test_somebody_else_is_named_exactly_when_it_is_neither(
    written: int, before: int | None, found: int, tolerance: int, safe: int | None
) -> None:
    got = read_back(written, before, found, tolerance_w=tolerance, safe_w=safe)
    ours = abs(found - written) <= tolerance
    same = before is not None and abs(found - before) <= tolerance
    assert (got.answer == "foreign") == (not ours and not same)
    assert (got.writer is None) == (got.answer != "foreign")
