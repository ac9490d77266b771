"""Natural persons, of whom events hold ciphertext only."""
