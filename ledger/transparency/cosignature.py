"""A witness's cosignature (C2SP tlog-cosignature, v1 with Ed25519): what it signs, and the time in it.

It states: of the log named in the first line, this was at that time the largest consistent tree I had seen.
"""

from __future__ import annotations

from typing import Final

from ledger.refusal import Refused

TIME_MAX_S: Final = 2**63 - 1
_TIME_BYTES: Final = 8
_ED25519_BYTES: Final = 64


def cosigned_message(text: str, time_s: int) -> bytes:
    """The bytes that a witness signs of a checkpoint's text at a POSIX time in seconds.

    >>> cosigned_message("log.example\\n...", 1679315147)
    b'cosignature/v1\\ntime 1679315147\\nlog.example\\n...'

    Raises:
        Refused: `cosignature_time`.
    """
    return f"cosignature/v1\ntime {_checked_time(time_s)}\n{text}".encode()


def timestamped(time_s: int, signature: bytes) -> bytes:
    """A signature behind its time in eight bytes, the highest first.

    Raises:
        Refused: `cosignature_time`.
    """
    return _checked_time(time_s).to_bytes(_TIME_BYTES, "big") + signature


def cosigned_time(signature: bytes) -> int | None:
    """The POSIX time in seconds of a timestamped Ed25519 signature, None when it is not one."""
    if len(signature) != _TIME_BYTES + _ED25519_BYTES:
        return None
    time_s = int.from_bytes(signature[:_TIME_BYTES], "big")
    return time_s if time_s <= TIME_MAX_S else None


def _checked_time(time_s: int) -> int:
    if not 0 <= time_s <= TIME_MAX_S:
        raise Refused("cosignature_time", f"{time_s} is not 0..{TIME_MAX_S} seconds", place="time")
    return time_s
