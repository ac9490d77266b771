"""What others say against what the ledger says: the market's or grid company's statement, and the bank's."""
