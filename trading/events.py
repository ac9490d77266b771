"""Every kind of event of the trading desk. A new kind is one line here and one file beside its siblings."""

from __future__ import annotations

from trading.award import AwardShared
from trading.bid_events import (
    BidAcknowledged,
    BidApproved,
    BidCleared,
    BidDrafted,
    BidExpired,
    BidRefused,
    BidSending,
    BidSubmitted,
    BidUncertain,
    BidUnsent,
    BidWithdrawn,
    LimitOverridden,
    WithdrawalAsked,
)
from trading.clearing import ClearingRecorded
from trading.commitment import CommitmentMade, CommitmentReleased, DayEnvelopeStated
from trading.envelope import EnvelopeStated
from trading.posted_clearing import ClearingPosted, PostedClearingApproved
from trading.published_market import MarketPublished
from trading.response_call import (
    ResponseCallAnswered,
    ResponseCallDecided,
    ResponseCallHeard,
    ResponseCallRefused,
    ResponseCallWithdrawn,
)
from trading.risk import PolicyApproved, PolicyPrepared, TradingResumed, TradingStopped
from trading.sharing import SharingStated, SitesAvailable
from trading.usage import LimitFreed, LimitUsed
from trading.webhook import WebhookRegistered, WebhookReplayAsked, WebhookStopped

TradingEvent = (
    MarketPublished
    | EnvelopeStated
    | DayEnvelopeStated
    | CommitmentMade
    | CommitmentReleased
    | PolicyPrepared
    | PolicyApproved
    | TradingStopped
    | TradingResumed
    | LimitUsed
    | LimitFreed
    | BidDrafted
    | BidApproved
    | LimitOverridden
    | BidSubmitted
    | BidSending
    | BidUnsent
    | BidUncertain
    | BidAcknowledged
    | BidRefused
    | WithdrawalAsked
    | BidWithdrawn
    | BidExpired
    | BidCleared
    | ClearingRecorded
    | ClearingPosted
    | PostedClearingApproved
    | AwardShared
    | ResponseCallHeard
    | ResponseCallWithdrawn
    | ResponseCallRefused
    | ResponseCallDecided
    | ResponseCallAnswered
    | SharingStated
    | SitesAvailable
    | WebhookRegistered
    | WebhookStopped
    | WebhookReplayAsked
)
