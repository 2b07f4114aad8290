"""The ports on Google's official clients, one file an API."""
