"""Tables for other programs: FITS and VOTable, with unit and meaning of every column."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from astropy.io.votable import from_table
from astropy.io.votable.tree import Info
from astropy.table import Table

from clustermass.contracts import Contract
from clustermass.files import replacing


def exchange_table(frame: pd.DataFrame, contract: Contract) -> Table:
    """Return a table of astropy with units and descriptions.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of the contract. Units that these formats do not know (log10, dex, and those with h, which is an hour to them)
        stand in the description of their column.
    contract : Contract
    """
    table = Table()
    for column in contract.columns:
        values = frame[column.name]
        table[column.name] = values.fillna("").to_numpy(str) if column.kind == "text" else values.to_numpy()
        unknown = any(word in column.unit for word in ("log10(", "dex", "/h", "percent"))
        table[column.name].description = f"{column.meaning} [{column.unit}]" if unknown else column.meaning
        if column.unit and not unknown:
            table[column.name].unit = {"Msun": "solMass"}.get(column.unit, column.unit)
    return table


def write_exchange(frame: pd.DataFrame, contract: Contract, outputs: dict[str, str | Path], notes: list[str]) -> None:
    """Write a table as FITS and VOTable, whole or not at all.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of the contract.
    contract : Contract
    outputs : dict
        Paths under 'fits' and 'vot'.
    notes : list of str
        What the numbers are and where they come from: comments of the FITS header, INFO of the VOTable.
    """
    table = exchange_table(contract.validate(frame, outputs["fits"]), contract)
    votable = from_table(table, table_id=contract.name)
    votable.description = contract.meaning
    for number, note in enumerate(notes):
        votable.infos.append(Info(name=f"note{number}", value=note))
    with replacing(outputs["vot"]) as aside:
        votable.to_xml(str(aside))
    table.meta["comments"] = [contract.meaning, *notes]
    with replacing(outputs["fits"]) as aside:
        table.write(aside, format="fits", overwrite=True)
