"""Draws the tasks of curricula before anything learns them: `python -m scripts.tasks curriculum=drift`."""

__all__ = ["main"]

import sys

from scripts.errors import answered, speak_anywhere

_USAGE = """usage: python -m scripts.tasks [--config-dir FOLDER] [KEY=VALUE...]

Draws what the tasks of a curriculum look like, as its first seed has them: curves of one input, maps of two with what
each task shows, projections and slices of more. Settings are those of python -m scripts.train, several values a row
each; without any, a row for each curriculum that there is. The picture is results/tasks/tasks.png.

examples:
  python -m scripts.tasks
  python -m scripts.tasks curriculum=gaussian_peaks curriculum.dimension=1,2,3,6
  python -m scripts.tasks curriculum.dimension=3 curriculum.layout=diagonal,line,random curriculum.target=additive
  python -m scripts.tasks curriculum=image_bands curriculum.image=photo.png results=elsewhere"""


def main() -> None:
    """Draws, and says where the picture is."""
    speak_anywhere()
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        print(_USAGE)
        return
    from scripts.tasks.gallery import draw_curricula  # slow to import: not before --help has been answered

    with answered(arguments, also=(ValueError,)):
        for path in draw_curricula(arguments):
            print(path)


if __name__ == "__main__":
    main()
