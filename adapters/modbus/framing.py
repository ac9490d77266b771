"""pymodbus's framers, made strict: what comes is the whole answer to the request, or is named for what it is.

pymodbus's own take an answer of transaction 0 for the one that was asked for, wait the whole timeout on one
of another unit or transaction, and do not compare the lengths that an answer states. MODBUS Messaging on
TCP/IP 1.0b, 3.1.3; MODBUS over Serial Line 1.02, 2.5.1.
"""

from __future__ import annotations

import struct
from typing import Final

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import ModbusPDU

_HEAD: Final = struct.Struct(">HHHB")
_LENGTH: Final = range(3, 255)
"""Of unit, function and data: an exception has three bytes."""
_RTU_LEAST: Final = 5
_EXCEPTION: Final = 0x80


class Answer(ModbusPDU):
    """What came: `body` from the function code on, or in `wrong` why it is no answer."""

    def __init__(self, unit: int, transaction: int, body: bytes = b"", wrong: str = "") -> None:
        super().__init__(dev_id=unit, transaction_id=transaction)
        self.body = body
        self.wrong = wrong


class StrictSocketFramer(FramerSocket):
    """Modbus TCP."""

    def handleFrame(  # noqa: N802 - pymodbus's name
        self, data: bytes, exp_devid: int, exp_tid: int
    ) -> tuple[int, ModbusPDU | None]:
        if len(data) < _HEAD.size:
            return 0, None
        transaction, protocol, length, unit = _HEAD.unpack_from(data)
        end = _HEAD.size - 1 + length
        if protocol:
            wrong = f"protocol {protocol} is not Modbus"
        elif length not in _LENGTH:
            wrong = f"a length of {length} bytes"
        elif transaction != exp_tid:
            wrong = f"transaction {transaction} in place of {exp_tid}"
        elif unit != exp_devid:
            wrong = f"unit {unit} in place of {exp_devid}"
        elif len(data) < end:
            return 0, None
        elif len(data) > end:
            wrong = f"{len(data) - end} bytes after the answer"
        else:
            return end, Answer(exp_devid, exp_tid, data[_HEAD.size :])
        return len(data), Answer(exp_devid, exp_tid, wrong=wrong)


class StrictRtuFramer(FramerRTU):
    """Modbus RTU, which has no transactions: an answer is told by its unit, its function and its length."""

    def handleFrame(  # noqa: N802 - pymodbus's name
        self, data: bytes, exp_devid: int, exp_tid: int
    ) -> tuple[int, ModbusPDU | None]:
        if len(data) < _RTU_LEAST:
            return 0, None
        size = _rtu_size(data)
        if data[0] != exp_devid:
            wrong = f"unit {data[0]} in place of {exp_devid}"
        elif not size:
            wrong = f"function {data[1]}"
        elif len(data) < size:
            return 0, None
        elif len(data) > size:
            wrong = f"{len(data) - size} bytes after the answer"
        elif not self.check_CRC(data[: size - 2], int.from_bytes(data[size - 2 : size], "big")):
            wrong = "the checksum is wrong"
        else:
            return size, Answer(exp_devid, exp_tid, data[1 : size - 2])
        return len(data), Answer(exp_devid, exp_tid, wrong=wrong)


def _rtu_size(data: bytes) -> int:
    """Of the whole frame, by its function; 0 for a function that is never asked for."""
    function = data[1]
    if function & _EXCEPTION:
        return _RTU_LEAST
    return {3: data[2] + 5, 4: data[2] + 5, 6: 8, 16: 8}.get(function, 0)
