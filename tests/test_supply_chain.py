"""What kvk-enrich is made of: pinned, with hashes, known by name, and audited or said not to be."""

import importlib.util
import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PINS = [ROOT / ".ci" / "constraints.txt", ROOT / ".ci" / "audit.txt"]

_spec = importlib.util.spec_from_file_location("parts", ROOT / ".ci" / "parts.py")
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(parts)

PINNED = """\
# made by a tool
one==1.0 ; python_full_version >= '3.12' \\
    --hash=sha256:00 \\
    --hash=sha256:01
    # via kvk-enrich (pyproject.toml)
two-b==2.0 \\
    --hash=sha256:02
    # via
    #   one
    #   tool
tool==3.0 \\
    --hash=sha256:03
    # via kvk-enrich (pyproject.toml:dev)
"""


@pytest.mark.parametrize("file", PINS, ids=lambda file: file.name)
def test_every_pin_has_hashes_and_no_address(file):
    """One version, checked byte by byte, wherever it is fetched from."""
    lines = file.read_text().replace("\\\n", " ").splitlines()
    pins = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(pins) > 30
    loose = r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==[\w.!+]+( ; [^;]+?)?(\s+--hash=sha256:[0-9a-f]{64})+"
    assert [pin for pin in pins if not re.fullmatch(loose, pin.strip())] == []
    assert not re.search(r"://|@|--(index|extra|find|trusted)|\.(com|org|net|io)\b", "\n".join(lines))


def test_every_pin_is_needed_and_all_that_is_needed_is_pinned():
    """Each is there for something that pyproject.toml names, and each of those is there."""
    pinned = PINS[0].read_text()
    names = set(re.findall(r"^([a-z0-9-]+)==", pinned, re.MULTILINE))
    for_developers = pinned.replace("(pyproject.toml:dev)", "(pyproject.toml)")
    assert names - parts.running(for_developers) == set()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    optional = project["project"]["optional-dependencies"].values()
    wanted = {_name(text) for texts in (project["project"]["dependencies"], *optional) for text in texts}
    assert wanted - parts.running(pinned) == set()
    assert {_name(text) for text in project["dependency-groups"]["dev"]} - names == set()


def test_what_is_installed_is_what_is_pinned():
    """No other version, where there is but one."""
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", PINS[0].read_text(), re.MULTILINE))
    found = {_name(each.name): each.version for each in metadata.distributions()}
    several = {name for name in pinned if len(re.findall(rf"^{name}==", PINS[0].read_text(), re.MULTILINE)) > 1}
    other = {name: found[name] for name in pinned.keys() & found.keys() - several if found[name] != pinned[name]}
    assert other == {}


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def test_the_list_of_parts_is_what_runs():
    """Tools of developers are no part of it, addresses neither; it says what it is a list of."""
    root = {"bom-ref": "root", "name": "kvk-enrich", "version": "0.1.0"}
    listed = [
        {"bom-ref": "one==1.0", "name": "One", "externalReferences": [{"url": "https://register.example"}]},
        {"bom-ref": "Two_B==2.0", "name": "Two_B"},
        {"bom-ref": "tool==3.0", "name": "tool"},
    ]
    needs = [
        {"ref": "root", "dependsOn": ["one==1.0"]},
        {"ref": "one==1.0", "dependsOn": ["Two_B==2.0", "tool==3.0"]},
        {"ref": "tool==3.0"},
    ]
    bom = {"bomFormat": "CycloneDX", "metadata": {"component": root}, "components": listed, "dependencies": needs}
    made = parts.only(bom, parts.running(PINNED))
    assert made["metadata"]["component"] == root
    assert [part["name"] for part in made["components"]] == ["One", "Two_B"]
    assert [part["dependsOn"] for part in made["dependencies"]] == [["one==1.0"], ["Two_B==2.0"]]
    assert "https" not in json.dumps(made)


_FINE = {"name": "one", "version": "1.0", "vulns": []}
_WEAK = {"name": "two", "version": "2.0", "vulns": [{"id": "PYSEC-0", "fix_versions": ["2.1"]}]}
_SKIPPED = {"name": "three", "skip_reason": "not there"}


@pytest.mark.parametrize(
    ("found", "ends", "said"),
    [
        ([_FINE], 0, "1 parts audited: no weakness is known\n"),
        ([_FINE, _WEAK], 1, "WEAK: two 2.0: PYSEC-0 (mended in 2.1)\n2 parts were audited\n"),
        ([_FINE, _SKIPPED], 2, "NOT AUDITED: three: not there\n1 parts were audited\n"),
        ([], 2, "0 parts were audited\n"),
        (None, 2, "NOT AUDITED: the list of weaknesses could not be asked. ConnectionError: no way\n"),
    ],
)
def test_what_could_not_be_audited_does_not_look_fine(tmp_path, capsys, found, ends, said):
    """Without an answer nothing is known, and that is no 0."""
    tool = tmp_path / "pip-audit"
    answer = (
        f"echo '{json.dumps({'dependencies': found})}'" if found is not None else "echo ConnectionError: no way >&2"
    )
    tool.write_text(f"#!/bin/sh\n{answer}\nexit 1\n")
    tool.chmod(0o700)
    assert parts.audit(tmp_path) == ends
    assert "".join(capsys.readouterr()) == said
