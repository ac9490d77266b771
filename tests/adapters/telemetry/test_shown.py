"""Telemetry at the terminal and by the API: values with their quality, and the gaps."""

from __future__ import annotations

import asyncio
import csv
import io
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.telemetry.forwarding import Forwarder
from adapters.telemetry.frame import framed
from adapters.telemetry.outbox import Outbox
from dispatch.devices.quality import Reading
from dispatch.telemetry.gaps import Thinned
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.telemetry.samples import T0, sample

FROM = datetime.fromtimestamp(T0 // 1000, UTC).isoformat().replace("+00:00", "Z")
TO = datetime.fromtimestamp(T0 // 1000 + 60, UTC).isoformat().replace("+00:00", "Z")


def filled(bench: Bench, folder: Path) -> None:
    """1 to 9 without 4 and 5, a turn without an answer, a value that is none and one that is doubted."""
    outbox = Outbox(folder, 1 << 20)
    for number in (1, 2, 3, 6, 7, 8, 9):
        outbox.put(sample(number))
    outbox.put(Sample(device="B1", run="r1", number=10, at_ms=T0 + 10_000, lost="timeout"))
    readings = {"soc": Reading(-247_000, "suspect", "jump"), "active_power": Reading(None, "bad", "torn")}
    others = {"fan": Reading(3)}
    outbox.put(
        Sample(device="B1", run="r1", number=11, at_ms=T0 + 11_000, readings=readings, others=others)  # type: ignore[arg-type]
    )
    outbox.seconds.append(framed(Thinned("B1", "r0", 7, 9, T0 - 5000, T0 + 500, 3)))
    outbox.put(sample(1, device="F"), fast=True)
    asyncio.run(Forwarder(outbox, bench.client, bench.book).turn())
    outbox.close()


def test_at_the_terminal(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(bench, tmp_path)
    run = terminal_of(bench, capsys)
    text = run("telemetry", "B1", "--from", FROM, "--to", TO)
    lines = text.splitlines()
    assert lines[0].endswith("  1  active_power 5001 W, soc 50.000 %, meter_export_wh 10 Wh")
    assert lines[7].endswith("  10  lost: timeout")
    assert lines[8].endswith("soc -247.000 % (suspect: jump), active_power none (bad: torn), fan 3")
    assert [line.partition(":")[0] for line in lines[9:-1]] == ["thinned", "unseen", "lost", "jump"]
    assert "4 to 5 of r1 did not come" in text
    assert lines[-1] == "9 samples"
    rows = list(
        csv.DictReader(io.StringIO(run("telemetry", "B1", "--from", FROM, "--to", TO, "--format", "csv")))
    )
    assert len(rows) == 7 * 3 + 1 + 3 + 4
    (bad,) = [row for row in rows if row["quality"] == "bad"]
    assert (bad["name"], bad["value"], bad["reason"]) == ("active_power", "", "torn")
    newest = run("telemetry", "B1", "--from", FROM, "--to", TO, "--limit", "2")
    assert newest.splitlines()[-1] == "2 samples, and older ones"
    assert "unseen" not in newest, "the gap is before what is shown"
    assert run("telemetry", "F", "--from", FROM, "--to", TO) == "0 samples\n"
    assert run("telemetry", "F", "--fast", "--from", FROM, "--to", TO).endswith("\n1 sample\n")
    assert run("telemetry", "B1") == "0 samples\n", "its samples are not of the last ten minutes"
    with pytest.raises(Refused) as refused:
        run("telemetry", "NOPE")
    assert (refused.value.code, refused.value.place) == ("unknown_device", "name")


def test_by_the_api(bench: Bench, tmp_path: Path) -> None:
    filled(bench, tmp_path)
    with closing(Api(bench)) as api:
        _ask(api)


def _ask(api: Api) -> None:
    found = api.get("/v1/telemetry/B1", "operator", **{"from": FROM, "to": TO}).json()
    assert [one["number"] for one in found["samples"]] == [1, 2, 3, 6, 7, 8, 9, 10, 11]
    assert found["samples"][-1]["readings"]["active_power"][:3] == [None, "bad", "torn"]
    assert [mark["kind"] for mark in found["marks"]] == ["thinned", "unseen", "lost", "jump"]
    assert found["more"] is False
    assert (
        api.get("/v1/telemetry/B1", "operator", **{"from": FROM, "to": TO, "limit": 3}).json()["more"] is True
    )
    problem(api.get("/v1/telemetry/none", "operator"), 404, "unknown_device", "name")
    assert api.get("/v1/telemetry/B1", "operator").json()["samples"] == [], "it was read before"
    problem(api.get("/v1/telemetry/B1", "operator", **{"from": TO, "to": FROM}), 422, "interval")
    problem(api.get("/v1/telemetry/B1", "gateway"), 403, "forbidden")
    fast = api.get("/v1/telemetry/F", "operator", **{"from": FROM, "to": TO, "channel": "fast"}).json()
    assert len(fast["samples"]) == 1
    problem(api.get("/v1/telemetry/B1", "operator", limit=0), 400, "parameter")
