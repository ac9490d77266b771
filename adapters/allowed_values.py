"""What a type allows at a decoder's path: the values of a closed list, the fields of a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import inspect

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\.\.\.|\d+)\]")


def values_at(kind: Any, path: str, *, key: bool = False) -> tuple[str, ...]:
    """The values allowed at `path`, such as `$.facts[0].type`, of the type `kind`; none where it is open.

    With `key` those of the keys of the table at `path`.
    """
    found: dict[str, None] = {}
    for one in _at(kind, path):
        if key:
            one = one.key_type if isinstance(one, inspect.DictType) else inspect.AnyType()
        match one:
            case inspect.LiteralType(values=values):
                found |= dict.fromkeys(map(str, values))
            case inspect.EnumType(cls=enum):
                found |= dict.fromkeys(str(member.value) for member in enum)
            case _:
                pass
    return tuple(found)


def fields_at(kind: Any, path: str, content: object = None) -> tuple[str, ...]:
    """The fields of the table at `path`: of all that may stand there, or of the one that `content`, which is
    what was read, says it is."""
    found: dict[str, None] = {}
    for one in _at(kind, path, content):
        if isinstance(one, inspect.StructType):
            found |= dict.fromkeys(field.encode_name for field in one.fields)
    return tuple(found)


def _at(kind: Any, path: str, content: object = None) -> list[inspect.Type]:
    types = _tagged(list(_alternatives(inspect.type_info(kind))), content)
    for field, item in _STEP.findall(path):
        content = _inner(content, field, item)
        types = [
            alternative
            for one in types
            for inner in (_field(one, field) if field else _item(one, item))
            for alternative in _alternatives(inner)
        ]
        types = _tagged(types, content)
    return types


def _tagged(types: list[inspect.Type], content: object) -> list[inspect.Type]:
    """Those whose tag the content has; all of them where it has none of theirs."""
    if not isinstance(content, Mapping):
        return types
    named: list[inspect.Type] = [
        one
        for one in types
        if isinstance(one, inspect.StructType) and one.tag_field and content.get(one.tag_field) == one.tag
    ]
    return named or types


def _inner(content: object, field: str, item: str) -> object:
    if field:
        return content.get(field) if isinstance(content, Mapping) else None
    within = isinstance(content, Sequence) and item.isdigit() and int(item) < len(content)
    return content[int(item)] if within and isinstance(content, Sequence) else None


def _alternatives(one: inspect.Type) -> Iterator[inspect.Type]:
    match one:
        case inspect.UnionType(types=types):
            for inner in types:
                yield from _alternatives(inner)
        case inspect.Metadata(type=inner):
            yield from _alternatives(inner)
        case _:
            yield one


def _field(one: inspect.Type, name: str) -> Iterator[inspect.Type]:
    if isinstance(one, inspect.StructType):
        if name == one.tag_field:
            yield inspect.LiteralType((one.tag,))
        yield from (field.type for field in one.fields if field.encode_name == name)


def _item(one: inspect.Type, index: str) -> Iterator[inspect.Type]:
    match one:
        case inspect.DictType(value_type=inner) if index == "...":
            yield inner
        case (
            inspect.ListType(item_type=inner)
            | inspect.VarTupleType(item_type=inner)
            | inspect.SetType(item_type=inner)
            | inspect.FrozenSetType(item_type=inner)
        ):
            yield inner
        case inspect.TupleType(item_types=inner) if index.isdigit() and int(index) < len(inner):
            yield inner[int(index)]
        case _:
            pass
