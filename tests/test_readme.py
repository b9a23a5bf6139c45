"""The Python examples of the README and of docs/architecture.md run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [(ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/architecture.md")]
BLOCKS = [block for page in PAGES for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)]


@pytest.mark.parametrize("code", [code for code in BLOCKS if "…" not in code], ids=lambda code: code.split("\n")[0])
def test_an_example_runs(code, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102 # it is our own text
