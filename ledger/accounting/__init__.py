"""Double entry from the book owner's side: accounts, journal entries, VAT, trial balance and exports."""
