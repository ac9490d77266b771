"""The explicit list of formats, and the profiles that a user copies."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import adapters.meters
from adapters.meters import FORMATS, profile_of
from ledger.refusal import Refused
from tests.adapters.meters.files import EXAMPLES

PROFILES = sorted((EXAMPLES / "meters").glob("*.toml"))


def test_every_format_of_the_package_is_in_the_list() -> None:
    """A module that defines a tagged profile with `read` is a format."""
    found = set()
    for module in pkgutil.iter_modules(adapters.meters.__path__, "adapters.meters."):
        for value in vars(importlib.import_module(module.name)).values():
            config = getattr(value, "__struct_config__", None)
            if isinstance(value, type) and config is not None and config.tag_field == "format":
                found.add(value)
    assert found == set(FORMATS.values())
    assert len(found) >= 5


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_example_is_a_profile(path: object) -> None:
    profile_of(path.read_bytes())  # type: ignore[attr-defined]


def test_every_format_has_an_example() -> None:
    assert {type(profile_of(path.read_bytes())) for path in PROFILES} == set(FORMATS.values())


@pytest.mark.parametrize(
    ("toml", "code", "place"),
    [
        ('format = "xml"', "not_allowed", "line 1, format"),
        ("interval_s = 900", "field_missing", "line 1, format"),
        ('format = "nem12"\nzone = "UTC"', "field_unknown", "line 2, zone"),
        ("format = ", "toml", "line 1"),
        ("", "empty_file", "line 1"),
    ],
)
def test_a_wrong_profile_is_refused_with_its_line(toml: str, code: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        profile_of(toml)
    assert (caught.value.code, caught.value.place) == (code, place)
