"""Weights of pykan and efficient-kan: golden files that they made, round trips bit for bit, and what is refused."""

import functools
import json
import pickle
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from kan import KAN
from kan.edge_network import EdgeNetwork
from kan.interchange import (
    from_efficient_kan,
    from_pykan,
    pykan_config,
    save_pykan,
    to_efficient_kan,
    to_pykan,
)
from kan.symbolic.edges import fix_symbolic, release_symbolic
from scripts.golden.networks import read, tensors

GOLDEN = Path(__file__).parents[2] / "golden"


@functools.cache
def networks(kind: str) -> list[dict]:
    return json.loads((GOLDEN / f"{kind.replace('-', '_')}_weights.json").read_text())["networks"]


CASES = [
    pytest.param(kind, network, stage, id=f"{kind}: {network['name']}, {stage}")
    for kind in ("pykan", "efficient-kan")
    for network in networks(kind)
    for stage in ("before", "after")
]


def named(kind: str, name: str) -> dict:
    return next(network for network in networks(kind) if network["name"] == name)


def random_kan(sizes=(2, 3, 2), *, seed=0, grid_size=4, spline_order=3, members=1, uneven=True, **options) -> KAN:
    """A KAN whose every value is drawn, with uneven grids of its own for every input."""
    generators = [torch.Generator().manual_seed(100 * seed + m) for m in range(members)]
    shape = (sizes[0], sizes[-1], 1, 1, grid_size, spline_order)
    model = KAN(*shape, layer_sizes=sizes, members=members, generators=generators, **options)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.requires_grad:
                tensor.copy_(torch.stack([torch.randn(tensor.shape[1:], generator=g) for g in generators]))
        for layer in model.each_layer():
            if uneven:
                steps = torch.stack([torch.rand(layer.knots.shape[1:], generator=g) for g in generators]) + 0.2
                layer.knots.copy_(steps.cumsum(-1) / 2 - 2)
                layer.refresh()
    return model


def mask_some(model: KAN) -> KAN:
    generator = torch.Generator().manual_seed(7)
    for layer in model.each_layer():
        live = torch.rand(layer.live_edges().shape, generator=generator) < 0.6
        live[:, 0] = True
        live[:, -1, 0] = False
        layer.set_mask(live)
    return model


def assert_same_state(ours, theirs, but=()) -> None:
    assert list(ours) == list(theirs)
    for name in theirs:
        if not name.endswith(tuple(but) or "-"):
            assert ours[name].dtype == theirs[name].dtype
            assert torch.equal(ours[name], theirs[name]), name


def write_checkpoint(prefix: Path, state: dict, config: dict) -> Path:
    torch.save(state, f"{prefix}_state")
    Path(f"{prefix}_config.yml").write_text(yaml.safe_dump(config))
    return prefix


def pykan_module(state: dict, config: dict) -> nn.Module:
    """A module with the attributes and the entries of pykan's `MultKAN`, of which it only lacks the methods."""
    bases = {"silu": nn.SiLU(), "identity": nn.Identity(), "zero": lambda x: x * 0.0}
    module = nn.Module()
    for name in ("width", "k", "base_fun_name", "sp_trainable", "sb_trainable"):
        setattr(module, name, config[name])
    depth = len(config["width"]) - 1
    module.act_fun = nn.ModuleList(nn.Module() for _ in range(depth))
    module.symbolic_fun = nn.ModuleList(nn.Module() for _ in range(depth))
    for name, tensor in state.items():
        *path, last = name.split(".")
        module.get_submodule(".".join(path)).register_parameter(last, nn.Parameter(tensor, requires_grad=False))
    for index in range(depth):
        module.act_fun[index].base_fun = bases[config["base_fun_name"]]
        module.symbolic_fun[index].funs_name = config[f"symbolic.funs_name.{index}"]
    module.input_id = torch.arange(config["width"][0][0])
    return module


def efficient_module(state: dict, base: nn.Module) -> nn.Module:
    """A module with the entries of `efficient_kan.KAN`."""
    module = nn.Module()
    module.layers = nn.ModuleList(nn.Module() for _ in {name.split(".")[1] for name in state})
    for name, tensor in state.items():
        *path, last = name.split(".")
        module.get_submodule(".".join(path)).register_buffer(last, tensor)
    for layer in module.layers:
        layer.base_activation = base
    return module


