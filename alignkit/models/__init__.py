"""Models and their features: load an encoder by name, extract any layer, keep the features with their identity.

``load`` gives a :class:`Model` (open_clip, timm, transformers, packaged encoders, a local file or your own network),
``extract`` its :class:`Features`, in memory or streamed to a folder that ``open_features`` reads without torch, as it
reads features from elsewhere. ``list_models`` and ``list_layers`` say what there is.
"""

from __future__ import annotations

from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._export_clip import export_clip
from alignkit.models._export_state_dict import export_state_dict
from alignkit.models._extract import extract
from alignkit.models._features import Features
from alignkit.models._import_published_hba import import_published_hba
from alignkit.models._joint_model import JointModel
from alignkit.models._list_layers import LayerTable, list_layers
from alignkit.models._list_models import ModelTable, list_models
from alignkit.models._load import load
from alignkit.models._load_joint import load_joint
from alignkit.models._model import Model, Tokenizer
from alignkit.models._open_features import open_features
from alignkit.models._preprocess import Preprocess
from alignkit.models._texts import read_texts
from alignkit.models._towers import Towers, load_towers
from alignkit.models._transform import Transform, load_transform

__all__ = [
    "AdapterConfig",
    "Features",
    "JointModel",
    "LayerTable",
    "Model",
    "ModelTable",
    "Preprocess",
    "Tokenizer",
    "Towers",
    "Transform",
    "export_clip",
    "export_state_dict",
    "extract",
    "import_published_hba",
    "list_layers",
    "list_models",
    "load",
    "load_joint",
    "load_towers",
    "load_transform",
    "open_features",
    "read_texts",
]
