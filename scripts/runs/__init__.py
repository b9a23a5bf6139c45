"""The record store from the command line: what ran, with what, how it ended: `python -m scripts.runs --help`."""