# their numbers


@pytest.mark.parametrize(("kind", "network", "stage"), CASES)
def test_computes_what_they_compute(kind, network, stage, tmp_path) -> None:
    """On grid ends, inside, beside and far outside, with even grids and with grids that they updated."""
    model = read(kind, network, stage, tmp_path / "theirs")
    dtype = getattr(torch, network["dtype"])
    x, y = (torch.tensor(values, dtype=dtype) for values in (network["x"], network[stage]["y"]))
    tolerance = 16 * torch.finfo(dtype).eps * max(1.0, float(y.abs().max()))
    with torch.no_grad():
        assert (model(x)[0] - y).abs().max() <= tolerance
        for layer in model.each_layer():
            layer.engine = "dense"
        assert (model(x)[0] - y).abs().max() <= tolerance
        assert (model.double()(x.double())[0] - y).abs().max() <= tolerance


@pytest.mark.parametrize(("kind", "network", "stage"), CASES)
def test_updated_grids_are_uneven(kind, network, stage, tmp_path) -> None:
    """So the golden files test what they are meant to."""
    model = read(kind, network, stage, tmp_path / "theirs")
    assert all(layer.uniform == (stage == "before") for layer in model.each_layer())


@pytest.mark.parametrize(("kind", "network", "stage"), CASES)
def test_their_weights_come_back_bit_for_bit(kind, network, stage, tmp_path) -> None:
    model = read(kind, network, stage, tmp_path / "theirs")
    theirs = tensors(network, stage)
    if kind == "efficient-kan":
        assert_same_state(to_efficient_kan(model), theirs)
        return
    without_effect = ["scale_base"] if network["base"] == "zero" else []
    assert_same_state(to_pykan(model), theirs, but=without_effect)
    save_pykan(model, tmp_path / "ours")
    assert_same_state(torch.load(tmp_path / "ours_state", weights_only=True), to_pykan(model))
    assert torch.load(tmp_path / "ours_cache_data", weights_only=True) is None
    config, written = network[stage]["config"], yaml.safe_load((tmp_path / "ours_config.yml").read_text())
    assert set(written) == set(config)
    differing = {name for name in config if written[name] != config[name]}
    assert differing <= ({"grid_range"} if stage == "after" else set())


def test_golden_files_are_small_and_say_where_they_are_from() -> None:
    for kind, word in (("pykan", "pykan 0.2.8"), ("efficient-kan", "efficient-kan")):
        path = GOLDEN / f"{kind.replace('-', '_')}_weights.json"
        assert path.stat().st_size < 150_000
        assert word in json.loads(path.read_text())["source"]


# our numbers


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("grid_size", "spline_order"), [(1, 1), (3, 2), (7, 3), (2, 5)])
def test_our_weights_come_back_bit_for_bit(grid_size, spline_order, dtype, tmp_path) -> None:
    options = {"grid_size": grid_size, "spline_order": spline_order, "dtype": dtype}
    model = random_kan((3, 2, 1), base="identity", **options)
    save_pykan(model, tmp_path / "model")
    assert_same_state(from_pykan(tmp_path / "model").state_dict(), model.state_dict())
    again = from_efficient_kan(to_efficient_kan(model), base="identity")
    assert_same_state(again.state_dict(), model.state_dict())


@pytest.mark.parametrize("frozen", ["train_spline_scale", "train_base_weight"])
def test_frozen_scales_stay_frozen_in_pykan(frozen, tmp_path) -> None:
    model = random_kan(**{frozen: False})
    save_pykan(model, tmp_path / "model")
    again = from_pykan(tmp_path / "model")
    before, after = ({n: p.requires_grad for n, p in m.named_parameters()} for m in (model, again))
    assert before == after
    assert not all(after.values())


def test_scales_frozen_at_one_are_no_scales_in_efficient_kan() -> None:
    model = random_kan(train_spline_scale=False)
    state = to_efficient_kan(model)
    assert not any("spline_scaler" in name for name in state)
    again = from_efficient_kan(state)
    assert_same_state(again.state_dict(), model.state_dict())
    assert not again.layer(0).spline_scale.requires_grad


