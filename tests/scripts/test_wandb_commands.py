"""W&B from the command line: offline runs are synced once, and a sweep's file trains what the sweep trains."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_module

from continual.records.files import replace_file
from scripts.command import completed
from scripts.config.composed import folder_name, plain
from scripts.runs import __main__ as runs
from tests.continual.trackers.test_trackers import KEY, STEPS, TASKS, Server, WandbTracker, home, info, whole

__all__ = ["home"]  # a fixture


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["scripts.runs", *arguments])
    with pytest.raises(SystemExit) as ended:
        runs.main()
    return int(ended.value.code or 0) if not isinstance(ended.value.code, str) else pytest.fail(ended.value.code)


def test_sync_delivers_everything_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    results = tmp_path / "results"
    folders = [results / "five_peaks" / name for name in ("kan-1", "kan-2", "kan-3")]
    for folder in folders[:2]:
        whole(WandbTracker(), folder)
        replace_file(folder / "config.yaml", b"{}")
    interrupted = WandbTracker()
    interrupted.start(info(folders[2]))
    interrupted.abort()
    replace_file(folders[2] / "config.yaml", b"{}")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with Server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert call(monkeypatch, "sync", str(results), "--list") == 0
        assert "2 W&B runs to upload" in capfd.readouterr().out
        assert server.paths == []
        assert call(monkeypatch, "sync", str(results)) == 0
        assert "2 W&B runs uploaded" in capfd.readouterr().out
        histories = {path: lines for (path, name), lines in server.lines.items() if name == "wandb-history.jsonl"}
        assert len(histories) == 2
        for lines in histories.values():
            rows = [json.loads(line) for line in lines]
            assert sum("curve/loss/mean" in row for row in rows) == STEPS
            assert sum("task/index" in row for row in rows) == TASKS + 1
        uploads = [path for path in server.paths if path.startswith("/upload/media/table/R")]
        assert len(uploads) == 2
        before = list(server.paths)
        assert call(monkeypatch, "sync", str(results)) == 0
        assert "nothing to upload" in capfd.readouterr().out
        assert server.paths == before


def test_sync_gives_up_on_a_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    folder = tmp_path / "results" / "five_peaks" / "kan-1"
    whole(WandbTracker(), folder)
    replace_file(folder / "config.yaml", b"{}")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert call(monkeypatch, "sync", str(tmp_path / "results"), "--patience", "2") == 1
    said = capfd.readouterr()
    assert "0 W&B runs uploaded, 1 left" in said.out
    assert "is the server reachable?" in said.err


def agent_commands(file: Path) -> list[list[str]]:
    """What W&B's own agent makes of a sweep's file."""
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    content = yaml.safe_load(file.read_text())
    keys = list(content["parameters"])
    found: list[dict] = [{}]
    for key in keys:
        found = [{**one, key: {"value": value}} for one in found for value in content["parameters"][key]["values"]]
    commands = []
    for arguments in found:
        words: list[str] = []
        filled = create_sweep_command_args({"args": arguments})
        for word in create_sweep_command(list(content["command"])):
            words += filled[word[2:-1]] if word == "${args_no_hyphens}" else [word]
        assert words[:4] == ["${env}", "python", "-m", "scripts.train"]
        commands.append(words[4:])
    return commands


def folders_of(commands: list[list[str]]) -> list[str]:
    found = []
    with initialize_config_module("conf", version_base="1.3"):
        for command in commands:
            config = compose("train", completed(command), return_hydra_config=True)
            found.append(folder_name(plain(config), config.hydra))
    return found


@pytest.mark.parametrize(
    ("overrides", "count"),
    [
        (["model.grid_size=5,20", "optimizer=adam,lbfgs", "optimizer.lr=1e-3,0.1", "training.batch_size=null,7"], 16),
        (["model=mlp", "model.width=3,5"], 2),
        (["+experiment=five_peaks"], 11),
    ],
)
def test_agents_train_what_the_sweep_trains(tmp_path: Path, monkeypatch, overrides, count) -> None:
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    file = tmp_path / "sweep.yaml"
    assert call(monkeypatch, "sweep-file", str(file), "-m", *overrides, "seeds=2") == 0
    found = folders_of(agent_commands(file))
    assert len(set(found)) == count
    if overrides[0].startswith("+experiment"):
        return
    jobs = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides([*overrides, "seeds=2"]), None)[0]
    assert found == folders_of([list(job) for job in jobs])


def test_trials_run_without_a_server(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "sweep.yaml"
    short = ["seeds=1", "training.steps=2", "tracker=none", f"results={tmp_path / 'results'}"]
    assert call(monkeypatch, "sweep-file", str(file), "model.grid_size=3,4", *short) == 0
    root = Path(runs.__file__).parents[2]
    command = [sys.executable, "-m", "scripts.runs", "trials", str(file), "--go"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "results").glob("runs/kan-*/record.json"))) == 2
    assert done.stdout.count("python -m scripts.train model.grid_size=") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep-file", "s.yaml", "model.grid_size=5"], "nothing is swept"),
        (["sweep-file", "s.yaml", "model.grid_siz=5,6"], "did you mean grid_size"),
        (["sweep-file", "s.yaml", "model.grid_size=int(interval(3,9))"], "--method random or bayes"),
        (["sweep-file", "s.txt", "model.grid_size=5,6"], "must end in .yaml"),
        (["sweep-file", "s.yaml", "model.grid_size=5,6", "--metric", "forgeting"], "did you mean forgetting"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, monkeypatch, arguments, message, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["scripts.runs", *arguments])
    with pytest.raises(SystemExit) as ended:
        runs.main()
    assert message in str(ended.value.code)
    assert "\n" not in str(ended.value.code)
    assert not list(tmp_path.glob("s.*"))
