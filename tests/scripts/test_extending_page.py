"""docs/extending.md, followed to the letter."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outside(tmp_path_factory) -> Path:
    """A folder outside the project, in which the page's files lie and its commands have been run."""
    folder = tmp_path_factory.mktemp("outside")
    files = re.findall(r"^`(mine/[^`]+)`\n```\w+\n(.*?)^```$", PAGE, flags=re.S | re.M)
    assert len(files) == 7
    for name, text in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    [commands] = re.findall(r"^```bash\n(.*?)^```$", PAGE, flags=re.S | re.M)
    search = f"export PYTHONPATH=$PYTHONPATH:{ROOT}\n"  # of the project that is tested, whichever is installed
    script = "set -e\n" + commands.replace("export PYTHONPATH=mine\n", "export PYTHONPATH=mine\n" + search)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": path}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, text=True, capture_output=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "said.txt").write_text(done.stdout, encoding="utf-8")
    return folder


def test_all_parts_train_together(outside) -> None:
    records = [json.loads(path.read_text()) for path in (outside / "results/runs").glob("bumps-*/record.json")]
    probed = [record for record in records if record["probes"]]
    assert len(probed) == 1
    assert probed[0]["task_names"] == ["step 0", "step 0.5"]
    assert probed[0]["model"]["family"] == "bumps"
    totals = probed[0]["probes"]["size/total"]
    assert [len(row) for row in totals] == [3, 3, 3]
    assert len({round(number, 12) for row in totals for number in row}) == 9


def test_they_are_options_like_any_other(outside) -> None:
    said = (outside / "said.txt").read_text(encoding="utf-8")
    assert "Gaussians at fixed places." in said
    assert "How large parameters are." in said
    assert "my_metric:LAST" in said


def test_their_settings_can_be_chosen(outside) -> None:
    tuned = [json.loads(path.read_text()).get("tuned") for path in (outside / "results/runs").glob("*/record.json")]
    chosen = [each["chosen"]["optimizer.lr"] for each in tuned if each]
    assert len(chosen) == 2
    assert set(chosen) <= {0.01, 0.1}