def test_base_zero_goes_and_comes(tmp_path) -> None:
    model = random_kan(base="zero")
    x = torch.rand(5, 2)
    state = to_efficient_kan(model)
    assert not state["layers.0.base_weight"].any()
    trainable = from_efficient_kan(state)
    assert trainable.layer(0).base == "silu"
    assert torch.equal(trainable(x), model(x))
    assert_same_state(from_efficient_kan(state, base="zero").state_dict(), model.state_dict())
    save_pykan(model, tmp_path / "model")
    assert_same_state(from_pykan(tmp_path / "model").state_dict(), model.state_dict())


def test_masked_edges_are_pykans_mask(tmp_path) -> None:
    model = mask_some(random_kan())
    state = to_pykan(model)
    assert 0 < state["act_fun.0.mask"].mean() < 1
    save_pykan(model, tmp_path / "model")
    again = from_pykan(tmp_path / "model")
    assert_same_state(again.state_dict(), model.state_dict())
    x = torch.rand(9, 2)
    assert torch.equal(again(x), model(x))
    sparse = named("pykan", "linear, sparse")
    ours = read("pykan", sparse, "before", tmp_path / "sparse")
    assert torch.equal(ours.layer(0).live_edges()[0], tensors(sparse, "before")["act_fun.0.mask"] != 0)
    assert read("pykan", named("pykan", "silu"), "before", tmp_path / "dense").layer(0).mask is None


def test_written_tensors_are_copies() -> None:
    model = random_kan()
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for state in (to_pykan(model), to_efficient_kan(model)):
        for tensor in state.values():
            assert tensor.is_contiguous()
            assert not tensor.requires_grad
            tensor.fill_(3.0)
    state = to_efficient_kan(model)
    read_again = from_efficient_kan(state)
    for tensor in state.values():
        tensor.zero_()
    assert_same_state(model.state_dict(), kept)
    assert_same_state(read_again.state_dict(), kept)


def test_layers_may_differ_in_grid_and_order(tmp_path) -> None:
    first, second = random_kan((2, 3), grid_size=3, spline_order=2), random_kan((3, 1), grid_size=6)
    model = first.rebuilt([first.layer(0), second.layer(0)])
    assert isinstance(model, KAN)
    save_pykan(model, tmp_path / "model")
    assert pykan_config(model)["grid"] == [3, 6]
    assert pykan_config(model)["k"] == [2, 3]
    assert_same_state(from_pykan(tmp_path / "model").state_dict(), model.state_dict())
    assert_same_state(from_efficient_kan(to_efficient_kan(model)).state_dict(), model.state_dict())


# modules, stacks, dtypes


@pytest.mark.parametrize("network", networks("pykan"), ids=lambda network: network["name"])
def test_live_pykan_module_and_checkpoint_are_one(network, tmp_path) -> None:
    module = pykan_module(tensors(network, "after"), network["after"]["config"])
    assert_same_state(
        from_pykan(module).state_dict(), read("pykan", network, "after", tmp_path / "theirs").state_dict()
    )


@pytest.mark.parametrize(("name", "base"), [("silu", nn.SiLU()), ("identity, quadratic", nn.Identity())])
def test_live_efficient_module_says_its_base(name, base) -> None:
    state = tensors(named("efficient-kan", name), "after")
    model = from_efficient_kan(efficient_module(state, base))
    assert {layer.base for layer in model.each_layer()} == {name.partition(",")[0]}
    assert_same_state(to_efficient_kan(model), state)


def test_pykan_networks_become_members(tmp_path) -> None:
    network = named("pykan", "layers differ, one edge removed")
    read("pykan", network, "before", tmp_path / "first")
    second = pykan_module(tensors(network, "after"), network["after"]["config"])
    model = from_pykan([tmp_path / "first", str(tmp_path / "first"), second])
    assert model.members == 3
    y = model(torch.tensor(network["x"]))
    for member, stage in enumerate(("before", "before", "after")):
        expected = torch.tensor(network[stage]["y"])
        torch.testing.assert_close(y[member], expected, rtol=0, atol=2e-6)
        assert_same_state(to_pykan(model, member), tensors(network, stage))


