"""What happened and what it is worth: events, quantities, contracts, settlement, statements.

Pure: nothing here reads a clock, a random source, a file or a network.
"""
