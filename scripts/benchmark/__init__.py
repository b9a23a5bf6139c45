"""Paired timings of KANs, MLPs and other implementations: `python -m scripts.benchmark --help`."""
