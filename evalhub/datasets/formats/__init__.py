"""One file per format: bytes → records. Pure Python; knows nothing of examples."""
