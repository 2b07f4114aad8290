"""Google's APIs on loopback, on top of the simulation."""
