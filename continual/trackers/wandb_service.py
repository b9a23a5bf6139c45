"""How a W&B run is opened: the environment that wandb sees, its settings, and an agent's trial where one is running."""

from __future__ import annotations

__all__ = ["FAILURES", "Mode", "Trial", "first_line", "forget", "open_run", "trial"]

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

if TYPE_CHECKING:
    import wandb

Mode = Literal["online", "offline"]

FAILURES = (Exception, SystemExit)
"""What wandb may raise: its import, its settings, its service, the network and the disk have no list of their own."""

_NOT_OURS = (
    "WANDB_MODE",
    "WANDB_RESUME",
    "WANDB_RUN_GROUP",
    "WANDB_JOB_TYPE",
    "WANDB_NAME",
    "WANDB_DIR",
    "WANDB_FORK_FROM",
    "WANDB_RESUME_FROM",
)
_OF_AN_AGENT = ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH")


@dataclass(frozen=True)
class Trial:
    """A trial that `wandb agent` has started this process for.

    Args:
        key: id that the agent's server knows the run by.
        chosen: settings that the sweep has chosen, by their names there; wandb keeps these as they are.
    """

    key: str
    chosen: frozenset[str]


def trial() -> Trial | None:
    """The trial of a W&B sweep that this process is, if an agent started it; nonsense in the variables is none."""
    sweep, key, path = (os.environ.get(name, "") for name in _OF_AN_AGENT)
    if not all(re.fullmatch(r"[0-9A-Za-z_-]{1,64}", name) for name in (sweep, key)):
        return None
    try:
        chosen = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return Trial(key, frozenset(map(str, chosen))) if isinstance(chosen, dict) else None


def open_run(
    root: Path,
    mode: Mode,
    *,
    init_timeout: float,
    finish_timeout: float,
    own_settings: bool = True,
    **about: Any,
) -> wandb.Run:
    """Starts a W&B run, and wandb's service process where this is the first of this process.

    Args:
        root: where its files go.
        mode: online or offline.
        init_timeout: seconds to wait for the server to answer.
        finish_timeout: seconds that its end may wait for the upload; what is left then is still on disk.
        own_settings: whether wandb sees the user's own variables and files, which it may refuse.
        about: what else `wandb.init` takes.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _environment(root, mode, own_settings):
        import wandb

        # silent from the first moment on: then wandb can't ask for a key
        wandb.setup(settings=wandb.Settings(silent=True, mode=mode))
        with _without_launch(wandb.Run):
            return wandb.init(
                mode=mode,
                dir=str(root),
                reinit="create_new",
                settings=wandb.Settings(
                    silent=True,
                    console="off",
                    use_dot_wandb=False,
                    init_timeout=init_timeout,
                    finish_timeout=finish_timeout,
                    finish_timeout_raises=True,
                    disable_git=True,
                    disable_code=True,
                    disable_job_creation=True,
                    save_code=False,
                    label_disable=True,
                    x_disable_meta=True,
                    x_disable_machine_info=True,
                    x_disable_stats=True,
                    x_disable_viewer=True,
                    x_save_requirements=False,
                ),
                **about,
            )


def forget() -> None:
    """Drops wandb's service process and settings, which a failure may leave dead or half read."""
    with suppress(*FAILURES):  # it exits when the service ended badly
        if "wandb" in sys.modules:
            sys.modules["wandb"].teardown()


def first_line(error: BaseException) -> str:
    """What went wrong, in one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


@contextmanager
def _without_launch(kind: type[wandb.Run]) -> Iterator[None]:
    """Keeps wandb from looking for inputs of its launch service, whose import takes as long as wandb's own."""
    name = "_detect_and_apply_job_inputs"
    before = kind.__dict__.get(name)
    if before is None:  # another release
        yield
        return
    setattr(kind, name, lambda run: None)
    try:
        yield
    finally:
        setattr(kind, name, before)


@contextmanager
def _environment(folder: Path, mode: Mode, own_settings: bool) -> Iterator[None]:
    """Sets what wandb takes from environment variables alone, and puts it back.

    Its service logs into the run's folder instead of the home, and reports no usage to the server: waiting for one
    that is out of reach would delay the end of the process. Offline it sees no key, for it would refuse to start with
    a malformed one. It never sees what would make this run another one, but for an agent's trial.
    """
    wanted: dict[str, str | None] = {"WANDB_ERROR_REPORTING": "false"}
    if "WANDB_CACHE_DIR" not in os.environ:
        wanted["WANDB_CACHE_DIR"] = str(folder / "wandb" / "cache")
    wanted.update(dict.fromkeys(_NOT_OURS))
    if trial() is None:
        wanted.update(dict.fromkeys(_OF_AN_AGENT))
    if mode == "offline":
        wanted["WANDB_API_KEY"] = None
    if not own_settings:
        theirs = {name for name in os.environ if name.startswith("WANDB_")}
        wanted = {**dict.fromkeys(theirs), **wanted, "WANDB_CONFIG_DIR": str(folder / "wandb")}
    before = {name: os.environ.get(name) for name in wanted}
    _set(wanted)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
