"""A spot market operator to trade against: another program, the other side of the trading desk.

It clears real merit orders around published prices (docs/reference-market.md) and knows nothing of trading.
"""
