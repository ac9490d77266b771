"""The desk's signed word that a bid was submitted in time."""

from __future__ import annotations

import hashlib

from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.transparency.published_log import PublishedLog
from ledger.refusal import Refused
from ledger.transparency.note import sign_text
from trading.bid_events import BidSubmitted
from trading.bid_life import BidState
from trading.receipt import BidReceipt


def signed_receipt(
    connection: Connection, published: PublishedLog, name: str, position: int
) -> tuple[int, str]:
    """The submission's sequence number, and its receipt as a signed note of the book's log key.

    Raises:
        Refused: `unknown_bid`, `bid_status` for one that was not submitted, `log_key` where this process has
            no key.
    """
    mapper = EnvelopeMapper()
    state: BidState | None = None
    rows = connection.execute(
        "SELECT sequence, payload FROM ledger.envelope WHERE aggregate = %s AND sequence <= %s"
        " ORDER BY sequence",
        [f"bid.{name}", position],
    )
    receipt: BidReceipt | None = None
    for sequence, stored in rows:
        payload = bytes(stored)
        envelope = mapper.to_envelope(wire.header_of(payload).topic, wire.state_of(payload))
        for event in envelope.events:
            state = event.apply(state)  # type: ignore[arg-type, assignment]
            if isinstance(event, BidSubmitted):
                assert isinstance(state, BidState), "a bid's events make a bid"
                assert state.standing is not None, "it was just submitted"
                receipt = BidReceipt.of(
                    state.standing, published.origin, sequence, hashlib.sha256(payload).hexdigest()
                )
    if state is None:
        raise Refused("unknown_bid", f"no bid {name!r} is known", place="name")
    if receipt is None:
        raise Refused("bid_status", f"bid {name} was not submitted", place="name")
    signer = published.signer()
    if signer is None:
        raise Refused("log_key", "this process has no key to sign with", place="WATTLEDGER_LOG_KEY")
    return receipt.sequence, sign_text(receipt.text, [signer]).content().decode()
