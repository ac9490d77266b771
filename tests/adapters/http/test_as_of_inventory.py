"""Every route that reads is in docs/as-of.md or takes both axes of time: a new one cannot be silent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.adapters.http.as_of_questions import routes
from tests.adapters.http.conftest import CONTRACT, Api, problem

PAGE: Final = (Path(__file__).parents[3] / "docs/as-of.md").read_text(encoding="utf-8")
EFFECTIVE: Final = (
    {"effective"},
    {"month"},
    {"day"},
    {"first_day", "last_day"},
    {"from", "to"},
    {"start", "end"},
)
"""The parameters by which a route asks for effective time."""


def listed(title: str) -> set[str]:
    """The routes in the table under the sentence or heading that holds `title`."""
    after = PAGE.partition(title)[2].partition("\n| route")[2]
    table = re.match(r"(?:.*\|\n)+", after)
    assert table is not None, title
    return set(re.findall(r"^\| `(/v1/[^`]+)`", table[0], re.MULTILINE))


def test_every_route_that_reads_answers_as_of_or_says_why_not(settled: Api) -> None:
    found = {path: {one["name"]: one for one in given} for path, given in routes(settled).items()}
    without = {path for path, given in found.items() if "as_of" not in given}
    assert without == listed("What does not answer as of a moment")
    recorded_only = {
        path
        for path, given in found.items()
        if "as_of" in given and not any(names <= given.keys() for names in EFFECTIVE)
    }
    assert recorded_only == listed("These have recorded time only")
    for path, given in found.items():
        for name, said in (("as_of", "recorded time"), ("effective", "effective time")):
            if name in given:
                assert said in given[name]["description"], f"{path} does not say what {name} means"


def ids(api: Api, path: str, **parameters: object) -> list[tuple[str, int]]:
    answer = api.get(path, "auditor", **parameters)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return [(one["id"], one["version"]) for one in body.get("items", body.get("versions"))]


def test_the_version_that_holds_then_as_it_was_known_then(settled: Api) -> None:
    """Two axes: version 2 of a party holds for June alone and was recorded last."""
    first, second = (
        settled.post(
            "/v1/parties",
            {"effective_from": start, "effective_to": end, "document": {"id": "P9", "name": name}},
            "finance",
        ).json()["sequence"]
        for name, start, end in (
            ("before", "2025-12-31T16:00:00Z", None),
            ("June", "2026-05-31T16:00:00Z", "2026-06-30T16:00:00Z"),
        )
    )
    settled.wait()
    path = "/v1/parties/P9"
    for effective, version in (("2026-05-31", 1), ("2026-06-01", 2), ("2026-06-30", 2), ("2026-07-01", 1)):
        assert ids(settled, path, effective=effective) == [("P9", version)]
        assert ids(settled, path, effective=effective, as_of=first) == [("P9", 1)]
        assert ("P9", version) in ids(settled, "/v1/parties", effective=effective, as_of=second)
    assert ids(settled, path, effective="2026-05-31T15:59:59Z") == [("P9", 1)]
    assert ids(settled, path, effective="2025-12-31") == []
    assert "P9" not in dict(ids(settled, "/v1/parties", effective="2025-12-31"))
    problem(settled.get(path, effective="2026-02-30"), 400, "instant", "effective")
    problem(settled.get(path, effective="June"), 400, "instant", "effective")
    problem(settled.get("/v1/parties/P8", effective="2026-06-01"), 404, "unknown_party")


def test_a_contract_holds_by_its_own_days(settled: Api) -> None:
    """A newer version replaces for good: after it ended the older one does not hold again."""
    path = f"/v1/contracts/{CONTRACT.id}"
    versions = settled.get(path, "finance").json()["versions"]
    document = versions[-1]["document"] | {"effective_from": "2026-10-01", "effective_to": "2026-12-01"}
    assert settled.post("/v1/contracts", document, "finance").status_code == 201
    settled.wait()
    for day, held in (("2026-09-30", [1]), ("2026-10-01", [2]), ("2026-11-30", [2]), ("2026-12-01", [])):
        assert [version for _, version in ids(settled, path, effective=day)] == held, day
        assert [version for _, version in ids(settled, "/v1/contracts", effective=day)] == held, day


def test_a_position_at_a_posting_day(settled: Api) -> None:
    """The trial balance up to a day is the sum of the journal's entries up to it."""
    entries = settled.get("/v1/journal", "finance").json()["entries"]
    posted = {one["posted_on"] for one in entries}
    (day,) = {one for one in posted if one.startswith("2026-08")}
    for effective, count in (("2026-08-30", 0), (day, len(entries))):
        until = settled.get("/v1/journal", "finance", effective=effective).json()["entries"]
        assert len(until) == count
    balance = {
        effective: settled.get("/v1/trial-balance", "finance", month="2026-08", effective=effective).json()
        for effective in ("2026-08-30", day)
    }
    assert balance["2026-08-30"]["debit"] == "0.00" != balance[day]["debit"]
    assert balance[day]["rows"] == settled.get("/v1/trial-balance", "finance", month="2026-08").json()["rows"]
    answer = settled.get("/v1/trial-balance", "finance", month="2026-08", effective="2026-09-01")
    problem(answer, 422, "effective_day", "effective")


def test_days_are_counted_to_the_moment_asked_for(settled: Api) -> None:
    """As of an instant the day is that instant's, where the book is kept; today it is the clock's."""
    position = settled.bench.recorder.max_notification_id()
    then = settled.bench.now
    before = settled.get("/v1/receivables", "finance", as_of=position).json()
    settled.bench.now = then.replace(month=11)
    assert settled.get("/v1/receivables", "finance").json()["today"] == "2026-11-01"
    assert settled.get("/v1/receivables", "finance", as_of=then.isoformat()).json()["today"] == "2026-09-01"
    assert settled.get("/v1/receivables", "finance", as_of=position).json() == before
    late = settled.get("/v1/receivables", "finance", as_of=position, effective="2027-01-01").json()
    assert late["today"] == "2027-01-01"


def test_a_key_of_today_reads_what_was_known_before_it_was_granted(settled: Api) -> None:
    """Access rights are always today's: neither earlier nor later ones are looked up as of then."""
    position = settled.bench.recorder.max_notification_id()
    settled.secrets.pop("auditor", None)
    answer = settled.get("/v1/keys", "auditor", as_of=position)
    assert answer.status_code == 200
    actors = {one["actor"] for one in answer.json()["items"]}
    now = settled.get("/v1/keys", "auditor").json()["items"]
    (new,) = [one for one in now if one["sequence"] > position]
    assert new["role"] == "auditor"
    assert new["actor"] not in actors
    revoked = settled.post(f"/v1/keys/{new['key_id']}/revoke", role="admin")
    assert revoked.status_code == 201, revoked.text
    settled.wait()
    assert settled.get("/v1/parties", "auditor", as_of=position).status_code == 401
    listed_then = settled.get("/v1/keys", "admin", as_of=new["sequence"]).json()["items"]
    assert [one["revoked"] for one in listed_then if one["key_id"] == new["key_id"]] == [False]
    settled.secrets.pop("auditor")
