"""Entry points, run as `python -m scripts.<name>`: train, report, explain, benchmark, golden; and what they share."""
