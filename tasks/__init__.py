"""What is learned and by which loss: tasks, curricula of tasks, and the families they come from. No models."""

__all__ = [
    "Curriculum",
    "Task",
    "View",
    "addition",
    "diabetes",
    "digits",
    "drift",
    "feynman_sequence",
    "function_fit",
    "gaussian_classes",
    "gaussian_peaks",
    "image_bands",
    "slow_change",
    "toy_regions",
    "toy_sequence",
]

import sys

from tasks import functions
from tasks.benchmarks import addition, diabetes, digits, feynman_sequence, gaussian_classes, slow_change
from tasks.curriculum import Curriculum, Task, View
from tasks.drift import drift
from tasks.function_curricula import function_fit, toy_regions, toy_sequence
from tasks.gaussian_peaks import gaussian_peaks
from tasks.images import image_bands

for _former, _module in {  # import paths before the rooms
    "feynman": functions.feynman,
    "paper_functions": functions.paper,
    "special_functions": functions.special,
    "target": functions.target,
}.items():
    sys.modules[f"{__name__}.{_former}"] = globals()[_former] = _module
