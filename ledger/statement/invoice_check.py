"""Whether an invoice is what its statement asked for, in net and in tax."""

from __future__ import annotations

import msgspec

from ledger.statement.invoice import Invoice
from ledger.statement.life import Life


def differing(life: Life, invoice: Invoice) -> str:
    """What the invoice has and what the statement had still to be invoiced, where they differ; else empty.

    `life` may have the invoice already. Where the contract states no rates only the amount on its basis can
    be compared. A red letter is of what it reverses, and a part of the next invoice is not one by itself.
    """
    if invoice.reverses is not None or invoice.in_next_invoice:
        return ""
    names = [(one.direction, one.number) for one in life.invoices]
    own = (invoice.direction, invoice.number)
    before = life.invoices[: names.index(own)] if own in names else life.invoices
    asked = msgspec.structs.replace(life, invoices=before)
    left, tax = asked.to_invoice(invoice.direction), asked.tax_to_invoice(invoice.direction)
    basis = life.billing.basis
    if tax is None:
        if invoice.on_basis(basis) == left:
            return ""
        what = "gross" if basis == "tax_inclusive" else "net"
        return _told(f"{what} {invoice.on_basis(basis):,}", f"{what} {left:,}")
    net = left - tax if basis == "tax_inclusive" else left
    if (invoice.net, invoice.tax) == (net, tax):
        return ""
    return _told(f"net {invoice.net:,} and tax {invoice.tax:,}", f"net {net:,} and tax {tax:,}")


def _told(has: str, asked: str) -> str:
    return f"the invoice has {has}, and the statement had {asked} still to be invoiced"
