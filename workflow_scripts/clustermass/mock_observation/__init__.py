"""Mock observations of clusters in simulation snapshots, as Ho et al. (2019) make them.

`boxes` brings a snapshot into shape, `sightlines` and `sampling` say along which lines its halos are looked at,
`kernels` cuts the cylinders, `catalogues` makes the tables (contracts in `contracts`), `ragged` works on members.
"""
