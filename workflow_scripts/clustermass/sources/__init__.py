"""Where data come from: archives, local files, simulation; all write the same contracts."""
