"""A program that fine-tunes: `python -m training RUN_FOLDER`. Knows no Django."""
