"""Transfer learning on images of clusters: bands first, then richness and mass (Liang et al. 2020, Lin et al. 2022)."""
