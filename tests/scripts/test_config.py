"""Every config composes and builds; identity depends on what can change a result and on nothing else."""

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser

from continual.models import parameter_counts
from scripts.config.composed import identity, plain
from scripts.config.parts import build_parts
from scripts.config.schema import ConfigError, nearest

CONF = Path(__file__).parents[2] / "conf"


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def values(*overrides: str):
    with initialize_config_module("conf", version_base="1.3"):
        return plain(compose("train", overrides=["seeds=1", *overrides]))


@pytest.mark.parametrize(
    ("group", "option"),
    [(g, o) for g in ("model", "curriculum", "optimizer", "strategy", "penalty", "tracker") for o in options(g)],
)
def test_every_option_builds(group, option) -> None:
    if group == "tracker" and option in ("tensorboard", "trackio"):
        pytest.importorskip(option, reason=f"the extra {option} is not installed")
    build_parts(values(f"{group}={option}"))


ENOUGH = {"grid_schedule": ["model.grid_size=3"], "symbols": [], "pruning": []}
"""What an adaptation needs beside the defaults; those that are not here need nothing."""


@pytest.mark.parametrize("option", options("adaptation"))
def test_every_adaptation_builds(option) -> None:
    parts = build_parts(values(f"adaptation={option}", *ENOUGH.get(option, [])))
    assert len(parts.training.adaptations) == (option != "none")


def test_adaptations_can_be_combined_and_left_out() -> None:
    chosen = ["adaptation=[domain_extension,grid_update]", "curriculum.spacing=0.6"]
    assert len(build_parts(values(*chosen)).training.adaptations) == 2
    assert len(build_parts(values(*chosen, "adaptation.grid_update=null")).training.adaptations) == 1
    with pytest.raises(ConfigError, match="outside the model's grid"):
        build_parts(values(*chosen, "adaptation.domain_extension=null"))


def test_defaults_of_adaptations_and_penalties_are_those_of_the_code() -> None:
    import inspect

    import continual.adaptations
    import kan.pruning
    import kan.pruning.sparsity
    import kan.symbolic

    given = {"model", "x", "operation", "at"}
    for node, target in (
        (values("adaptation=grid_update")["adaptation"]["grid_update"], continual.adaptations.GridUpdate),
        (
            values("adaptation=grid_schedule", "model.grid_size=3")["adaptation"]["grid_schedule"],
            continual.adaptations.GridSchedule,
        ),
        (
            values("adaptation=domain_extension")["adaptation"]["domain_extension"],
            continual.adaptations.DomainExtension,
        ),
        (values("adaptation=pruning")["adaptation"]["pruning"]["operation"], kan.pruning.prune_in_place),
        (values("adaptation=symbols")["adaptation"]["symbols"]["operation"], kan.symbolic.symbolify_in_place),
        (values("penalty=sparsity")["penalty"], kan.pruning.sparsity.SparsityPenalty),
    ):
        parameters = inspect.signature(target).parameters
        assert {key for key in node if not key.startswith("_")} == set(parameters) - given
        for key, value in node.items():
            if key in parameters and parameters[key].default is not inspect.Parameter.empty:
                default = parameters[key].default
                assert value == (list(default) if isinstance(default, tuple) else default), key


@pytest.mark.parametrize("case", options("experiment/interpretable"))
def test_every_case_of_interpretable_builds_alone(case) -> None:
    parts = build_parts(values(f"+experiment/interpretable={case}"))
    assert parts.training.penalty is not None
    assert parts.training.adaptations


@pytest.mark.parametrize("case", options("experiment/five_peaks"))
def test_every_case_of_five_peaks_builds_alone(case) -> None:
    parts = build_parts(values(f"+experiment/five_peaks={case}"))
    if parts.training.model.describe()["family"] == "MLP":
        assert parts.training.model.describe()["layer_sizes"] == [1, 67, 1]


@pytest.mark.parametrize("case", sorted({*options("experiment/edge_variants")} - {"kan_domain_extension"}))
def test_every_case_of_edge_variants_has_as_many_parameters(case) -> None:
    model = build_parts(values(f"+experiment/edge_variants={case}")).training.model
    assert abs(parameter_counts(model)["trainable"] - 203) <= 3
    assert model.describe()["layer_sizes"] == [1, 1]
    assert model.describe()["base"] == "zero"


def test_config_defaults_are_those_of_the_code() -> None:
    """A key that is not in the YAML keeps the constructor's default, so the two must not disagree unnoticed."""
    import inspect

    import continual.strategies
    import continual.trackers.wandb_tracker
    import kan
    import mlp_baselines
    import tasks

    for overrides, group, target in (
        (["model=kan"], "model", kan.KAN),
        (["model=kan_rbf"], "model", kan.RBFKAN),
        (["model=kan_chebyshev"], "model", kan.ChebyshevKAN),
        (["model=kan_fourier"], "model", kan.FourierKAN),
        (["model=mlp"], "model", mlp_baselines.MLP),
        (["model=spline_mlp"], "model", mlp_baselines.SplineMLP),
        (["curriculum=gaussian_peaks"], "curriculum", tasks.gaussian_peaks),
        (["curriculum=function"], "curriculum", tasks.function_fit),
        (["curriculum=toy_regions"], "curriculum", tasks.toy_regions),
        (["curriculum=toy_sequence"], "curriculum", tasks.toy_sequence),
        (["strategy=finetune"], "strategy", continual.strategies.FineTune),
        (["tracker=wandb"], "tracker", continual.trackers.wandb_tracker.WandbTracker),
    ):
        node = values(*overrides)[group]
        parameters = inspect.signature(target).parameters
        given = {"in_features", "out_features", "members", "generators", "dtype", "device"}
        assert set(node) - {"_target_"} == set(parameters) - given
        for key, value in node.items():
            if key != "_target_":
                default = parameters[key].default
                assert value == (list(default) if isinstance(default, tuple) else default), key


