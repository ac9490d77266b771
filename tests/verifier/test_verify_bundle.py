"""The stand-alone verifier, against bundles that nobody but this test's own generator made.

"Flipping any byte of the bundle is rejected or changes no value."
"""

from __future__ import annotations

import ast
import doctest
import gzip
import importlib.util
import io
import json
import random
import re
import subprocess
import sys
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ledger.clauses import FEES
from ledger.clauses.flow import NoticeCode
from ledger.quantity import MINOR_DIGITS
from ledger.readings import FIRM_QUALITIES
from ledger.settlement import statement
from ledger.stream import OF_THE_BILL
from tests.verifier.small_book import (
    ORIGIN,
    SmallBook,
    b64,
    checkpoint,
    key_text,
    leaf_of_document,
    line,
    mth,
    sha,
)

VERIFIER = Path(__file__).parents[2] / "examples/verifier/verify_bundle.py"
PARTIES = ("host", "owner")


@cache
def verifier() -> ModuleType:
    """The file, as a module of its own."""
    spec = importlib.util.spec_from_file_location("verify_bundle", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["verify_bundle"] = module
    spec.loader.exec_module(module)
    return module


def verified(bundle: bytes, earlier: str | None = None) -> list[str]:
    key = verifier().key_of(key_text(), "key")
    told: list[str] = verifier().checked(io.BytesIO(bundle), key, earlier)
    return told


def refusal(bundle: bytes, earlier: str | None = None) -> str:
    """Why the bundle is refused; every refusal names a place."""
    with pytest.raises(verifier().Wrong) as caught:
        verified(bundle, earlier)
    reason = str(caught.value)
    assert re.match(r"(line \d+|event \d+|the tree|--earlier)", reason), reason
    return reason


@cache
def book() -> SmallBook:
    return SmallBook()


@cache
def statement_bundle(party: str) -> bytes:
    return book().statement(party)


@cache
def book_bundle() -> bytes:
    return book().bundle()


def check_rejected(whole: bytes, altered: bytes) -> None:
    """The altered bundle is refused by name, or tells the same."""
    try:
        told = verified(altered)
    except verifier().Wrong:
        return
    assert told == verified(whole)


def test_a_book_is_checked_and_its_amounts_are_shown() -> None:
    told = "\n".join(verified(book_bundle()))
    for count in (
        "11  envelopes",
        "2  settlement runs",
        "1,349  meter readings",
        "4  storage energies recomputed from readings",
        "2  splits by largest remainder",
        "2  parties' documents under their commitments",
        "12  terms that are quantity x price",
    ):
        assert re.search(rf"^ *{re.escape(count)}$", told, re.MULTILINE), (count, told)
    pool = book().second["result"]["pool"]["minor"]
    owner = book().second["result"]["payable"]["owner"]["minor"]
    assert re.search(rf"host .* {pool / 100:.2f} +-{owner / 100:.2f}$", told, re.MULTILINE)
    assert "run 2 (correction 1)" in told


@pytest.mark.parametrize("party", PARTIES)
def test_a_statement_is_checked_by_itself(party: str) -> None:
    told = verified(statement_bundle(party))
    owed = book().second["result"]["payable"][party]["minor"]
    assert told[-1].split() == [
        party,
        *(f"{book().second['result'][name][party]['minor'] / 100:.2f}" for name in ("entitlement", "held")),
        f"{owed / 100:.2f}",
    ]


@pytest.mark.parametrize("up_to", range(1, 12))
def test_a_book_up_to_any_event_is_proved_under_a_later_checkpoint(up_to: int) -> None:
    told = verified(book().bundle(up_to))
    assert f"{up_to:>12,}  envelopes" in told


def test_it_runs_alone_in_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "bundle.jsonl.gz").write_bytes(gzip.compress(book_bundle()))
    (tmp_path / "key").write_text(key_text() + "\n")
    (tmp_path / "kept").write_text(checkpoint(book().leaves[:5]))
    command = [sys.executable, "-I", str(VERIFIER), "bundle.jsonl.gz", "--key", "key", "--earlier", "kept"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"all of it holds, under the signature of {ORIGIN}\n")
    (tmp_path / "bundle.jsonl.gz").write_bytes(gzip.compress(book_bundle())[:-9])
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("REFUSED line ")
    command[3] = "none"
    missing = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (missing.returncode, missing.stderr) == (1, "")


