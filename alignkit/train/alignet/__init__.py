"""AligNet: a network learns from a teacher which of three images is the odd one out, and forgets little else."""
