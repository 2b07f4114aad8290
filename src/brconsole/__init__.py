"""brconsole: one console for a Cloud Run fleet on the day it matters."""

__version__ = "0.1.0"
