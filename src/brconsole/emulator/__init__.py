"""Google's APIs on loopback, on top of the simulation.

`options.EmulatorOptions` says what to start, `composition.Emulator` starts it; how an API is added: server.py.
"""
