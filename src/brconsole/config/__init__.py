"""Configuration: what a file, an environment variable or a flag may say, and where each value came from."""
