#!/usr/bin/env python3
"""Keeps removed-apis.json: which API versions each Kubernetes minor stops to serve.

Two sources say it, both given as paths; either may be left out:

  --guide FILE   content/en/docs/reference/using-api/deprecation-guide.md of kubernetes/website. It says what was
                 removed, in prose of one shape, and wins where the two disagree.
  --source DIR   a checkout of kubernetes/kubernetes (or of k8s.io/api). The markers that prerelease-lifecycle-gen
                 writes say since when a version is deprecated, what replaces it, and when it is to go. What goes
                 after the newest minor of the guide is known from there alone.

Rows that neither names are kept. Without --write it only says what would change, and ends with 1 where something would.
"""

import argparse
import json
import re
import sys
from pathlib import Path

TABLE = Path(__file__).with_name("removed-apis.json")
GUIDE = "https://kubernetes.io/docs/reference/using-api/deprecation-guide/#v1-{}"
SOURCE = "https://github.com/kubernetes/kubernetes/blob/master/{}"

# A plural that is not the kind with an s behind it, and not one that the rules of `plural` give.
PLURALS = {"Endpoints": "endpoints"}

# "The **g/v** API version of A and B …", "The **g/v** and **h/w** API versions of A …"
OF = re.compile(
    r"The ((?:\*\*[^*]+\*\*(?:, | and |, and )?)+) API versions? of (.+?) "
    r"(?:is|are|will)(?: no longer| longer)?[^.]*?\bv1\.(\d+)"
)
# "A in the **g/v** API version …"
IN = re.compile(r"^(\w+) in the \*\*([^*]+)\*\* API version [^.]*?\bv1\.(\d+)", re.MULTILINE)
# "* Migrate … to use the **g/v** API version", "  * A is available in **g/v** since v1.x"
USE = re.compile(r"use the \*\*([^*]+)\*\*\s+API\s+version")

LIFECYCLE = re.compile(
    r"func \(in \*(\w+)\) APILifecycle(Deprecated|Removed)\(\) \(major, minor int\) \{\s*return 1, (\d+)\s*\}"
)
REPLACEMENT = re.compile(
    r"func \(in \*(\w+)\) APILifecycleReplacement\(\) [\w.]+ \{\s*"
    r'return [\w.]+\{Group: "([^"]*)", Version: "([^"]*)", Kind: "([^"]*)"\}'
)
GROUP = re.compile(r'const GroupName = "([^"]*)"')
# A kind that clients call: the markers stand at parts of requests, too.
CALLED = re.compile(r"// \+genclient\n(?:(?://[^\n]*)?\n)*type (\w+) struct")


def plural(kind: str) -> str:
    """The resource of a kind, as the API spells it."""
    if kind in PLURALS:
        return PLURALS[kind]
    name = kind.lower()
    if re.search(r"[^aeiou]y$", name):
        return name[:-1] + "ies"
    return name + ("es" if re.search(r"(s|x|ch|sh)$", name) else "s")


def split(api: str) -> tuple[str, str]:
    """The group and the version of `group/version`."""
    group, _, version = api.rpartition("/")
    return group, version


def row(group, version, kind, removed, deprecated=None, replacement=None, source="") -> dict:
    """One row of the table, in the order in which it is written."""
    return {
        "group": group,
        "version": version,
        "resource": plural(kind),
        "kind": kind,
        "deprecated": deprecated and f"1.{deprecated}",
        "removed": f"1.{removed}",
        "replacement": replacement,
        "source": source,
    }


def key(entry: dict) -> tuple:
    """What a row is about."""
    return entry["group"], entry["version"], entry["kind"]


def from_guide(text: str) -> list[dict]:
    """What the deprecation guide says was removed."""
    rows = []
    for block in re.split(r"^#### ", text, flags=re.MULTILINE)[1:]:
        said = [
            (api, kind, int(minor))
            for apis, kinds, minor in OF.findall(block)
            for api in re.findall(r"\*\*([^*]+)\*\*", apis)
            for kind in re.split(r", and |, | and ", kinds)
        ]
        said += [(api, kind, int(minor)) for kind, api, minor in IN.findall(block)]
        if not said and "**v1." not in block:
            print(f"no removal read in: {block.splitlines()[0]}", file=sys.stderr)
        use = USE.search(block)
        for api, kind, minor in said:
            replacement = f"{use.group(1)} {kind}" if use else None
            rows.append(row(*split(api), kind, minor, replacement=replacement, source=GUIDE.format(minor)))
    return rows


