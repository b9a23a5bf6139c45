"""Curricula on which continual learning is compared: classes in three scenarios, and what others have published."""

__all__ = ["addition", "diabetes", "digits", "feynman_sequence", "gaussian_classes", "slow_change"]

from tasks.benchmarks.addition import addition
from tasks.benchmarks.diabetes import diabetes
from tasks.benchmarks.digits import digits
from tasks.benchmarks.feynman_sequence import feynman_sequence
from tasks.benchmarks.gaussian_classes import gaussian_classes
from tasks.benchmarks.slow_change import slow_change
