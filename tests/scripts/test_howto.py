"""The pages in docs/howto/, followed to the letter; and every link of README and docs leads somewhere."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOWTO = ROOT / "docs" / "howto"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "LOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def follow(page: str, folder: Path) -> str:
    """Writes a page's files, runs its Python and its commands in their order, and returns what they said."""
    text = (HOWTO / page).read_text(encoding="utf-8")
    for name, content in re.findall(r"^`(mine/[^`]+)`\n```\w+\n(.*?)^```$", text, flags=re.S | re.M):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    search = os.pathsep.join([str(ROOT), str(folder / "mine")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": path, "PYTHONPATH": search}
    said = ""
    for kind, block in re.findall(r"(?<!`\n)^```(bash|python)\n(.*?)^```$", text, flags=re.S | re.M):
        code = block.replace("export PYTHONPATH=mine\n", "")
        command = ["bash", "-ec", code] if kind == "bash" else [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=folder, env=environment, text=True, capture_output=True, timeout=280, check=False
        )
        assert done.returncode == 0, block + done.stdout + done.stderr
        said += done.stdout
    return said


def records(folder: Path) -> list[dict]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*/record.json")]


@pytest.mark.slow
def test_a_sweep(tmp_path) -> None:
    said = follow("sweep.md", tmp_path)
    assert "6 runs: 6 done" in said
    found = records(tmp_path / "results" / "mine")
    assert len(found) == 6
    with (tmp_path / "mine.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 6
    assert list((tmp_path / "results" / "mine").glob("plot-*.png"))


def test_a_strategy_of_ones_own(tmp_path) -> None:
    follow("strategy.md", tmp_path)
    found = records(tmp_path / "results" / "pulled")
    assert len(found) == 4
    assert len({json.dumps(record["R"]) for record in found}) == 4  # each weight has an effect


@pytest.mark.parametrize("page", ["training_loop.md", "pykan.md"])
def test_python(page, tmp_path) -> None:
    follow(page, tmp_path)
    assert any(tmp_path.iterdir())


@pytest.mark.slow
def test_a_cluster(tmp_path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="no submitit: pip install -e '.[slurm]'")
    follow("cluster.md", tmp_path)
    assert len(records(tmp_path / "results" / "cluster")) == 4


def test_every_page_is_listed() -> None:
    index = (HOWTO / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in HOWTO.glob("*.md")} - {"README.md"} <= set(re.findall(r"\]\(([^)]+)\)", index))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_link_is_dead(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.M)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, link
