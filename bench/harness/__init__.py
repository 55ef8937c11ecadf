"""Measures Orderflow beside peers that do the same work. `scripts/bench` runs it."""
