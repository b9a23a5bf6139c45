"""What numbers of several seeds, models and curricula say, and what they do not: intervals, tests, ranks, profiles.

Functions of arrays, for whatever is measured: scores of (n,) runs, or of (n, T) runs and tasks, and whether more of
them is better. Every result states its n, and why it is undefined where it is. `intervals` has Student's t and the
bootstrap, `paired` differences on the same seeds with tests and Holm's correction, `ranks` Friedman's and Nemenyi's,
`aggregates` rliable's interquartile mean, probability of improvement and performance profiles.
"""

__all__ = [
    "ALL_ZERO",
    "Interval",
    "PValue",
    "PairedDifference",
    "RankTable",
    "bootstrap_interval",
    "critical_difference",
    "holm",
    "interquartile_mean",
    "optimality_gap",
    "paired_difference",
    "performance_profile",
    "probability_of_improvement",
    "profile_band",
    "rank_table",
    "sign_flip_test",
    "student_interval",
    "wilcoxon_test",
]

from continual.metrics.statistics.aggregates import (
    interquartile_mean,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    profile_band,
)
from continual.metrics.statistics.intervals import Interval, bootstrap_interval, student_interval
from continual.metrics.statistics.paired import (
    ALL_ZERO,
    PairedDifference,
    PValue,
    holm,
    paired_difference,
    sign_flip_test,
    wilcoxon_test,
)
from continual.metrics.statistics.ranks import RankTable, critical_difference, rank_table
