"""Requests and answers of Modbus TCP as bytes.

MODBUS Messaging on TCP/IP 1.0b; MODBUS Application Protocol 1.1b3.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

READ_HOLDING: Final = 3
READ_INPUT: Final = 4
WRITE_ONE: Final = 6
WRITE_SEVERAL: Final = 16
ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3
UNIT_AWAY: Final = 11
"""Gateway target device failed to respond: nobody has that unit id."""
_HEAD: Final = struct.Struct(">HHHB")
_LENGTH_MAX: Final = 254


class Frame(NamedTuple):
    """One request or answer: its transaction, its unit, and from the function code on."""

    transaction: int
    unit: int
    pdu: bytes

    def packed(self) -> bytes:
        return _HEAD.pack(self.transaction, 0, len(self.pdu) + 1, self.unit) + self.pdu


class NotModbus(ValueError):
    """Bytes that are no Modbus TCP: the connection is closed."""


def taken(buffer: bytearray) -> Frame | None:
    """The first whole request, which is removed from the buffer; None while it is not there yet.

    Raises:
        NotModbus: when the protocol is another or the length impossible.
    """
    if len(buffer) < _HEAD.size + 1:
        return None
    transaction, protocol, length, unit = _HEAD.unpack_from(buffer)
    if protocol or not 2 <= length <= _LENGTH_MAX:
        raise NotModbus(f"protocol {protocol}, length {length}")
    end = _HEAD.size - 1 + length
    if len(buffer) < end:
        return None
    pdu = bytes(buffer[_HEAD.size : end])
    del buffer[:end]
    return Frame(transaction, unit, pdu)


def exception(function: int, code: int) -> bytes:
    return bytes((function | 0x80, code))