def test_efficient_networks_become_members() -> None:
    states = [tensors(named("efficient-kan", "silu"), stage) for stage in ("before", "after")]
    model = from_efficient_kan(states)
    for member, state in enumerate(states):
        assert_same_state(to_efficient_kan(model, member), state)
        alone = from_efficient_kan(state)
        x = torch.rand(7, 2)
        torch.testing.assert_close(model(x)[member], alone(x)[0])


def test_masks_are_each_members_own(tmp_path) -> None:
    model = mask_some(random_kan(members=3))
    for member in range(3):
        save_pykan(model, tmp_path / f"{member}", member)
    again = from_pykan([tmp_path / f"{member}" for member in range(3)])
    assert_same_state(again.state_dict(), model.state_dict())


@pytest.mark.parametrize("kind", ["pykan", "efficient-kan"])
def test_dtype_is_theirs_or_the_one_asked_for(kind, tmp_path) -> None:
    single, double = named(kind, "silu"), named(kind, "float64")
    assert read(kind, double, "after", tmp_path / "double").layer(0).coefficients.dtype == torch.float64
    if kind == "pykan":
        read(kind, single, "after", tmp_path / "single")
        model = from_pykan(tmp_path / "single", dtype=torch.float64)
        state = to_pykan(model)
    else:
        model = from_efficient_kan(tensors(single, "after"), dtype=torch.float64)
        state = to_efficient_kan(model)
    assert model(torch.rand(3, 2, dtype=torch.float64)).dtype == torch.float64
    for name, tensor in tensors(single, "after").items():
        assert torch.equal(state[name], tensor.double())


def test_reading_draws_no_random_numbers(tmp_path) -> None:
    save_pykan(random_kan(), tmp_path / "model")
    before = torch.get_rng_state()
    from_pykan(tmp_path / "model")
    from_efficient_kan(to_efficient_kan(random_kan()))
    assert torch.equal(torch.get_rng_state(), before)


# what is refused, in one line


def refused(words: str) -> object:
    """A ValueError of one line with these words."""
    return pytest.raises(ValueError, match=rf"\A[^\n]*{words}[^\n]*\Z")


def pykan_silu() -> tuple[dict, dict]:
    network = named("pykan", "silu")
    return tensors(network, "before"), json.loads(json.dumps(network["before"]["config"]))


def change_symbolic(state, config) -> None:
    state["symbolic_fun.0.mask"][2, 1] = 1.0
    config["symbolic.funs_name.0"][2][1] = "sin"


def change_entry(name, value, index=0):
    def change(state, _config) -> None:
        state[name].flatten()[index] = value

    return change


def change_config(name, value):
    def change(_state, config) -> None:
        config[name] = value

    return change


def drop(name):
    def change(state, config) -> None:
        (state if name in state else config).pop(name)

    return change


def add(name):
    def change(state, _config) -> None:
        state[name] = torch.zeros(1)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_config("width", [[2, 0], [3, 1], [1, 0]]), "multiplication nodes can't be carried"),
        (change_symbolic, "in layer 0 the edge from input 1 to output 2 is sin"),
        (change_entry("node_scale_0", 2.0), "node_scale_0 can't be carried: it must be 1"),
        (change_entry("node_bias_1", 0.5), "node_bias_1 can't be carried: it must be 0"),
        (change_entry("subnode_scale_1", 0.5), "subnode_scale_1 can't be carried"),
        (change_entry("subnode_bias_0", 0.5), "subnode_bias_0 can't be carried"),
        (change_entry("act_fun.1.mask", 0.5), "act_fun.1.mask can't be carried: it must be 0 or 1"),
        (change_entry("act_fun.0.grid", 9.0), "act_fun.0: the grid of input 0 does not strictly increase"),
        (change_entry("act_fun.0.grid", float("nan"), 14), "act_fun.0: the grid of input 1 does not strictly increase"),
        (change_config("base_fun_name", "gelu"), "its base function is gelu, not one of silu, identity, zero"),
        (change_config("k", 2), "act_fun.0 has splines of order 3 by its shapes, of order 2 by its config"),
        (change_config("width", [[2, 0], [4, 0], [1, 0]]), "does not fit layers of inputs and outputs"),
        (change_config("width", [[2, 0], [3, 0]]), "with 1 layers: it has an entry"),
        (drop("act_fun.1.coef"), "no state dict of pykan's .*no floating-point tensor act_fun.1.coef"),
        (drop("base_fun_name"), "no config of pykan's .*: it has no base_fun_name"),
        (add("biases.0.weight"), "it has an entry biases.0.weight"),
    ],
)
def test_what_pykan_networks_are_refused(change, words, tmp_path) -> None:
    state, config = pykan_silu()
    change(state, config)
    with refused(words):
        from_pykan(write_checkpoint(tmp_path / "changed", state, config))


