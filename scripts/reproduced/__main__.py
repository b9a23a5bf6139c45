"""What others published beside ours, from finished runs: `python -m scripts.reproduced results`."""

__all__ = ["main"]

from pathlib import Path

from scripts.errors import answered, arguments_or_usage

_USAGE = """usage: python -m scripts.reproduced FOLDER... [output=FILE]

A table of published numbers, each with that of our runs in these folders, its interval, seconds, commit and a verdict.
What is held against what stands in continual/reports/comparisons/published.yaml. With output=FILE it is written there.

examples:
  python -m scripts.reproduced results
  python -m scripts.reproduced results output=docs/reproduced.md"""


def main() -> None:
    """Prints the table, or writes it and says where."""
    arguments = arguments_or_usage(_USAGE)
    outputs = [a.partition("=")[2] for a in arguments if a.startswith("output=")]
    places = [Path(a) for a in arguments if not a.startswith("output=")]
    # slow to import: not before --help has been answered
    from continual.records.files import replace_file
    from continual.records.store import find_runs
    from continual.reports.comparisons import compare_published, read_published, text_published

    with answered(arguments, also=(ValueError, FileNotFoundError)):
        records = [run.record for run in find_runs(places or [Path("results")]) if run.record is not None]
        text = text_published(compare_published(read_published(), records))
        if not outputs:
            print(text)
        for output in outputs:
            replace_file(Path(output), text.encode())
            print(output)


if __name__ == "__main__":
    main()
