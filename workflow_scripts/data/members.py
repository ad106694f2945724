"""Write the members of the simulated redMaPPer clusters as the real catalogue lists them (rule data_members)."""

from clustermass import contracts, runtime
from clustermass.files import replacing
from clustermass.sources.richness import MEMBERS
from clustermass.sources.surveys import redmapper_members
from clustermass.sources.tables import read_catalogue

with runtime.logged(snakemake):
    members = contracts.read_table(snakemake.input.members, MEMBERS)
    table = redmapper_members(read_catalogue(snakemake.input.catalogue), members)
    table.meta["ORIGIN"] = "simulated"
    print(f"{len(table)} members")
    with replacing(snakemake.output[0]) as aside:
        table.write(aside, format="fits", overwrite=True)
