"""The life of a statement: reviewed, approved, issued, confirmed or disputed, invoiced and paid."""
