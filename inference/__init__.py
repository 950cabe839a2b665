"""A program that answers and measures: `python -m inference RUN_FOLDER`. Knows no Django."""
