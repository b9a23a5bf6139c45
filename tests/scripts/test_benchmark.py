"""The benchmark: what it compares is comparable, turns are taken, tables say what was measured. No times are judged."""

import csv
import subprocess
import sys

import numpy as np
import pytest
import torch

from kan import KAN
from scripts.benchmark.cases import CASES, Case, CoxDeBoorKAN, networks
from scripts.benchmark.comparison import Row, compare, five_peaks
from scripts.benchmark.memory import least_memory, peak_memory
from scripts.benchmark.peers import Peer, PeerError
from scripts.benchmark.report import grid_figure, tables, write_csv
from scripts.benchmark.timing import network_job, paired, ratio

CPU = torch.device("cpu")
SMALL = Case((2, 3, 1), 4, 6)


def test_cases_are_read_as_they_are_written() -> None:
    assert Case.parse("2,3,1:4:6") == SMALL
    assert str(SMALL) == "[2,3,1] G=4 B=6"
    for text in ("2,3,1", "2:4:6", "2,3:0:6", "2,x:4:6", "2,3:4:6:7"):
        with pytest.raises(ValueError, match="a case "):
            Case.parse(text)


def test_the_dense_network_is_the_same_function() -> None:
    dense = CoxDeBoorKAN(SMALL).double()
    model = KAN(2, 1, layer_sizes=[2, 3, 1], grid_size=4, dtype=torch.float64)
    with torch.no_grad():
        for ours, theirs in zip(model.layers, dense.layers, strict=True):
            ours.coefficients.copy_(theirs.coefficients.permute(1, 2, 0)[None])
            ours.spline_scale.copy_(theirs.spline_scale.T[None])
            ours.base_weight.copy_(theirs.base_weight.T[None])
    x = 2.6 * torch.rand(1, 50, 2, dtype=torch.float64) - 1.3
    torch.testing.assert_close(model(x), dense(x), rtol=0, atol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_contenders_have_equal_parameters(case) -> None:
    built = {name: build() for name, build in networks(case, 1, torch.float32, torch.device("cpu")).items()}
    counts = {name: sum(p.numel() for p in model.parameters()) for name, model in built.items()}
    edges = sum(i * o for i, o in zip(case.layer_sizes[:-1], case.layer_sizes[1:], strict=True))
    assert counts["KAN"] == counts["dense KAN"] == counts["Cox–de Boor"] == edges * (case.grid_size + 3 + 2)
    assert counts["MLP"] == pytest.approx(counts["KAN"], rel=0.02)
    assert built["MLP"].depth == max(2, len(case.layer_sizes) - 1)


def test_several_members_are_one_stack() -> None:
    many = networks(SMALL, 3, torch.float32, CPU)
    assert set(many) == {"KAN", "MLP"}
    assert all(build().members == 3 for build in many.values())


def test_stages_do_what_they_say() -> None:
    x, y = torch.rand(1, 6, 2), torch.rand(1, 6, 1)
    for stage, differentiated, moved in (
        ("forward", False, False),
        ("forward+backward", True, False),
        ("step", True, True),
    ):
        model = KAN(2, 1)
        before = model.layers[0].coefficients.detach().clone()
        assert network_job(model, x, y, stage)(2) > 0
        assert (model.layers[0].coefficients.grad is not None) == differentiated
        assert (not torch.equal(before, model.layers[0].coefficients)) == moved


def test_contenders_take_turns() -> None:
    log = []

    def job(name: str, seconds: float):
        def run(calls: int) -> float:
            log.append((name, calls))
            return calls * seconds

        return run

    times = paired({"a": job("a", 0.001), "b": job("b", 0.004)}, rounds=4, span=0.02)
    assert [name for name, _ in log[6:]] == ["a", "b", "b", "a"] * 2
    assert dict(log[6:]) == {"a": 20, "b": 5}
    np.testing.assert_allclose(times["a"], 0.001)
    slow = paired({"a": job("a", 1.0)}, rounds=15, span=0.02)
    assert len(slow["a"]) == 5
    log.clear()
    assert len(paired({"a": job("a", 1.0), "b": job("b", 1.0)}, rounds=2, span=0.0)["b"]) == 2
    assert log == [("a", 1), ("b", 1), ("b", 1), ("a", 1)]


def test_ratios_are_of_medians_with_quartiles_of_rounds() -> None:
    found = ratio(np.array([2.0, 4.0, 6.0]), np.array([1.0, 1.0, 2.0]))
    assert found.value == 4.0
    assert (found.low, found.high) == (2.5, 3.5)


def test_compare_measures_every_contender() -> None:
    threads = torch.get_num_threads()
    for members, names in ((1, {"KAN", "MLP", "dense KAN", "Cox–de Boor", "torch MLP"}), (3, {"KAN", "MLP"})):
        rows = compare(SMALL, "step", members, 1, dtype=torch.float32, device=CPU, rounds=2, span=1e-4)
        assert {row.contender for row in rows} == names
        assert all(len(row.seconds) == 2 and (row.seconds > 0).all() for row in rows)
        assert {row.parameters for row in rows if row.contender in ("KAN", "dense KAN")} == {81}
    torch.set_num_threads(threads)


def rows() -> list[Row]:
    found = []
    for members, names in ((1, {"KAN": 2.0, "MLP": 4.0, "Cox–de Boor": 20.0}), (10, {"KAN": 6.0, "MLP": 40.0})):
        for grid in (5, 50):
            case = Case((2, 3, 1), grid, 6)
            found += [
                Row(case, "step", members, 1, name, 9, 1e-3 * ms * np.array([1.0, 1.0, 1.1]))
                for name, ms in names.items()
            ]
    return found


def test_tables_hold_ratios_and_the_hardware(tmp_path) -> None:
    text = tables(rows(), "some processor")
    assert text.startswith("some processor\n")
    assert "| [2,3,1] G=5 B=6 | 9 | 2 | 10.00 (10.00–10.00) | 0.50 (0.50–0.50) |" in text
    assert "| [2,3,1] G=50 B=6 | MLP | 4 | 10.0 |" in text
    assert "| [2,3,1] G=50 B=6 | KAN | 2 | 3.0 |" in text
    write_csv(rows(), "some processor", tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 10
    assert float(lines[2]["median_ms"]) == 20.0
    assert float(lines[2]["kan_over_this"]) == pytest.approx(0.1)


def test_figure_has_a_line_for_each_contender() -> None:
    drawn = [row for row in rows() if row.members == 1]
    axes = grid_figure(drawn, "some processor").axes[0]
    assert len(axes.lines) == 3
    assert list(axes.lines[0].get_xdata()) == [5, 50]
    np.testing.assert_allclose(axes.lines[2].get_ydata(), 20.0)


def test_memory_is_that_of_the_network() -> None:
    case = Case((32, 32), 100, 8)
    parameters = 32 * 32 * 105
    assert least_memory(case, parameters, torch.float32) == 4 * (parameters + 8 * 64)
    peak = peak_memory(case, "KAN", torch.float32, CPU)
    if peak is not None:  # where the system tells
        assert parameters * 4 * 1.5 < peak < parameters * 4 * 100


def test_five_peaks_trains_one_and_ten_seeds() -> None:
    threads = torch.get_num_threads()
    found = {name: (seconds, final) for name, seconds, final in five_peaks([], rounds=1, steps=2)}
    torch.set_num_threads(threads)
    assert set(found) == {"KAN, 1 seed", "KAN, 10 seeds"}
    assert all(0 < final < 1 for _, final in found.values())


FAKE = """
import torch
class KAN(torch.nn.Sequential):
    def __init__(self, sizes, grid_size, spline_order):
        assert grid_size < 100, "this grid is too fine\\nfor me"
        super().__init__(torch.nn.Linear(sizes[0], sizes[-1]))
"""


def test_a_peer_runs_in_its_own_python(tmp_path) -> None:
    (tmp_path / "efficient_kan.py").write_text(FAKE)
    text = f"efficient-kan={sys.executable}:{tmp_path}"
    rows = compare(SMALL, "step", 1, 1, dtype=torch.float32, device=CPU, peers=[text], rounds=2, span=1e-4)
    peer = next(row for row in rows if row.contender == "efficient-kan")
    assert peer.parameters == 3
    assert (peer.seconds > 0).all()
    with Peer(text, 1) as broken, pytest.raises(PeerError, match="efficient-kan: AssertionError: this grid"):
        broken.job(Case((2, 1), 100, 3), "step")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fastkan=python", "a peer reads"),
        ("pykan", "a peer reads"),
        ("pykan=/no/such/python", "cannot run /no/such/python"),
        (f"pykan={sys.executable}:/no/such/folder", "there is no folder"),
    ],
)
def test_peers_that_cannot_be(text, message) -> None:
    with pytest.raises(PeerError, match=message) as caught, Peer(text, 1):
        pass
    assert "\n" not in str(caught.value)


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.benchmark", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command(tmp_path) -> None:
    sizes = ["--case", "1,1:3:4", "2,2:3:4", "--members", "1", "2", "--threads", "1", "--grids", "3", "5"]
    done = call("--quick", *sizes, "--batch", "5", "--output", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "[2,2] G=3 B=5" in (tmp_path / "out" / "table.md").read_text()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "table.md",
        "table.csv",
        "figure.png",
        "figure.pdf",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--case", "2,1"], "error: a case reads"),
        (["--members", "0"], "error: members, threads, grids, batch and overhead must be at least 1, peaks at least 0"),
        (["--peer", "pykan=/no/such/python"], "error: pykan: cannot run"),
        (["--peer", f"pykan={sys.executable}"], "error: pykan: PackageNotFoundError"),
        (["--threads", "100000"], "error: threads must be at most"),
        (["--case", "2,5,1:99999999999:10"], "members needs"),
        (["--output", f"{__file__}/folder"], "error: [Errno"),
    ],
)
def test_mistakes_are_told_in_a_line(arguments, message) -> None:
    done = call(*arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
