"""Studies on real people and real images: each script trains, scores and keeps what it found."""
