"""A whole training method in miniature: its settings and its task, as `alignkit.train` wants them."""
