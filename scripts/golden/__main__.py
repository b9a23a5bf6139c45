"""Remakes the golden files of other implementations' networks and strategies: `python -m scripts.golden --help`."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_GOLDEN = Path(__file__).parents[2] / "tests" / "golden"
_STRATEGIES = ("avalanche", "mammoth")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.golden",
        description="Has pykan and efficient-kan, each in a Python of its own, make random networks; writes their "
        "weights, inputs and outputs to tests/golden/{pykan,efficient_kan}_weights.json; reads these as ours, writes "
        "them back, has the others open that, and prints what differs. Weights after an update of grids come out other "
        "in their last digits every time, as the least squares of the others do. Has Avalanche and mammoth train small "
        "networks by their strategies, and writes tests/golden/{avalanche,mammoth}_strategies.json.",
        epilog="example: python -m scripts.golden --pykan-python /venvs/pykan/bin/python "
        "--efficient-kan-python /venvs/pykan/bin/python:/src/efficient-kan/src",
    )
    parser.add_argument("--pykan-python", metavar="PYTHON[:FOLDER]", help="a Python that has pykan 0.2")
    parser.add_argument("--efficient-kan-python", metavar="PYTHON[:FOLDER]", help="a Python, and the package's folder")
    parser.add_argument("--avalanche-python", metavar="PYTHON", help="a Python that has avalanche-lib 0.6")
    parser.add_argument("--mammoth-python", metavar="PYTHON:FOLDER", help="a Python, and a checkout of mammoth")
    parser.add_argument("--output", type=Path, default=_GOLDEN)
    return parser.parse_args()


def _ask(kind: str, where: str, **request: Any) -> dict[str, Any]:
    python, *folders = where.split(":")
    worker = Path(__file__).with_name("strategy_worker.py" if kind in _STRATEGIES else "peer_worker.py")
    # isolated: neither this project nor the caller's environment shall shadow the other's packages
    command = [python, "-I", str(worker), kind, *(str(Path(folder).resolve()) for folder in folders)]
    try:
        done = subprocess.run(command, input=json.dumps(request), stdout=subprocess.PIPE, text=True, check=False)
    except OSError as error:
        sys.exit(f"error: {kind}: cannot run {python} ({error.strerror})")
    answer: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"error": "its process ended"}
    if "error" in answer:
        sys.exit(f"error: {kind}: {answer['error']}")
    return answer


def _write(path: Path, source: str, name: str, rows: list[dict[str, Any]]) -> str:
    """Writes what was made, one to a line, and says from where it is; returns the text."""
    head = {"source": source, "command": "python -m scripts.golden"}
    lines = ",\n".join(json.dumps(row) for row in rows)
    text = json.dumps(head)[:-1] + f', "{name}": [\n{lines}\n]}}\n'
    path.write_text(text)
    print(f"{path}: {len(text) / 1000:.0f} kB")
    return text


def _check(kind: str, where: str, networks: list[dict[str, Any]]) -> None:
    """Reads every network, writes it back, lets the other open it, and prints how far all of that is from the same."""
    import torch

    from scripts.golden.networks import difference, read, shortest, write_back

    cases, requests = [], []
    with tempfile.TemporaryDirectory() as folder:
        for index, network in enumerate(networks):
            for stage in ("before", "after"):
                path = Path(folder) / f"{index}_{stage}"
                model = read(kind, network, stage, path)
                with torch.no_grad():
                    y = model(torch.tensor(network["x"], dtype=model.layer(0).knots.dtype))[0].tolist()
                cases.append((f"{network['name']}, {stage}", network[stage], y))
                requests.append(write_back(kind, model, network, path.with_suffix(".ours")))
        opened = _ask(kind, where, open=requests)["opened"]
    print(f"\n{kind:42} {'largest |y|':>12} {'ours − theirs':>14} {'opened there':>14}  parameters")
    for (title, golden, y), there in zip(cases, map(shortest, opened), strict=True):
        lost = [name for name, values in golden["state"].items() if there["state"][name] != values]
        size, ours, back = difference(golden["y"], 0.0), difference(y, golden["y"]), difference(there["y"], golden["y"])
        print(f"{title:42} {size:12.2f} {ours:14.1e} {back:14.1e}  {', '.join(lost) or 'bit-equal'}")


def main() -> None:
    """Makes and checks the files of those implementations that a Python was given for."""
    options = _arguments()
    from scripts.golden.networks import shortest

    given = {"pykan": options.pykan_python, "efficient-kan": options.efficient_kan_python}
    strategies = {"avalanche": options.avalanche_python, "mammoth": options.mammoth_python}
    if not any((*given.values(), *strategies.values())):
        sys.exit("error: give a Python of another implementation; see --help")
    if options.mammoth_python and ":" not in options.mammoth_python:
        sys.exit("error: --mammoth-python needs the folder of its sources too, PYTHON:FOLDER")
    for kind, where in strategies.items():
        if where:
            made = _ask(kind, where, make=True)
            _write(options.output / f"{kind}_strategies.json", made["source"], "cases", made["cases"])
    for kind, where in given.items():
        if where:
            made = _ask(kind, where, make=True)
            path = options.output / f"{kind.replace('-', '_')}_weights.json"
            text = _write(path, made["source"], "networks", [shortest(network) for network in made["networks"]])
            _check(kind, where, json.loads(text)["networks"])


main()
