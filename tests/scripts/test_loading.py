"""What a sweep composes is what Hydra composes, with the same refusals, and most of it once."""

import pytest
from hydra import compose, initialize_config_module
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

import scripts.config.composed  # noqa: F401  # whose resolvers configs use
from scripts.config.loading import SweepLoader

RUNS = [
    ["optimizer.lr=0.01"],
    ["optimizer.lr=0.02", "model=mlp", "+model.more={a: [1, 2]}"],
    ["model=mlp", "++model.depth=3", "seeds=[3, 4]", "hydra.job.name=other"],
    ["adaptation=[grid_update,domain_extension]", "adaptation.grid_update.every=7", "~probe"],
    ["+experiment/five_peaks=kan_deep", "+experiment=five_peaks", "training.steps=5", "name='a, b=c'"],
    ["+experiment/locality=[additive,budget]", "+experiment=locality", "model.grid_size=3"],
    ["tracker=none"],
]


def both(overrides: list[str]) -> tuple[DictConfig, DictConfig]:
    """A config as Hydra composes it, and as it does for the second run of its kind in a sweep."""
    with initialize_config_module("conf", version_base="1.3"):
        own = compose("train", list(overrides), return_hydra_config=True)
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        hydra.config_loader = SweepLoader(hydra.config_loader)
        compose("train", [*overrides, "training.evaluate_every=77"])
        return own, compose("train", list(overrides), return_hydra_config=True)


@pytest.mark.parametrize("overrides", RUNS, ids=" ".join)
def test_a_sweep_composes_what_hydra_does(overrides) -> None:
    own, found = both(overrides)
    assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(own)
    for path in ("", "model", "hydra", "hydra.job", "optimizer"):
        one, other = (OmegaConf.select(each, path) if path else each for each in (own, found))
        for flag in ("struct", "readonly"):
            assert one._get_flag(flag) == other._get_flag(flag), (path, flag)


@pytest.mark.parametrize("wrong", ["model.gridsize=3", "+model.grid_size=3", "~model.nothing", "nothing=3"])
def test_what_hydra_refuses_is_refused_in_the_same_words(wrong) -> None:
    said = []
    with initialize_config_module("conf", version_base="1.3"):
        for _ in range(2):
            with pytest.raises(HydraException) as refused:
                compose("train", ["model.depth=2", wrong])
            said.append(str(refused.value))
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            hydra.config_loader = SweepLoader(hydra.config_loader)
    assert said[0] == said[1]


def test_files_are_read_once_for_runs_that_share_them(monkeypatch) -> None:
    composed = []
    own = ConfigLoaderImpl._compose_config_from_defaults_list
    monkeypatch.setattr(
        ConfigLoaderImpl,
        "_compose_config_from_defaults_list",
        lambda self, **more: composed.append(1) or own(self, **more),
    )
    with initialize_config_module("conf", version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        hydra.config_loader = SweepLoader(hydra.config_loader)
        for model in ("kan", "mlp"):
            rates = [compose("train", [f"model={model}", f"optimizer.lr={rate}"]).optimizer.lr for rate in (0.1, 0.2)]
            assert rates == [0.1, 0.2]  # none sees what another one set
    assert len(composed) == 2
