"""What devices tell: samples with their quality and clocks, gaps, and the readings that follow from them."""
