"""Workers of a sweep: which run comes when, how much is left, and what a terminal shows."""

import os
import subprocess
import sys

import pytest

from scripts.forecast import Forecast
from scripts.workers import display
from scripts.workers.display import Display
from scripts.workers.pool import Workers
from tests.scripts.test_train import ROOT


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, monkeypatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(display.time, "monotonic", lambda: self.now)


def test_what_is_left_follows_from_what_runs_were_expected_to_take(monkeypatch) -> None:
    clock = Clock(monkeypatch)
    shown = Display({0: 10.0, 1: 30.0, 2: 20.0}, 2, live=False)
    assert shown.line() == "0 of 3 runs have ended"
    clock.now += 40.0
    shown.ended(1)  # half of the work in 40 seconds
    assert shown.line() == "1 of 3 runs have ended, about 40 s left"
    shown.at(7, 2, "b", 0.5, "task 1/2")  # two thirds of it
    assert shown.line() == "1 of 3 runs have ended, about 20 s left"
    shown.ended(2)
    shown.ended(0)
    assert shown.line() == "3 of 3 runs have ended, about 1 s left"


def test_nobody_at_a_terminal_hears_of_it_every_half_minute(monkeypatch, capsys) -> None:
    clock = Clock(monkeypatch)
    shown = Display(dict.fromkeys(range(4), 1.0), 2, live=False)
    for number, seconds in enumerate((10.0, 25.0, 5.0, 40.0)):
        clock.now += seconds
        shown.ended(number)
    said = capsys.readouterr().err.splitlines()
    assert said == ["2 of 4 runs have ended, about 35 s left"]  # and no more once all have


def test_a_terminal_has_a_line_for_each_worker_and_one_for_all(capsys) -> None:
    with Display({0: 1.0, 1: 1.0, 2: 1.0}, 2, live=True) as shown:
        shown.at(11, 0, "first", 0.5, "task 1/5, loss 1.00e-02")
        shown.at(12, 1, "second", 0.25, "")
        shown.at(11, 2, "third", 0.0, "")
        rows = [str(bar.desc) for bar in shown._bars]
    assert rows[0].endswith("  0%  third")
    assert rows[1].endswith(" 25%  second")
    assert rows[2].startswith("0 of 3 runs have ended, about ")
    assert "first, task 1/5, loss 1.00e-02" in capsys.readouterr().err


def test_the_longest_runs_come_first_and_equal_ones_in_their_order(monkeypatch) -> None:
    sent = []

    class Executor:
        def __init__(self, **_: object) -> None:
            pass

        def submit(self, function, *arguments):
            sent.append(arguments)

    monkeypatch.setattr("scripts.workers.pool.ProcessPoolExecutor", Executor)
    monkeypatch.setattr("scripts.workers.pool.as_completed", lambda futures: [])
    monkeypatch.setattr("scripts.workers.pool.pickle.dumps", lambda state: b"")
    monkeypatch.setattr("scripts.workers.pool.GlobalHydra.instance", lambda: __import__("unittest.mock").mock.Mock())
    monkeypatch.setenv("KAN_CONTINUAL_SWEEP", "one")
    workers = Workers(2, 1)
    sent.clear()
    workers.train(None, {n: [f"x={n}"] for n in range(4)}, {0: 1.0, 1: 5.0, 2: 1.0, 3: 9.0})
    assert [number for _, number, _ in sent] == [3, 1, 0, 2]


def test_expected_seconds_of_runs_that_were_measured_counted_done_or_not_looked_at() -> None:
    forecast = Forecast(5)
    forecast._steps, forecast._seconds = {0: 100, 1: 50, 3: 200}, {0: 1.0, 1: 2.0}
    forecast.add_done(2)
    assert forecast.expected() == pytest.approx([1.0, 2.0, 0.0, 4.0, 7.0 / 3.0])
    # the one that was not looked at may be done or not: what is said of it is that it is to be trained
    assert forecast.left == 4
    assert "5 runs, at least 1 of them done; to do: 467 steps" in forecast.sentence()
    forecast.add_done(4)
    assert "5 runs, 2 of them done; to do: 350 steps" in forecast.sentence()


def test_a_step_needs_no_compiler() -> None:
    code = """
import sys, torch
from continual.optimizers import LBFGS, Adam, LevenbergMarquardt
weights = torch.nn.Parameter(torch.ones(2, 3))
def closure():
    for each in (adam, lbfgs): each.zero_grad()
    losses = weights.square().sum(1)
    losses.sum().backward()
    return losses
adam, lbfgs = Adam([weights]), LBFGS([weights])
for optimizer in (adam, lbfgs):
    optimizer.step(closure)
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.step(closure)
assert "torch._dynamo" not in sys.modules, "it takes two seconds to import"
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
