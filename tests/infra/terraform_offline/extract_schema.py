#!/usr/bin/env python3
"""Rebuild the schema of the hashicorp/google provider from the PyPI package ``cdktn-provider-google``.

    extract_schema.py PACKAGE OUT.json.gz [--types types.txt]

PACKAGE is the wheel (``pip download --no-deps cdktn-provider-google==20.0.0``; 20.0.0 is google 7.43.0) or the
unpacked ``package`` directory inside it.  The package is generated from ``terraform providers schema -json``, so its
JavaScript says for every field: name, type, block or attribute, required / optional / computed.  The result has the
shape of that command's output, and a few keys of its own:

    x-provider-version   the provider release the package was generated from
    x-omitted            the types the package has and ``--types`` left out ("data." stands before a data source)
    x-enum               on an attribute: the values its documentation lists ("Possible values: [...]")
    x-computed           on a block: kept as it is when the configuration leaves it out

What the package does not hold, so nobody can read it here: bounds of a block other than 0, 1 and "many"; the
sensitive flag and computed blocks (overlay.json is kept by hand); write-only, deprecated and force-new; validators
other than the documented values; the rules between arguments (ConflictsWith, ExactlyOneOf, ...).  Ephemeral resources
and provider functions are left out.
"""

from __future__ import annotations

import argparse
import fnmatch
import gzip
import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ADDRESS = "registry.terraform.io/hashicorp/google"
OVERLAY = Path(__file__).resolve().parent / "overlay.json"

CLASS = re.compile(r"^class (\w+) extends cdktn\.(\w+) \{(.*?)^\}", re.DOTALL | re.MULTILINE)
TO_HCL = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}", re.DOTALL | re.MULTILINE)
ENTRY = re.compile(
    r'^\s+"?(?P<name>[\w-]+)"?: \{\s*value: (?P<value>.+?),\s*isBlock: (?P<block>true|false),\s*'
    r'type: "(?P<kind>\w+)",\s*storageClassType: "(?P<storage>\w+)",\s*\}',
    re.MULTILINE,
)
FIELD = re.compile(
    r"// (?P<name>\w+) - computed: (?P<computed>true|false), optional: (?P<optional>true|false), "
    r"required: (?P<required>true|false)\n\s*(?P<member>[^\n]+)(?:\n\s*return (?P<getter>[^\n]+);)?"
)
MEMBER = re.compile(r'= new (?:\w+\.)?(?P<cls>\w+)\(this, "\w+"(?:, (?P<is_set>true|false))?\)')
GETTER = re.compile(r"get(\w+?)Attribute\(")
STRUCT = re.compile(r"(\w+)ToHclTerraform")
DOCUMENTED = re.compile(r"/\*\*((?:(?!\*/).)*?)#(\w+) \w+#\w+\}(?:(?!\*/).)*\*/\s+readonly \w+(\??): ", re.DOTALL)
INTERFACE = re.compile(r"^export interface (\w+)[^{]*\{(.*?)^\}", re.DOTALL | re.MULTILINE)
VALUES = re.compile(r'(?:Possible|Accepted|Valid) values(?: are)?: (\[(?:"[^"\]]*"(?:, )?)+\])')

PRIMITIVE = {"string": "string", "number": "number", "boolean": "bool"}
GETTER_TYPE: dict[str, Any] = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "List": ["list", "string"],
    "NumberList": ["list", "number"],
    "StringMap": ["map", "string"],
}
COLLECTION: dict[str, Any] = {"StringMap": ["map", "string"], "StringMapList": ["list", ["map", "string"]]}

Json = dict[str, Any]


class Unreadable(ValueError):
    """The package writes something in a form that this program does not know."""


