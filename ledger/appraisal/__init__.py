"""What a printed appraisal of a storage project rests on: recomputed, never matched by invention."""
