"""Sums as tasks: every row against Python's own arithmetic."""

import pytest
import torch

from tasks import addition
from tasks.sampling import generators_from


def made(**settings):
    return addition(generators_from([0, 1], "data"), **settings)


def test_decimal_sums() -> None:
    whole = made()
    assert (whole.in_features, whole.out_features, len(whole)) == (2, 2, 5)
    for number, task in enumerate(whole.tasks, start=1):
        rows = (10.0 * task.train_inputs[0]).round().int().tolist()
        assert sorted(map(tuple, rows)) == sorted([(number, i) for i in range(10)] + [(i, number) for i in range(10)])
        for (a, b), (digit, carry) in zip(rows, (10.0 * task.train_targets[0]).round().int().tolist(), strict=True):
            assert 10 * carry + digit == a + b
        assert torch.equal(task.train_inputs[0], task.train_inputs[1])
        assert torch.equal(task.train_inputs, task.test_inputs)


def test_binary_sums_bit_by_bit() -> None:
    whole = made(base="binary", tasks=9)
    assert (whole.in_features, whole.out_features, len(whole)) == (3, 2, 9)
    for number, task in enumerate(whole.tasks, start=1):
        x, y = task.train_inputs[0].int(), task.train_targets[0].int()
        assert torch.equal(x.sum(dim=1), y[:, 0] + 2 * y[:, 1])  # a full adder
        first, second, total = (
            sum(v[:, c].reshape(4, 32)[k] << k for k in range(4)) for v, c in ((x, 0), (x, 1), (y, 0))
        )
        assert torch.equal(first + second, total + 16 * y[:, 1].reshape(4, 32)[3])
        assert (first[:16] == number).all()
        assert (second[16:] == number).all()


@pytest.mark.parametrize(
    ("wrong", "message"), [({"base": "octal"}, "base must be one of decimal, binary"), ({"tasks": 10}, "from 1 to 9")]
)
def test_settings_out_of_range_are_refused(wrong, message) -> None:
    with pytest.raises(ValueError, match=message):
        made(**wrong)
