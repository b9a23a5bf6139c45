"""Draws the introduction to KANs: `python -m scripts.explain [--out FOLDER]`."""

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws every figure as PNG and PDF, and the page that explains them."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.explain", description="An introduction to KANs in pictures"
    )
    parser.add_argument("--out", type=Path, default=Path("results/explain"), help="folder to write into (%(default)s)")
    folder = parser.parse_args(arguments).out
    if folder.exists() and not folder.is_dir():
        parser.error(f"--out must be a folder, {folder} is a file")

    import torch

    from continual.figures import save
    from scripts.explain.chapters import CHAPTERS
    from scripts.explain.page import write_page

    torch.set_num_threads(1)
    files = []
    for chapter in CHAPTERS:
        files.append(save(chapter.draw(), folder, chapter.name))
        print(files[-1][0])
    print(write_page(folder, CHAPTERS, files, "python -m scripts.explain"))


if __name__ == "__main__":
    main()
