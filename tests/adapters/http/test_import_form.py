"""A form's profile may come as a plain part or as a file, as `curl -F profile=@plain.toml` sends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters.http.conftest import Api, problem

PROFILE = (Path(__file__).parents[3] / "examples/meters/plain.toml").read_bytes()
ROWS = b"meter,register,start,wh\nS1-STORAGE,charge,2026-08-20T00:00:00Z,100\n"


def test_the_profile_may_have_a_filename_and_is_the_same_request(settled: Api) -> None:
    for name, repeated in ((None, None), ("plain.toml", "true")):
        files = {"file": ("readings.csv", ROWS), "profile": (name, PROFILE)}
        done = settled.post("/v1/imports", files=files, key="the-same")
        assert done.status_code == 201, done.text
        assert done.json()["readings"] == 1
        assert done.headers.get("idempotency-replayed") == repeated


@pytest.mark.parametrize(
    ("profile", "code", "place"),
    [(b'format = "xml"', "not_allowed", "line 1, format"), (b"\xfc", "encoding", "line 1")],
)
def test_a_profile_with_a_filename_is_refused_as_any_other(
    settled: Api, profile: bytes, code: str, place: str
) -> None:
    files = {"file": ("readings.csv", ROWS), "profile": ("plain.toml", profile)}
    problem(settled.post("/v1/imports", files=files), 422, code, place)


def test_a_profile_that_stands_there_twice_is_no_form(settled: Api) -> None:
    files = [("file", ("readings.csv", ROWS)), ("profile", (None, PROFILE)), ("profile", (None, PROFILE))]
    problem(settled.post("/v1/imports", files=files), 400, "form", "profile")