def test_it_imports_nothing_but_the_standard_library_and_one_signature_library() -> None:
    names = set()
    for node in ast.walk(ast.parse(VERIFIER.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    assert names - sys.stdlib_module_names == {"nacl"}


def test_it_knows_what_the_ledger_knows() -> None:
    """What is written down twice, because nothing is shared, is the same."""
    module = verifier()
    assert module.FEES == FEES
    assert module.OF_THE_BILL == OF_THE_BILL
    assert module.MINOR_DIGITS == MINOR_DIGITS
    assert module.FIRM == FIRM_QUALITIES
    assert module.WITHHELD == statement._WITHHELD
    assert module.WITHHELD.keys() == set(NoticeCode.__args__)
    assert set(module.STATEMENT.split()) == set(statement.Statement.__struct_fields__)


# ------------------------------------------------------------------ altered files


@pytest.mark.parametrize("party", PARTIES)
def test_no_byte_of_a_statement_can_be_flipped(party: str) -> None:
    whole, seeds = statement_bundle(party), random.Random(1)
    for at in range(len(whole)):
        altered = bytearray(whole)
        altered[at] ^= seeds.randrange(1, 256)
        check_rejected(whole, bytes(altered))


@pytest.mark.parametrize("seed", range(4))
def test_no_byte_of_a_book_can_be_flipped_removed_or_added(seed: int) -> None:
    whole, seeds = book_bundle(), random.Random(seed)
    readings_end = len(whole) - 70_000
    for _ in range(150):
        at = seeds.randrange(readings_end)
        altered = bytearray(whole)
        match seeds.randrange(3):
            case 0:
                altered[at] ^= seeds.randrange(1, 256)
            case 1:
                del altered[at]
            case _:
                altered.insert(at, seeds.randrange(256))
        with pytest.raises(verifier().Wrong):
            verified(bytes(altered))


def test_no_byte_of_a_compressed_book_changes_a_value() -> None:
    whole, seeds = gzip.compress(book_bundle(), mtime=0), random.Random(3)
    told = verified(gzip.decompress(whole))
    for _ in range(150):
        altered = bytearray(whole)
        altered[seeds.randrange(len(whole))] ^= seeds.randrange(1, 256)
        try:
            with gzip.open(io.BytesIO(bytes(altered))) as file:
                found = verifier().checked(file, verifier().key_of(key_text(), "key"), None)
        except verifier().Wrong:
            continue
        assert found == told


@pytest.mark.parametrize("kind", ["statement", "book"])
def test_no_line_can_be_left_out_doubled_or_moved(kind: str) -> None:
    whole = statement_bundle("host") if kind == "statement" else book_bundle()
    lines = whole.splitlines(keepends=True)
    for at in range(len(lines)):
        refusal(b"".join(lines[:at] + lines[at + 1 :]))
        refusal(b"".join([*lines[: at + 1], lines[at], *lines[at + 1 :]]))
        swapped = [*lines]
        other = (at + 1) % len(lines)
        swapped[at], swapped[other] = swapped[other], swapped[at]
        refusal(b"".join(swapped))
        refusal(b"".join(lines[:at]) + lines[at][:-1])
    refusal(whole + b"{}\n")
    refusal(b"")


def test_a_log_that_another_key_signed_is_refused() -> None:
    stranger = {"seed": b"\x08" * 32}
    reason = refusal(book().bundle(**stranger))
    assert "another log, or another key" in reason
    resigned = book_bundle().splitlines(keepends=True)
    resigned[1] = book().bundle(**stranger).splitlines(keepends=True)[1]
    assert "did not sign" in refusal(b"".join(resigned))
    assert "another log" in refusal(book().bundle(origin="ledger.test/other"))


def test_a_checkpoint_of_other_events_is_refused() -> None:
    other = SmallBook()
    other.add("party.P2", kind="party.registered.v1")
    lines = book_bundle().splitlines(keepends=True)
    lines[1] = other.bundle().splitlines(keepends=True)[1]
    refusal(b"".join(lines))
    shorter = statement_bundle("host").splitlines(keepends=True)
    shorter[1] = line({"checkpoint": checkpoint(book().leaves[:10])}) + b"\n"
    assert "line 4: the path" in refusal(b"".join(shorter))


def test_a_book_goes_on_from_what_was_kept_or_is_refused() -> None:
    leaves = book().leaves
    for size in range(1, 12):
        verified(book_bundle(), checkpoint(leaves[:size]))
        forked = [*leaves[: size - 1], sha(b"another")]
        assert "split view" in refusal(book_bundle(), checkpoint(forked))
    assert "before yours" in refusal(book_bundle(), checkpoint([*leaves, leaves[0]]))
    verified(statement_bundle("host"), checkpoint(leaves[:9]))
    assert "--earlier" in refusal(statement_bundle("host"), checkpoint(leaves[:8]))


# ------------------------------------------------------------------ an operator who signs what is wrong


def rewritten(made: SmallBook, sequence: int, change: Any) -> SmallBook:
    """The book with one envelope that says something else; its chains hold."""
    again = SmallBook.__new__(SmallBook)
    again.envelopes, again._last = [], {}
    again.documents, again.opened, again.second = made.documents, made.opened, made.second
    for at, envelope in enumerate(made.envelopes, 1):
        header, state = (json.loads(part) for part in envelope.split(b"\n"))
        event = state["events"][0]
        if at == sequence:
            change(event)
        again.add(header["aggregate"], **event)
    return again


def changed(sequence: int, change: Any) -> bytes:
    """A book's bundle with one envelope that says something else, signed by the log itself."""
    return rewritten(SmallBook(), sequence, change).bundle()


def in_result(change: Any) -> Any:
    """A change of the result, whose digest is made right again."""

    def apply(event: Any) -> None:
        result = event["run"]["result"]
        change(event["run"])
        ordered = {name: dict(sorted(result[name].items())) for name in ("entitlement", "held", "payable")}
        text = json.dumps({**result, "position": 0, **ordered}, separators=(",", ":"), ensure_ascii=False)
        event["run"]["outputs_digest"] = sha(text.encode()).hex()

    return apply


def _amount(line_number: int, by: int) -> Any:
    def change(run: Any) -> None:
        run["result"]["lines"][line_number - 1]["amount"]["minor"] += by

    return change


def _set(*where: Any, value: Any) -> Any:
    def change(run: Any) -> None:
        found = run
        for name in where[:-1]:
            found = found[name]
        found[where[-1]] = value

    return change


def _unbalanced(run: Any) -> None:
    result = run["result"]
    for name in ("entitlement", "payable"):
        result[name]["owner"]["minor"] += 1


def _moved_unit(run: Any) -> None:
    """A minor unit from one party to the other, everywhere: only the largest remainder is against it."""
    result = run["result"]
    for at, (party, by) in enumerate((("host", -1), ("owner", 1)), 1):
        one = result["lines"][at]
        one["amount"]["minor"] += by
        rounding = Fraction(one["amount"]["minor"], 100) - Fraction(one["exact"])
        one["rounding"] = f"{rounding.numerator}/{rounding.denominator}"
        for name in ("entitlement", "payable"):
            result[name][party]["minor"] += by


WRONG_RUNS = {
    "a line's amount": (_amount(1, 1), "rounding"),
    "a digest": (None, "digest"),
    "an exact amount": (_set("result", "lines", 0, "exact", value="1"), "rounding"),
    "a term's price": (_set("result", "lines", 0, "basis", 0, "price", value="0.6"), "0.6 is not"),
    "a term": (_set("result", "lines", 0, "basis", value=[]), "arbitrage|Wh discharged"),
    "the pool": (_set("result", "pool", "minor", value=1), "not its streams' sum"),
    "what a clause divides": (
        _set("result", "lines", 1, "basis", 0, "quantity", value="1.00"),
        "1.00|divides",
    ),
    "totals": (_unbalanced, "its lines say"),
    "a unit moved": (_moved_unit, "largest remainders"),
    "the delta": (_set("delta", "owner", "minor", value=1), "delta"),
    "the number": (_set("number", value=3), "run 3 after 1"),
    "the kind": (_set("kind", value="initial"), "correction 1 is due"),
    "the month": (_set("result", "month", "month", value=3), "another month"),
    "a party": (_set("result", "lines", 2, "party", value="stranger"), "stranger"),
    "who sees the pool": (_set("result", "sees_pool", value=["owner", "host"]), "others see the pool"),
    "the title": (_set("result", "title", value="Another"), "title"),
    "a source": (_set("result", "sources", 3, "sequences", value=[[4, 4]]), "which are of meter.M1"),
    "a later source": (_set("result", "sources", 3, "sequences", value=[[9, 9]]), "not there"),
    "no contract": (_set("result", "sources", 0, "sequences", value=[[3, 3]]), "which are of site.S1"),
    "a clause": (_set("result", "lines", 1, "clause", value="clause 2, remainder_split"), "divides"),
    "a position": (_set("result", "position", value=8), "later position"),
    "a currency": (_set("result", "currency", value="XXX"), "XXX"),
    "a missing field": (lambda run: run["result"].pop("agent_parts"), "agent_parts|parties' documents"),
    "a wrong type": (_set("result", "lines", value=7), "not as the format says"),
    "a list for an object": (_set("result", "entitlement", value=[]), "not as the format says"),
}


@pytest.mark.parametrize("name", WRONG_RUNS)
def test_a_wrong_run_is_refused_although_the_log_signed_it(name: str) -> None:
    change, reason = WRONG_RUNS[name]
    if change is None:
        altered = changed(8, lambda event: event["run"].update(outputs_digest="00" * 32))
    else:
        try:
            altered = changed(8, in_result(change))
        except (TypeError, AttributeError):
            altered = changed(8, lambda event: change(event["run"]))
    found = refusal(altered)
    assert found.startswith(("line 17, event 8", "line 19, event 8", "event 9")), found
    assert re.search(reason, found), found


def test_energies_that_the_meters_did_not_read_are_refused() -> None:
    late = {"wh": b64(b"\x00" * 12)}
    assert "its meters read" in refusal(changed(7, lambda event: event["runs"][0].update(late)))
    firm = {"quality": "A"}
    assert "its meters read" in refusal(changed(7, lambda event: event["runs"][1].update(firm)))
    short = {"wh": b64(b"\x00" * 4)}
    assert "readings are missing" in refusal(changed(5, lambda event: event["runs"][1].update(short)))
    negative = {"wh": b64(b"\xff" * 12)}
    assert "negative" in refusal(changed(7, lambda event: event["runs"][0].update(negative)))


@pytest.mark.parametrize("shorter", [{"effective_to": "2026-02-28"}, {"effective_from": "2026-02-02"}])
def test_energies_are_those_of_the_contracts_days(shorter: dict[str, str]) -> None:
    of_its_days = changed(1, lambda event: event["contract"].update(shorter))
    assert "and its meters read" in refusal(of_its_days)


def test_a_commitment_to_other_documents_is_refused() -> None:
    assert "its root is not" in refusal(changed(10, lambda event: event.update(secret="11" * 32)))
    assert "its secret is missing" in refusal(changed(10, lambda event: event.update(run=1)))
    assert "of another run" in refusal(changed(9, lambda event: event.update(recorded_by=6)))
    assert "parties" in refusal(changed(9, lambda event: event.update(parties=3)))


def _other_partys_line(told: Any) -> None:
    told["statement"]["lines"][0]["party"] = "owner"


def _other_payable(told: Any) -> None:
    told["statement"]["payable"]["minor"] += 1


def _unknown_field(told: Any) -> None:
    told["statement"]["extra"] = 1


def _other_sum(told: Any) -> None:
    told["others"]["sum"] = "0.00"


@pytest.mark.parametrize(
    ("party", "change", "reason"),
    [
        ("host", _other_partys_line, "somebody else's"),
        ("host", _other_payable, "payable of host"),
        ("host", _unknown_field, "'extra' is not a field"),
        ("owner", _other_sum, "the pool is not"),
    ],
)
def test_a_wrong_document_is_refused_although_it_was_committed_to(
    party: str, change: Any, reason: str
) -> None:
    made = SmallBook()
    told = json.loads(made.documents[party])
    change(told)
    made.documents[party] = line(told)
    made.opened = [leaf_of_document(one, made.documents[one]) for one in PARTIES]
    root = mth(made.opened).hex()
    again = rewritten(made, 9, lambda event: event.update(root=root))
    assert reason in refusal(again.statement(party))


@pytest.mark.parametrize("seed", range(3))
def test_malformed_lines_are_refused_in_words(seed: int) -> None:
    """Whatever a line is replaced by, no traceback comes of it."""
    seeds = random.Random(seed)
    odd: list[Any] = [None, [], {}, 0, -1, 10**30, "", "x", "\u0000", True, [[]], {"a": {}}, "1/0", "٣"]
    for whole in (statement_bundle("owner"), book_bundle()):
        lines = whole.splitlines()
        for at in range(min(len(lines), 18)):
            body = json.loads(lines[at])
            for name in [*body, "new"]:
                altered = [*lines]
                altered[at] = line({**body, name: seeds.choice(odd)})
                if altered[at] != lines[at]:
                    refusal(b"".join(one + b"\n" for one in altered))
    deep = b'{"checkpoint":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for bad in (
        deep,
        b"\xff",
        b'{"checkpoint":1.5}',
        b'{"checkpoint":NaN}',
        b'{"a":1,"a":1}',
        b'{"a":"\\ud800"}',
        b"7" * 5000,
    ):
        lines = book_bundle().splitlines()
        lines[1] = bad
        assert refusal(b"\n".join(lines) + b"\n").startswith("line 2")


def test_a_line_without_an_end_is_not_read_to_it(tmp_path: Path) -> None:
    """A few bytes that decompress to more than there is memory for: refused by their length."""
    bomb, key = tmp_path / "bomb.jsonl.gz", tmp_path / "key"
    key.write_text(key_text() + "\n")
    with gzip.open(bomb, "wb", compresslevel=1) as out:
        for _ in range(80):
            out.write(b" " * (1 << 24))
    limit = "import resource,sys; resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20));"
    runs = f"{limit} import runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", runs, str(VERIFIER), str(bomb), "--key", str(key)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "REFUSED line 1: the line has more than 67,108,864 bytes\n"


def test_the_example_of_the_format_is_right() -> None:
    found = doctest.testfile(str(VERIFIER.parents[2] / "docs/bundle-format.md"), module_relative=False)
    assert (found.attempted, found.failed) == (7, 0)
