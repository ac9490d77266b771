"""Files into the book: whole or not at all, once however often, and resumed after a crash."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters import meters
from adapters.front_door import Wish
from adapters.importing import blocks_of, import_file
from adapters.meters.report import NotWhole, rejected_csv
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.conftest import Bench

PROFILE = meters.profile_of((Path(__file__).parents[2] / "examples/meters/plain.toml").read_text())


def csv(days: int, start_day: int = 30, *, spoil: int | None = None) -> bytes:
    """Both registers of M1 from 2026-07-30 UTC on; row `spoil` gets a negative value."""
    rows = ["meter,register,start,wh"]
    begin = sample.AUGUST - timedelta(days=32 - start_day)
    for register in ("charge", "discharge"):
        rows += [
            f"M1,{register},{begin + timedelta(minutes=15 * i):%Y-%m-%dT%H:%M:%SZ},{i % 500}"
            for i in range(96 * days)
        ]
    if spoil is not None:
        rows[spoil] = rows[spoil].rsplit(",", 1)[0] + ",-5"
    return ("\n".join(rows) + "\n").encode()


def ready(bench: Bench) -> Bench:
    bench.door.execute(sample.register_site(), command_id="site", actor="ada")
    bench.door.execute(sample.register_meter(), command_id="meter", actor="ada")
    return bench


def test_a_file_is_cut_into_blocks_of_a_meter_and_utc_month(bench: Bench) -> None:
    seen: list[tuple[int, int]] = []
    done = import_file(
        ready(bench).door,
        csv(4),
        file_name="a.csv",
        profile=PROFILE,
        actor="ops",
        progress=lambda at, of: seen.append((at, of)),
    )
    assert (done.blocks, done.parsed.readings, seen[-1]) == (2, 768, (2, 2))
    bench.project()
    assert bench.query("SELECT count(*), sum(cardinality(wh)) FROM ledger.meter_run") == [(8, 768)]
    assert bench.query("SELECT status FROM ledger.meter_import ORDER BY from_seq") == [
        ("open",),
        ("completed",),
    ]


def test_importing_again_stores_nothing(bench: Bench) -> None:
    first = import_file(ready(bench).door, csv(2), file_name="a.csv", profile=PROFILE, actor="ops")
    again = import_file(bench.door, csv(2), file_name="renamed.csv", profile=PROFILE, actor="ops")
    assert (again.import_id, again.repeated, again.sequence) == (first.import_id, True, first.sequence)
    assert bench.recorder.max_notification_id() == first.sequence


def test_a_crashed_import_resumes_with_what_is_missing(bench: Bench) -> None:
    whole = import_file(ready(bench).door, csv(4), file_name="a.csv", profile=PROFILE, actor="ops")
    other = type(bench)(bench.nats, bench.postgres)
    ready(other)
    blocks = blocks_of(whole.import_id, whole.parsed.runs)
    other.door.execute_all([Wish(blocks[0], f"{whole.import_id}:0")], actor="ops")
    import_file(other.door, csv(4), file_name="a.csv", profile=PROFILE, actor="ops")
    assert other.recorder.max_notification_id() == 6, "site, meter, block 0, opened, block 1, completed"
    other.close()


def test_a_file_with_a_bad_row_is_refused_whole(bench: Bench) -> None:
    ready(bench)
    with pytest.raises(Refused, match="row 51"):
        import_file(bench.door, csv(2, spoil=50), file_name="a.csv", profile=PROFILE, actor="ops")
    assert bench.recorder.max_notification_id() == 2


def test_valid_rows_are_accepted_on_demand_and_the_rest_given_back(bench: Bench) -> None:
    done = import_file(
        ready(bench).door,
        csv(2, spoil=50),
        file_name="a.csv",
        profile=PROFILE,
        actor="ops",
        accept_valid=True,
    )
    assert done.parsed.readings == 383
    assert len(done.parsed.gaps) == 1, "what was rejected is missing, not zero"
    rest = rejected_csv(done.parsed).decode().splitlines()
    assert len(rest) == 2
    assert "negative" in rest[1]


def test_an_unknown_meter_is_named(bench: Bench) -> None:
    with pytest.raises(Refused, match="M1") as caught:
        import_file(bench.door, csv(1), file_name="a.csv", profile=PROFILE, actor="ops")
    assert caught.value.code == "unknown_meter"
    assert bench.recorder.max_notification_id() is None


def test_a_refused_file_tells_all_of_its_rejected_rows(bench: Bench) -> None:
    data = csv(2, spoil=50).replace(b",charge,2026-07-30T00:00:00Z,0", b",charge,noon,0")
    with pytest.raises(NotWhole) as caught:
        import_file(ready(bench).door, data, file_name="a.csv", profile=PROFILE, actor="ops")
    assert (caught.value.code, caught.value.place) == ("time", "row 2, start")
    assert [entry.row for entry in caught.value.parsed.rejected] == [2, 51]


def test_readings_of_the_future_are_refused(bench: Bench) -> None:
    data = csv(2)
    ended = datetime(2026, 8, 1, tzinfo=UTC)
    with pytest.raises(Refused) as caught:
        import_file(
            ready(bench).door, data, file_name="a.csv", profile=PROFILE, actor="ops",
            received_at=ended - timedelta(minutes=15, seconds=1),
        )  # fmt: skip
    assert (caught.value.code, bench.recorder.max_notification_id()) == ("future_reading", 2)
    done = import_file(
        bench.door, data, file_name="a.csv", profile=PROFILE, actor="ops",
        received_at=ended - timedelta(minutes=15),
    )  # fmt: skip
    assert done.parsed.readings == 384
