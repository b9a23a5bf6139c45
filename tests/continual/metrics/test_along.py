"""What happens between the ends of tasks: by hand, against a plain loop, and where nothing was evaluated there."""

import numpy as np
import pytest
from scipy.integrate import trapezoid

from continual.metrics import (
    Evaluations,
    Undefined,
    learning_curve_area,
    stability_gap,
    worst_case,
    worst_since_learned,
)

STEP = np.array([0, 2, 4, 6, 7, 8])
ENDS = np.array([4, 8])
# one member, two tasks: the first is learned to 1, jumps to 5 while the second is learned, and ends at 2
FIRST, SECOND = [9.0, 3.0, 1.0, 5.0, 4.0, 2.0], [8.0, 8.0, 8.0, 2.0, 1.0, 0.5]


def found(*tasks: list[float], step: np.ndarray = STEP, ends: np.ndarray = ENDS) -> Evaluations:
    return Evaluations(step, ends, np.array(tasks).T[None])


def test_two_tasks_by_hand() -> None:
    both = found(FIRST, SECOND)
    assert stability_gap(both).tolist() == [5.0 - 2.0]
    assert worst_since_learned(both).tolist() == [5.0]
    assert worst_case(both).tolist() == [0.5 * 0.5 + 0.5 * 5.0]
    first = (0.5 * (9 + 3) * 2 + 0.5 * (3 + 1) * 2) / 4
    second = (0.5 * (8 + 2) * 2 + 0.5 * (2 + 1) + 0.5 * (1 + 0.5)) / 4
    assert learning_curve_area(both).tolist() == [(first + second) / 2]


def test_what_stays_lost_or_only_gets_better_is_no_gap() -> None:
    assert stability_gap(found([9, 3, 1, 2, 3, 4], SECOND)).tolist() == [0.0]
    assert stability_gap(found([9, 3, 1, 0.9, 0.8, 0.7], SECOND)).tolist() == [0.0]


def test_of_an_accuracy_the_least_is_the_worst() -> None:
    accuracy = Evaluations(STEP, ENDS, 10.0 - found(FIRST, SECOND).scores)
    assert stability_gap(accuracy, higher=True) == pytest.approx([3.0])
    assert worst_since_learned(accuracy, higher=True) == pytest.approx([5.0])
    assert worst_case(accuracy, higher=True) == pytest.approx([0.5 * 9.5 + 0.5 * 5.0])


def test_many_members_and_tasks_against_a_plain_loop() -> None:
    generator = np.random.default_rng(0)
    M, T, each = 4, 5, 6
    scores = generator.uniform(size=(M, 1 + T * each, T))
    whole = Evaluations(np.arange(1 + T * each) * 10, np.arange(1, T + 1) * each * 10, scores)
    for m in range(M):
        gaps, worst, areas = [], [], []
        for i in range(T):
            curves = scores[m, i * each : (i + 1) * each + 1]
            gaps += [max(curves[:, j]) - max(curves[0, j], curves[-1, j]) for j in range(i)]
            areas.append(trapezoid(curves[:, i]) / each)
            worst.append(max(scores[m, (i + 1) * each :, i]))
        assert stability_gap(whole)[m] == pytest.approx(np.mean(gaps))
        assert worst_since_learned(whole)[m] == pytest.approx(np.mean(worst[:-1]))
        assert worst_case(whole)[m] == pytest.approx(np.mean(worst))
        assert learning_curve_area(whole)[m] == pytest.approx(np.mean(areas))


def test_a_member_that_diverged_is_nan_and_no_other() -> None:
    scores = np.stack([found(FIRST, SECOND).scores[0]] * 2)
    scores[1, -1] = np.nan
    both = Evaluations(STEP, ENDS, scores)
    for metric in (stability_gap, worst_since_learned, worst_case, learning_curve_area):
        assert np.isnan(metric(both)).tolist() == [False, True]


def test_a_single_task_has_an_area_only() -> None:
    single = found([9.0, 3.0, 1.0], step=np.array([0, 1, 2]), ends=np.array([2]))
    assert learning_curve_area(single).tolist() == [(0.5 * 12 + 0.5 * 4) / 2]
    for metric in (stability_gap, worst_since_learned, worst_case):
        assert np.isnan(metric(single)).all()


def test_without_evaluations_in_between_nothing_is_known_of_it() -> None:
    ends = found([9.0, 1.0, 2.0], [8.0, 8.0, 0.5], step=np.array([0, 4, 8]))
    for metric in (stability_gap, learning_curve_area):
        with pytest.raises(Undefined, match="no evaluation between the ends of tasks"):
            metric(ends)
    assert worst_since_learned(ends).tolist() == [2.0]
    with pytest.raises(Undefined, match="no evaluation at the end of a task"):
        stability_gap(found(FIRST, SECOND, ends=np.array([5, 8])))
    with pytest.raises(ValueError, match=r"scores must have shape \(M, 6, 1\)"):
        stability_gap(found(FIRST, SECOND, ends=np.array([8])))
