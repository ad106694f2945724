"""Training of networks: one trainer for all of them, on CPU and GPU."""
