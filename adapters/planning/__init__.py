"""Planning on a book: the solver in its own process, what sites are asked with, and plans on record."""
