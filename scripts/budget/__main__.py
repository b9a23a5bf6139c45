"""What a finished run's forgetting is due to, by training it again: `python -m scripts.budget results/runs/RUN`."""

__all__ = ["main"]

from pathlib import Path

from scripts.errors import answered, arguments_or_usage

_USAGE = """usage: python -m scripts.budget FOLDER...

The forgetting of finished runs and what it is due to: the optimizer's stale state, grids that change, each kind of
parameters and each layer. Each run is trained again with each part kept still after the first task, for all its seeds,
and budget.csv and budget.png are written into its folder.

example:
  python -m scripts.budget results/runs/kan-1a2b3c4d"""


def main() -> None:
    """Trains, says what came out, and where the numbers are."""
    arguments = arguments_or_usage(_USAGE)
    from scripts.budget.training import train_budget  # slow to import: not before --help has been answered

    with answered(arguments, also=(ValueError,)):
        for folder in arguments:
            for line in train_budget(Path(folder)):
                print(line)


if __name__ == "__main__":
    main()
