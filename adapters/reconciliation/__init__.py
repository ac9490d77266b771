"""Readers of statement files: an operator's and a bank's, by profile, and camt.053."""
