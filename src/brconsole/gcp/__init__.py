"""The ports on Google's official clients, one file an API."""

import logging
import os

# gRPC's C core writes to standard error by itself, across whatever the console shows there. It reads this when it is
# loaded, so it stands before any import of it.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

# Without credentials google.auth looks for a metadata server last, three times for three seconds. One time ends
# within a call's deadline, so that the missing login is what is reported.
os.environ.setdefault("GCE_METADATA_DETECT_RETRIES", "1")

for _library in ("grpc", "google"):
    # Without a handler Python prints their warnings to standard error; every failure is reported as ours.
    logging.getLogger(_library).addHandler(logging.NullHandler())
