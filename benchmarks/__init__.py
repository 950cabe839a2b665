"""What `make bench` runs: ours beside a peer in one run, ratios out. `python -m benchmarks [NAME…]`."""
