"""A book's transparency log: its stored tree, its signed checkpoints outside both stores, and proofs."""
