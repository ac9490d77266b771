"""Forecasts of load, price, PV and revenue with quantiles, made of what was known when they were issued."""
