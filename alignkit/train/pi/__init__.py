"""Perceptual Initialization: first train an image tower on human similarity judgements, then CLIP from there."""
