"""Commands that are wrong in some way: each is answered in one line, or trains what it says and nothing else."""

import random
import re
import signal
import string
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from continual.records.record import read_record

SHORT = ["seeds=1", "training.steps=2", "training.evaluate_every=1", "tracker=none"]
SECONDS = 20

GROUPS = {
    "model": (
        *("kan", "kan_local", "kan_rbf", "kan_chebyshev", "kan_fourier", "mlp", "mlp_matched", "spline_mlp"),
        *("mlp_elephant", "mlp_tiling", "siren", "rbf_lattice", "rbf_network", "tensor_spline", "fourier_features"),
    ),
    "curriculum": ("gaussian_peaks", "function", "toy_regions", "toy_sequence"),
    "optimizer": ("adam", "sgd", "lbfgs", "adam_lbfgs", "levenberg_marquardt", "rmsprop"),
    "strategy": ("finetune", "cumulative", "replay", "derpp", "agem", "ogd", "si", "mas", "lwf", "l2", "independent"),
    "adaptation": ("none", "grid_update", "grid_schedule", "domain_extension", "pruning", "symbols"),
    "penalty": ("none", "sparsity"),
}

TYPES = [
    "five",
    "true",
    "null",
    "[]",
    "{}",
    "[1,2]",
    "{a:1}",
    "1.5",
    "-1.5",
    "''",
    "'5'",
    "[[1]]",
    "1e3",
    "0x5",
    "~",
    "?",
]
RANGES = ["0", "-1", "nan", "inf", "-inf", "1e-300", "-0.0", "1e300", "1e39", "2", "-7", "0.5", "1e-45"]
SIZES = [
    "1" * 400,
    "1" * 5000,
    *["1e9", "1000000000", "9223372036854775807", "9223372036854775808", "1e18", "12345678901", "1_000_000"],
]
SIGNS = [
    "a b",
    "\u200b",
    *["模型", "a=b", "x^2", "it's", "é", "$HOME", "${oops}", "${seeds}", "`id`", "😀", "\\", "*", "@"],
]
PLACES = [
    "",
    "a" * 300,
    *[r"..", r".", r"/", r"../../x", r"a/b", r"/proc/none/x", r"/dev/null", r"con", r"~", r"./x/", r"\\host"],
]
SYNTAX = [
    "=",
    "model",
    "=5",
    "model.=5",
    ".model=5",
    "model..x=5",
    "+",
    "~model",
    "~seeds",
    "++a.b.c=1",
    "model@x=kan",
    "model.grid_size=[1",
    "model.grid_size={",
    "seeds=(1",
    "x=${",
    "--foo",
    "-q",
    "-m",
    "--multirun",
    "seeds==5",
    "model=",
    "model=[kan]",
    "model=[kan,mlp]",
    "+model=kan",
    "-1",
    "é=1",
    "model/x=kan",
    "~optimizer.lr",
]
SWEEPS = [
    "model.grid_size=3,0",
    "model.grid_size=3,x",
    "seeds=1,0",
    "model=kan,kna",
    "model=glob(q*)",
    "optimizer.lr=1,nan",
    "model.grid_size=range(3)",
    "model.grid_size=range(3,1)",
    "results=a,b",
    "tracker=none,wandb",
    "seeds=[0],[0]",
    "model.depth=interval(1,3)",
    "model.width=shuffle(1,x)",
    "experiment_name=a,b",
    "model.grid_size=choice()",
    "model.grid_size=3,3",
    "+experiment=five_peaks,grid_depth",
    "hydra.sweep.dir=x,y",
    "report.title=a,b",
]
CONTRADICTIONS = """
optimizer=levenberg_marquardt penalty=sparsity
model=mlp adaptation=pruning
seeds=[1,1]
optimizer=adam_lbfgs
model=kan model.grid_range=[1,-1]
model.grid_range=[0,0]
model.layer_sizes=[1,2,1]
model=mlp model.grid_size=5
curriculum.peaks=1
device=cuda
curriculum.spacing=5
training.evaluate_every=7
model.engine=triton
model.engine=cuda
adaptation=[grid_update,grid_update]
adaptation=[none,pruning]
hydra/launcher=parallel
model.grid_range=[-1,1,2]
model.grid_range=[1]
training.batch_size=0
dtype=float16
training.batch_size=100000
training.penalty_steps=5
hydra.mode=RUN
hydra.run.dir=x
+experiment=five_peaks model=kan
+experiment/five_peaks=nothing
sweep.x=1
+sweep.x=1
model._target_=os.system
optimizer._target_=print
curriculum._target_=kan.KAN
model._target_=
optimizer._target_=torch.optim.Nope
tracker._target_=none
hydra.job.chdir=true
hydra.sweeper._target_=x
report.figures=null
training=null
report=null
model=null
curriculum=null
optimizer=null
hydra=null
seeds=null
""".strip().splitlines()


def keys(choice: list[str]) -> list[str]:
    """Everything that can be set in a config, with its dots."""

    def leaves(node: object, path: str) -> Iterator[str]:
        if isinstance(node, dict) and node:
            for key, value in node.items():
                yield from leaves(value, f"{path}.{key}" if path else str(key))
        else:
            yield path

    with initialize_config_module("conf", version_base=None):
        config = OmegaConf.to_container(compose("train", overrides=choice))
    return [key for key in leaves(config, "") if key != "results"]


