"""The three business models as ready orders of the same clauses (DOMAIN.md 2.3).

A preset is only shorthand: it states terms and yields clauses. Whatever it cannot say, such as tiers by
stream or an operator's fee before a guarantee, is written in a contract as clauses.
"""

from __future__ import annotations

from typing import Final, assert_never

import msgspec

from ledger.clauses import (
    BaseFee,
    CappedTier,
    Clause,
    Guarantee,
    Hurdle,
    LossSplit,
    RemainderSplit,
    ServiceFee,
)
from ledger.clauses.base_fee import FeeUnit, QuantityBasis
from ledger.clauses.facts import Cause
from ledger.clauses.flow import Proration
from ledger.clauses.guarantee import GuaranteeCarry
from ledger.clauses.service_fee import ThroughputBasis
from ledger.clauses.share import Amount, Portion, Shares, amount, portion, weights
from ledger.contract import Model


class EnergyStorageAsAServiceTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A base fee, a service fee and a split: a host uses storage that others own and run.

    With `fee_first` both fees come off the pool before the split; else `fee_payer` pays them after it.
    """

    fee_first: bool
    fee_payer: str
    """The party that pays when the fees come last; `pool` when they come first."""
    base_rate: Amount
    base_unit: FeeUnit
    base_quantity: Amount
    base_quantity_basis: QuantityBasis
    base_proration: Proration
    base_payee: str
    service_rate: Amount
    service_basis: ThroughputBasis
    service_payee: str
    shares: Shares
    loss_shares: Shares
    loss_carry_forward: bool

    def __post_init__(self) -> None:
        for field in ("base_rate", "base_quantity", "service_rate"):
            amount(getattr(self, field), field)
        weights(self.shares, "shares")
        weights(self.loss_shares, "loss_shares")


class CoInvestmentTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A return on capital, then an operating tier by service, then the excess by risk."""

    capital: Amount
    annual_rate: Portion
    hurdle_proration: Proration
    hurdle_carry_forward: bool
    capital_shares: Shares
    operating_cap: Amount
    """A month's most."""
    operating_proration: Proration
    service_shares: Shares
    risk_shares: Shares
    loss_shares: Shares
    loss_carry_forward: bool

    def __post_init__(self) -> None:
        amount(self.capital, "capital")
        amount(self.operating_cap, "operating_cap")
        portion(self.annual_rate, "annual_rate")
        for field in ("capital_shares", "service_shares", "risk_shares", "loss_shares"):
            weights(getattr(self, field), field)


class AgencyOperationTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator runs a host's own storage, guarantees a sum a year and shares what is earned above it."""

    host: str
    operator: str
    annual_amount: Amount
    excess_share: Portion
    """The host's part of the excess."""
    carry: GuaranteeCarry
    reset_month: int | None = None
    """1 to 12, stated exactly when `carry` is annual_reset."""
    proration: Proration
    carve_outs: tuple[Cause, ...] = ()
    """Evidenced exclusions that lower the guarantee: force_majeure, availability, or none."""

    def __post_init__(self) -> None:
        amount(self.annual_amount, "annual_amount")
        portion(self.excess_share, "excess_share")


PresetTerms = EnergyStorageAsAServiceTerms | CoInvestmentTerms | AgencyOperationTerms

PRESETS: Final[dict[Model, type[PresetTerms]]] = {
    "energy_storage_as_a_service": EnergyStorageAsAServiceTerms,
    "co_investment": CoInvestmentTerms,
    "agency_operation": AgencyOperationTerms,
}


def preset_clauses(terms: PresetTerms) -> tuple[Clause, ...]:
    """The clauses that the terms stand for.

    Raises:
        Refused: what the clauses refuse.
    """
    match terms:
        case EnergyStorageAsAServiceTerms():
            return energy_storage_as_a_service(terms)
        case CoInvestmentTerms():
            return co_investment(terms)
        case AgencyOperationTerms():
            return agency_operation(terms)
        case never:
            assert_never(never)


def energy_storage_as_a_service(terms: EnergyStorageAsAServiceTerms) -> tuple[Clause, ...]:
    """Fees, then the split of the pool that is left; or the split, then the fees."""
    fees: tuple[Clause, ...] = (
        BaseFee(
            rate=terms.base_rate,
            unit=terms.base_unit,
            quantity=terms.base_quantity,
            quantity_basis=terms.base_quantity_basis,
            proration=terms.base_proration,
            payer=terms.fee_payer,
            payee=terms.base_payee,
            timing="before_split" if terms.fee_first else "after_split",
        ),
        ServiceFee(
            rate=terms.service_rate,
            basis=terms.service_basis,
            payer=terms.fee_payer,
            payee=terms.service_payee,
            timing="before_split" if terms.fee_first else "after_split",
        ),
    )
    split: tuple[Clause, ...] = (
        LossSplit(shares=terms.loss_shares, carry_forward=terms.loss_carry_forward),
        RemainderSplit(shares=terms.shares),
    )
    return (*fees, *split) if terms.fee_first else (*split, *fees)


def co_investment(terms: CoInvestmentTerms) -> tuple[Clause, ...]:
    """Losses, the hurdle by capital, the operating tier by service, the excess by risk."""
    return (
        LossSplit(shares=terms.loss_shares, carry_forward=terms.loss_carry_forward),
        Hurdle(
            capital=terms.capital,
            annual_rate=terms.annual_rate,
            proration=terms.hurdle_proration,
            shares=terms.capital_shares,
            carry_forward=terms.hurdle_carry_forward,
        ),
        CappedTier(cap=terms.operating_cap, proration=terms.operating_proration, shares=terms.service_shares),
        RemainderSplit(shares=terms.risk_shares),
    )


def agency_operation(terms: AgencyOperationTerms) -> tuple[Clause, ...]:
    """The guarantee takes the whole pool, gain or loss."""
    return (
        Guarantee(
            annual_amount=terms.annual_amount,
            guaranteed_party=terms.host,
            other_party=terms.operator,
            excess_share=terms.excess_share,
            measure="year_to_date",
            carry=terms.carry,
            reset_month=terms.reset_month,
            proration=terms.proration,
            carve_outs=terms.carve_outs,
        ),
    )
