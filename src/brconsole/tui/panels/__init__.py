"""The panels: pure functions from what is known to lines of a given size."""
