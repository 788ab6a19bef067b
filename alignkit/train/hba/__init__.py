"""CLIP-HBA: fine-tune a CLIP, or any pair of encoders, to the dimensions of human behaviour."""
