"""Settings that decide what can be lost, proven or read, as facts: one aggregate a setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ledger.identity import checked_id
from ledger.refusal import Refused

_LENGTH_MAX: Final = 400


class SettingStated(msgspec.Struct, frozen=True, tag_field="kind", tag="setting.stated.v1"):
    """From here on the setting has this value; the one before is in the event before."""

    name: str
    value: str

    def apply(self, _: object) -> str:
        return self.value


class StateSetting(msgspec.Struct, frozen=True):
    """Say what a setting is now. Never a secret: of a key its public half."""

    name: str
    value: str

    def __post_init__(self) -> None:
        checked_id(self.name, "name")
        if not 0 < len(self.value) <= _LENGTH_MAX or not self.value.isprintable():
            raise Refused(
                "setting_value", f"1 to {_LENGTH_MAX} printable characters on one line", place="value"
            )

    @property
    def aggregate(self) -> str:
        return f"setting.{self.name}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: str | None, __: Mapping[str, object]) -> tuple[SettingStated]:
        return (SettingStated(self.name, self.value),)
