"""Every config composes and builds; identity depends on what can change a result and on nothing else."""

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser

from continual.models import parameter_counts
from scripts.config.composed import plain
from scripts.config.identity import identity
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
    if group == "curriculum" and option in ("diabetes", "digits"):
        pytest.importorskip("sklearn", reason="the extra digits is not installed")
    no_grid = option in ("continual_backprop", "feynman_sequence")  # hidden units, or inputs beyond the default grid
    build_parts(values(f"{group}={option}", *(["model=mlp"] if no_grid else [])))


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
        (["model=siren"], "model", mlp_baselines.SIREN),
        (["model=rbf_lattice"], "model", mlp_baselines.RBFLattice),
        (["model=rbf_network"], "model", mlp_baselines.RBFNetwork),
        (["model=tensor_spline"], "model", mlp_baselines.TensorSpline),
        (["model=fourier_features"], "model", mlp_baselines.FourierFeatures),
        (["curriculum=gaussian_peaks"], "curriculum", tasks.gaussian_peaks),
        (["curriculum=gaussian_classes"], "curriculum", tasks.gaussian_classes),
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


MATCHED = [
    option.removesuffix("_matched")
    for option in options("model")
    if option.endswith("_matched") and not option.startswith("kan")
]


def test_every_model_but_kans_can_be_matched() -> None:
    plain_ones = {option for option in options("model") if not option.endswith("_matched")}
    assert {option for option in plain_ones if not option.startswith("kan")} == set(MATCHED)


@pytest.mark.parametrize("option", MATCHED)
def test_a_matched_model_has_the_settings_of_the_model_but_its_size(option) -> None:
    node, plain_node = values(f"model={option}_matched")["model"], values(f"model={option}")["model"]
    shared = set(node) - {"_target_", "budget", "reference"}
    size = "grid_size" if option in ("rbf_lattice", "tensor_spline") else "width"
    assert shared == set(plain_node) - {"_target_", size, "layer_sizes"}
    assert all(node[key] == plain_node[key] for key in shared)
    model, own = (build_parts(values(f"model={each}")).training.model for each in (f"{option}_matched", option))
    # an affine map on top and the like come in steps of some parameters
    assert abs(parameter_counts(model)["trainable"] - 203) <= (150 if option == "mlp_tiling" else 20)
    assert model.describe()["family"] == own.describe()["family"]


@pytest.mark.parametrize("option", ["kan_matched", "kan_rbf_matched", "kan_chebyshev_matched"])
def test_matched_kans_have_the_parameters_of_their_reference(option) -> None:
    model = build_parts(values(f"model={option}")).training.model
    assert parameter_counts(model)["trainable"] == pytest.approx(203, abs=10)  # one interval more on ten edges


def test_matched_kans_have_the_flops_of_their_reference() -> None:
    options = ["model=kan_matched", "model.size=width", "+model.model.grid_size=5", "~model.model.width"]
    reference = ["model.budget=flops", "+model.reference.width=9", "model.reference.depth=2"]
    model = build_parts(values(*options, *reference)).training.model
    assert model.describe()["layer_sizes"] == [1, 9, 1]


def test_a_size_that_does_not_change_the_budget_is_refused() -> None:
    with pytest.raises(ConfigError, match="grid_size does not change the flops of the model"):
        build_parts(values("model=kan_matched", "model.budget=flops"))
    with pytest.raises(ConfigError, match="height"):
        build_parts(values("model=kan_matched", "model.size=height"))


def test_cases_are_all_combinations() -> None:
    from omegaconf import OmegaConf

    config = OmegaConf.create({"models": ["a", "b"], "sweep": "${cases:${models},[x,y]},${cases:[c],[z]}"})
    assert config.sweep == "[a,x],[a,y],[b,x],[b,y],[c,z]"


