"""What stands on the simulated sky: galaxies of all kinds with colours and sizes, and stars."""
