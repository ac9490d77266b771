"""What settling a contract's month gives."""

from __future__ import annotations

import hashlib
from datetime import date

import msgspec

from ledger.clauses.flow import Notice
from ledger.interval import Interval, Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.inputs import Part
from ledger.settlement.line import Line, Source
from ledger.settlement.line_vat import AgentPart
from ledger.stored_energy import Stored
from ledger.waterfall import PriorMonth


class BillItem(msgspec.Struct, frozen=True):
    """One item of a bill: quantity x price x rate, rounded; above zero is owed to the grid."""

    item: str
    period: str | None
    quantity: str
    unit: str
    price: str | None
    rate: str
    amount: Money
    part: str = ""
    """The feeder of a demand item, or the month of an energy item's price where the cycle has two."""


class SiteBill(msgspec.Struct, frozen=True):
    """A site's electricity bill without and with its storage; amounts above zero are owed to the grid."""

    site: str
    without_storage: Money
    with_storage: Money
    explanation: str
    items_without: tuple[BillItem, ...]
    items_with: tuple[BillItem, ...]
    cycle: Interval | None = None
    """The billing cycle, where it is not the calendar month."""


class RefusedSpan(msgspec.Struct, frozen=True):
    """Consecutive intervals in which a claim got less than it asked, for the same reason.

    `asked` and `granted` are sums of Wh, or the largest W.
    """

    claim: str
    stream: str
    site: str
    interval: Interval
    quantity: str
    asked: int
    granted: int
    reason: str


class Percentage(msgspec.Struct, frozen=True):
    """A party's part of what a clause divides, as the contract writes it; `of` where it divides several."""

    clause: str
    of: str
    party: str
    share: str


class Result(msgspec.Struct, frozen=True):
    """A settled month. Per party, entitlement = held + payable; payable sums to zero over all parties.

    Raises:
        Refused: `run_sums`.
    """

    contract: str
    title: str
    model: str
    month: Month
    currency: str
    rules_version: str
    position: int
    inputs_digest: str
    pool: Money
    lines: tuple[Line, ...]
    sources: tuple[Source, ...]
    bills: tuple[SiteBill, ...]
    entitlement: dict[str, Money]
    held: dict[str, Money]
    payable: dict[str, Money]
    warnings: tuple[Notice, ...]
    carry: PriorMonth
    sees_pool: tuple[str, ...]
    """The parties to whom the contract shows the pool's total."""
    sees_bill: dict[str, tuple[str, ...]] = {}
    """Of which sites a party sees the electricity bill: a host of its own, and of all who is no host and to
    whom the contract shows the host's bill."""
    sees_sites: dict[str, tuple[str, ...]] = {}
    """Of which sites a party sees how the storage ran: a host of its own, a holder of their cash of those,
    and of all who is no host and to whom the contract shows the pool that they earn."""
    sees_percentages: tuple[str, ...] = ()
    """The parties to whom the contract shows the others' percentages."""
    percentages: tuple[Percentage, ...] = ()
    """What the contract's clauses state, of every party."""
    inputs: dict[Part, str] = {}
    """A digest of each part of the inputs."""
    stored: dict[str, Stored] = {}
    """What each site's storage held at the month's end, by where it came from; sites with PV energy only."""
    opened: dict[str, Stored] = {}
    """What it held at the start, as the latest settled month before left it or the site states."""
    refused: tuple[RefusedSpan, ...] = ()
    """Where a market claim was refused because another stream had the kWh or kW."""
    through: date | None = None
    """The last day that a provisional run settles; None for the whole month."""
    agent_parts: tuple[AgentPart, ...] = ()
    """What of an agent's own lines is invoiced to or by each party, where the contract states VAT terms."""

    def __post_init__(self) -> None:
        if sum(money.minor for money in self.payable.values()):
            raise Refused("run_sums", "what is payable does not sum to zero", place="payable")
        if sum(money.minor for money in self.entitlement.values()) != self.pool.minor:
            raise Refused("run_sums", f"the entitlements do not sum to {self.pool:,}", place="entitlement")

    def digest(self) -> str:
        """SHA-256 of the result without the position it was read at."""
        same_anywhere = msgspec.structs.replace(self, position=0)
        return hashlib.sha256(msgspec.json.Encoder(order="deterministic").encode(same_anywhere)).hexdigest()
