"""How a book's vouchers leave for another accounting system, as a fact: the codes that finance agreed on."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.accounting.voucher import VoucherMapping, VoucherProfile
from ledger.identity import checked_id


class VoucherLayout(msgspec.Struct, frozen=True):
    """A system's columns, and our accounts, items and parties in its codes."""

    id: str
    profile: VoucherProfile
    mapping: VoucherMapping

    def __post_init__(self) -> None:
        checked_id(self.id, "id")


class VoucherLayoutPublished(
    msgspec.Struct, frozen=True, tag_field="kind", tag="vouchers.layout_published.v1"
):
    layout: VoucherLayout

    def apply(self, _: object) -> VoucherLayout:
        return self.layout


class PublishVoucherLayout(msgspec.Struct, frozen=True):
    """Publish a layout, or its next version; the latest is what vouchers are written in."""

    layout: VoucherLayout

    @property
    def aggregate(self) -> str:
        return f"voucher_layout.{self.layout.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: object, __: Mapping[str, object]) -> tuple[VoucherLayoutPublished]:
        return (VoucherLayoutPublished(self.layout),)
