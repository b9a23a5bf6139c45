# mypy: ignore-errors
"""Runs in a Python that has Avalanche or mammoth, and trains or measures there by their functions; knows nothing of us.

Takes {"make": true}, and as arguments "avalanche" or "mammoth" and the folder of mammoth's sources. Answers what went
in and what came out, all of it float64: networks of five tanh units, [2, 5, O], as weight and bias of each layer.

In one file: it runs where nothing else of this project is.
"""

import hashlib
import inspect
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

TASKS, SAMPLES, STEPS, RATE, MOMENTUM = 3, 6, 6, 0.05, 0.5
AGEM = {"steps": 12}
SI = {"weight": 0.6, "damping": 0.1}
EWC = {"weight": 0.5, "decay": 0.75}
DERPP = {"alpha": 0.4, "beta": 0.7}


def _tasks(seed: int, outputs: int, classes: bool) -> list[tuple[Any, Any]]:
    import torch

    torch.manual_seed(seed)
    found = []
    for _ in range(TASKS):
        x = torch.randn(SAMPLES, 2)
        found.append((x, torch.randint(outputs, (SAMPLES,)) if classes else 0.3 * torch.randn(SAMPLES, outputs)))
    return found


def _layers(outputs: int) -> Any:
    from torch import nn

    net = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, outputs))
    for parameter in net[2].parameters():
        parameter.data *= 0.5  # small outputs, and with them gradients
    return net


def _weights(net: Any) -> list[Any]:
    return [parameter.detach().tolist() for parameter in net.parameters()]


def _data(tasks: list[tuple[Any, Any]]) -> list[dict[str, Any]]:
    return [{"x": x.tolist(), "y": y.tolist()} for x, y in tasks]


