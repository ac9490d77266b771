"""The market cleared only the aggregate: what each site of it is due (DOMAIN.md 3.9)."""
