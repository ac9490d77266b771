"""What storage was worth under one plan or another, and where money was lost (docs/value.md)."""
