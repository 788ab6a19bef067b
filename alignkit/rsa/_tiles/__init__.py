"""RDMs in tiles: computed, kept on disk and compared a square at a time, here or on many machines."""
