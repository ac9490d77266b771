"""Tariffs as facts: a tariff's file, read, checked and recorded whole."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.identity import checked_id
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

    def decide(self, _: object, __: Mapping[str, object]) -> tuple[TariffPublished]:
        checked_id(self.tariff.id, "tariff.id")
        return (TariffPublished(self.tariff),)