def test_shapes_that_do_not_fit_are_refused(tmp_path) -> None:
    state, config = pykan_silu()
    for name, tensor in (
        ("act_fun.0.grid", torch.arange(9.0).expand(3, 9)),
        ("act_fun.0.grid", torch.arange(8.0).expand(2, 8)),
        ("act_fun.0.scale_sp", torch.ones(3, 2)),
        ("act_fun.0.coef", torch.ones(6, 8)),
    ):
        with refused("act_fun.0: .*shape"):
            from_pykan(write_checkpoint(tmp_path / "changed", {**state, name: tensor}, config))


def test_files_that_are_no_checkpoints_are_refused(tmp_path) -> None:
    with refused("has a file nothing_state, and there is none"):
        from_pykan(tmp_path / "nothing")
    state, config = pykan_silu()
    prefix = write_checkpoint(tmp_path / "there", state, config)
    Path(f"{prefix}_config.yml").write_text("base_fun_name: !!python/object:torch.nn.SiLU {}\n")
    with refused("no plain YAML"):
        from_pykan(prefix)
    write_checkpoint(tmp_path / "there", state, config)
    Path(f"{prefix}_state").write_bytes(pickle.dumps(print, protocol=2))
    with refused("weights_only=True"):
        from_pykan(prefix)
    with refused("no state dict and config"):
        from_pykan(write_checkpoint(tmp_path / "list", [1, 2], config))
    with refused("a pykan checkpoint or a pykan module is needed, got dict"):
        from_pykan({"a": 1})


def test_live_modules_that_are_refused() -> None:
    with refused("this Linear is not pykan's .*: it has no width"):
        from_pykan(nn.Linear(2, 2))
    module = pykan_module(*pykan_silu())
    module.input_id = torch.tensor([0, 2])
    with refused(r"pruned to \[0, 2\]"):
        from_pykan(module)
    module = pykan_module(*pykan_silu())
    module.act_fun[1].base_fun = nn.GELU()
    with refused("act_fun.1: its base function is GELU"):
        from_pykan(module)
    state = tensors(named("efficient-kan", "silu"), "before")
    with refused("layer 0: its base function is Tanh"):
        from_efficient_kan(efficient_module(state, nn.Tanh()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers.0.grid": None}, "no floating-point tensor layers.0.grid"),
        ({"layers.0.bias": torch.zeros(3)}, "it has an entry layers.0.bias"),
        ({"layers.1.grid": torch.ones(3, 12)}, "layer 1: the grid of input 0 does not strictly increase"),
        ({"layers.1.base_weight": torch.ones(2, 3)}, "layer 1: scales, base weights and mask must have one value"),
        ({"layers.1.base_weight": torch.ones(1, 3).int()}, "no floating-point tensor layers.1.base_weight"),
        ({"layers.1.grid": torch.arange(9.0).expand(3, 9)}, "layer 1: 3 inputs with 8 coefficients an edge do not fit"),
    ],
)
def test_what_efficient_networks_are_refused(changes, words) -> None:
    state = tensors(named("efficient-kan", "silu"), "before")
    changed = {**state, **changes}
    with refused(words):
        from_efficient_kan({name: tensor for name, tensor in changed.items() if tensor is not None})


def test_other_sources_of_efficient_kan_are_refused() -> None:
    with refused("it has no layers.0.spline_weight"):
        from_efficient_kan({})
    with refused("it has an entry weight"):
        from_efficient_kan(nn.Linear(2, 2, bias=False))
    with refused("is needed, got str"):
        from_efficient_kan(["model.pt"])
    with refused("can't feed"):
        one, two = (to_efficient_kan(random_kan(sizes)) for sizes in ((2, 3), (2, 1)))
        from_efficient_kan({**one, **{name.replace("0", "1", 1): tensor for name, tensor in two.items()}})
    with refused("layer 0 has base weights that are not zero"):
        from_efficient_kan(to_efficient_kan(random_kan()), base="zero")
    with refused("base function is gelu"):
        from_efficient_kan(to_efficient_kan(random_kan()), base="gelu")


