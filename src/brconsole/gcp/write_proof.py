"""What `doctor --probe-writes` proved of an environment: whether Run v2 refuses a stale etag (DESIGN §8.9).

One small JSON file an environment in the state folder. A proof holds for the address it was made on: what a simulation
does says nothing of Google.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

SCHEMA = "brconsole.write-proof/1"
_NAME = re.compile(r"[^a-z0-9.-]+")
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class WriteProof:
    """The outcome of one probe; `at` is RFC 3339 in UTC."""

    project: str
    region: str
    address: str
    etag_enforced: bool
    at: str


def proof_file(folder: Path, project: str, region: str) -> Path:
    """Where the proof of a project's region stands in the state folder."""
    return folder / "write-proofs" / f"{_NAME.sub('_', project.lower())}.{_NAME.sub('_', region.lower())}.json"


def dump(proof: WriteProof) -> str:
    """The text of the file."""
    return json.dumps({"schema": SCHEMA, **asdict(proof)}) + "\n"


def store(folder: Path, proof: WriteProof) -> Path:
    """Keep a proof where it is looked for; raises OSError where the disk refuses. The file is there whole or not."""
    file = proof_file(folder, proof.project, proof.region)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_suffix(".new")
    fresh.write_text(dump(proof), encoding="utf-8")
    fresh.replace(file)
    return file


def read_proof(path: Path, project: str, region: str, address: str) -> WriteProof | None:
    """The proof in a file, None where there is none that can be read, or one of something else."""
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if len(text) <= _LONGEST else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.pop("schema", None) != SCHEMA:
        return None
    try:
        proof = WriteProof(**found)
    except TypeError:
        return None
    about = (proof.project, proof.region, proof.address) == (project, region, address)
    return proof if about and isinstance(proof.etag_enforced, bool) else None
