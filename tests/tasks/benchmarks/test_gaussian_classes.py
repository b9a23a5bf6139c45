"""Classes of Gaussian clouds: where they lie, what each scenario asks, and that members are their own."""

import pytest
import torch

from tasks import gaussian_classes
from tasks.sampling import generators_from


@pytest.mark.parametrize("dimension", [1, 3])
@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_clouds_and_their_labels(scenario, dimension) -> None:
    generators = generators_from([3, 4], "data")
    made = gaussian_classes(
        generators, scenario=scenario, classes=6, tasks=2, dimension=dimension, spread=0.2, points_per_class=400
    )
    assert made.out_features == (3 if scenario == "domain" else 6)
    assert made.loss.classifies
    assert made.loss.masked == (scenario == "task")
    spacing = 1.0 / (2.5 + 0.6)
    found = []
    for t, task in enumerate(made.tasks):
        own = [3 * t, 3 * t + 1, 3 * t + 2]
        assert task.columns == (tuple(own) if scenario == "task" else None)
        for inputs, targets in (task.measured_on("test"), task.measured_on("validation"), (task.train_inputs, None)):
            assert float(inputs.abs().max()) <= 1.0
            assert targets is None or targets.shape[1] == 600
        labels = task.own(task.train_targets).argmax(dim=2)
        for c in range(3):
            right = c if scenario in ("task", "domain") else own[c]
            cloud = torch.stack([task.train_inputs[m][labels[m] == right] for m in range(2)])
            assert cloud.shape == (2, 400, dimension)
            found.append(cloud.mean(dim=1))
            torch.testing.assert_close(cloud.std(dim=1), torch.full_like(found[-1], 0.2 * spacing), rtol=0.15, atol=0)
    middles = torch.stack(found, dim=1)  # (M, C, d)
    levels = spacing * (torch.arange(6, dtype=torch.float64) - 2.5)
    error = {"rtol": 0, "atol": 0.2 * spacing * 5 / 400**0.5}
    torch.testing.assert_close(middles.sort(dim=1).values, levels[None, :, None].expand_as(middles), **error)
    torch.testing.assert_close(middles[..., 0], levels.expand(2, -1), **error)  # in order on the first axis


def test_a_member_alone_and_sets_apart() -> None:
    both = gaussian_classes(generators_from([3, 4], "data"), scenario="task", classes=4, tasks=2)
    alone = gaussian_classes(generators_from([4], "data"), scenario="task", classes=4, tasks=2)
    for a, b in zip(both.tasks, alone.tasks, strict=True):
        for name, values in a.tensors().items():
            torch.testing.assert_close(values[1:], b.tensors()[name], rtol=0, atol=0, equal_nan=True)
    task = both.tasks[0]
    points = torch.cat([task.train_inputs, task.test_inputs, task.validation_inputs], dim=1)[0]
    assert len(points.unique(dim=0)) == len(points)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scenario": "online"}, "scenario must be one of class, task, domain"),
        ({"classes": 7}, "classes must be 2 or more for each of 5 tasks"),
        ({"classes": 5}, "classes must be 2 or more"),
        ({"dimension": 0}, "dimension must be at least 1"),
        ({"spread": 0.0}, "spread must be positive"),
        ({"tasks": 0}, "tasks must be at least 1"),
    ],
)
def test_what_can_not_be_made_is_refused(wrong, message) -> None:
    with pytest.raises(ValueError, match=message):
        gaussian_classes(generators_from([0], "data"), **wrong)