def from_source(root: Path) -> list[dict]:
    """What the markers of a source tree say is to be removed."""
    rows = []
    for path in sorted(root.rglob("zz_generated.prerelease-lifecycle.go")):
        if "vendor" in path.relative_to(root).parts:
            continue
        folder = path.parent
        register, types = folder / "register.go", folder / "types.go"
        group = GROUP.search(register.read_text()) if register.exists() else None
        if group is None or not types.exists() or "alpha" in folder.name:
            continue
        called = set(CALLED.findall(types.read_text()))
        text = path.read_text()
        ends: dict[str, dict[str, int]] = {}
        for kind, what, minor in LIFECYCLE.findall(text):
            ends.setdefault(kind, {})[what] = int(minor)
        replaced = {kind: (g, v, k) for kind, g, v, k in REPLACEMENT.findall(text)}
        for kind, end in ends.items():
            if kind not in called or "Removed" not in end:
                continue
            by = replaced.get(kind)
            replacement = f"{by[0]}/{by[1]} {by[2]}".lstrip("/") if by else None
            source = SOURCE.format(types.relative_to(root).as_posix())
            rows.append(
                row(group.group(1), folder.name, kind, end["Removed"], end.get("Deprecated"), replacement, source)
            )
    return rows


def number(minor: str | None) -> int:
    """The number behind the dot; 0 for none."""
    return int(minor.split(".")[1]) if minor else 0


def merged(table: list[dict], guide: list[dict], source: list[dict]) -> list[dict]:
    """The table with what the sources say: the guide on what was removed, the source on what is to be."""
    newest = max((number(entry["removed"]) for entry in guide or table), default=0)
    rows = {key(entry): dict(entry) for entry in table}
    for entry in guide:
        old = rows.get(key(entry), {})
        rows[key(entry)] = {**entry, "deprecated": old.get("deprecated"),
                            "replacement": entry["replacement"] or old.get("replacement")}
    for entry in source:
        known = rows.get(key(entry))
        if known is None and number(entry["removed"]) > newest:
            rows[key(entry)] = entry
        elif known is not None:
            known["deprecated"] = entry["deprecated"] or known["deprecated"]
            known["replacement"] = known["replacement"] or entry["replacement"]
            # A marker says what was meant then; the guide says what happened.
            if number(known["removed"]) > newest:
                known["removed"], known["source"] = entry["removed"], entry["source"]
    return sorted(rows.values(), key=lambda entry: (-number(entry["removed"]), key(entry)))


def written(rows: list[dict]) -> str:
    """The file's text: a line a row."""
    return "[\n" + ",\n".join("  " + json.dumps(entry) for entry in rows) + "\n]\n"


def main() -> int:
    """Reads the sources, and says or writes what changes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guide", type=Path)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if not (args.guide or args.source):
        parser.error("give --guide or --source")
    guide = from_guide(args.guide.read_text()) if args.guide else []
    source = from_source(args.source) if args.source else []
    if (args.guide and not guide) or (args.source and not source):
        print("nothing was read of a source: is that its path, and has its form changed?", file=sys.stderr)
        return 2
    table = json.loads(TABLE.read_text()) if TABLE.exists() else []
    rows = merged(table, guide, source)
    before = {key(entry): entry for entry in table}
    changed = [entry for entry in rows if before.get(key(entry)) != entry]
    for entry in changed:
        print(f"{entry['group']}/{entry['version']} {entry['kind']}: deprecated {entry['deprecated']}, "
              f"removed {entry['removed']}, then {entry['replacement']}")
    print(f"{len(guide)} rows of the guide, {len(source)} of the source; {len(changed)} of {len(rows)} change")
    if args.write:
        TABLE.write_text(written(rows))
        return 0
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
