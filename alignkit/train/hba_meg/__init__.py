"""CLIP-HBA-MEG: a model whose representation unfolds over time as people's M/EEG does."""
