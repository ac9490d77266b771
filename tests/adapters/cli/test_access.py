"""Keys, prices and reports at a terminal: what is there is told, and nothing secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.refusal import Refused
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api
from tests.adapters.test_settling import filled

PRICES = Path(__file__).parents[3] / "examples" / "prices"


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    filled(bench)
    api = Api(bench)
    yield terminal_of(bench, capsys)
    api.close()


def granted(run: Terminal, *arguments: str) -> tuple[str, str]:
    found = re.fullmatch(r"key     (\S+)\nsecret  (\S+)\n", run("key", "grant", *arguments))
    assert found is not None
    return found[1], found[2]


def test_keys_are_listed_without_their_secrets(run: Terminal) -> None:
    first, secret = granted(run, "--role", "finance", "--actor", "ada")
    second, other = granted(run, "--role", "partner", "--actor", "clerk", "--party", HOST)
    listed = run("key", "list")
    assert re.fullmatch(
        rf"{first} +finance +ada +2026-09-01T00:\d\d:\d\dZ\n"
        rf"{second} +partner +clerk +2026-09-01T00:\d\d:\d\dZ  reads {HOST}\n"
        r"2 keys in force\n",
        listed,
    ), "in the order in which they were made"
    run("key", "revoke", first)
    assert first not in run("key", "list")
    everything = run("key", "list", "--all")
    assert re.search(rf"^{first} .*  revoked$", everything, re.MULTILINE)
    assert everything.endswith("1 key in force\n")
    assert not any(text in listed + everything for text in (secret, other, "sha256"))


def test_prices_given_twice_are_registered_once(run: Terminal, bench: Bench) -> None:
    file = next(PRICES.glob("*.csv"))
    command = ("register", "prices", str(file), "--market", "m", "--node", "n")
    assert ", 0 known already\n" in run(*command)
    before = bench.recorder.max_notification_id()
    assert run(*command).endswith(": registered already, nothing is new\n")
    assert bench.recorder.max_notification_id() == before


def test_a_report_s_text_is_in_the_language_of_a_statement_s(run: Terminal) -> None:
    run("settle", "2026-08")
    told = run("report", "2026-08")
    assert told == run("report", "2026-08", "--language", "en")
    assert told != run("report", "2026-08", "--language", "zh")
    assert not re.search(r"[一-鿿]", run("statement", "2026-08"))


def test_a_report_s_file_is_named_as_its_content(run: Terminal, tmp_path: Path) -> None:
    run("settle", "2026-08")
    with pytest.raises(Refused, match=r"end in \.json"):
        run("report", "2026-08", "--format", "json", "--out", str(tmp_path / "README.md"))
    file = tmp_path / "report.json"
    write = ("report", "2026-08", "--format", "json", "--out", str(file))
    assert run(*write) == run(*write), "the same content again is no change"
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(Refused) as caught:
        run(*write)
    assert (caught.value.code, file.read_text(encoding="utf-8")) == ("output_exists", "mine")


def test_what_if_tells_the_digests_and_whether_all_is_identical(run: Terminal, tmp_path: Path) -> None:
    run("settle", "2026-08")
    same = run("what-if", "eaas-s1", "2026-08", "2026-08")
    assert re.search(r"^  identical to run 1: inputs [0-9a-f]{16}, outputs [0-9a-f]{16}$", same, re.MULTILINE)
    text = (PRICES.parent / "contracts/eaas-s1.toml").read_text(encoding="utf-8")
    other = tmp_path / "other.toml"
    other.write_text(text.replace('host-s1 = "70%", operator = "30%"', 'host-s1 = "60%", operator = "40%"'))
    differs = run("what-if", "eaas-s1", "2026-08", "2026-08", "--instead", str(other))
    for label in ("inputs ", "outputs"):
        found = re.search(
            rf"^  {label}  run 1 ([0-9a-f]{{16}}), hypothetical ([0-9a-f]{{16}})$", differs, re.MULTILINE
        )
        assert found is not None
        assert found[1] != found[2]
        assert found[1] in same
    assert "identical" not in differs
