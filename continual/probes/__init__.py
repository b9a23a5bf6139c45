"""Probes: where forgetting comes from, measured on the model at the boundaries of tasks, or by training again.

`response`, `interference`, `support` and `drift` look at a model while it trains (`probe`), `film` keeps what it
predicts on the way; `budget` trains again with a part kept still; `kernel` and `parts` are what they share.
"""

__all__ = [
    "Budget",
    "Drift",
    "Film",
    "Freeze",
    "Interference",
    "Online",
    "Part",
    "Probe",
    "Response",
    "Support",
    "fall_radius",
    "forgetting_budget",
    "frame_steps",
    "gradient_cosines",
    "kernel_overlap",
    "kernel_squares",
    "probe_arrays",
    "response_profile",
    "support_overlap",
    "thinned",
]

from continual.probes.budget import Budget, Freeze, Part, forgetting_budget
from continual.probes.drift import Drift
from continual.probes.film import Film, frame_steps
from continual.probes.interference import Interference, gradient_cosines
from continual.probes.kernel import kernel_overlap, kernel_squares
from continual.probes.online import Online
from continual.probes.probe import Probe, probe_arrays, thinned
from continual.probes.response import Response, fall_radius, response_profile
from continual.probes.support import Support, support_overlap