class Module:
    """One directory of the package: one resource, data source or the provider itself."""

    def __init__(self, javascript: str, declarations: str) -> None:
        self.classes = {m[1]: (m[2], m[3]) for m in CLASS.finditer(javascript)}
        self.functions = {m[1]: m[2] for m in TO_HCL.finditer(javascript)}
        self.enums: dict[tuple[str, str], list[str]] = {}
        self.required: set[tuple[str, str]] = set()
        for interface in INTERFACE.finditer(declarations):
            for text, name, question_mark in DOCUMENTED.findall(interface[2]):
                if values := VALUES.search(text):
                    self.enums[interface[1], name] = json.loads(values[1])
                if not question_mark:
                    self.required.add((interface[1], name))

    def schema(self) -> tuple[str, str, str, Json] | None:
        """(base class, type name, provider version, schema), or None where the directory holds something else."""
        for name, (base, body) in self.classes.items():
            if base in ("TerraformResource", "TerraformDataSource", "TerraformProvider"):
                type_name = re.search(r"terraformResourceType: '(\w+)'", body)
                version = re.search(r"providerVersion: '([\d.]+)'", body)
                if not type_name or not version:
                    raise Unreadable(f"class {name} names no type or version")
                entries = body.partition("synthesizeHclAttributes()")[2]
                block = self.block(entries, body, f"{name}Config")
                return base, type_name[1], version[1], {"version": 0, "block": block}
        return None

    def block(self, entries: str, body: str, interface: str) -> Json:
        """A block from its HCL entries (what can be configured) and its class body (every field, with its flags)."""
        configurable = {m["name"]: m for m in ENTRY.finditer(entries)}
        attributes: Json = {}
        blocks: Json = {}
        for field in FIELD.finditer(body):
            name = field["name"]
            required, optional, computed = (field[flag] == "true" for flag in ("required", "optional", "computed"))
            entry = configurable.pop(name, None)
            if entry and entry["block"] == "true":
                blocks[name] = self.nested(entry, required)
                continue
            if not entry and not computed:
                raise Unreadable(f"{interface}.{name}: can be set, yet has no entry")
            attribute: Json = {"type": entry_type(entry) if entry else self.computed_type(field)}
            attribute |= {k: True for k, v in (("required", required), ("optional", optional)) if v and entry}
            attribute |= {"computed": True} if computed else {}
            attribute |= {"x-enum": self.enums[interface, name]} if (interface, name) in self.enums else {}
            attributes[name] = attribute
        if configurable:
            raise Unreadable(f"{interface}: no flags for {sorted(configurable)}")
        parts = {"attributes": attributes, "block_types": blocks}
        return {key: dict(sorted(part.items())) for key, part in parts.items() if part}

    def nested(self, entry: re.Match[str], required: bool) -> Json:
        """A nested block; a repeated one has no upper bound here, any other one has at most one."""
        found = STRUCT.search(entry["value"])
        if not found or found[1] not in self.functions:
            raise Unreadable(f"block {entry['name']}: {entry['value']}")
        function = found[1]
        struct = function[0].upper() + function[1:]
        if f"{struct}OutputReference" in self.classes:
            inner = self.block(self.functions[function], self.classes[f"{struct}OutputReference"][1], struct)
        else:  # blocks of the provider itself
            inner = self.plain_block(self.functions[function], struct)
        if entry["kind"] == "struct":
            return {"nesting_mode": "single", "block": inner}
        bounds: Json = {} if "listMapperHcl" in entry["value"] else {"max_items": 1}
        bounds |= {"min_items": 1} if required else {}
        return {"nesting_mode": entry["kind"], "block": inner, **bounds}

    def plain_block(self, entries: str, interface: str) -> Json:
        """A block without a class of its own: its flags stand in the interface only."""
        return {
            "attributes": {
                m["name"]: {
                    "type": entry_type(m),
                    ("required" if (interface, m["name"]) in self.required else "optional"): True,
                }
                for m in ENTRY.finditer(entries)
            }
        }

    def computed_type(self, field: re.Match[str]) -> Any:
        """The type of a field that only the provider sets, from how the class reads it."""
        if member := MEMBER.search(field["member"]):
            name = member["cls"]
            if name in COLLECTION:
                return COLLECTION[name]
            if not name.endswith("List"):
                raise Unreadable(f"{field['name']}: {field['member']}")
            return ["set" if member["is_set"] == "true" else "list", self.object_type(name.removesuffix("List"))]
        getter = GETTER.search(field["getter"] or "")
        if not getter or getter[1] not in GETTER_TYPE:
            raise Unreadable(f"{field['name']}: {field['getter']}")
        kind = GETTER_TYPE[getter[1]]
        return ["set", kind[1]] if "Fn.tolist(" in field["getter"] else kind

    def object_type(self, struct: str) -> Any:
        _, body = self.classes[f"{struct}OutputReference"]
        return ["object", {m["name"]: self.computed_type(m) for m in FIELD.finditer(body)}]


def entry_type(entry: re.Match[str]) -> Any:
    """The type of an attribute that can be set."""
    kind, storage = entry["kind"], entry["storage"]
    if kind == "simple" and storage in PRIMITIVE:
        return PRIMITIVE[storage]
    if kind in ("list", "set") and storage.removesuffix("List") in PRIMITIVE:
        return [kind, PRIMITIVE[storage.removesuffix("List")]]
    if kind == "map" and storage.removesuffix("Map") in PRIMITIVE:
        return ["map", PRIMITIVE[storage.removesuffix("Map")]]
    raise Unreadable(f"{entry['name']}: {kind} {storage}")


