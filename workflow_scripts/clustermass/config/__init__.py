"""The configuration; one module per section, so that a script depends on the sections it reads and no others."""
