"""The use cases: they read through ports, decide in the domain and write through the gateway."""
