"""Google's APIs on loopback, on top of the simulation.

`options.EmulatorOptions` says what to start, `composition.Emulator` and `composition.serve` start it. How an API is
added: server.py.
"""