def apply_overlay(block: Json, sensitive: set[str], computed_blocks: set[str], path: str = "") -> None:
    """Mark what overlay.json names, and take each name out of the set that held it."""
    for name, attribute in block.get("attributes", {}).items():
        if path + name in sensitive:
            attribute["sensitive"] = True
            sensitive.remove(path + name)
    for name, nested in block.get("block_types", {}).items():
        if path + name in computed_blocks:
            nested["x-computed"] = True
            computed_blocks.remove(path + name)
        apply_overlay(nested["block"], sensitive, computed_blocks, f"{path}{name}.")


def read_package(package: Path) -> Iterator[tuple[str, str]]:
    """(path below ``lib/``, text) of every source file."""
    if package.is_dir():
        for file in sorted((package / "lib").rglob("*")):
            if file.name.endswith((".js", ".d.ts")):
                yield str(file.relative_to(package / "lib")), file.read_text()
        return
    with zipfile.ZipFile(package) as wheel:
        inner = next((name for name in wheel.namelist() if name.endswith(".jsii.tgz")), None)
        if inner is None:
            raise Unreadable(f"{package} holds no .jsii.tgz")
        with tarfile.open(fileobj=io.BytesIO(wheel.read(inner))) as archive:
            for member in archive:
                if member.name.startswith("package/lib/") and member.name.endswith((".js", ".d.ts")):
                    content = archive.extractfile(member)
                    yield member.name.removeprefix("package/lib/"), content.read().decode() if content else ""


def patterns(file: Path | None) -> list[str]:
    if file is None:
        return ["*"]
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line]


def build(package: Path, wanted: list[str]) -> Json:
    """The schema document; raises Unreadable for a pattern that matches nothing or a field it cannot read."""
    sources: dict[str, tuple[list[str], list[str]]] = {}
    for path, text in read_package(package):
        directory, separator, _ = path.partition("/")
        if separator:
            sources.setdefault(directory, ([], []))[path.endswith(".d.ts")].append(text)

    overlay: Json = json.loads(OVERLAY.read_text())
    out: Json = {"provider": None, "resource_schemas": {}, "data_source_schemas": {}}
    omitted: list[str] = []
    unused = set(wanted)
    version = ""
    for directory, (javascript, declarations) in sorted(sources.items()):
        if directory.startswith("ephemeral-") or directory == "provider-functions":
            continue
        data = directory.startswith("data-google-")
        label = ("data.google_" if data else "google_") + directory.removeprefix("data-google-").replace("-", "_")
        matched = {pattern for pattern in wanted if fnmatch.fnmatchcase(label, pattern)}
        unused -= matched
        if not matched and directory != "provider":
            omitted.append(label)
            continue
        found = Module("\n".join(javascript), "\n".join(declarations)).schema()
        if found is None:
            raise Unreadable(f"{directory}: neither resource, data source nor provider")
        base, type_name, version, schema = found
        if base == "TerraformProvider":
            out["provider"] = schema
            continue
        if type_name != label.removeprefix("data."):
            raise Unreadable(f"{directory} holds {type_name}")
        sensitive, computed_blocks = (set(overlay[key].get(label, ())) for key in ("sensitive", "computed_blocks"))
        apply_overlay(schema["block"], sensitive, computed_blocks)
        if absent := sensitive | computed_blocks:
            print(f"note: {label} has no {', '.join(sorted(absent))}; look at overlay.json", file=sys.stderr)
        out["data_source_schemas" if data else "resource_schemas"][type_name] = schema
    if unused:
        raise Unreadable(f"nothing in the package matches {', '.join(sorted(unused))}")
    return {
        "format_version": "1.0",
        "x-provider-version": version,
        "x-omitted": omitted,
        "provider_schemas": {ADDRESS: out},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("package", type=Path, help="the wheel, or the unpacked package directory")
    parser.add_argument("out", type=Path, help="where to write; .gz is compressed")
    parser.add_argument("--types", type=Path, help="file with one shell pattern a line (default: every type)")
    arguments = parser.parse_args()
    try:
        document = build(arguments.package, patterns(arguments.types))
    except (Unreadable, OSError) as error:
        print(f"extract_schema.py: {error}", file=sys.stderr)
        return 1
    data = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    if arguments.out.suffix == ".gz":
        data = gzip.compress(data, 9, mtime=0)  # no time stamp: the same package gives the same bytes
    arguments.out.write_bytes(data)
    schemas = document["provider_schemas"][ADDRESS]
    print(
        f"google {document['x-provider-version']}: {len(schemas['resource_schemas'])} resource types, "
        f"{len(schemas['data_source_schemas'])} data sources, {len(document['x-omitted'])} left out, {len(data)} bytes"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
