"""Market products and prices; bids, gates, clearings and positions build on them. Pure."""
