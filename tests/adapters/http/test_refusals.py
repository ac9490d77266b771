"""docs/refusals.md lists every code that the source refuses with, and no other."""

from __future__ import annotations

import ast
import fnmatch
import re
from collections import deque
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("ledger", "trading", "dispatch", "adapters")
CODE_AT = {"Refused": 0, "refusal": 0, "BadRequest": 0, "Unkept": 0}
"""What refuses, and which of its arguments is the code."""

CODE_AT_IN = {
    "adapters/meters/assembly.py": {"_drop": 1, "_note": 1, "Finding": 2},
    "adapters/meters/csv_long.py": {"Finding": 2},
    "adapters/meters/csv_wide.py": {"Finding": 2},
    "adapters/meters/gateway_json.py": {"Finding": 2},
    "adapters/meters/nem12.py": {"Finding": 2},
    "adapters/http/problem.py": {"_answer": 1},
    "adapters/settling.py": {"NotSettled": 2},
    "ledger/streams/regulation_market.py": {"laid_out": 2, "refuse_first": 2},
    "ledger/streams/regulation_settlement.py": {"laid_out": 2, "refuse_first": 2},
    "ledger/vat_terms.py": {"_same_names": 2},
}
"""What refuses in one file only; another file may have another thing of that name."""

_CODE = re.compile(r"[a-z][a-z0-9_]*")
_PASSED_ON = re.compile(r"\w+\.code")
"""An expression that hands on the code of what was refused elsewhere: `refused.code`."""
_REFUSES = {*CODE_AT, *(name for names in CODE_AT_IN.values() for name in names)}


def documented() -> list[str]:
    text = (ROOT / "docs/refusals.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([a-z0-9_]+)` \|", text, re.MULTILINE)


@cache
def calls() -> tuple[tuple[str, ast.AST, ast.expr], ...]:
    """Where, in what function, and with which expression as its code something is refused."""
    return tuple(_calls())


def _calls() -> Iterator[tuple[str, ast.AST, ast.expr]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            file = path.relative_to(ROOT).as_posix()
            code_at = CODE_AT | CODE_AT_IN.get(file, {})
            for scope in _functions(tree):
                for node in _own(scope):
                    if isinstance(node, ast.Call):
                        name = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
                        at = code_at.get(name)
                        if at is not None and len(node.args) > at:
                            yield f"{file}:{node.lineno}", scope, node.args[at]


def _functions(tree: ast.AST) -> Iterator[ast.AST]:
    yield tree
    yield from (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions in it."""
    found = deque(ast.iter_child_nodes(scope))
    while found:
        node = found.popleft()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            found.extend(ast.iter_child_nodes(node))


def codes_of(scope: ast.AST, code: ast.expr) -> set[str]:
    """The codes that an expression may be, `*` for what it puts in; empty for one that hands a code on."""
    match code:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp(body=body, orelse=orelse):
            return codes_of(scope, body) | codes_of(scope, orelse)
        case ast.JoinedStr(values=parts):
            return {"".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)}
        case ast.Name(id=name):
            return {text for value in _assigned(scope, name) for text in codes_of(scope, value)}
        case _:
            return set()


def _assigned(scope: ast.AST, name: str) -> Iterator[ast.expr]:
    """What a function gives to a name, alone or among others, or in turn in a loop."""
    for node in _own(scope):
        if isinstance(node, ast.Assign):
            yield from _given(node.targets[0], node.value, name)
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple):
            for value in node.iter.elts:
                yield from _given(node.target, value, name)


def _given(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = zip(target.elts, value.elts, strict=True)
        yield from (given for to, given in pairs if isinstance(to, ast.Name) and to.id == name)


def handed_on(scope: ast.AST, code: ast.expr) -> bool:
    """Whether the code is read off elsewhere: `refused.code`, or the `code` that a listed function takes."""
    text = ast.unparse(code)
    known = getattr(scope, "name", "") in _REFUSES
    return bool(_PASSED_ON.fullmatch(text)) or (text == "code" and known)


def test_every_code_is_documented_and_no_other() -> None:
    codes: set[str] = set()
    unclear: list[str] = []
    for place, scope, expression in calls():
        found = codes_of(scope, expression)
        codes |= found
        if not found and not handed_on(scope, expression):
            unclear.append(f"{place}: {ast.unparse(expression)}")
    assert not unclear, "write the code where it is refused, so that it can be read off"
    assert len(codes) > 100, "the search works"
    table = documented()
    missing = [code for code in sorted(codes) if not fnmatch.filter(table, code)]
    assert not missing, "add these to docs/refusals.md"
    gone = [code for code in table if not any(fnmatch.fnmatchcase(code, raised) for raised in codes)]
    assert not gone, "no source refuses with these any more"


def test_the_search_finds_codes_however_they_are_written() -> None:
    scope = ast.parse("code, at = 'a', 1\nother = 'b' if at else 'c'\nthird = refused.code")
    scope.body += ast.parse("for fourth, was in (('e', 1), ('f', 2)): ...").body
    cases = [
        ("code", {"a"}),
        ("other", {"b", "c"}),
        ("'d'", {"d"}),
        ("third", set()),
        ("fourth", {"e", "f"}),
        ("f'x_{y}'", {"x_*"}),
    ]
    for text, found in cases:
        assert codes_of(scope, ast.parse(text, mode="eval").body) == found
    places = [place for place, _, _ in calls()]
    refuses = ast.parse("def refuse_first(code): ...\ndef unlisted(code): ...").body
    parameter = ast.parse("code", mode="eval").body
    assert [handed_on(scope, parameter) for scope in refuses] == [True, False]
    for file in ("adapters/meters/assembly.py", "adapters/http/problem.py", "ledger/contract.py"):
        assert any(place.startswith(file) for place in places), file


def test_the_table_is_in_order_and_names_each_code_once() -> None:
    text = (ROOT / "docs/refusals.md").read_text(encoding="utf-8")
    first = re.findall(r"^\| `([a-z0-9_]+)` \|", text.partition("## Not about")[0], re.MULTILINE)
    assert first == sorted(set(first))
    assert len(documented()) == len(set(documented()))
    assert all(_CODE.fullmatch(code) for code in documented())
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert all(len([cell for cell in row.strip("|").split("|") if cell.strip()]) == 3 for row in rows)
