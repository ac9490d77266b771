"""Capital accounts: what the parties of a contract paid in, in cash and in kind, and got back."""
