"""What stands behind inference: resamples of items and subjects, and tests."""
