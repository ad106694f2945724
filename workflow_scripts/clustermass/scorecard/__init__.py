"""Published numbers beside regenerated ones, estimators beside each other, and what open choices are worth."""
