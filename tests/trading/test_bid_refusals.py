"""docs/bid-refusals.md has every code that trading refuses with, each once, and so has docs/refusals.md."""

from __future__ import annotations

import ast
import fnmatch
import re
from pathlib import Path

from tests.adapters.http.test_refusals import CODE_AT, _functions, _own, codes_of, documented

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/bid-refusals.md").read_text(encoding="utf-8")
STAGES = (
    "names",
    "form",
    "gate",
    "state",
    "feasibility",
    "exclusivity",
    "risk",
    "approval",
    "market",
)


def listed(part: str) -> list[str]:
    """The codes of a table, from the first cell that has any."""
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
    cells = [next((cell for cell in row if cell.startswith("`")), "") for row in rows]
    return [code for cell in cells for code in re.findall(r"`([a-z_]+)`", cell)]


BIDS, AROUND = (listed(part) for part in TEXT.split("## Around bids"))


def raised() -> set[str]:
    """What the files of trading refuse with."""
    found: set[str] = set()
    for file in sorted((ROOT / "trading").glob("*.py")):
        for scope in _functions(ast.parse(file.read_text(encoding="utf-8"))):
            for node in _own(scope):
                if isinstance(node, ast.Call):
                    at = CODE_AT.get(getattr(node.func, "attr", "") or getattr(node.func, "id", ""))
                    if at is not None and len(node.args) > at:
                        found |= codes_of(scope, node.args[at])
    return found


def test_each_code_that_trading_refuses_with_is_listed() -> None:
    found = raised()
    assert len(found) > 40, "the search works"
    everywhere = {*BIDS, *AROUND}
    missing = [code for code in sorted(found) if not fnmatch.filter(everywhere, code)]
    assert not missing, "add these to docs/bid-refusals.md"
    known = documented()
    missing = [code for code in sorted(found) if not fnmatch.filter(known, code)]
    assert not missing, "add these to docs/refusals.md"


def test_each_code_stands_once_and_its_stages_are_in_order() -> None:
    assert len(BIDS) == len(set(BIDS))
    assert len(AROUND) == len(set(AROUND))
    assert not set(BIDS) & set(AROUND)
    stages = re.findall(r"^\| (\w+) \| `", TEXT, re.MULTILINE)
    assert list(dict.fromkeys(stages)) == list(STAGES)
    assert stages == sorted(stages, key=STAGES.index)


def test_the_form_is_listed_in_the_order_in_which_it_is_checked() -> None:
    """The codes in `check_bid` and its checks, in the order of the source, against the list."""
    tree = ast.parse((ROOT / "trading/bid_form.py").read_text(encoding="utf-8"))
    docstring = ast.get_docstring(next(n for n in tree.body if isinstance(n, ast.FunctionDef)))
    assert docstring is not None
    named = re.findall(r"`([a-z_]+)`", docstring.partition("Raises:")[2])
    form = re.findall(r"^\| form \| `([a-z_]+)` \|", TEXT, re.MULTILINE)
    assert named == form
