"""What was proved of the write path is read strictly: a proof of something else, or none that parses, is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brconsole.gcp.write_proof import WriteProof, dump, proof_file, read_proof

PROOF = WriteProof("bytereview-prod", "us-central1", "*.googleapis.com", True, "2026-11-23T14:00:00Z")


def written(folder: Path, text: str) -> Path:
    path = proof_file(folder, PROOF.project, PROOF.region)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def read(path: Path, **other: str) -> WriteProof | None:
    about = {"project": PROOF.project, "region": PROOF.region, "address": PROOF.address, **other}
    return read_proof(path, **about)


def test_a_proof_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read(written(tmp_path, dump(PROOF))) == PROOF


@pytest.mark.parametrize("other", [{"project": "p"}, {"region": "r"}, {"address": "127.0.0.1:8790"}])
def test_a_proof_of_something_else_is_none(tmp_path: Path, other: dict[str, str]) -> None:
    assert read(written(tmp_path, dump(PROOF)), **other) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 4000,
        "x" * 10_000,
        dump(PROOF).replace("write-proof/1", "write-proof/2"),
        dump(PROOF).replace("true", '"yes"'),
        json.dumps({**json.loads(dump(PROOF)), "more": 1}),
        json.dumps({key: value for key, value in json.loads(dump(PROOF)).items() if key != "at"}),
    ],
)
def test_a_proof_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    assert read(written(tmp_path, text)) is None


def test_no_file_is_no_proof_and_a_name_leaves_no_folder(tmp_path: Path) -> None:
    assert read(tmp_path / "nothing.json") is None
    assert proof_file(tmp_path, "../../etc", "a/b").resolve().parent == (tmp_path / "write-proofs").resolve()
