"""Floor 3: the twins of normalisation."""
