"""Makes what these tests share importable: test folders are no packages."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from migration_world import server, world  # noqa: F401 - fixtures of the tests of migrations
