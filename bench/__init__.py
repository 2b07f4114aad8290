"""Measurements, as ratios taken in one run: `make bench`, or `python -m bench NAME…`. No test depends on them."""