def test_members_of_several_shapes_are_refused() -> None:
    first = to_efficient_kan(random_kan())
    with refused("the list is empty"):
        from_efficient_kan([])
    with refused("source 0 has 2 layers, source 1 1"):
        from_efficient_kan([first, to_efficient_kan(random_kan((2, 2)))])
    with refused("grid size 4, order 3, .* in source 0, but .* grid size 5, order 3, .* in source 1"):
        from_efficient_kan([first, to_efficient_kan(random_kan(grid_size=5))])
    with refused("nothing frozen in source 0, but .* scales frozen in source 2"):
        from_efficient_kan([first, first, to_efficient_kan(random_kan(train_spline_scale=False))])
    double = to_efficient_kan(random_kan(dtype=torch.float64))
    with refused("source 0 is torch.float32 and source 1 torch.float64"):
        from_efficient_kan([first, double])
    assert from_efficient_kan([first, double], dtype=torch.float64).members == 2


def with_symbolic_edge() -> KAN:
    model = random_kan()
    fix_symbolic(model, 0, 1, 2, "sin", affine=(1.0, 0.0, 1.0, 0.0))
    return model


def with_two_bases() -> EdgeNetwork:
    first = random_kan((2, 2))
    return first.rebuilt([first.layer(0), random_kan((2, 2), base="identity").layer(0)])


def with_scale_frozen_in_one_layer() -> KAN:
    model = random_kan()
    model.layer(1).spline_scale.requires_grad_(False)
    return model


@pytest.mark.parametrize(
    ("write", "model", "words"),
    [
        (to_pykan, lambda: random_kan(members=2), "pykan holds one network, this is a stack of 2: choose one, member="),
        (to_efficient_kan, lambda: random_kan(members=2), "efficient-kan holds one network, this is a stack of 2"),
        (to_pykan, lambda: random_kan(train_coefficients=False), "coefficients of layer 0 are frozen"),
        (to_efficient_kan, lambda: random_kan(train_coefficients=False), "coefficients of layer 0 are frozen"),
        (to_pykan, with_symbolic_edge, "layer 0 has symbolic edges"),
        (to_efficient_kan, with_symbolic_edge, "layer 0 has symbolic edges"),
        (to_pykan, with_two_bases, "pykan has one base function for all layers"),
        (to_efficient_kan, with_two_bases, "one base function for all layers, not identity and silu"),
        (to_pykan, with_scale_frozen_in_one_layer, "one rule on whether spline scales are trained for all layers"),
        (
            to_efficient_kan,
            with_scale_frozen_in_one_layer,
            "spline scales of layer 1 are frozen at other values than 1",
        ),
        (to_efficient_kan, lambda: random_kan(train_base_weight=False), "base weights of layer 0 are frozen"),
        (to_efficient_kan, lambda: mask_some(random_kan()), "layer 0 has masked edges"),
        (to_pykan, lambda: nn.Linear(2, 2), "only KANs of B-splines have a form in pykan, not Linear"),
        (to_efficient_kan, lambda: nn.Linear(2, 2), "only KANs of B-splines"),
    ],
)
def test_what_of_ours_is_not_written(write, model, words) -> None:
    with refused(words):
        write(model())


def test_formulas_are_refused_where_they_are() -> None:
    model = random_kan(members=2)
    plain = [to_pykan(model, member) for member in range(2)]
    fix_symbolic(model, 1, 0, 0, "sin", affine=(1.0, 0.0, 1.0, 0.0), member=0)
    with refused("layer 1 has symbolic edges"):
        to_pykan(model, 0)
    assert_same_state(to_pykan(model, 1), plain[1])
    release_symbolic(model, 1, 0, 0)
    assert_same_state(to_pykan(model, 0), plain[0])


def test_members_are_counted() -> None:
    for write in (to_pykan, to_efficient_kan):
        with refused("member must be between 0 and 1, got 2"):
            write(random_kan(members=2), 2)
        with refused("member must be between 0 and 1, got -1"):
            write(random_kan(members=2), -1)
