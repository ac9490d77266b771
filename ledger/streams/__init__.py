"""The revenue streams, one file each: a market's rule as data, the facts it settles, and what they earn."""
