"""Strategies against Avalanche's and mammoth's own functions, on the same networks and samples.

`python -m scripts.golden` has them make the files that are read here, in float64; what they define otherwise is taken
out there or here, as each test says.
"""

import functools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from continual.extension import Extension, Moment, Settings, Training
from continual.strategies import AGEM, DERPP, EWC, SI
from continual.strategies.vectors import gradient_of, parameters_of, put_gradient
from continual.training.loop import train
from mlp_baselines import MLP
from tasks import Curriculum, Task
from tasks.losses import MeanSquaredError
from tasks.sampling import generators_from

GOLDEN = Path(__file__).parents[2] / "golden"
DOUBLE = torch.float64
close = functools.partial(torch.testing.assert_close, rtol=1e-8, atol=1e-12)


@functools.cache
def cases(kind):
    made = json.loads((GOLDEN / f"{kind}_strategies.json").read_text())["cases"]
    return {case["name"]: case for case in made}


def ours(flat, outputs):
    """One vector of theirs, weight (J, I) and bias (J,) of each layer, in the order of our parameters, (1, P)."""
    first, bias, second, last = torch.tensor(flat, dtype=DOUBLE).split([10, 5, 5 * outputs, outputs])
    pieces = (first.view(5, 2).mT, second.view(outputs, 5).mT, bias, last)
    return torch.cat([piece.flatten() for piece in pieces]).unsqueeze(0)


def flat_of(weights):
    return torch.cat([torch.tensor(each, dtype=DOUBLE).flatten() for each in weights]).tolist()


def network(weights, outputs):
    """Theirs, as a stack of one member."""
    model = MLP(2, outputs, width=5, depth=2, activation="tanh", dtype=DOUBLE)
    put(model, weights, outputs)
    return model


def put(model, weights, outputs):
    value = ours(flat_of(weights), outputs)
    sizes = [each.numel() for each in model.parameters()]
    with torch.no_grad():
        for each, piece in zip(model.parameters(), value.split(sizes, dim=1), strict=True):
            each.copy_(piece.view(each.shape))


class Look(Extension):
    """Keeps the parameters after each task."""

    def __init__(self) -> None:
        self.kept = []

    def after_task(self, moment) -> None:
        self.kept.append(parameters_of(moment.model))


class LookAtImportance(Extension):
    """Keeps a strategy's importance after each task."""

    def __init__(self, importance) -> None:
        self.importance, self.kept = importance, []

    def after_task(self, moment) -> None:
        self.kept.append(self.importance().clone())


def trained(case, strategy, importance=None):
    """Trains the network of a case on its tasks; parameters after each, and what else was looked at."""
    outputs, tasks = case["outputs"], []
    for number, data in enumerate(case["tasks"]):
        x, y = torch.tensor([data["x"]], dtype=DOUBLE), torch.tensor([data["y"]], dtype=DOUBLE)
        y = torch.nn.functional.one_hot(y.long(), outputs).to(DOUBLE) if case["classes"] else y
        loss = "cross_entropy" if case["classes"] else "mean_squared_error"
        tasks.append(Task(f"task {number}", x, y, x, y, loss=loss))
    make = functools.partial(torch.optim.SGD, lr=case["rate"], momentum=case["momentum"])
    looks = [Look(), *([] if importance is None else [LookAtImportance(importance)])]
    model = network(case["start"], outputs)
    settings = Settings(case["steps"], None, case["steps"])
    train(
        Training(
            model,
            Curriculum("theirs", tasks, (-4.0, 4.0)),
            make,
            strategy,
            settings,
            generators_from([0], "batches"),
            observers=looks,
        )
    )
    return [look.kept for look in looks]


def same_weights(found, case):
    for here, there in zip(found, case["after"], strict=True):
        close(here, ours(flat_of(there), case["outputs"]))


def test_agem_trains_as_mammoth() -> None:
    """Nothing to take out where a batch is the task: both keep all of it, and compare with all that is kept."""
    case = cases("mammoth")["agem"]
    assert case["corrected"] > 2
    same_weights(trained(case, AGEM(1000, batch=None, reset_optimizer=False))[0], case)


def test_derpp_trains_as_mammoth() -> None:
    """Both batches are all of the memory, as what is drawn at random can't be the same."""
    case = cases("mammoth")["derpp"]
    strategy = DERPP(1000, case["settings"]["alpha"], case["settings"]["beta"], batch=1000, reset_optimizer=False)
    same_weights(trained(case, strategy)[0], case)


