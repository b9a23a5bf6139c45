"""The command line: runs, sweeps, experiments in their short form, and one clear line for each mistake."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from continual.records.listing import read_sweep
from continual.records.record import read_record
from scripts.config.composed import plain
from scripts.config.effects import chosen_keys, without_effect
from scripts.drawing import draw

ROOT = Path(__file__).parents[2]
SHORT = ["seeds=2", "training.steps=2", "training.evaluate_every=1", "tracker=none", "jobs=1"]
"""In one process, which costs less than to start more of them; five_peaks and tests of sweeps are about the default."""

STAGES = [
    "++values.sizes=[3,5]",
    *(f"++values.{name}_grid_steps=1" for name in ("lm", "lbfgs")),
    "curriculum.points=100",
]
MLPS = ["++values.mlp_steps=2", "++values.mlp_lm_steps=2", "++values.fair_steps=2", "++values.adam_steps=1"]

FEW = ["curriculum.points_per_task=20", "curriculum.test_points=20"]

SHORTER = {
    "five_peaks": ["jobs=auto"],
    "interpretable": [
        "training.steps=5",
        "training.penalty_steps=2",
        "++sweep.refined_at=3",
        "++sweep.symbols_at=3",
        "++optimizer.max_iter=3",
    ],
    "grid_extension": [*STAGES, "++adaptation.grid_schedule.sizes=[3,5]"],
    "scaling_toy": [*STAGES, *MLPS, "+experiment/scaling_toy=bessel,high_dimensional"],
    "runtime": ["sweep.grid_size=5"],
    "special_functions": [*STAGES, *MLPS, "curriculum.function=ellipj,sph_harm_1_1"],
    "feynman": [*STAGES, *MLPS, "curriculum.function=feynman_I_6_2,feynman_I_26_2"],
    "locality": [
        "values.models=[kan_1,mlp_tanh]",
        "values.inputs=[d2]",
        "curriculum.points_per_task=20",
        "curriculum.test_points=20",
        "tune.keys={optimizer.lr:[0.01,0.1]}",
        "probe.response.samples=2",
    ],
    "pykan_227": ["curriculum.size=10", "curriculum.test_points=20", "tune.keys={optimizer.lr:[0.1]}"],
    "overlap": ["sweep.grid_size=5", "sweep.overlap=0.5,2.0"],
    "strategies": [
        *FEW,
        "tune.keys=null",
        "values.models=[kan_2]",
        "values.local=[kan_2]",
        "values.curricula=[peaks_1]",
        "values.strategies=[finetune,replay,ogd,ewc_full,wsn]",
    ],
    "rescue": [*FEW, "values.models=[mlp]", "values.curricula=[peaks_1]", "sweep.step=a,d"],
}
"""What else an experiment needs to do all that it does in a few steps."""


def command(*arguments: str, module: str = "scripts.train") -> list[str]:
    return [sys.executable, "-W", "error::UserWarning:hydra", "-m", module, *arguments]


def call(*arguments: str, module: str = "scripts.train", code: int = 0, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*arguments, module=module),
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=240,
        stdin=subprocess.DEVNULL,
        check=False,
        **options,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_one_run_leaves_everything_behind(tmp_path) -> None:
    arguments = ["model=kan", "curriculum=gaussian_peaks", "model.grid_size=50", f"results={tmp_path}", *SHORT]
    first = call(*arguments)
    (folder,) = (tmp_path / "runs").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.yaml", "record.json", "curves.npz", "model.pt", "log.txt", "figure.png", "figure.pdf"}
    assert "forgetting" in first.stdout
    assert "grid_size=50" in first.stdout
    assert str(folder / "figure.png") in first.stdout
    assert first.stderr == ""  # no progress line in a pipe

    record = read_record(folder)
    fields = json.loads((folder / "record.json").read_text())
    assert {"format", "status", "seeds", "R", "parameters", "flops", "seconds", "versions", "device"} <= set(fields)
    assert record.R.shape == (2, 6, 5)
    saved = torch.load(folder / "model.pt", weights_only=True)
    assert sum(v.numel() for k, v in saved["model"].items() if "knots" not in k) == 2 * record.total_parameters

    again = call(*arguments)
    assert "skipped, its record exists" in again.stdout

    other = call(*arguments, f"results={tmp_path / 'twice'}")
    assert "skipped" not in other.stdout
    twin = read_record(tmp_path / "twice" / "runs" / folder.name)  # the same identity
    assert np.array_equal(record.R, twin.R)
    for name, values in record.curves.items():
        assert np.array_equal(values, twin.curves[name], equal_nan=True), name
    weights = torch.load(twin.folder / "model.pt", weights_only=True)["model"]
    assert all(torch.equal(saved["model"][name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    ("experiment", "runs", "figures"),
    [
        ("five_peaks", 11, ["figure", "matrices", "curves"]),
        ("grid_depth", 36, ["figure"]),
        ("edge_variants", 15, ["figure", "phases", "matrices", "curves"]),
        ("toy_functions", 24, ["figure", "matrices"]),
        ("interpretable", 11, ["figure", "formulas", "digits"]),
        ("grid_extension", 4, ["figure"]),
        ("scaling_toy", 22, ["figure", "rmse", "trained"]),
        ("special_functions", 8, ["figure"]),
        ("feynman", 8, ["figure"]),
        ("parameter_count", 31, ["figure"]),
        ("locality", 10, ["figure", "probes", "probes_line"]),
        ("pykan_227", 12, ["figure", "matrices", "probes", "responses", "interference", "support", "tasks"]),
        ("overlap", 8, ["figure"]),
        ("strategies", 7, ["figure", "retention"]),
        ("rescue", 4, ["figure", "weights"]),
        ("runtime", 15, ["figure"]),  # of 19: with the short form's seeds the one and the ten are the same run
    ],
)
def test_every_experiment_in_its_short_form(tmp_path, experiment, runs, figures) -> None:
    shorter = SHORTER.get(experiment, [])
    flags = ["-m"] if any(argument.startswith("+experiment/") for argument in shorter) else []
    arguments = [*flags, f"+experiment={experiment}", f"results={tmp_path}", *SHORT, *shorter]
    done = call(*arguments, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    folder = tmp_path / experiment
    records, missing, _ = read_sweep(folder)
    assert not missing
    assert len({record.name for record in records}) == runs
    for name in figures:
        assert (folder / f"{name}.png").stat().st_size > 10_000
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    page = (folder / "index.html").read_text()
    table = (folder / "table.csv").read_text().splitlines()
    assert len(table) == runs + 1
    for record in records:
        assert record.name in (folder / "table.md").read_text()
        assert record.folder.name in page
    assert str(folder / "figure.png") in done.stdout
    assert done.stderr == ""
    drawn = (folder / "figure.png").read_bytes()
    (folder / "figure.png").unlink()
    config = OmegaConf.load(folder / "multirun.yaml")
    for name in set(config.report.figures) - {"figure"}:
        config.report.figures[name] = None
    draw(config, folder)
    assert (folder / "figure.png").read_bytes() == drawn


def test_a_report_is_drawn_again_from_the_records_alone(tmp_path) -> None:
    call("-m", "model.grid_size=3,4", f"results={tmp_path}", *SHORT)
    pictures = {path: path.read_bytes() for path in (tmp_path / "runs").glob("*.png")}
    redrawn = call(str(tmp_path / "runs"), module="scripts.report")
    assert {path: path.read_bytes() for path in pictures} == pictures
    assert str(tmp_path / "runs" / "index.html") in redrawn.stdout


def test_any_key_can_be_swept(tmp_path) -> None:
    arguments = ["-m", "model.grid_size=3,4", "model.depth=1,2", f"results={tmp_path}", *SHORT]
    call(*arguments)
    records, _, _ = read_sweep(tmp_path / "runs")
    assert [(r.sweep["grid_size"], r.sweep["depth"]) for r in records] == [(3, 1), (3, 2), (4, 1), (4, 2)]
    again = call(*arguments, "model.depth=1,2,3")
    assert again.stdout.count("skipped, its record exists") == 4
    assert len(read_sweep(tmp_path / "runs")[0]) == 6


def test_interrupted_sweep_does_only_what_is_missing(tmp_path) -> None:
    arguments = ["-m", "model.grid_size=3,4,5", f"results={tmp_path}", "seeds=2", "training.steps=300", "tracker=none"]
    process = subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell that runs tests in the background has them ignore Ctrl-C, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "runs").glob("*/record.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    assert "resource_tracker" not in errors
    finished = len(list((tmp_path / "runs").glob("*/record.json")))
    assert 1 <= finished < 3
    again = call(*arguments)
    assert again.stdout.count("skipped, its record exists") == finished
    assert len(read_sweep(tmp_path / "runs")[0]) == 3


def test_help_explains_itself() -> None:
    text = call("--help").stdout
    assert "+experiment=five_peaks" in text
    assert re.search(r"^  kan_rbf +Gaussian edges in the form of FastKAN", text, re.MULTILINE)
    assert re.search(r"^  experiment/grid_depth: kan, mlp$", text, re.MULTILINE)
    assert re.search(r"^  base: silu +# silu, identity or zero$", text, re.MULTILINE)
    assert re.search(r"^seeds: 10 +# a number of seeds", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 120
    text = call("--help", "adaptation=[pruning,grid_update]", "optimizer=adam_lbfgs").stdout
    assert re.search(r"^    at: 100 +# before which step of the task$", text, re.MULTILINE)
    assert "is not an option; valid: fourier_features," in call("--help", "model=x", code=1).stderr


def test_settings_that_change_nothing_are_said(tmp_path) -> None:
    def said(*overrides: str) -> list[str]:
        with initialize_config_module("conf", version_base=None):
            values = plain(compose("train", overrides=[*overrides, "training.steps=20", "seeds=2"]))
        return [line.partition(" has no effect: ")[0] for line in without_effect(values, chosen_keys(overrides))]

    assert said("model.noise_scale=0.7") == ["model.noise_scale"]
    assert said("model.noise_scale=0.7", "model.initialization=pykan") == []
    assert said("model.depth=1", "model.width=7") == ["model.width"]
    assert said("model.layer_sizes=[1,3,1]", "model.width=2", "model.depth=9") == ["model.width", "model.depth"]
    assert said("training.penalty_steps=3") == ["training.penalty_steps"]
    assert said("training.penalty_steps=3", "penalty=sparsity") == []
    assert said("training.batch_size=100") == ["training.batch_size"]
    assert said("training.batch_size=99") == []
    assert said("training.evaluate_every=21") == ["training.evaluate_every"]
    assert said("curriculum=function", "strategy=cumulative", "curriculum.noise=0.0") == ["strategy"]
    assert said("curriculum=function", "strategy=lwf") == ["strategy"]
    assert said("curriculum=function", "strategy=l2") == []
    assert said("model=mlp", "model.width=3", "model.depth=3", "curriculum.peaks=3", "optimizer.lr=1", "name=x") == []
    assert said("model.grid_range=[-2,2]", "model.engine=dense", "model.base=zero", "dtype=float64") == []
    done = call("model.noise_scale=0.7", f"results={tmp_path}", *SHORT)
    assert done.stdout.startswith("model.noise_scale has no effect: ")


def test_what_removes_nothing_says_so(tmp_path) -> None:
    done = call("adaptation=domain_extension", f"results={tmp_path}", *SHORT)
    assert "no adaptation found anything to do" in done.stdout


STRATEGIES = ", ".join(sorted(path.stem for path in (ROOT / "conf" / "strategy").glob("*.yaml")))

MISTAKES = [
    (["model.grid_sise=5"], "model.grid_sise is not a config key; did you mean grid_size?"),
    (["+model.grid_sise=5"], "model.grid_sise is not a config key; did you mean grid_size?"),
    (["+training.stepz=5"], "training.stepz is not a config key; did you mean steps?"),
    (["model=kna"], "model=kna is not an option; did you mean kan?"),
    (["+experiment=scaling_toy", "report.figures.figure.measure=mean"], "should be 'rmse' or 'median', got 'mean'"),
    (["adaptation=[grid_update,foo]"], "adaptation=foo is not an option; valid: domain_extension,"),
    (["report.figures.figure.axes=[lr,depth]"], "is not a config key; continual.figures.matrices has no settings"),
    (["+report.figures.figure.axes=[lr,depth]"], "is not a config key; continual.figures.matrices has no settings"),
    (["optimizer=sgd", "optimizer.nesterov=true"], "left at its default by the config; set it with a plus"),
    (["optimizer=sgd", "optimizer.nestrov=true"], "optimizer.nestrov is not a config key; did you mean nesterov?"),
    (["modle=kan"], "modle is not a config key; did you mean model?"),
    (["+experiment=five_peeks"], "did you mean five_peaks?"),
    (["experiment=five_peaks"], "+experiment="),
    (["model.grid_size=five"], "model.grid_size: input should be a valid integer, got 'five'"),
    (["model.base=gelu"], "model.base: input should be 'silu', 'identity' or 'zero', got 'gelu'"),
    (["+model.members=3"], "model.members is set by the run itself"),
    (["model.grid_size=0"], "grid_size must be at least 1"),
    (["model.spline_order=0"], "spline_order must be at least 1"),
    (["model.depth=0"], "depth must be at least 1"),
    (["seeds=0"], "seeds must be a number"),
    (["seeds=[1,1]"], "seeds must differ"),
    (["curriculum.spacing=0.6"], "outside the model's grid from -1 to 1"),
    (["curriculum.points_per_task=0"], "points_per_task must be at least 1"),
    (["optimizer.lr=0"], "the learning rate must be positive"),
    (["optimizer=lbfgs", "optimizer.lr=-1"], "lr"),
    (["optimizer=levenberg_marquardt", "penalty=sparsity"], "LevenbergMarquardt takes no penalty"),
    (["optimizer=levenberg_marquardt", "model=mlp", "optimizer.roughness=1e-7"], "needs a model with splines"),
    (["training.steps=0"], "training.steps"),
    (["optimizer=adam_lbfgs", "training.steps=5"], "optimizer.switch_at=1000 is never reached with training.steps=5"),
    (["model.grid_size=[1"], "can't read"),
    (["-m", "model.grid_size=5,0"], "grid_size must be at least 1 interval, got 0 (in the run with model.grid_size=0)"),
    (["adaptation=grid_update", "model=mlp"], "adaptation.grid_update needs a model with grids"),
    (["adaptation=grid_schedule"], "adaptation.grid_schedule.sizes must begin with model.grid_size=5"),
    (["adaptation=[grid_update,domain_extension]", "adaptation.grid_update.evry=3"], "did you mean every?"),
    (["adaptation=pruning", "model=mlp"], "pruning and formulas need a network of edges"),
    (["adaptation=pruning", "adaptation.pruning.operation.measure=l3"], "adaptation.pruning.operation.measure"),
    (["penalty=sparsity", "model=mlp"], "need a network of edges such as KAN, got MLP"),
    (["penalty=sparsity", "+penalty.l2=3"], "penalty.l2 is not a config key"),
    (["training.penalty_steps=0"], "training.penalty_steps"),
    (["-m", "model.grid_sise=5,6"], "did you mean grid_size?"),
    (["-m", "model=kan,mlp", "model.grid_size=5,10"], "(in the run with model=mlp, model.grid_size=5)"),
    (["threads=0"], "threads: input should be greater than or equal to 1, got 0"),
    (["tracker=null"], "tracker must be one of none, tensorboard, trackio, wandb, got null"),
    (["tracker=[1,2]"], "tracker must be one of none, tensorboard, trackio, wandb, got [1,2]"),
    (["strategy=true"], f"strategy must be one of {STRATEGIES}, got true"),
    (["-m", "strategy=finetune,5"], f"strategy must be one of {STRATEGIES}, got finetune,5"),
    (["strategy=null"], f"strategy must be one of {STRATEGIES}, got null"),
    (["model.noise_scale=nan"], "model.noise_scale must be a finite number, got nan"),
    (["model.grid_range=[-1,inf]"], "model.grid_range[1] must be a finite number, got inf"),
    (["curriculum.noise=-inf"], "curriculum.noise must be a finite number, got -inf"),
    (["optimizer.weight_decay=-1"], "weight_decay"),
    (["experiment_name=.."], "experiment_name"),
    (["experiment_name=."], "experiment_name"),
    (["seeds=100000000000"], "the run needs about 2e+03 TB of memory (100000000000 seeds), and"),
    (["model.width=1000000000000"], "the run needs"),
    (["curriculum.peaks=1000000"], "peaks must be at most 10000, got 1000000"),
    (
        ["training.steps=100000000", "training.evaluate_every=1", "curriculum.peaks=5", "seeds=100"],
        "the run needs about",
    ),
    (["name=模型"], """in quotes: 'name="模型"'"""),
    (["name=a=b"], """in quotes: 'name="a=b"'"""),
    (["name=it's, so"], "in quotes: "),
    (["adaptation=symbols", "adaptation.symbols.operation.library=[x,x^2]"], """library=["x","x^2"]'"""),
    (["hydra.job.chdir=true"], "hydra.job.chdir has no use here"),
    (["-m", "model.grid_size=3,4", "hydra.sweep.dir=elsewhere"], "hydra.sweep.dir follows from"),
    (["+experiment=five_peaks,grid_depth"], "experiments can't be swept"),
    (["threads=100000"], "threads: input should be less than or equal to 1024, got 100000"),
    (["model.depth=100000"], "depth must be at most 1000, got 100000"),
    (["model.spline_order=100"], "spline_order must be at most 50, got 100"),
    (["model.noise_scale=-1"], "noise_scale must be finite and not negative, got -1"),
    (["optimizer.lr=1e39"], "optimizer.lr must be at most 3.4e+38 in float32, got 1e+39"),
    (["model.grid_size=100000000000000000000"], "model.grid_size must be at most 9.22e+18, got 100000000000000000000"),
    (["curriculum.noise=1e30"], "the untrained model's loss is not a finite number in torch.float32"),
    (["model.grid_size=1000000000"], "the run needs about"),
    (["model.grid_size=5", "-m"], "flags come first: -m before model.grid_size=5"),
    (["--foo"], "unrecognized arguments: --foo; --help shows what there is"),
    (["-m", "model.grid_size=range(3,1)"], "the sweep has no runs: model.grid_size has no values"),
    (["optimizer=rmsprop", "optimizer._target_=torch.optim.Adafactor"], "Adafactor mixes members"),
    (["optimizer=rmsprop", "optimizer._target_=torch.optim.LBFGS"], "LBFGS can't train a stack of members"),
    (["optimizer=rmsprop", "optimizer._target_=torch.optim.SparseAdam"], "SparseAdam can't train a stack of members"),
    (["--cfg", "job", "-m", "model.grid_size=3,4"], "--multirun and --cfg can't go together"),
    (["model.engine=triton"], "engine 'triton' needs float32 or float64 on a CUDA device"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES])
