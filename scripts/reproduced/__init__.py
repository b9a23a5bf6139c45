"""The table of published numbers and ours, made from finished runs."""
