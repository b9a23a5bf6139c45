"""What the numbers of a page mean, in words and formulas."""

__all__ = ["DEFINITIONS", "MATRIX"]

from collections.abc import Mapping

DEFINITIONS: Mapping[str, str] = {
    "learned_rmse": "mean over all tasks of the test RMSE right after learning the task: mean over j of R[j, j]. "
    "Always read it beside forgetting: a model that learns nothing forgets nothing.",
    "final_rmse": "mean over all tasks of the test RMSE at the very end: mean over j of R[T, j].",
    "forgetting": "how far each task but the last ends above the best it ever reached since it was learned: mean over "
    "j < T of (R[T, j] − smallest R[l, j] with j ≤ l < T). Positive is worse.",
    "backward_transfer": "what later tasks did to the RMSE of earlier ones: mean over j < T of (R[j, j] − R[T, j]). "
    "Positive is better.",
    "forward_transfer": "how far below the untrained model a task starts thanks to the tasks before it: mean over "
    "j ≥ 2 of (R[0, j] − R[j−1, j]). Positive is better.",
    "retention": "share of what was learned that is left at the end: mean over j < T of "
    "(s[j] − R[T, j]) / (s[j] − R[j, j]), held between 0 and 1, with s[j] the RMSE of predicting the mean of task j. "
    "1 keeps everything, 0 keeps nothing; undefined where a task was not learned (R[j, j] ≥ s[j]).",
}
"""Formulas in words, one for each of `METRICS`."""

MATRIX = (
    "R[i, j] is the test RMSE on task j after training on tasks 1 to i, in units of the target, pooled over a test set "
    "that is never the training set; row 0 is the untrained model, T is the number of tasks."
)
