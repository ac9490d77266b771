"""A statement as a file carries its proof and its party's name, for as long as that can be read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.documents.language import LANGUAGES, Wording
from adapters.integrity.published import check_statements
from adapters.queries import statements
from adapters.replay import replay
from adapters.settling import lowest_position
from ledger.party import Party, RegisterParty
from ledger.personal.details import ERASED, Details
from ledger.transparency.checkpoint import Checkpoint
from ledger.transparency.note import Note
from tests.adapters.conftest import Bench
from tests.adapters.documents.sample import Workbook, pdf_pages
from tests.adapters.http.conftest import HOST, Api, problem
from tests.adapters.sample import FROM_2026
from tests.adapters.test_settling import filled

STATEMENT = f"/v1/statements/eaas-s1/2026-08/{HOST}"
NAME = "Zhao Liu 赵六"


def file(api: Api, format: str, **more: object) -> bytes:
    answer = api.get(f"{STATEMENT}/document", "partner", format=format, language="zh", **more)
    assert answer.status_code == 200, answer.text
    return answer.content


def proof_cells(api: Api, **more: object) -> list[str]:
    book = Workbook(file(api, "xlsx", **more))
    return [str(value) for value in book.column(Wording("zh").label("heading", "proof"), "B")]


def paper(api: Api) -> str:
    return "".join("".join(pdf_pages(file(api, "pdf"))).split())


def test_a_file_s_proof_is_the_one_that_the_api_gives(settled: Api) -> None:
    proof = settled.get(STATEMENT, "partner").json()["proof"]
    cells = proof_cells(settled)
    for name in ("leaf", "root"):
        assert proof[name] in cells
        assert proof[name] in paper(settled)
    assert all(node in cells for node in proof["path"])
    assert Note.parse(cells[-1].encode()).text == Note.parse(proof["checkpoint"].encode()).text


def test_a_file_is_the_same_bytes_however_the_log_grows(settled: Api) -> None:
    before = {kind: file(settled, kind) for kind in ("pdf", "xlsx")}
    settled.bench.door.execute(
        RegisterParty(FROM_2026, Party("later", "Later")), command_id="grow", actor="test"
    )
    settled.wait()
    settled.published.sign()
    assert {kind: file(settled, kind) for kind in before} == before


def test_as_of_then_no_later_checkpoint_is_shown(settled: Api) -> None:
    answer = settled.get(STATEMENT, "partner").json()
    size = Checkpoint.parse(Note.parse(answer["proof"]["checkpoint"].encode()).text).size
    event = answer["proof"]["sequence"]
    not_signed = Wording("zh").label("proof", "not_signed")
    assert not_signed not in proof_cells(settled, as_of=size)
    if event < size:
        assert not_signed in proof_cells(settled, as_of=event)


@pytest.fixture
def unsettled(bench: Bench) -> Iterator[Api]:
    filled(bench)
    made = Api(bench)
    yield made
    made.close()


def test_an_erased_person_is_a_marker_on_every_file_and_nothing_else_changes(unsettled: Api) -> None:
    api, bench = unsettled, unsettled.bench
    missing = {"effective_from": "2026-09-01T00:00:00+08:00", "document": {"id": HOST, "name": "Host 17"}}
    missing["document"]["person"] = "u17"  # type: ignore[index]
    problem(api.post("/v1/parties", missing), 422, "unknown_person", "party.person")
    api.people.register("u17", Details(name=NAME), actor="ada")
    named = RegisterParty(FROM_2026, Party(HOST, "Host 17", "u17"))
    bench.door.execute(named, command_id="named", actor="ada")
    done = api.post("/v1/settlements", {"month": "2026-08"}, role="finance")
    assert done.status_code == 201, done.text
    api.wait()
    assert "赵六" in paper(api)
    assert f"{NAME} ({HOST})" in Workbook(file(api, "xlsx")).everything
    with bench.database.owning() as connection:
        rows = connection.execute("SELECT payload FROM ledger.envelope").fetchall()
    assert not [row for row in rows if NAME.encode() in bytes(row[0])], "no event has the name"

    api.people.erase("u17", "asked for it", actor="ada")
    api.wait()
    for language in LANGUAGES:
        answer = api.get(f"{STATEMENT}/document", "partner", format="pdf", language=language)
        text = "".join("".join(pdf_pages(answer.content)).split())
        assert f"{ERASED}({HOST})" in text
        assert "赵六" not in text
    book = Workbook(file(api, "xlsx"))
    assert f"{ERASED} ({HOST})" in book.everything
    assert "赵六" not in book.everything
    with bench.database.reading(bench.book) as connection:
        found = statements.latest(connection, lowest_position(connection), party=HOST)
    check_statements(bench.database, bench.book, found)
    assert api.get(STATEMENT, "partner").json()["proof"] is not None
    assert replay(bench.log, bench.database).equal
    problem(api.post("/v1/parties", missing), 422, "person_erased", "party.person")
