"""The types that registers hold: their words, and the bits that mean that there is no value.

Types and their "not implemented" values are SunSpec's (SunSpec Information Model Specification 1.1.1,
table of point types); vendors' maps use the same types under other names.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

PointType = Literal[
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
    "acc16",
    "acc32",
    "acc64",
    "enum16",
    "enum32",
    "bitfield16",
    "bitfield32",
    "count",
    "sunssf",
    "ipaddr",
    "ipv6addr",
    "eui48",
    "string",
]
Form = Literal["integer", "float", "text", "bytes"]


class RegisterType(NamedTuple):
    """Words are registers of 16 bits; 0 words: as many as the point states."""

    words: int
    form: Form
    signed: bool
    absent: tuple[int, ...]
    """Bits that mean "not implemented", read as one number without a sign."""

    @property
    def bits(self) -> int:
        return 16 * self.words

    @property
    def lowest(self) -> int:
        return -(1 << self.bits - 1) if self.signed else 0

    @property
    def highest(self) -> int:
        return (1 << self.bits - (1 if self.signed else 0)) - 1

    @property
    def code(self) -> str:
        """Of the struct module; floats are taken as their bits."""
        letter = {1: "h", 2: "i", 4: "q"}[self.words]
        return letter if self.signed else letter.upper()


TYPES: Final[Mapping[PointType, RegisterType]] = MappingProxyType(
    {
        "int16": RegisterType(1, "integer", True, (0x8000,)),
        "uint16": RegisterType(1, "integer", False, (0xFFFF,)),
        "int32": RegisterType(2, "integer", True, (0x8000_0000,)),
        "uint32": RegisterType(2, "integer", False, (0xFFFF_FFFF,)),
        "int64": RegisterType(4, "integer", True, (1 << 63,)),
        "uint64": RegisterType(4, "integer", False, ((1 << 64) - 1,)),
        "float32": RegisterType(2, "float", False, (0x7FC0_0000,)),
        "float64": RegisterType(4, "float", False, (0x7FF8 << 48,)),
        "acc16": RegisterType(1, "integer", False, (0,)),
        "acc32": RegisterType(2, "integer", False, (0,)),
        "acc64": RegisterType(4, "integer", False, (0,)),
        "enum16": RegisterType(1, "integer", False, (0xFFFF,)),
        "enum32": RegisterType(2, "integer", False, (0xFFFF_FFFF,)),
        "bitfield16": RegisterType(1, "integer", False, (0xFFFF,)),
        "bitfield32": RegisterType(2, "integer", False, (0xFFFF_FFFF,)),
        "count": RegisterType(1, "integer", False, (0xFFFF,)),
        "sunssf": RegisterType(1, "integer", True, (0x8000,)),
        "ipaddr": RegisterType(2, "integer", False, (0,)),
        "ipv6addr": RegisterType(8, "bytes", False, (0,)),
        "eui48": RegisterType(4, "bytes", False, (0xFFFF_FFFF_FFFF, (1 << 64) - 1)),
        "string": RegisterType(0, "text", False, (0,)),
    }
)
CODED: Final[frozenset[PointType]] = frozenset(
    {
        "enum16",
        "enum32",
        "bitfield16",
        "bitfield32",
        "count",
        "sunssf",
        "ipaddr",
        "ipv6addr",
        "eui48",
        "string",
    }
)
"""Values that are no quantity: neither scaled nor with a sign convention."""
SCALE_MAX: Final = 10
"""Exponents of scale factors are -10 to 10 (sunssf)."""
