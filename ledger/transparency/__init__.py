"""The transparency log: a Merkle tree over a book's envelopes, its checkpoints, tiles and proofs."""
