"""What a bill says of its demand and power factor, as terms and words of the lines that rest on it."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from ledger.bill import Bill, Item
from ledger.clauses.flow import exact_text
from ledger.power_factor import Standard
from ledger.quantity import decimal_text, round_half_away
from ledger.settlement.line import Basis
from ledger.settlement.result import BillItem
from ledger.storage_saving import Saving

_KILO: Final = {"W": 1000, "VA": 1000}
"""What is priced by the thousand is shown by the thousand."""


def bill_items(bill: Bill) -> tuple[BillItem, ...]:
    """The bill's items as a result tells them."""
    return tuple(
        BillItem(
            line.item,
            line.period,
            exact_text(line.quantity),
            line.unit,
            None if line.price is None else str(line.price),
            exact_text(line.rate),
            line.amount,
            line.part,
        )
        for line in bill.lines
    )


def bill_terms(saving: Saving, item: Item) -> tuple[Basis, ...]:
    """An item of the bill without the storage, less the same item of the bill with it, rounded on each."""
    return tuple(
        Basis(
            f"{label}, feeder {line.part}" if line.part else label,
            exact_text(line.quantity / _KILO.get(line.unit, 1)),
            f"k{line.unit}" if line.unit in _KILO else line.unit,
            exact_text(line.rate) if line.price is None else f"{line.price} x {exact_text(line.rate)}",
            exact_text(sign * line.amount.exact),
        )
        for sign, label, bill in (
            (1, "bill without storage", saving.without),
            (-1, "bill with storage", saving.with_storage),
        )
        for line in bill.lines
        if line.item == item
    )


def demand_note(saving: Saving) -> str:
    """The maximum demand on both bills, of each feeder where there are several."""
    notes: list[str] = []
    for before, after in zip(saving.without.demands, saving.with_storage.demands, strict=True):
        place = f"feeder {before.feeder}: " if before.feeder else ""
        if before.measured_w is None or after.measured_w is None:
            whose = "the feeder" if before.feeder else "the account"
            notes.append(f"{place}{whose} pays for its capacity, whatever the demand")
            continue
        kw = [
            decimal_text(round_half_away(watts / 100), 1) for watts in (before.measured_w, after.measured_w)
        ]
        notes.append(f"{place}maximum demand {kw[0]} kW without storage, {kw[1]} kW with it")
    return "; ".join(notes)


def power_factor_note(standard: Standard, saving: Saving) -> str:
    """cos phi and its step of the table on both bills; the charges that they are taken of differ."""
    (step, cos_phi), (step_with, cos_phi_with) = (
        (_percent(line.rate), _hundredths(bill.cos_phi_hundredths))
        for bill in (saving.without, saving.with_storage)
        for line in bill.lines
        if line.item == "power_factor"
    )
    steps = (
        f"{step} of both bills' charges" if step == step_with else f"{step} and {step_with} of the charges"
    )
    return f"cos phi {cos_phi} without storage, {cos_phi_with} with it, standard {standard}: {steps}"


def _percent(rate: Fraction) -> str:
    """A share in hundredths of a percent, with its sign: `-0.75 %`."""
    return f"{'-' if rate < 0 else '+'}{decimal_text(abs(round_half_away(rate * 10_000)), 2)} %"


def _hundredths(value: int | None) -> str:
    return "unknown" if value is None else f"{value // 100}.{value % 100:02d}"
