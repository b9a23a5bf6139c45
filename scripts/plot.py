"""Any two settings of finished runs as heat maps and lines: `python -m scripts.plot --help`."""

__all__ = ["main"]

from pathlib import Path

from scripts.errors import answered, arguments_or_usage

_SETTINGS = ("x", "y", "value", "where", "output")

_USAGE = """usage: python -m scripts.plot x=KEY [y=KEY] [value=METRIC,METRIC] [where=KEY=VALUE] [output=NAME] FOLDER...

Heat maps of metrics over two settings, the same as lines with 95 % intervals against the first, and against the number
of trainable parameters. Without y the models are told apart. Settings are named by dotted keys or their ends, and
parameters, flops and seconds are settings as well; value is forgetting,learned_rmse,final_rmse if it is left out.

examples:
  python -m scripts.plot x=model.grid_size y=model.depth value=forgetting results/grid_depth
  python -m scripts.plot x=training.steps results/runs
  python -m scripts.plot x=parameters y=model.depth value=final_rmse results/grid_depth
  python -m scripts.plot x=grid_size y=lr value=retention,final_rmse where=depth=2 output=rates results/mine"""


def main() -> None:
    """Draws, and says where the picture is."""
    arguments = arguments_or_usage(_USAGE)
    given = [a.partition("=") for a in arguments]
    settings = [(key, value) for key, _, value in given if key in _SETTINGS]
    places = [Path("".join(parts)) for parts in given if parts[0] not in _SETTINGS]
    from scripts.drawing import draw_plot  # slow to import: not before --help has been answered

    with answered(arguments, also=(KeyError, ValueError)):
        for path in draw_plot(settings, places or [Path("results")]):
            print(path)


if __name__ == "__main__":
    main()