def _source(name: str, version: str, *parts: Any) -> str:
    import torch

    files = {Path(inspect.getfile(part)) for part in parts}
    sums = [f"{path.name} with sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in sorted(files)]
    return f"{name} {version}: {', '.join(sums)}; torch {torch.__version__.partition('+')[0]}, CPU"


# mammoth: whole trainings by `observe` and `end_task`


def _shapes(tensor: Any, size: int) -> Any:
    return tensor.new_zeros(size, *tensor.shape[1:])


def _mammoth_run(kind: str, Model: Any, outputs: int, classes: bool, steps: int, **settings: Any) -> dict[str, Any]:
    import torch
    from backbone import MammothBackbone

    class Net(MammothBackbone):
        def __init__(self) -> None:
            super().__init__()
            self.layers = _layers(outputs)

        def forward(self, x: Any, returnt: str = "out") -> Any:
            return self.layers(x)

    tasks = _tasks(7, outputs, classes)
    loss = torch.nn.CrossEntropyLoss() if classes else torch.nn.MSELoss()
    given = {"optimizer": "sgd", "lr": RATE, "optim_wd": 0.0, "optim_mom": MOMENTUM, "optim_nesterov": False}
    room = 2 * TASKS * SAMPLES * steps
    args = types.SimpleNamespace(**given, **settings, label_perc=1, buffer_size=room, minibatch_size=room)
    args.batch_size = SAMPLES * (outputs if kind == "ewc" else 1)
    about = {"N_CLASSES": outputs, "N_TASKS": TASKS, "SETTING": "domain-il", "N_CLASSES_PER_TASK": outputs}
    net = Net()
    model = Model(net, loss, args, None, types.SimpleNamespace(**about))
    if hasattr(model, "buffer"):  # made beforehand, as its own are float32, and integers where there are classes
        x, y = tasks[0]
        model.buffer.examples, model.buffer.labels = _shapes(x, room), _shapes(y, room)
        if kind == "derpp":
            model.buffer.logits = torch.zeros(room, outputs)
    start, after, importance, largest, corrected = _weights(net), [], [], 0.0, 0
    for x, y in tasks:
        for _ in range(steps):
            model.observe(x, y, x)
            largest = max(largest, max(float(each.grad.abs().max()) for each in net.parameters()))
            if kind == "agem" and not model.buffer.is_empty():
                corrected += float(model.grad_xy @ model.grad_er) < 0
        samples = [(x, y, x)]
        if kind == "ewc":  # each sample with each class: the factor p(class) then makes of it the exact Fisher
            every = torch.arange(outputs).repeat(len(x))
            samples = [(x.repeat_interleave(outputs, dim=0), every, None)]

        model.end_task(types.SimpleNamespace(train_loader=samples, N_TASKS=TASKS))
        after.append(_weights(net))
        if kind in ("si", "ewc"):
            importance.append((model.big_omega if kind == "si" else model.fish).tolist())
    made = {"name": kind, "classes": classes, "outputs": outputs, "steps": steps, "rate": RATE, "momentum": MOMENTUM}
    made |= {"settings": settings, "tasks": _data(tasks), "start": start, "after": after}
    return made | {"importance": importance, "largest_gradient": largest, "corrected": corrected}


def _mammoth(folder: str) -> dict[str, Any]:
    import torch

    data = types.ModuleType("datasets")  # its own imports every data set there is, none of which is needed
    data.get_dataset = data.get_dataset_names = data.get_dataset_config_names = None
    sys.modules["datasets"] = data
    sys.path.insert(0, folder)
    os.chdir(folder)
    import models.utils.continual_model as base
    from models import si
    from models.agem import AGem
    from models.derpp import Derpp
    from models.ewc_on import EwcOn
    from utils.buffer import Buffer

    base.get_device = lambda *_: torch.device("cpu")
    torch.manual_seed(0)
    made = [
        _mammoth_run("agem", AGem, 1, False, AGEM["steps"]),
        _mammoth_run("derpp", Derpp, 3, True, STEPS, **DERPP),
        _mammoth_run("si", si.SI, 1, False, STEPS, c=SI["weight"], xi=SI["damping"]),
        _mammoth_run("ewc", EwcOn, 3, True, STEPS, e_lambda=EWC["weight"], gamma=EWC["decay"]),
    ]
    source = _source("mammoth", "(github.com/aimagelab/mammoth)", AGem, Derpp, si.SI, EwcOn, Buffer)
    return {"source": source, "cases": made}


# Avalanche: its plugins' functions, one by one


def _avalanche_ewc(mode: str) -> dict[str, Any]:
    import torch
    from avalanche.training.plugins import EWCPlugin
    from torch.utils.data import TensorDataset

    tasks, outputs = _tasks(11, 2, False), 2
    net = _layers(outputs)
    criterion, optimizer = torch.nn.MSELoss(), torch.optim.SGD(net.parameters(), lr=RATE)
    plugin = EWCPlugin(EWC["weight"], mode, EWC["decay"] if mode == "online" else None)
    weights, importance = [], []
    errors = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    for index, (x, _) in enumerate(tasks):
        weights.append(_weights(net))
        # errors of one size and all signs: the squared gradients' mean is then that of the Gaussian's exact Fisher
        every = x.repeat_interleave(len(errors), dim=0)
        targets = net(every).detach() + errors.repeat(len(x), 1)
        samples = TensorDataset(every, targets, torch.zeros(len(every)))
        clock = types.SimpleNamespace(train_exp_counter=index)
        strategy = types.SimpleNamespace(
            clock=clock, model=net, _criterion=criterion, optimizer=optimizer, device="cpu", train_mb_size=1
        )
        strategy.experience = types.SimpleNamespace(dataset=samples)
        plugin.after_training_exp(strategy)
        importance.append(_flat(each.data for each in plugin.importances[index].values()))
        for parameter in net.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    strategy.clock.train_exp_counter, strategy.loss = TASKS, torch.zeros(())
    optimizer.zero_grad()
    plugin.before_backward(strategy)
    strategy.loss.backward()
    found = {"value": strategy.loss.item(), "gradient": _flat(each.grad for each in net.parameters())}
    made = {"name": f"ewc {mode}", "outputs": outputs, "settings": EWC, "tasks": _data(tasks), "weights": weights}
    return made | {"last": _weights(net), "importance": importance, **found}


def _flat(tensors: Any) -> list[float]:
    import torch

    return torch.cat([each.detach().flatten() for each in tensors]).tolist()


def _own(kept: dict[str, Any]) -> None:
    """Makes copies of what on a CPU are views of the parameters, which move along with every step."""
    for each in kept.values():
        each.data = each.data.clone()


def _avalanche_si() -> dict[str, Any]:
    import torch
    from avalanche.training.plugins import SynapticIntelligencePlugin as Plugin

    tasks = _tasks(12, 1, False)
    net = _layers(1)
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)
    held: tuple[dict, dict] = ({}, {})
    way = {name: {} for name in ("old_theta", "new_theta", "grad", "trajectory", "cum_trajectory")}
    start, after, importance, damping, weight = _weights(net), [], [], SI["damping"], SI["weight"]
    for index, (x, y) in enumerate(tasks):
        Plugin.create_syn_data(net, held, way, set())
        Plugin.init_batch(net, held, way, set())
        _own(held[0])
        for _ in range(STEPS):
            Plugin.pre_update(net, way, set())
            _own(way["old_theta"])
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(net(x), y).backward()
            alone = [parameter.grad.clone() for parameter in net.parameters()]
            if index > 0:
                Plugin.compute_ewc_loss(net, held, set(), torch.device("cpu"), lambd=2.0 * weight).backward()
            optimizer.step()
            for parameter, grad in zip(net.parameters(), alone, strict=True):
                parameter.grad = grad  # the way is then measured without the penalty
            Plugin.post_update(net, way, set())
        Plugin.update_ewc_data(net, held, way, 1e9, set(), c=1.0, eps=damping)
        after.append(_weights(net))
        importance.append(_flat(each.data for each in held[1].values()))
    made = {"name": "si", "classes": False, "outputs": 1, "steps": STEPS, "rate": RATE, "momentum": MOMENTUM}
    return made | {
        "settings": {"c": weight, "xi": damping},
        "tasks": _data(tasks),
        "start": start,
        "after": after,
        "importance": importance,
    }


