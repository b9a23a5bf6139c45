"""What a run says in its record and in its files when it is done; its pictures, and a line on the console."""

__all__ = ["finish", "pictures", "save_summary", "say_result", "write_config"]

import io
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from matplotlib.figure import Figure

from continual.figures import run_summary, save
from continual.metrics import METRICS, summarize
from continual.models import parameter_counts, portrait
from continual.probes import probe_arrays
from continual.records.checkpoint import Checkpoint
from continual.records.files import replace_file
from continual.records.record import Record, write_record
from continual.records.versions import hardware, package_versions
from continual.run.ready import Run
from continual.run.tasks_seen import tasks_seen
from continual.training.evaluation import baseline_rmse
from continual.training.history import History
from tasks import Curriculum

try:
    import resource
except ImportError:  # there is none on Windows
    resource = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast where it was built


def _peak_memory() -> int | None:
    """Most bytes that this process has held so far, earlier runs of a sweep included; None where nobody counts."""
    if resource is None:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def write_config(run: Run) -> None:
    """The resolved config, as `config.yaml`."""
    text = yaml.dump(dict(run.info.config), Dumper=_DUMPER, sort_keys=False, allow_unicode=True)
    replace_file(run.info.folder / "config.yaml", text.encode())


def finish(run: Run, history: History, checkpoint: Checkpoint) -> Record:
    """Writes what the run leaves behind; `record.json` comes last."""
    info, folder = run.info, run.info.folder
    model, curriculum = run.training.model, run.training.curriculum
    state = {"format": 2, "model": model.state_dict(), "describe": dict(model.describe())}
    state["seeds"] = list(info.seeds)
    state["build"] = info.config.get("model")  # what `continual.records.trained` builds it from, opaque here
    state["inputs"] = _inputs(curriculum)
    content = io.BytesIO()
    torch.save(state, content)
    replace_file(folder / "model.pt", content.getvalue())
    if not (folder / "config.yaml").is_file():  # somebody removed the folder meanwhile
        write_config(run)
    device = next(iter(model.parameters())).device
    sessions = checkpoint.sessions()
    probed = probe_arrays(run.training.observers)
    fields = {
        "status": "done",
        "experiment": info.experiment,
        "name": info.name,
        "identity": info.identity,
        "sweep": dict(run.sweep),
        "seeds": list(info.seeds),
        "diverged": ~history.alive,
        "model": dict(model.describe()),
        "parameters": parameter_counts(model),
        "flops": model.flops(),
        "curriculum": curriculum.name,
        "task_names": list(info.task_names),
        "loss": curriculum.loss.name,
        "R": history.matrix(),
        **({} if (accuracy := history.accuracies()) is None else {"accuracy": accuracy}),
        **({} if run.tuned is None else {"tuned": dict(run.tuned)}),
        "evaluated_on": run.training.settings.evaluate_on,
        "overlap": None if curriculum.overlap is None else curriculum.overlap.numpy(),
        "outside": history.outside[-1].mean(axis=0) if history.outside else None,
        "events": [{"step": step, "text": text} for step, text in history.events],
        "baseline_rmse": baseline_rmse(curriculum, run.training.settings.evaluate_on),
        "probes": {name: array for name, array in probed.items() if array.shape == history.matrix().shape[:2]},
        "seconds": {
            "total": sum(s["seconds"] for s in sessions),
            "train": history.train_seconds,
            "along": history.seconds,
        },
        "device": hardware(device),
        "threads": torch.get_num_threads(),
        "command": info.command,
        "peak_memory": _peak_memory(),
        "versions": package_versions(),
        "code": checkpoint.code(),
        "sessions": sessions,
    }
    curves = {**history.curves(), **_view(curriculum), **_portrait(run)}
    curves |= {f"tasks/{name}": array for name, array in tasks_seen(curriculum).items()}
    curves |= {f"probe/{name}": array for name, array in probed.items()}
    return write_record(folder, fields, curves, ("model.pt", "config.yaml"))


def _inputs(curriculum: Curriculum) -> dict[str, Any]:
    """Range of each input in the training data, in its own units, and the box that was scaled to [-1, 1] if any."""
    seen = torch.cat([task.train_inputs.flatten(0, 1) for task in curriculum.tasks]).double().cpu()
    low, high = seen.amin(dim=0), seen.amax(dim=0)
    if curriculum.scaled_from is not None:
        box = torch.tensor(curriculum.scaled_from, dtype=torch.float64)
        center, half = box.mean(dim=1), (box[:, 1] - box[:, 0]) / 2.0
        low, high = center + half * low, center + half * high
    scaled = None if curriculum.scaled_from is None else [list(ends) for ends in curriculum.scaled_from]
    return {"low": low.tolist(), "high": high.tolist(), "scaled_from": scaled}


def _portrait(run: Run) -> dict[str, np.ndarray[Any, Any]]:
    """The functions on the edges of the trained model, where it has such."""
    inputs = torch.cat([task.train_inputs for task in run.training.curriculum.tasks], dim=1)
    return {f"portrait/{name}": values for name, values in (portrait(run.training.model, inputs) or {}).items()}


def _view(curriculum: Curriculum) -> dict[str, np.ndarray[Any, Any]]:
    """What a picture of tasks of one or two inputs needs besides the predictions."""
    if curriculum.view is None:
        return {}
    targets = curriculum.view.targets.cpu().numpy()
    if curriculum.in_features == 2:
        bounds = [task.train_inputs[0].aminmax(dim=0) for task in curriculum.tasks]
        return {
            "surface_inputs": curriculum.view.inputs.cpu().numpy(),
            "surface_targets": targets,
            "surface_regions": np.stack([torch.stack([low, high]).cpu().numpy() for low, high in bounds]),
        }
    return {
        "view_inputs": curriculum.view.inputs[:, 0].cpu().numpy(),
        "view_targets": targets,
        "train_inputs": np.stack([task.train_inputs[..., 0].cpu().numpy() for task in curriculum.tasks], axis=1),
        "train_targets": np.stack([task.train_targets.cpu().numpy() for task in curriculum.tasks], axis=1),
    }


def pictures(record: Record) -> dict[str, Callable[[], Figure]]:
    """What draws a run's own figures, by name."""
    return {"summary": lambda: run_summary(record)}


def save_summary(record: Record) -> Path:
    """Draws `figure.png` and `.pdf` into the run's own folder."""
    return save(run_summary(record), record.folder, "figure")[0]


def say_result(record: Record) -> None:
    """A line with what was learned, kept and lost."""
    names = ("learned_rmse", "final_rmse", "forgetting")
    if record.accuracy is not None:
        names = ("learned_accuracy", "final_accuracy", "accuracy_forgetting")
    shown = names if len(record.task_names) > 1 else names[1:2]
    written = ".2e" if record.accuracy is None else ".3f"
    values = [f"{METRICS[name][:-2]} {summarize(record.metrics[name]).mean:{written}}" for name in shown]
    lost = int(record.diverged.sum())
    log.info(
        "%s: %s, %.1f s%s%s",
        record.name,
        ", ".join(values),
        record.seconds,
        f", {lost} of {len(record.seeds)} members diverged" if lost else "",
        _outside(record),
    )


def _outside(record: Record) -> str:
    """Where many inputs have left a grid, which layer's."""
    left = [f"{share:.1%} of layer {layer}'s" for layer, share in enumerate(record.outside, start=1) if share >= 1e-3]
    return f"; inputs outside the grid: {', '.join(left)}" if left else ""
