"""How modules and environments are written: what Terraform accepts, and a reviewer would not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import allowed
import pytest
from tree import Tree, blocks, configuration, listed

MODULE_FILES = {"main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md"}
ENVIRONMENT_FILES = {
    "backend.tf",
    "main.tf",
    "providers.tf",
    "variables.tf",
    "outputs.tf",
    "versions.tf",
    "main.tfvars",
}
SNAKE_CASE = re.compile(r"_?[a-z][a-z0-9]*(_[a-z0-9]+)*")
# §3.2 of the specification names this output so.
OUTPUTS_BY_THE_SPECIFICATION = {"DB_PRIVATE_IP"}


def sources(folder: Path) -> str:
    return "\n".join(file.read_text("utf-8") for file in sorted(folder.glob("*.tf")))


def test_a_module_has_the_usual_files(module: Path) -> None:
    assert {path.name for path in module.iterdir()} >= MODULE_FILES
    assert list((module / "tests").glob("*.tftest.hcl"))


def test_an_environment_has_the_usual_files(environment: Path) -> None:
    assert {path.name for path in environment.iterdir()} >= ENVIRONMENT_FILES


def test_every_variable_says_what_it_is(directory: Path) -> None:
    incomplete = [
        f"{name}: no {key}"
        for name, variable in blocks(directory, "variable").items()
        for key in ("description", "type")
        if not variable.get(key)
    ]
    assert incomplete == []


def test_every_output_says_what_it_is(directory: Path) -> None:
    outputs = blocks(directory, "output")
    assert [name for name, output in outputs.items() if not output.get("description")] == []


def test_descriptions_are_sentences(directory: Path) -> None:
    described = {**blocks(directory, "variable"), **blocks(directory, "output")}
    texts = {name: str(block.get("description", "")).strip() for name, block in described.items()}
    assert {name: text for name, text in texts.items() if text and not text.endswith((".", ")", "`"))} == {}


def test_names_are_in_snake_case(directory: Path) -> None:
    names = {*blocks(directory, "variable"), *blocks(directory, "output"), *blocks(directory, "module")}
    for kind in ("resource", "data"):
        for resources in blocks(directory, kind).values():
            names |= set(resources)
    names |= set(blocks(directory, "locals"))
    assert [name for name in names if not SNAKE_CASE.fullmatch(name) and name not in OUTPUTS_BY_THE_SPECIFICATION] == []


def test_a_lone_resource_repeats_nothing_of_its_type(module: Path) -> None:
    """google_kms_crypto_key.kms_key says it twice; main says it is the one."""
    repeated = [
        f"{kind}.{name}"
        for kind, resources in blocks(module, "resource").items()
        for name in resources
        if name == kind.removeprefix("google_")
    ]
    assert repeated == []


def test_every_variable_is_used(directory: Path) -> None:
    text = sources(directory)
    assert [name for name in blocks(directory, "variable") if f"var.{name}" not in text] == []


def test_every_local_is_used(directory: Path) -> None:
    text = sources(directory)
    assert [name for name in blocks(directory, "locals") if not re.search(rf"\blocal\.{name}\b", text)] == []


def test_a_module_brings_neither_provider_nor_backend(module: Path) -> None:
    assert blocks(module, "provider") == {}
    assert "backend" not in blocks(module, "terraform")


def test_a_module_works_from_terraform_1_8_on_with_this_provider_and_the_next(module: Path) -> None:
    terraform = blocks(module, "terraform")
    assert terraform["required_version"] == ">= 1.8"
    assert terraform["required_providers"]["google"] == {"source": "hashicorp/google", "version": ">= 7.0, < 9.0"}


def test_a_root_works_from_terraform_1_8_on_with_a_pinned_provider(root: Path) -> None:
    terraform = blocks(root, "terraform")
    assert terraform["required_version"] == ">= 1.8"
    assert terraform["required_providers"]["google"] == {"source": "hashicorp/google", "version": "~> 7.43"}


def test_only_the_google_provider_is_needed(directory: Path) -> None:
    assert set(blocks(directory, "terraform")["required_providers"]) == {"google"}


def test_a_module_reads_nothing_from_the_cloud(module: Path) -> None:
    """A data source makes a plan depend on what exists; a module is handed what it needs."""
    assert blocks(module, "data") == {}


def test_modules_come_from_this_repository(directory: Path) -> None:
    assert [m for m in blocks(directory, "module").values() if not str(m["source"]).startswith("../")] == []


def test_project_wide_iam_is_added_to_never_replaced(directory: Path) -> None:
    """A policy or a binding takes away what others were granted, Google's own service agents among them."""
    kinds = blocks(directory, "resource")
    replacing = re.compile(r"google_(project|folder|organization|billing_account)_iam_(policy|binding)")
    assert [kind for kind in kinds if replacing.fullmatch(kind)] == []


def test_every_environment_keeps_its_state_in_a_bucket_of_its_own(tree: Tree) -> None:
    backends = {folder.name: blocks(folder, "terraform").get("backend", {}).get("gcs") for folder in tree.environments}
    assert [name for name, backend in backends.items() if not backend or not backend.get("bucket")] == []
    buckets = [backend["bucket"] for backend in backends.values() if backend]
    assert sorted(set(buckets)) == sorted(buckets)


def services(tree: Tree) -> Iterator[tuple[str, dict[str, Any]]]:
    for folder in tree.directories:
        for name, service in blocks(folder, "resource", "google_cloud_run_v2_service").items():
            yield f"{tree.named(folder)}: {name}", service


def test_terraform_manages_no_traffic(tree: Tree) -> None:
    """The console owns the split: a traffic block here would put it back at every apply."""
    found = [
        name for name, service in services(tree) if "traffic" in service or "traffic" in service.get("dynamic", {})
    ]
    assert found == []


def test_terraform_leaves_to_the_pipeline_and_the_console_what_is_theirs(tree: Tree) -> None:
    seen = 0
    for name, service in services(tree):
        ignored = set(listed(service.get("lifecycle"))[0]["ignore_changes"])
        assert ignored >= allowed.NOT_TERRAFORMS, name
        # A revision name in a plan says that somebody deployed with --tag or a suffix: worth seeing.
        assert not any("revision" in path for path in ignored), name
        seen += 1
    assert seen


def test_nothing_is_kept_in_a_file_that_holds_a_secret(tree: Tree) -> None:
    kinds = {kind for folder in tree.directories for kind in blocks(folder, "resource")}
    assert not kinds & {"google_service_account_key", "google_sql_ssl_cert"}


@pytest.mark.parametrize("word", ["TODO", "FIXME", "changeme", "example.com"])
def test_nothing_is_left_to_fill_in(tree: Tree, word: str) -> None:
    found = [
        tree.named(file) for folder in tree.directories for file in configuration(folder) if word in file.read_text()
    ]
    assert found == []
