"""What the numbers mean: pure functions over numpy arrays, frozen dataclasses out. No Django in here."""
