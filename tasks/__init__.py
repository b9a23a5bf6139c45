"""What is learned: tasks, curricula of tasks, and the families they come from. Pure data, no models."""

__all__ = ["Curriculum", "Task", "View", "function_fit", "gaussian_peaks", "toy_regions", "toy_sequence"]

from tasks.curriculum import Curriculum, Task, View
from tasks.function_curricula import function_fit, toy_regions, toy_sequence
from tasks.gaussian_peaks import gaussian_peaks
