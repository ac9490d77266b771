"""A price as clients send and read it: an exact decimal as text, never a JSON number."""

from __future__ import annotations

from typing import Annotated, Self

import msgspec

from ledger.quantity import Price


class PriceText(msgspec.Struct, frozen=True):
    """`price` in `currency` per `unit`, at most nine decimals."""

    price: Annotated[str, msgspec.Meta(pattern=r"^[+-]?[0-9]{1,9}(\.[0-9]{1,9})?$", examples=["0.4155"])]
    currency: str
    unit: str

    def __post_init__(self) -> None:
        self.domain()

    def domain(self) -> Price:
        """Raises:
        Refused: as `Price.parse`."""
        return Price.parse(self.price, self.currency, self.unit)

    @classmethod
    def of(cls, price: Price) -> Self:
        return cls(str(price), price.currency, price.unit)
