"""Floor 3: the twin of attention."""
