"""Emission factors as facts of a book, so that a report names the version that it was computed with."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.kpi.carbon import FactorSet


class EmissionFactorsPublished(msgspec.Struct, frozen=True, tag_field="kind", tag="emission.published.v1"):
    factors: FactorSet

    def apply(self, _: object) -> FactorSet:
        return self.factors


class PublishEmissionFactors(msgspec.Struct, frozen=True, tag_field="command", tag="emission.publish"):
    """Record a set of factors, or its next version: an earlier one stays what reports of then rest on."""

    factors: FactorSet

    @property
    def aggregate(self) -> str:
        return f"emission.{self.factors.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: object, __: Mapping[str, object]) -> tuple[EmissionFactorsPublished]:
        return (EmissionFactorsPublished(self.factors),)
