"""What is learned: tasks, curricula of tasks, and the families they come from. Pure data, no models."""

__all__ = ["Curriculum", "Task", "View", "gaussian_peaks", "toy_regions", "toy_sequence"]

from tasks.curriculum import Curriculum, Task, View
from tasks.gaussian_peaks import gaussian_peaks
from tasks.toy_functions import toy_regions, toy_sequence
