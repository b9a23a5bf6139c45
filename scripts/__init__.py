"""Entry points, run as `python -m scripts.<name>`."""