@pytest.mark.parametrize("kind", ["mammoth", "avalanche"])
def test_si_trains_as_others(kind) -> None:
    """Without mammoth's clip of gradients at 1, which did nothing; Avalanche's way without the penalty's gradient.

    Avalanche's scale 0.0015, bound 0.001 and damping 1e-7 are arguments, and set to 1, none and ours; λ is 2 c. Nor did
    our bound of Ω from below do anything, which they don't have.
    """
    case = cases(kind)["si"]
    if kind == "mammoth":
        assert case["largest_gradient"] < 1.0
    strategy = SI(case["settings"]["c"], case["settings"]["xi"], reset_optimizer=False)
    weights, importance = trained(case, strategy, lambda: strategy.importance)
    same_weights(weights, case)
    for here, there in zip(importance, case["importance"], strict=True):
        assert min(there) > 0.0
        close(here, ours(there, case["outputs"]))


def test_ewc_trains_as_mammoth() -> None:
    """Of each sample with each class, its squared gradients times p(class) are the exact Fisher over the classes.

    It takes their mean over samples and classes C, where ours is over samples; and has no ½.
    """
    case = cases("mammoth")["ewc"]
    classes, theirs = case["outputs"], case["settings"]
    strategy = EWC(2.0 * theirs["e_lambda"] / classes, decay=theirs["gamma"], reset_optimizer=False)
    weights, importance = trained(case, strategy, lambda: strategy.quadratics()[0].diagonal)
    same_weights(weights, case)
    for here, there in zip(importance, case["importance"], strict=True):
        close(here, 2.0 * theirs["e_lambda"] * ours(there, classes))


@pytest.mark.parametrize("anchors", ["online", "each"])
def test_ewc_is_avalanches_penalty(anchors) -> None:
    """Its squared gradients in batches of one, at errors of ±1 in all signs: 2 O / O² of JᵀJ each, as the exact Fisher.

    It has no ½, and adds up the value of the penalty, but not its gradient, in float32.
    """
    case = cases("avalanche")["ewc online" if anchors == "online" else "ewc separate"]
    outputs, theirs = case["outputs"], case["settings"]
    decay = theirs["decay"] if anchors == "online" else 1.0
    strategy = EWC(2.0 * theirs["weight"], anchors=anchors, decay=decay)
    model = network(case["weights"][0], outputs)
    strategy.begin(SimpleNamespace(loss=MeanSquaredError()))
    total = 0.0
    for number, (data, weights) in enumerate(zip(case["tasks"], case["weights"], strict=True)):
        put(model, weights, outputs)
        x, y = (torch.tensor([data[name]], dtype=DOUBLE) for name in ("x", "y"))
        strategy.after_task(Moment(model, number + 1, 0, 0, x, y))
        there = ours(case["importance"][number], outputs)
        total = there if anchors == "online" else total + there
        close(strategy.quadratics()[0].diagonal, 2.0 * theirs["weight"] * total)
    (penalty,) = strategy.quadratics()
    value, gradient = penalty.value_and_gradient(ours(flat_of(case["last"]), outputs))
    close(gradient, ours(case["gradient"], outputs))
    torch.testing.assert_close(value.item(), case["value"], rtol=1e-6, atol=0.0)


def test_agem_projects_as_avalanche() -> None:
    """Nothing to take out: its function is given the same samples of the memory."""
    case = cases("avalanche")["agem"]
    outputs, corrected = case["outputs"], 0
    strategy = AGEM(10, batch=None)
    model = network(case["weights"], outputs)
    strategy.session = SimpleNamespace(loss=MeanSquaredError())
    for each in case["cases"]:
        (x, y), memory = (
            [torch.tensor([each[where][name]], dtype=DOUBLE) for name in ("x", "y")] for where in ("batch", "memory")
        )
        strategy.use(x, y, memory)
        predictions = model(x)
        predictions.backward(MeanSquaredError()(predictions, y)[1])
        close(gradient_of(model), ours(each["before"], outputs))
        strategy.gradients(model)
        close(gradient_of(model), ours(each["after"], outputs))
        corrected += each["before"] != each["after"]
        put_gradient(model, torch.zeros_like(gradient_of(model)))
    assert 2 < corrected < len(case["cases"])
