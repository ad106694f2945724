"""Mock observations of clusters in simulation snapshots.

`boxes` brings a snapshot into shape, `sightlines` and `sampling` say along which lines its halos are looked at,
`kernels` cuts cylinders and windows, `ragged` works on members. As Ho et al. (2019) observe: `catalogues` (contracts in
`contracts`). As a flux-limited survey does (Kodi Ramanah et al. 2021): `survey` (`survey_contracts`), with the sets of
`survey_sets` and the heavier halos of `interlopers`.
"""
