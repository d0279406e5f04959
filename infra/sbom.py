"""Writes a bill of materials (CycloneDX 1.6) of each function: what is linked into its binary, and nothing else.

    python infra/sbom.py DIRECTORY FUNCTION...

`DIRECTORY/FUNCTION.cdx.json` is of `DIRECTORY/FUNCTION/bootstrap`. It names the crates that Cargo links for AWS: with the features that the functions, built
together, ask of them, and without what only builds or tests need. Hashes are those of Cargo.lock; the same lock gives
the same bytes.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tomllib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[1]
TARGET = "aarch64-unknown-linux-gnu"
"""What `make package` builds for."""

_LICENSES = LicenseFactory()
_VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)
_SOURCE = re.compile(rb"/registry/src/[^/\x00]+/([A-Za-z0-9_-]+?)-([0-9]+\.[0-9]+\.[0-9]+[^/\x00]*)/")
"""Where a crate's source lay when it was compiled: what panics in it says so, and that stays in the binary."""
_LINE = re.compile(r"^(?P<depth>\d+)(?P<name>[A-Za-z0-9_-]+) v(?P<version>\S+)")


@dataclass(frozen=True, order=True)
class Crate:
    """A crate, as Cargo.lock knows it: no two are alike in both."""

    name: str
    version: str

    @property
    def ref(self) -> str:
        return f"{self.name}@{self.version}"


def package(function: str) -> str:
    """The package of a function."""
    return f"eks-upgrade-fn-{function}"


def _cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def linked(functions: list[str], target: str = TARGET) -> dict[Crate, set[Crate]]:
    """What links what, over all functions: as Cargo resolves it when it builds them together."""
    packages = [argument for function in functions for argument in ("--package", package(function))]
    tree = _cargo(
        "tree", "--locked", *packages, "--target", target, "--edges", "normal,no-proc-macro",
        "--prefix", "depth", "--format", "{p}",
    )  # fmt: skip
    links: dict[Crate, set[Crate]] = {}
    above: list[Crate] = []
    for line in filter(None, tree.splitlines()):
        found = _LINE.match(line)
        assert found, line
        crate, depth = Crate(found["name"], found["version"]), int(found["depth"])
        links.setdefault(crate, set())
        if depth:
            links[above[depth - 1]].add(crate)
        above[depth:] = [crate]
    return links


def of(root: Crate, links: dict[Crate, set[Crate]]) -> dict[Crate, set[Crate]]:
    """The part of `links` that is reached from `root`."""
    found: dict[Crate, set[Crate]] = {}
    ahead = [root]
    while ahead:
        crate = ahead.pop()
        if crate not in found:
            found[crate] = links[crate]
            ahead.extend(links[crate])
    return found


def locked() -> dict[Crate, dict[str, Any]]:
    """The entries of Cargo.lock."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {Crate(entry["name"], entry["version"]): entry for entry in lock["package"]}


def described() -> dict[Crate, dict[str, Any]]:
    """What each crate's manifest says of it."""
    metadata = json.loads(_cargo("metadata", "--locked", "--format-version", "1"))
    return {Crate(entry["name"], entry["version"]): entry for entry in metadata["packages"]}


def _component(crate: Crate, lock: dict[str, Any], manifest: dict[str, Any], kind: ComponentType) -> Component:
    published = "checksum" in lock
    component = Component(
        type=kind,
        name=crate.name,
        version=crate.version,
        bom_ref=crate.ref,
        description=manifest.get("description"),
        purl=PackageURL("cargo", None, crate.name, crate.version) if published else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=lock["checksum"])] if published else [],
    )
    if manifest.get("license"):
        # "MIT/Apache-2.0" is how crates said it before there were expressions.
        expression = re.sub(r"\s*/\s*", " OR ", manifest["license"])
        component.licenses.add(_LICENSES.make_with_expression(expression))
    return component


def bill(
    root: Crate, links: dict[Crate, set[Crate]], locks: dict[Crate, Any], manifests: dict[Crate, Any]
) -> Bom:
    """The bill of one function."""
    part = of(root, links)
    components = {
        crate: _component(
            crate, locks[crate], manifests[crate], ComponentType.APPLICATION if crate == root else ComponentType.LIBRARY
        )
        for crate in sorted(part)
    }
    bom = Bom(components=[component for crate, component in components.items() if crate != root])
    bom.metadata.component = components[root]
    for crate, below in part.items():
        bom.register_dependency(components[crate], [components[one] for one in sorted(below)])
    return bom


def written(bom: Bom) -> str:
    """A bill as text that is valid by CycloneDX's own schema, and the same for the same crates."""
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    # A time and a number by chance would make each run's another.
    document["metadata"].pop("timestamp", None)
    document.pop("serialNumber", None)
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True)).urn
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    error = _VALIDATOR.validate_str(text)
    if error is not None:
        raise ValueError(f"not a bill of materials: {error}")
    return text


def bills(functions: list[str], target: str = TARGET) -> dict[str, str]:
    """The bill of each function."""
    links, locks, manifests = linked(functions, target), locked(), described()
    root = {crate.name: crate for crate in links}
    return {one: written(bill(root[package(one)], links, locks, manifests)) for one in functions}


def strangers(binary: bytes, bill_of_it: str) -> set[str]:
    """The crates that a binary was seen to be made of and that its bill does not name."""
    components = json.loads(bill_of_it)["components"]
    named = {component["bom-ref"] for component in components}
    return {Crate(name.decode(), version.decode()).ref for name, version in _SOURCE.findall(binary)} - named


def main() -> None:
    arguments = argparse.ArgumentParser(description="Writes a bill of materials of each function.")
    arguments.add_argument("directory", type=Path)
    arguments.add_argument("functions", nargs="+")
    given = arguments.parse_args()
    for function, text in bills(given.functions).items():
        unnamed = strangers((given.directory / function / "bootstrap").read_bytes(), text)
        if unnamed:
            raise SystemExit(f"{function} is made of more than its bill of materials names: {sorted(unnamed)}")
        (given.directory / f"{function}.cdx.json").write_text(text)


if __name__ == "__main__":
    main()
