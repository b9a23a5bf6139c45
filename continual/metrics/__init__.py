"""Metrics of continual learning: numbers of each member of a finished run, made from its record whenever asked for.

`matrix` has those of the RMSE matrix R, `explained` R² and the normalised RMSE, `along` what happens between the ends
of tasks, `accuracies` those of classifications, `against` what needs another run; `metric` says what a metric is,
`catalogue` finds it by its name, `summary` makes mean and interval of it. A value that is undefined says why
(`Record.metrics.reason`).
"""

__all__ = [
    "ACCURACIES",
    "CORE",
    "METRICS",
    "Evaluations",
    "Measured",
    "Metric",
    "Summary",
    "Undefined",
    "Values",
    "accuracy_backward_transfer",
    "accuracy_forgetting",
    "all_metrics",
    "avg_r2",
    "backward_transfer",
    "bwt_r2",
    "coefficient_of_determination",
    "final_accuracy",
    "final_nrmse",
    "final_r2",
    "final_rmse",
    "find_metric",
    "forgetting",
    "forward_transfer",
    "intransigence",
    "learned_accuracy",
    "learned_r2",
    "learned_rmse",
    "learning_curve_area",
    "metric_names",
    "metrics_of",
    "plasticity",
    "retention",
    "rmse",
    "stability_gap",
    "summarize",
    "values_of",
    "worst_case",
    "worst_since_learned",
]

from continual.metrics.accuracies import (
    accuracy_backward_transfer,
    accuracy_forgetting,
    final_accuracy,
    learned_accuracy,
)
from continual.metrics.against import intransigence, plasticity
from continual.metrics.along import learning_curve_area, stability_gap, worst_case, worst_since_learned
from continual.metrics.catalogue import ACCURACIES, CORE, METRICS, find_metric, metric_names, metrics_of, values_of
from continual.metrics.explained import (
    avg_r2,
    bwt_r2,
    coefficient_of_determination,
    final_nrmse,
    final_r2,
    learned_r2,
)
from continual.metrics.matrix import (
    all_metrics,
    backward_transfer,
    final_rmse,
    forgetting,
    forward_transfer,
    learned_rmse,
    retention,
    rmse,
)
from continual.metrics.metric import Evaluations, Measured, Metric, Undefined, Values
from continual.metrics.summary import Summary, summarize