def test_defaults_of_the_matched_control_are_those_of_the_control() -> None:
    node, plain_node = values("model=spline_mlp_matched")["model"], values("model=spline_mlp")["model"]
    shared = set(node) - {"_target_", "budget", "reference"}
    assert shared == set(plain_node) - {"_target_", "width", "layer_sizes"}
    assert all(node[key] == plain_node[key] for key in shared)


def test_stages_have_the_settings_of_the_optimizers_alone_and_can_be_set() -> None:
    node = values("optimizer=adam_lbfgs")["optimizer"]
    for stage, alone in (("first", "adam"), ("then", "lbfgs")):
        settings = {key: value for key, value in node[stage].items() if key != "_partial_"}
        assert settings == values(f"optimizer={alone}")["optimizer"]
    parts = build_parts(values("optimizer=adam_lbfgs", "optimizer.first.lr=0.003", "optimizer.switch_at=7"))
    staged = parts.training.make(parts.training.model.parameters())
    assert (staged.switch_at, staged.param_groups[0]["lr"]) == (7, 0.003)
    for override, message in (
        ("+optimizer.then.history=3", "optimizer.then.history is not a config key; did you mean history_size?"),
        ("optimizer.first.lr=fast", "optimizer.first.lr"),
        ("optimizer.then.lr=0", "lr must be > 0"),
        ("optimizer.switch_at=0", "switch_at must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            build_parts(values("optimizer=adam_lbfgs", override))


def test_identity() -> None:
    base = identity(values())
    for same in ("tracker=none", "results=elsewhere", "name=other", "experiment_name=other", "seeds=[0]"):
        assert identity(values(same)) == base, same
    for other in ("seeds=2", "dtype=float64", "model.grid_size=6", "training.steps=3", "strategy=cumulative"):
        assert identity(values(other)) != base, other


def test_identities_are_what_they_were() -> None:
    """By `tests/golden/identities.json`: runs that are there are found again, whatever has moved in the code."""
    golden = json.loads((Path(__file__).parents[1] / "golden" / "identities.json").read_text(encoding="utf-8"))
    with initialize_config_module("conf", version_base="1.3"):
        found = {key: identity(plain(compose("train", [*key.split(), "device=cpu"]))) for key in golden}
    assert found == golden


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("optimizer._target_=continual.adam.Adam", "optimizer._target_=continual.optimizers.Adam"),
        ("adaptation=grid_update", "adaptation.grid_update._target_=continual.adaptation.GridUpdate"),
        ("penalty=sparsity", "penalty._target_=kan.sparsity.SparsityPenalty"),
        ("adaptation=symbols", "adaptation.symbols.operation._target_=kan.surgery.symbolify_in_place"),
    ],
)
def test_a_former_name_builds_the_same_run(former, now) -> None:
    group = () if "_target_" in former else (former,)
    first, second = values(former), values(*group, now)
    assert identity(first) == identity(second)
    build_parts(second)


def test_nearest_names() -> None:
    assert nearest("grid_sise", ["grid_size", "depth"]) == "did you mean grid_size?"
    assert nearest("zzz", ["b", "a"]) == "valid: a, b"


@pytest.mark.parametrize("experiment", ["scaling_toy_full", "special_functions_full", "feynman_full"])
def test_every_protocol_of_a_long_sweep_can_be_built(experiment) -> None:
    """Hours of runs are not for tests, but each kind of run in them is composed, checked and built here."""
    with initialize_config_module("conf", version_base="1.3"):
        whole = compose("train", overrides=[f"+experiment={experiment}"], return_hydra_config=True)
        swept = [f"{key}={value}" for key, value in whole.hydra.sweeper.params.items()]
        parsed = OverridesParser.create().parse_overrides(swept)
        choices = {each.get_key_element(): list(each.sweep_string_iterator()) for each in parsed}
        protocols = choices.pop("+experiment/protocol")
        assert len(set(protocols)) == len(protocols) >= 25
        others = [f"{key}={values[0]}" for key, values in choices.items()]
        names = set()
        for protocol in protocols:
            overrides = [f"+experiment={experiment}", *others, f"+experiment/protocol={protocol}"]
            values = plain(compose("train", overrides=overrides))
            build_parts({**values, "seeds": [0], "device": "cpu"})
            names.add(values["name"])
            assert {"function", "group", "series"} <= set(values["sweep"])
        assert len(names) == len(protocols)
