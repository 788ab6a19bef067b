"""Human embeddings: sparse dimensions (SPoSE), or distributions over them (VICE), learnt from odd-one-out answers."""
