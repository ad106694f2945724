"""The page that shows all results of a run: figures, tables, published numbers beside regenerated ones, provenance."""
