"""docs/refusals.md lists every code that the source refuses with, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("ledger", "trading", "dispatch", "adapters")
RAISERS = {"Refused", "refusal", "BadRequest"}
_CODE = re.compile(r"[a-z][a-z0-9_]*")


def documented() -> list[str]:
    text = (ROOT / "docs/refusals.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([a-z0-9_]+)` \|", text, re.MULTILINE)


def sources() -> Iterator[ast.Module]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield ast.parse(path.read_text(encoding="utf-8"))


def raised(tree: ast.Module) -> Iterator[str]:
    """The codes of `Refused("code", ...)` and of what refuses by the same rule."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            code = node.args[0]
            if name in RAISERS and isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield code.value


def test_every_code_is_documented_and_no_other() -> None:
    trees = list(sources())
    codes = {code for tree in trees for code in raised(tree)}
    assert len(codes) > 100, "the search works"
    table = documented()
    assert not codes - set(table), "add these to docs/refusals.md"
    texts = {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    phrases = {"not_found", "method_not_allowed", "request_entity_too_large"}
    gone = [code for code in table if code not in texts | phrases and not code.startswith("unknown_")]
    assert not gone, "no source says these any more"


def test_the_table_is_in_order_and_names_each_code_once() -> None:
    text = (ROOT / "docs/refusals.md").read_text(encoding="utf-8")
    first = re.findall(r"^\| `([a-z0-9_]+)` \|", text.partition("## Not about")[0], re.MULTILINE)
    assert first == sorted(set(first))
    assert len(documented()) == len(set(documented()))
    assert all(_CODE.fullmatch(code) for code in documented())
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert all(len([cell for cell in row.strip("|").split("|") if cell.strip()]) == 3 for row in rows)
