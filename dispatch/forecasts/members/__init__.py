"""Ways of forecasting, one a file; `listed.py` names those that are blended."""
