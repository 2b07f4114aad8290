"""`python -m bench [NAME…]`: every measurement, or those named."""

from __future__ import annotations

import compileall
import importlib
import os
import platform
import sys

NAMES = ("first_paint", "status_latency", "key_to_frame", "calls", "memory", "false_rollbacks", "rollback_keys")


def main(names: list[str]) -> int:
    """Print one line a figure; unknown names are an error."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"bench: no measurement named {', '.join(unknown)}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    # Both sides start from bytecode, also where Python is told to write none; pip did so for the libraries.
    for folder in ("src", "bench"):
        compileall.compile_dir(folder, quiet=2)
    # Children are forked beside gRPC's threads and only execute: its handlers would only say that they do nothing.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    print(f"Python {platform.python_version()}; ratios from one run on this machine")
    for name in names or NAMES:
        for result in importlib.import_module(f"bench.{name}").measure():
            print(result.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
