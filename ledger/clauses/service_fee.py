"""A fee per metered kWh."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, Literal, assert_never

from ledger.clauses.fee import check_fee_parties, fee_parties, fee_parts
from ledger.clauses.flow import Flow, Outcome, Phase, Terms, Throughput, Timing, exact_text, grouped, one_of
from ledger.clauses.share import Amount, amount
from ledger.refusal import Refused

ThroughputBasis = Literal["discharge", "charge", "both"]


class ServiceFee(Terms, frozen=True, kw_only=True, tag="service_fee"):
    """F_s = rate x kWh of the stated registers (DOMAIN.md 2.3); `both` adds charge and discharge.

    Timing and payer are as for a base fee.
    """

    is_fee: ClassVar = True

    rate: Amount
    """Currency per kWh."""
    basis: ThroughputBasis
    payer: str
    payee: str
    timing: Timing

    def __post_init__(self) -> None:
        one_of(self.basis, ThroughputBasis, "basis")
        amount(self.rate, "rate")
        check_fee_parties(self.payer, self.payee, self.timing)

    @property
    def phase(self) -> Phase:
        return self.timing

    @cached_property
    def rate_per_wh(self) -> Fraction:
        return amount(self.rate, "rate") / 1000

    def named_parties(self) -> Iterator[tuple[str, str]]:
        yield from fee_parties(self.payer, self.payee)

    def apply(self, flow: Flow) -> Outcome:
        """The fee of the month's throughput.

        Raises:
            Refused: `throughput_missing`: no metered energy is not the same as zero.
        """
        if flow.throughput is None:
            raise Refused(
                "throughput_missing", "the service fee needs the month's metered kWh", place="throughput"
            )
        energy_wh = self._energy_wh(flow.throughput)
        exact = self.rate_per_wh * energy_wh
        kwh = grouped(exact_text(Fraction(energy_wh, 1000)))
        basis = f"{self.rate} {flow.currency}/kWh x {kwh} kWh {_REGISTERS[self.basis]}"
        parts = fee_parts(
            self.payer,
            self.payee,
            exact,
            flow.minor(exact),
            basis,
            quantity=str(energy_wh),
            unit=f"Wh {_REGISTERS[self.basis]}",
            price=self.rate,
        )
        return Outcome(*parts)

    def _energy_wh(self, throughput: Throughput) -> int:
        match self.basis:
            case "discharge":
                return throughput.discharge_wh
            case "charge":
                return throughput.charge_wh
            case "both":
                return throughput.charge_wh + throughput.discharge_wh
            case never:
                assert_never(never)


_REGISTERS = {"discharge": "discharged", "charge": "charged", "both": "charged and discharged"}
