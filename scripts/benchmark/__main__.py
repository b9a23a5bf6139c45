"""Times KANs against MLPs and other implementations, in turns: `python -m scripts.benchmark --help`."""

import argparse
import os
import sys
from pathlib import Path

_EXAMPLES = """
examples:
  python -m scripts.benchmark                                   the whole table, a quarter of an hour
  python -m scripts.benchmark --quick                           a first look, under a minute
  python -m scripts.benchmark --case 2,5,1:5:1000 --members 1 32 --threads 2
  python -m scripts.benchmark --strategy ewc --case 2,16,16,1:50:1024 --members 10
  python -m scripts.benchmark --device cuda --batch 65536 --members 1 32
  python -m scripts.benchmark --overhead 20                     a sweep's start, checks, records, figures; minutes
  python -m scripts.benchmark --peer pykan=/venvs/pykan/bin/python --peer efficient-kan=python3:/src/efficient-kan/src
"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.benchmark",
        description="Times forward, forward+backward and whole training steps (Adam) of KANs, of the parameter-matched "
        "MLP, of a dense Cox–de Boor KAN, and of other implementations. Contenders take turns in one process; what is "
        "printed are ratios of medians with the quartiles of the ratios of single rounds.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--case", nargs="+", metavar="SIZES:GRID:BATCH", help="instead of the standard eight")
    parser.add_argument("--batch", type=int, help="samples of a step, instead of each case's own")
    parser.add_argument("--members", type=int, nargs="+", default=[1, 10, 32])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="KIND=PYTHON[:FOLDER]",
        help="pykan, efficient-kan, or kan-continual, which is another commit of this project",
    )
    parser.add_argument(
        "--grids", type=int, nargs="*", default=[5, 10, 20, 50, 100, 200], help="grid sizes of the figure"
    )
    parser.add_argument(
        "--strategy", nargs="+", default=[], metavar="NAME", help="steps under these strategies, and nothing else"
    )
    parser.add_argument("--memory", action="append", metavar="SIZES:GRID:BATCH", help="peak memory of these cases")
    parser.add_argument(
        "--peaks", type=int, metavar="STEPS", default=100, help="steps a task of five peaks; 0 for none"
    )
    parser.add_argument(
        "--overhead", type=int, metavar="RUNS", help="instead of all that: what a sweep of short runs costs, by part"
    )
    parser.add_argument("--quick", action="store_true", help="few rounds, whole steps only, no memory, no five peaks")
    parser.add_argument("--output", type=Path, default=Path("results/benchmark"))
    return parser.parse_args()


def main() -> None:
    """Measures, prints, and writes table.md, table.csv and figure.png."""
    options = _arguments()
    import torch  # not before --help has been answered

    from scripts.benchmark.cases import CASES, Case
    from scripts.benchmark.overhead import write_overhead
    from scripts.benchmark.peers import PeerError
    from scripts.benchmark.suite import run

    try:
        cases = [Case.parse(text) for text in options.case] if options.case else list(CASES)
        standard = [] if options.quick else ["256,256,256:200:512"]
        memory = [Case.parse(text) for text in options.memory or standard]
        counts = [
            *options.members,
            *options.threads,
            *options.grids,
            *([options.batch] if options.batch is not None else []),
            *([options.overhead] if options.overhead is not None else []),
        ]
        if min(counts) < 1 or options.peaks < 0:
            raise ValueError("members, threads, grids, batch and overhead must be at least 1, peaks at least 0")
        if max(options.threads) > 4 * (os.cpu_count() or 1):
            raise ValueError(
                f"threads must be at most four times the cores, {os.cpu_count()}, got {max(options.threads)}"
            )
        if options.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("--device cuda, but torch finds no CUDA device here")
        if options.overhead is not None:
            write_overhead(options.overhead, options.output)
            return
        run(options, cases, memory)
    except (ValueError, OSError, PeerError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")


if __name__ == "__main__":
    main()
