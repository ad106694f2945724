"""Natural images, and the task that Liang et al. (2020, section S1) pre-train on with them."""
