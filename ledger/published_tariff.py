"""Tariffs as facts: a tariff's file, read, checked and recorded whole."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.identity import checked_id
from ledger.refusal import Refused
from ledger.tariff import Tariff


class TariffPublished(msgspec.Struct, frozen=True, tag_field="kind", tag="tariff.published.v1"):
    """A tariff with all its dated schedules and price tables; a later one of the same id replaces it."""

    tariff: Tariff

    def apply(self, _: object) -> Tariff:
        return self.tariff


class PublishTariff(msgspec.Struct, frozen=True, tag_field="command", tag="tariff.publish"):
    """Record a tariff, or its next version with another month's prices."""

    tariff: Tariff

    @property
    def aggregate(self) -> str:
        return f"tariff.{self.tariff.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Tariff | None, _: Mapping[str, object]) -> tuple[TariffPublished]:
        """Raises:
        Refused: `currency` or `zone` for a next version in another one."""
        checked_id(self.tariff.id, "tariff.id")
        if state is not None:
            for field, old, new in (
                ("currency", state.currency, self.tariff.currency),
                ("zone", state.zone, self.tariff.zone),
            ):
                if old != new:
                    raise Refused(
                        field, f"tariff {state.id} is of {old}; one of {new} needs another id", place=field
                    )
        return (TariffPublished(self.tariff),)