def malformed(seed: int) -> tuple[str, list[str]]:
    """A kind, and a command of that kind."""
    pick = random.Random(seed)
    kind = pick.choice(["types", "ranges", "sizes", "signs", "places", "misspelt", "syntax", "sweeps", "contradictions",
                        "two", "bytes"])  # fmt: skip
    choice = [f"{group}={pick.choice(options)}" for group, options in GROUPS.items() if pick.random() < 0.3]
    if kind == "syntax":
        return kind, [*choice, *pick.sample(SYNTAX, pick.choice([1, 1, 2]))]
    if kind == "sweeps":
        return kind, ["-m", *choice, pick.choice(SWEEPS)]
    if kind == "contradictions":
        return kind, [*choice, *pick.choice(CONTRADICTIONS).split()]
    known = keys(choice)
    key = pick.choice(known)
    if kind == "places":
        return kind, [*choice, f"{pick.choice(['results', 'experiment_name', 'name', key])}={pick.choice(PLACES)}"]
    if kind == "misspelt":
        at = pick.randrange(len(key))
        sign = pick.choice([*string.ascii_lowercase, "", ".", "_", "/", " "])
        return kind, [*choice, f"{pick.choice(['', '', '+', '~', '++'])}{key[:at]}{sign}{key[at + 1 :]}=1"]
    if kind == "bytes":
        text = "".join(pick.choice(string.printable + "éß模\0") for _ in range(pick.randrange(1, 12)))
        return kind, [*choice, f"{key}={text}".replace("\0", "")]
    values = {"types": TYPES, "ranges": RANGES, "sizes": SIZES, "signs": SIGNS}
    if kind == "two":
        return kind, [
            *choice,
            *(f"{pick.choice(known)}={pick.choice(pick.choice(list(values.values())))}" for _ in "12"),
        ]
    return kind, [*choice, f"{key}={pick.choice(values[kind])}"]


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Ends what takes longer."""

    def end(number: int, frame: object) -> None:
        raise TimeoutError(f"no answer within {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def check(folder: Path, arguments: list[str]) -> None:
    """That a run was trained with what its command says, to numbers or to a divergence that its record tells."""
    record = read_record(folder)
    assert record.R.size > 0
    assert np.isfinite(record.R[~record.diverged]).all(), "trained to no number, and its record is silent"
    config = OmegaConf.load(folder / "config.yaml")
    for argument in arguments:
        key, _, text = argument.lstrip("+").partition("=")
        if re.fullmatch(r"[\w.]+\.\w+", key) and key.partition(".")[0] in (*GROUPS, "training") and "$" not in text:
            asked = OmegaConf.create(f"value: {text}").value
            used = OmegaConf.select(config, key)
            assert used == asked, f"{key}: asked for {asked!r}, used {used!r}"


def answer(arguments: list[str], folder: Path, monkeypatch, capfd) -> str:
    """What a command came to: "refused" in one line, "trained", or "helped"; fails where it is none of these."""
    from scripts.train import main

    monkeypatch.chdir(folder)
    places = [] if any(argument.startswith("results=") for argument in arguments) else ["results=here"]
    monkeypatch.setattr(sys, "argv", ["scripts.train", *arguments[:1], *SHORT, *places, *arguments[1:]]
                        if arguments[0] == "-m" else ["scripts.train", *SHORT, *places, *arguments])  # fmt: skip
    code: object = None
    with at_most(SECONDS):
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err, (out + err)[-3000:]
    asked = [folder / argument.removeprefix("results=") for argument in arguments if argument.startswith("results=")]
    places = [place.resolve() for place in (folder, *asked)]
    written = [p for p in folder.parent.rglob("*") if p.is_file() and not any(q in p.parents for q in places)]
    assert not written, f"wrote beside the results: {written}"
    records = list(folder.rglob("record.json"))
    if code in (None, 0):
        for path in records:
            if arguments[0] != "-m":
                check(path.parent, arguments)
        return "trained" if records else "helped"
    line = str(code)
    assert line.startswith("error: "), (line, out, err)
    assert "\n" not in line
    assert len(line) < 1000, line
    return "refused, the rest trained" if records else "refused"


def tried(seeds: range, tmp_path: Path, monkeypatch, capfd, record_property) -> None:
    counts: Counter[str] = Counter()
    wrong = []
    for seed in seeds:
        kind, arguments = malformed(seed)
        folder = tmp_path / str(seed) / "work"
        folder.mkdir(parents=True)
        try:
            counts[answer(arguments, folder, monkeypatch, capfd)] += 1
        except Exception as error:  # all of them are shown, not the first alone
            capfd.readouterr()
            wrong.append(f"{seed} ({kind}) {arguments}: {type(error).__name__}: {str(error)[-1500:]}")
        except AssertionError as error:
            wrong.append(f"{seed} ({kind}) {arguments}: {str(error)[-1500:]}")
    record_property("malformed commands", ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    assert not wrong, "\n".join([f"{len(wrong)} of {len(seeds)}:", *wrong])


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer on this system")
def test_malformed_commands_are_answered_in_one_line(tmp_path, monkeypatch, capfd, record_property) -> None:
    tried(range(60), tmp_path, monkeypatch, capfd, record_property)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer on this system")
def test_a_thousand_malformed_commands(tmp_path, monkeypatch, capfd, record_property) -> None:
    tried(range(1000, 2000), tmp_path, monkeypatch, capfd, record_property)