def test_a_mistake_is_answered_in_one_line_before_any_work(tmp_path, monkeypatch, capfd, arguments, message) -> None:
    from scripts.train import main

    monkeypatch.setattr(sys, "argv", ["scripts.train", *arguments, f"results={tmp_path}", "tracker=none"])
    with pytest.raises(SystemExit) as stopped:
        main()
    line = str(stopped.value.code)  # Python prints it on stderr and exits with 1
    assert line.startswith("error: ")
    assert "\n" not in line
    assert message in line
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.glob("*/*/*"))


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("name=模型", "模型"),
        ("name=a=b", "a=b"),
        ("name=it's, so", "it's, so"),
        ('name=say "x" (y)', 'say "x" (y)'),
        ("model.base=[x,x^2]", ["x", "x^2"]),
    ],
)
def test_the_quotes_that_are_proposed_work(override, value) -> None:
    import shlex

    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import OverrideParseException

    from scripts.errors import explain

    with pytest.raises(OverrideParseException) as refused:
        OverridesParser.create().parse_overrides([override])
    (proposed,) = shlex.split(explain(refused.value, [override]).partition("in quotes: ")[2])
    assert OverridesParser.create().parse_override(proposed).value() == value


def test_an_output_that_lacks_signs_still_gets_the_rest(tmp_path) -> None:
    options = [*SHORT, f"results={tmp_path}", "name=one"]
    done = call(*options, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert "learned" in done.stdout
    windows = {"env": {**os.environ, "PYTHONIOENCODING": "cp1252"}, "encoding": "cp1252"}
    done = call("-m", "model.grid_size=3,4", *options[:-1], **windows)
    assert "index.html" in done.stdout
    call(str(tmp_path / "runs"), module="scripts.report", env={**os.environ, "PYTHONIOENCODING": "ascii"})


def test_a_reader_that_leaves_ends_no_work(tmp_path) -> None:
    arguments = ["-m", "model.grid_size=3,4", f"results={tmp_path}", *SHORT]
    process = subprocess.Popen(command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    assert re.match(r"2 runs; to do: \d+ steps, about \d+ s, memory up to [\d.]+ .B a run", process.stdout.readline())
    process.stdout.close()
    assert process.communicate(timeout=120)[1] == ""
    assert process.returncode == 0
    assert (tmp_path / "runs" / "index.html").is_file()


def test_a_mistake_ends_the_process_with_one_line_and_no_traceback(tmp_path) -> None:
    for arguments in (["model.grid_size=0"], ["-m", "model.grid_size=5,0"]):
        done = call(*arguments, f"results={tmp_path}", "tracker=none", code=1)
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: grid_size must be at least 1")


def test_a_large_sweep_is_checked_by_every_value_of_every_axis(tmp_path) -> None:
    sizes = ",".join(map(str, range(3, 14)))
    done = call("-m", f"model.grid_size={sizes}", f"seeds={sizes},0", f"results={tmp_path}", *SHORT[1:], code=1)
    assert "seeds must be a number of seeds of at least 1" in done.stderr
    assert "seeds=0" in done.stderr
    assert not list(tmp_path.glob("runs/*/record.json"))
