"""The embedded foundation model: two small pre-trained networks, one per kind of task."""

from lit_causalmix.backbones.nano.backbone import Nano
from lit_causalmix.backbones.nano.versions import LATEST, VERSIONS, Version, embedded_weights
from lit_causalmix.backbones.nano.views import EncodedViews, View, views

__all__ = [
    "LATEST",
    "VERSIONS",
    "EncodedViews",
    "Nano",
    "Version",
    "View",
    "embedded_weights",
    "views",
]
