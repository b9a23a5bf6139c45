"""Import paths before there were rooms: what they held is still found there."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hydra.utils import get_object

ROOT = Path(__file__).parents[1]

FORMER = {
    "kan.affine_fit": "fit_symbol",
    "kan.cuda": "triton_sum",
    "kan.edges": "EdgeLayer EdgeNetwork",
    "kan.formulas": "formula",
    "kan.local": "local_sum",
    "kan.paths": "connected node_counts strongest_paths",
    "kan.portrait": "portrait",
    "kan.pruning": "PrunedMember PruningReport prune shapes",
    "kan.reference": "BASES dense_sum",
    "kan.roughness": "derivative_jumps roughness",
    "kan.single": "Single",
    "kan.sparsity": "EdgeScores SparsityPenalty edge_l1 edge_scores edge_std share_entropy",
    "kan.surgery": "prune_in_place symbolify_in_place",
    "kan.symbolic": "SymbolicEdges edge_samples edge_selection fix_symbolic release_symbolic symbolic_edges",
    "kan.symbolify": "EdgeReport Suggestion suggest symbolify",
    "kan.symbols": "LIBRARY SymbolicFunction add_function find_function function_of",
    "continual.adam": "Adam",
    "continual.adaptation": "Adaptation Change DomainExtension GridSchedule GridUpdate Moment Once",
    "continual.checkpoint": "Checkpoint",
    "continual.evaluation": "Errors Evaluator baseline_rmse",
    "continual.files": "UnusableFileError digest load_checked replace_file save_checked",
    "continual.gauss_newton": "DampedSystem",
    "continual.history": "History",
    "continual.lbfgs": "LBFGS",
    "continual.lbfgs_history": "History Slate",
    "continual.least_squares": "LeastSquares",
    "continual.levenberg_marquardt": "LevenbergMarquardt",
    "continual.line_search": "StrongWolfe FixedStep",
    "continual.listing": "read_list read_sweep",
    "continual.lock": "FolderLock",
    "continual.pace": "seconds_per_step",
    "continual.page": "write_page DEFINITIONS",
    "continual.paper": "write_comparison",
    "continual.progress": "Progress",
    "continual.records": "Record is_done read_record write_record UnknownFormatError",
    "continual.scaling_law": "ScalingFit exponents fit_scaling write_scaling",
    "continual.series": "MEASURES all_series",
    "continual.staged": "Staged",
    "continual.stages": "best_stage pareto_front stages",
    "continual.states": "run_state failure",
    "continual.stepping": "TrainingStep",
    "continual.strategies": "Cumulative FineTune Strategy",
    "continual.structure": "outcome write_structures",
    "continual.tables": "text_table write_tables",
    "continual.trackers": "Clocked RunInfo Tracker tracking_ended",
    "continual.trained": "Trained load_trained",
    "continual.training": "Settings train",
    "continual.versions": "code_version package_versions",
    "continual.wandb_tracker": "WandbTracker",
    "continual.wrapping": "wrap_name",
    "tasks.feynman": "FEYNMAN_EQUATIONS",
    "tasks.functions": "FUNCTIONS target_function",
    "tasks.paper_functions": "PAPER_FUNCTIONS",
    "tasks.special_functions": "SPECIAL_FUNCTIONS",
    "tasks.target": "TargetFunction",
}


@pytest.mark.parametrize("path", FORMER)
def test_what_was_there_is_found_there(path: str) -> None:
    module = import_module(path)
    for name in FORMER[path].split():
        assert get_object(f"{path}.{name}") is getattr(module, name)


def test_it_is_the_same_as_in_its_new_place() -> None:
    assert get_object("continual.adam.Adam") is get_object("continual.optimizers.Adam")
    assert get_object("kan.surgery.prune_in_place") is get_object("kan.pruning.prune_in_place")
    module = import_module("continual.adaptation")
    assert module is import_module("continual.adaptations")
    assert module.__name__ == module.__spec__.name == "continual.adaptations"


def test_what_never_was_there_is_not_found() -> None:
    for path in ("continual.nothing", "kan.nothing", "tasks.nothing"):
        with pytest.raises(ModuleNotFoundError):
            import_module(path)


@pytest.mark.parametrize("path", ["kan.formulas", "continual.levenberg_marquardt", "tasks.feynman"])
def test_as_the_first_import_of_a_process(path: str) -> None:
    name = FORMER[path].split()[0]
    done = subprocess.run(
        [sys.executable, "-c", f"from {path} import {name}; import {path} as m; print(m.__name__)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
