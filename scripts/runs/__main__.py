"""What ran, with what, and how it ended: `python -m scripts.runs list results`."""

import argparse
import sys
from pathlib import Path

from scripts.errors import answered, speak_anywhere

_EXAMPLES = """
examples:
  python -m scripts.runs list                                         all runs below results
  python -m scripts.runs list results/grid_depth --where grid_size=50 --sort forgetting
  python -m scripts.runs list --state failed --columns name,problem   what failed, and why
  python -m scripts.runs show results/runs/kan-06aba855               one run: settings, metrics, command, versions
  python -m scripts.runs diff results/runs/kan-06aba855 results/runs/mlp-a1b2c3d4
  python -m scripts.runs compare results/five_peaks --reference "KAN G=200, L-BFGS"   paired by seed, with tests
  python -m scripts.runs compare results/overlap --what depth --over overlap,grid_size,dimension --reference 1
  python -m scripts.runs export runs.csv results --members            a line for each seed; .parquet as well
  python -m scripts.runs rerun --state failed                         the commands; --go runs them
  python -m scripts.runs merge /mnt/other/results                     another machine's finished runs
  python -m scripts.runs archive results/grid_depth                   results/grid_depth.tar.gz
  python -m scripts.runs clean                                        what nobody needs; --yes removes it
  python -m scripts.runs sync                                         offline W&B runs to W&B, each once
  python -m scripts.runs sweep-file sweep.yaml model.grid_size=5,20   a sweep for `wandb sweep` and `wandb agent`
  python -m scripts.runs trials sweep.yaml --go                       the same runs without them
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.runs",
        description="The runs below results: listed, shown, compared, exported, begun again, merged, put away.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, *, filters: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        if filters:
            added.add_argument("places", nargs="*", type=Path, default=[Path("results")], metavar="FOLDER")
            added.add_argument("--state", choices=["running", "interrupted", "failed", "done"], action="append")
            added.add_argument(
                "--where", action="append", default=[], metavar="KEY=VALUE", help="settings, metrics, names"
            )
        return added

    listing = command("list", "one line a run")
    listing.add_argument("--columns", metavar="KEY,KEY", help="what to show; settings by dotted keys or their ends")
    listing.add_argument("--sort", metavar="KEY", help="by a setting or a metric; what has none comes last")
    command("show", "one run: settings, metrics, its command, versions", filters=False).add_argument(
        "folder", type=Path, metavar="FOLDER"
    )
    difference = command("diff", "settings and metrics in which two runs differ", filters=False)
    difference.add_argument("first", type=Path, metavar="FOLDER")
    difference.add_argument("second", type=Path, metavar="FOLDER")
    compared = commands.add_parser(
        "compare",
        help="runs against one of them on the same seeds, with tests",
        description="Differences of all runs of the last sweep to one of them, seed by seed: mean with 95 % interval, "
        "exact sign flips or Wilcoxon's test, Holm's correction over the table; over several curricula mean ranks.",
    )
    compared.add_argument("places", nargs="*", type=Path, default=[Path("results")], metavar="FOLDER")
    compared.add_argument("--reference", required=True, metavar="NAME", help="a run's name, or a value of --what")
    compared.add_argument("--metrics", default="final_rmse,forgetting", metavar="NAME,NAME")
    compared.add_argument("--what", default="name", metavar="AXIS", help="an axis whose values are compared (names)")
    compared.add_argument("--over", metavar="AXIS,AXIS", help="axes whose values are curricula, with a reference each")
    compared.add_argument("--test", choices=["sign_flip", "wilcoxon"], default="sign_flip")
    compared.add_argument("--where", action="append", default=[], metavar="KEY=VALUE")
    compared.add_argument("--output", metavar="NAME", help="also writes FOLDER/NAME.md and .csv")
    exported = commands.add_parser("export", help="a table of all numbers, CSV or Parquet by the file's ending")
    exported.add_argument("file", type=Path, metavar="FILE")
    exported.add_argument("places", nargs="*", type=Path, default=[Path("results")], metavar="FOLDER")
    exported.add_argument("--state", choices=["done"], action="append")
    exported.add_argument("--where", action="append", default=[], metavar="KEY=VALUE")
    exported.add_argument("--members", action="store_true", help="a line for each seed")
    again = command("rerun", "commands of runs that failed or were interrupted")
    again.add_argument("--go", action="store_true", help="runs them, one after the other")
    merged = command("merge", "brings another machine's finished runs into results", filters=False)
    merged.add_argument("sources", nargs="+", type=Path, metavar="FOLDER")
    merged.add_argument("--into", type=Path, default=Path("results"), metavar="FOLDER")
    archived = command("archive", "one compressed file of a folder of results", filters=False)
    archived.add_argument("folder", type=Path, metavar="FOLDER")
    cleaned = command("clean", "lists what nobody needs: partial files, checkpoints beside records")
    cleaned.add_argument(
        "--unfinished", action="store_true", help="failed and interrupted runs, with their checkpoints"
    )
    cleaned.add_argument("--yes", action="store_true", help="removes it")
    synced = command("sync", "uploads to W&B what it has not got yet: finished offline runs, and cut-off online ones")
    synced.add_argument("--list", action="store_true", help="only shows what there is to upload")
    synced.add_argument("--project", metavar="NAME", help="in place of the runs' own")
    synced.add_argument("--entity", metavar="NAME", help="user or team, in place of the runs' own")
    synced.add_argument(
        "--patience",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="without an upload, before giving up (120)",
    )
    swept = command("sweep-file", "writes a sweep as a file for W&B's agents, one run a trial", filters=False)
    swept.add_argument("file", type=Path, metavar="FILE")
    swept.add_argument("-m", "--multirun", action="store_true", help=argparse.SUPPRESS)  # as the command has it
    swept.add_argument("overrides", nargs="+", metavar="KEY=VALUE", help="as python -m scripts.train -m takes them")
    swept.add_argument("--method", choices=["grid", "random", "bayes"], default="grid")
    swept.add_argument("--metric", default="final_rmse", metavar="NAME", help="what the sweep is to improve")
    swept.add_argument("--project", default="kan-continual", metavar="NAME")
    tried = command("trials", "the commands of a sweep's file", filters=False)
    tried.add_argument("file", type=Path, metavar="FILE")
    tried.add_argument("--go", action="store_true", help="runs them, one after the other, without W&B's server")
    return parser


def main() -> None:
    """Parses, and does what is asked."""
    speak_anywhere()
    options = _parser().parse_args()
    from scripts.runs.commands import COMMANDS  # slow to import: not before --help has been answered

    try:
        with answered(sys.argv[1:], also=(KeyError, ValueError)):
            sys.exit(COMMANDS[options.command](options))
    except KeyboardInterrupt:
        sys.exit("interrupted")


if __name__ == "__main__":
    main()
