"""How real simulated frames look: the same measurements on frames of both kinds."""
