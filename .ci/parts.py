"""
The parts that kvk-enrich is made of: a list of them, and whether any is known to be weak.

``parts.py sbom`` and ``parts.py audit``, as ``make`` calls them. Exit codes: 0 all is well, 1 a part is known to be
weak, 2 it could not be found out, which is no reason to feel safe.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PINNED: Final = ROOT / ".ci" / "constraints.txt"
TOOLS: Final = ROOT / "build" / "audit" / "bin"


def sbom(tools: Path = TOOLS, target: Path = ROOT / "build" / "sbom.json") -> int:
    """Write what runs (no tools of developers) to *target* as CycloneDX, without addresses of registries."""
    listed = _run(
        *(tools / "cyclonedx-py", "environment", "--pyproject", ROOT / "pyproject.toml"),
        *("--output-reproducible", "--short-PURLs", "--validate", ROOT / ".venv" / "bin" / "python"),
    )
    if listed.returncode:
        return _said(2, f"NOT LISTED: {_last_line(listed.stderr)}")
    made = only(json.loads(listed.stdout), running(PINNED.read_text(encoding="utf-8")))
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return _said(0, f"{target}: {len(made['components'])} parts")


def running(pinned: str) -> set[str]:
    """Return the names of what kvk-enrich needs to run, by the comments of *pinned* that say who needs what."""
    needed_by = {
        lines.partition("==")[0]: set(re.findall(r"^    #(?: via)? +(\S.*)$", lines, re.MULTILINE))
        for lines in re.split(r"^(?=[a-z0-9])", pinned, flags=re.MULTILINE)[1:]
    }
    names = {"kvk-enrich (pyproject.toml)"}
    while more := {name for name, by in needed_by.items() if name not in names and by & names}:
        names |= more
    return names & needed_by.keys()


def only(bom: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return *bom* with the parts *names* only, and without addresses."""
    parts = [part for part in bom["components"] if re.sub(r"[-_.]+", "-", part["name"]).lower() in names]
    known = {part["bom-ref"] for part in [bom["metadata"]["component"], *parts]}
    needs = [
        {**part, "dependsOn": [each for each in part.get("dependsOn", []) if each in known]}
        for part in bom["dependencies"]
        if part["ref"] in known
    ]
    return {
        name: _without_addresses(value) for name, value in (bom | {"components": parts, "dependencies": needs}).items()
    }


def _without_addresses(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _without_addresses(value) for name, value in tree.items() if name != "externalReferences"}
    return [_without_addresses(value) for value in tree] if isinstance(tree, list) else tree


def audit(tools: Path = TOOLS, pinned: Path = PINNED) -> int:
    """Ask the public list of weaknesses about every pinned part."""
    asked = _run(
        *(tools / "pip-audit", "--format", "json", "--progress-spinner", "off"),
        *("--require-hashes", "--disable-pip", "--requirement", pinned),
    )
    try:
        parts = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return _said(2, f"NOT AUDITED: the list of weaknesses could not be asked. {_last_line(asked.stderr)}")
    weak = [f"WEAK: {part['name']} {part['version']}: {_known(part)}" for part in parts if part.get("vulns")]
    skipped = [f"NOT AUDITED: {part['name']}: {part['skip_reason']}" for part in parts if "skip_reason" in part]
    if weak or skipped or not parts:
        return _said(1 if weak else 2, *weak, *skipped, f"{len(parts) - len(skipped)} parts were audited")
    return _said(0, f"{len(parts)} parts audited: no weakness is known")


def _known(part: dict[str, Any]) -> str:
    """Return what is known of a weak part: names, and the versions that mend it."""
    return ", ".join(f"{each['id']} (mended in {', '.join(each['fix_versions']) or '-'})" for each in part["vulns"])


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)  # noqa: S603  our own tools


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


def _said(code: int, *lines: str) -> int:
    (sys.stderr if code else sys.stdout).write("".join(f"{line}\n" for line in lines))
    return code


if __name__ == "__main__":
    sys.exit({"sbom": sbom, "audit": audit}[sys.argv[1]]())
