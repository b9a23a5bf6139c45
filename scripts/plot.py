"""Any two settings of finished runs as heat maps and lines: `python -m scripts.plot --help`."""

__all__ = ["main"]

import sys
from pathlib import Path

from scripts.errors import explain, speak_anywhere

_USAGE = """usage: python -m scripts.plot x=KEY [y=KEY] [value=METRIC,METRIC] [where=KEY=VALUE] [output=NAME] FOLDER...

Heat maps of metrics over two settings, the same as lines with 95 % intervals against the first, and against the number
of trainable parameters. Without y the models are told apart. Settings are named by dotted keys or their ends; value is
forgetting,learned_rmse,final_rmse if it is left out.

examples:
  python -m scripts.plot x=model.grid_size y=model.depth value=forgetting results/grid_depth
  python -m scripts.plot x=training.steps results/runs
  python -m scripts.plot x=grid_size y=lr value=retention,final_rmse where=depth=2 output=rates results/mine"""


def main() -> None:
    """Draws, and says where the picture is."""
    speak_anywhere()
    arguments = sys.argv[1:]
    if not arguments or {"-h", "--help"} & set(arguments):
        print(_USAGE)
        sys.exit(0 if arguments else 2)
    settings = [
        a.partition("=")[::2] for a in arguments if a.partition("=")[0] in ("x", "y", "value", "where", "output")
    ]
    places = [Path(a) for a in arguments if a.partition("=")[0] not in ("x", "y", "value", "where", "output")]
    from scripts.drawing import draw_plot  # slow to import: not before --help has been answered

    try:
        for path in draw_plot(settings, places or [Path("results")]):
            print(path)
    except Exception as error:
        message = str(error.args[0]) if isinstance(error, KeyError | ValueError) else explain(error, arguments)
        if message is None:
            raise
        sys.exit(f"error: {message}")


if __name__ == "__main__":
    main()
