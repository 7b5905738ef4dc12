"""The pictures of the README."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.screenshots import FOLDER, SCENES

ROOT = Path(__file__).parent.parent


def test_made_again_elsewhere_they_are_the_same_bytes(tmp_path: Path) -> None:
    environ = os.environ | {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-m", "tests.screenshots", str(tmp_path)], cwd=ROOT, env=environ, check=True)
    for scene in SCENES:
        assert (tmp_path / f"{scene.name}.svg").read_bytes() == (FOLDER / f"{scene.name}.svg").read_bytes()


def test_screenshots_need_no_network() -> None:
    for scene in SCENES:
        svg = (FOLDER / f"{scene.name}.svg").read_text(encoding="utf-8")
        assert "url(http" not in svg
        assert "@import" not in svg
        assert not re.search(r"(?:href|src)\s*=\s*[\"']https?:", svg)
        assert set(re.findall(r"xmlns\S*=\"(\S+)\"", svg)) <= {"http://www.w3.org/2000/svg"}


def test_the_readme_shows_pictures_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"\]\((screenshots/\S+)\)", readme)
    assert shown
    assert all((ROOT / name).is_file() for name in shown)