def _avalanche_agem() -> dict[str, Any]:
    import torch
    from avalanche.training.plugins import AGEMPlugin

    tasks, net, cases = _tasks(13, 2, False), _layers(2), []
    plugin = AGEMPlugin(SAMPLES, SAMPLES)
    plugin.buffers = [None]  # there is a memory
    for (x, y), (x_old, y_old) in ((tasks[a], tasks[b]) for a in range(TASKS) for b in range(TASKS)):
        if torch.equal(x, x_old):
            y = 2.0 * net(x).detach() - y_old  # errors opposite to the memory's, but for some samples
            y[:3] += 0.3
        plugin.sample_from_memory = lambda x=x_old, y=y_old: (x, y, torch.zeros(len(x)))
        optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
        strategy = types.SimpleNamespace(model=net, optimizer=optimizer, device="cpu", _criterion=torch.nn.MSELoss())
        plugin.before_training_iteration(strategy)
        torch.nn.functional.mse_loss(net(x), y).backward()
        found = {"before": _flat(each.grad for each in net.parameters())}
        plugin.after_backward(strategy)
        found["after"] = _flat(each.grad for each in net.parameters())
        cases.append({"batch": _data([(x, y)])[0], "memory": _data([(x_old, y_old)])[0]} | found)
    return {"name": "agem", "outputs": 2, "weights": _weights(net), "cases": cases}


def _avalanche() -> dict[str, Any]:
    import importlib.metadata

    import torch
    from avalanche.training.plugins import AGEMPlugin, EWCPlugin, SynapticIntelligencePlugin

    torch.manual_seed(0)
    made = [_avalanche_ewc("separate"), _avalanche_ewc("online"), _avalanche_si(), _avalanche_agem()]
    version = importlib.metadata.version("avalanche-lib")
    source = _source("Avalanche", version, EWCPlugin, SynapticIntelligencePlugin, AGEMPlugin)
    return {"source": source, "cases": made}


def _main() -> None:
    kind, *folders = sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # greetings
    sys.stdin.read()
    try:
        import torch

        torch.set_num_threads(1)  # one order of summation
        torch.set_default_dtype(torch.float64)
        answer = _mammoth(folders[0]) if kind == "mammoth" else _avalanche()
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    json.dump(answer, answers)
    answers.close()


_main()
