"""What the desk confirms of a submitted bid, to be signed: what was bid, and when it was in time.

The text is that of a C2SP signed note; its first line cannot begin a checkpoint of the same key.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ledger.interval import Instant
from ledger.refusal import Refused
from trading.bid_life import Standing

_TITLE: Final = "bid receipt v1"


class BidReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """One submitted revision: its digest, the decision's time, the gate, and where the event is.

    `sequence` and `envelope_sha256` name the envelope that the transparency log proves.
    """

    origin: str
    bid: str
    revision: int
    digest: str
    market: str
    product: str
    day: str
    submitted_by: str
    submitted_at: Instant
    gate_opens: Instant
    gate_closes: Instant
    margin_s: int
    sequence: int
    envelope_sha256: str

    @classmethod
    def of(cls, standing: Standing, origin: str, sequence: int, envelope_sha256: str) -> BidReceipt:
        bid = standing.draft.bid
        return cls(
            origin=origin,
            bid=bid.id,
            revision=standing.draft.revision,
            digest=standing.draft.digest,
            market=bid.market,
            product=bid.product,
            day=bid.day.isoformat(),
            submitted_by=standing.by,
            submitted_at=standing.at,
            gate_opens=standing.gate_opens,
            gate_closes=standing.gate_closes,
            margin_s=standing.margin_s,
            sequence=sequence,
            envelope_sha256=envelope_sha256,
        )

    @property
    def text(self) -> str:
        """A line a field, in order, after the title."""
        fields = msgspec.to_builtins(self)
        origin = fields.pop("origin")
        return f"{origin} {_TITLE}\n" + "".join(f"{name} {value}\n" for name, value in fields.items())

    @classmethod
    def parse(cls, text: str) -> BidReceipt:
        """Raises:
        Refused: `bid_receipt`."""
        title, *lines = text.split("\n")[:-1] or [""]
        origin, _, kind = title.partition(" ")
        fields: dict[str, object] = {"origin": origin}
        for line in lines:
            name, _, value = line.partition(" ")
            fields[name] = value
        try:
            found = msgspec.convert(fields, cls, strict=False)
        except msgspec.ValidationError as error:
            raise Refused("bid_receipt", f"not a bid receipt: {error}", place="text") from None
        if kind != _TITLE or found.text != text:
            raise Refused("bid_receipt", f"not a {_TITLE}", place="text")
        return found
