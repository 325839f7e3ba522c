"""The types that the package promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mpnet_burn

PACKAGE = Path(mpnet_burn.__file__).parent

# Packages of other projects may be absent: they have no types here.
OTHERS = ("torch", "ray", "pyarrow")
CONFIGURATION = "[mypy]\nstrict = true\n" + "".join(
    f"[mypy-{package}.*]\nignore_missing_imports = true\nfollow_imports = skip\n" for package in OTHERS
)

# Scripts for other machines, and tests that need those packages.
NOT_CHECKED = ("reference.py", "test_ray.py", "test_others.py")


def test_types_are_strict(tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text(CONFIGURATION)
    arguments = ["--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path / "cache")]
    tests = Path(__file__).parent.glob("*.py")
    checked = [str(PACKAGE), *(str(path) for path in tests if path.name not in NOT_CHECKED)]
    subprocess.run([sys.executable, "-m", "mypy", *arguments, *checked], check=True, cwd=PACKAGE.parent)


def test_the_stub_is_that_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text(CONFIGURATION)
    arguments = ["--mypy-config-file", str(tmp_path / "mypy.ini")]
    subprocess.run([sys.executable, "-m", "mypy.stubtest", *arguments, "mpnet_burn._native"], check=True, cwd=tmp_path)
