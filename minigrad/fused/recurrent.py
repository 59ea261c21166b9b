"""Floor 3: the twins of recurrent layers, over a whole sequence."""
