"""The embedded universe held against theory and observation: what is measured, what is expected, what was met."""
