"""How tasks are learned one after the other, and how that is judged.

At this level what a reader must know: a `run` from its parts to its record, the `metrics` of forgetting, what the suite
asks of `models`, the protocol by which training is extended (`extension`), and how it is stopped (`stopping`). In
rooms: `training` holds the loop; `optimizers`, `strategies` and `adaptations` take part in it; `records` keeps what it
leaves behind; `trackers` follow it; `reports` and `figures` are made of records.
"""

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any

_MOVED = {
    "adam": "optimizers",
    "adaptation": "adaptations",
    "checkpoint": "records.checkpoint",
    "evaluation": "training.evaluation",
    "files": "records.files",
    "gauss_newton": "optimizers.gauss_newton",
    "history": "training.history",
    "lbfgs": "optimizers",
    "lbfgs_history": "optimizers.lbfgs_history",
    "least_squares": "optimizers.least_squares",
    "levenberg_marquardt": "optimizers",
    "line_search": "optimizers.line_search",
    "listing": "records.listing",
    "lock": "records.lock",
    "pace": "reports.pace",
    "page": "reports.page",
    "paper": "reports",
    "progress": "trackers",
    "scaling_law": "reports.scaling_law",
    "series": "reports.series",
    "staged": "optimizers",
    "stages": "reports.stages",
    "states": "records.states",
    "stepping": "training.stepping",
    "structure": "reports.structure",
    "tables": "reports.tables",
    "trained": "records",
    "versions": "records.versions",
    "wandb_tracker": "trackers",
    "wrapping": "reports.wrapping",
}
"""Import paths before there were rooms, which configs of users name, and where what they held is now."""


class _Moved(MetaPathFinder, Loader):
    """Lets the former import paths mean the modules that took their place."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, module = name.rpartition(".")
        return spec_from_loader(name, self) if package == __name__ and module in _MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(f"{__name__}.{_MOVED[spec.name.rpartition('.')[2]]}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        assert spec is not None
        module.__spec__ = spec.loader_state


sys.meta_path.append(_Moved())
