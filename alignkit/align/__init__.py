"""Alignment of any model's features with people: teachers fitted to odd-one-out answers, and what they teach with."""

from __future__ import annotations

from alignkit.align._apply_teacher import apply_teacher
from alignkit.align._cluster import cluster
from alignkit.align._clusters import Clusters
from alignkit.align._cross_validate import cross_validate
from alignkit.align._embedding_map import EmbeddingMap
from alignkit.align._fit_embedding_map import fit_embedding_map
from alignkit.align._fit_transform import fit_transform
from alignkit.align._load_teacher import load_teacher
from alignkit.align._model_recovery import ModelRecovery, model_recovery
from alignkit.align._odd_one_out_classifier import odd_one_out_classifier
from alignkit.align._open_triplets import open_triplets
from alignkit.align._sample_triplets import sample_triplets
from alignkit.align._teacher_map import teacher_map
from alignkit.align._teacher_scores import TeacherScores
from alignkit.align._teacher_transform import TeacherTransform
from alignkit.align._triplet_file import TripletFile
from alignkit.align._write_triplets import write_triplets

__all__ = [
    "Clusters",
    "EmbeddingMap",
    "ModelRecovery",
    "TeacherScores",
    "TeacherTransform",
    "TripletFile",
    "apply_teacher",
    "cluster",
    "cross_validate",
    "fit_embedding_map",
    "fit_transform",
    "load_teacher",
    "model_recovery",
    "odd_one_out_classifier",
    "open_triplets",
    "sample_triplets",
    "teacher_map",
    "write_triplets",
]