def test_activations_of_the_configs_have_the_defaults_of_the_code() -> None:
    import inspect

    import mlp_baselines

    for option, target in (("mlp_elephant", mlp_baselines.Elephant), ("mlp_tiling", mlp_baselines.FuzzyTiling)):
        node = values(f"model={option}")["model"]["activation"]
        parameters = inspect.signature(target).parameters
        assert node.pop("_target_") == f"mlp_baselines.{target.__name__}"
        assert set(node) == set(parameters)
        for key, value in node.items():
            default = parameters[key].default
            assert value == (list(default) if isinstance(default, tuple) else default), key


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.activation=swish", "model.activation"),
        ("model.activation=3", "model.activation"),
        ("model.layer_norm=1", "model.layer_norm"),
        ("model.activation={_target_:torch.nn.PReLU}", "activation must have no parameters"),
        ("model.activation={_target_:mlp_baselines.Elephant,wide:1}", "model.activation.wide is not a config key"),
        ("model.activation={_target_:mlp_baselines.Elephant,width:0}", "width must be positive"),
        ("model.activation={_target_:mlp_baselines.Mammoth}", "can't be found"),
        ("model.activation={_target_:builtins.dict}", "builtins.dict does not say what it takes"),
        ("model.activation={_target_:fractions.Fraction}", "activation must be one of relu"),
    ],
)
def test_activations_that_are_none_are_refused_in_one_line(override, message) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build_parts(values("model=mlp", override))
    assert "\n" not in str(caught.value)


def test_any_module_of_torch_can_be_an_activation() -> None:
    model = build_parts(values("model=mlp", "model.activation={_target_:torch.nn.ELU,alpha:2.0}")).training.model
    assert model.describe()["activation"] == "ELU(alpha=2.0)"


def test_settings_that_came_later_make_no_run_a_new_one() -> None:
    for option in ("mlp", "mlp_matched"):
        without, default, other = (
            identity(values(f"model={option}", *more))
            for more in (["~model.layer_norm"], ["model.layer_norm=false"], ["model.layer_norm=true"])
        )
        assert without == default != other


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


LITTLE = {
    "locality": [],
    "locality_full": [],
    "pykan_227": [],
    "grid_depth_full": [],
    "addition": [],
    "bumps": [],
    "digits": ["curriculum.points_per_class=5", "curriculum.test_points=5"],
    "initialisation": ["curriculum.points=50", "curriculum.test_points=50"],
    "slow_change": ["curriculum.samples=2000", "training.steps=100"],
    "ti_feynman": ["curriculum.points=5", "curriculum.test_points=5"],
    "ti_feynman_matched": ["curriculum.points=5", "curriculum.test_points=5", "curriculum.equations=2"],
}
"""Experiments whose cases are lists of options, and what keeps their data small."""


@pytest.mark.parametrize(
    "experiment", [pytest.param(e, marks=pytest.mark.slow if e == "ti_feynman" else ()) for e in LITTLE]
)
def test_every_case_of_a_list_of_options_builds(experiment) -> None:
    """Of hundreds of combinations so many that every option has been in one, each with the budget of the others."""
    if experiment == "digits":
        pytest.importorskip("sklearn", reason="the extra digits is not installed")
    with initialize_config_module("conf", version_base="1.3"):
        whole = compose("train", overrides=[f"+experiment={experiment}"], return_hydra_config=True)
        [(key, swept)] = whole.hydra.sweeper.params.items()
        [parsed] = OverridesParser.create().parse_overrides([f"{key}={swept}"])
        cases = list(parsed.sweep_string_iterator())
        assert len(set(cases)) == len(cases)
        seen: set[str] = set()
        for case in cases:
            chosen = set(case.strip("[]").split(","))
            if chosen <= seen:
                continue
            seen |= chosen
            overrides = [f"{key}={case}", f"+experiment={experiment}", "device=cpu", *LITTLE[experiment]]
            composed = plain(compose("train", overrides=overrides))
            parts = build_parts({**composed, "seeds": [0], "tune": {**composed["tune"], "keys": None}})
            if experiment.startswith("locality") and not chosen & {"tensor_spline", "rbf_lattice", "equal_flops"}:
                inputs = composed["curriculum"]["dimension"]
                budget = 23 * 5 * (inputs + 1)
                found = parameter_counts(parts.training.model)["trainable"]
                assert found == pytest.approx(budget, abs=60), case
        assert seen == {option for case in cases for option in case.strip("[]").split(",")}


def test_what_probes_hold_is_part_of_the_forecast(monkeypatch) -> None:
    monkeypatch.setattr("scripts.config.needs.available_memory", lambda: 120_000_000)
    wide = ("model.width=64", "model.grid_size=50", "probe=response")
    assert build_parts(values(*wide)).needs.memory < 120_000_000
    with pytest.raises(ConfigError, match=r"the run needs about .* most of it .* a seed for what Response keeps"):
        build_parts(values(*wide, "probe.response.samples=500"))
