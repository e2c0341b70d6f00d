"""Completion text to reward components: JSON, schema, rendered sound, CLAP; and their weighting.

Importing this room loads neither torch nor transformers; `rewards.render` and `rewards.clap` do.
"""

from rewards.backends import InProcessBackend, audio_backend
from rewards.components import AudioBackend, AudioResult, CacheCounts, Components, Heard
from rewards.plugins import load_callable
from rewards.schema import renderable_config, schema_score
from rewards.scorer import Scorer
from rewards.text import first_json_object, strict_json
from rewards.weighting import weighted_reward

__all__ = [
    "AudioBackend",
    "AudioResult",
    "CacheCounts",
    "Components",
    "Heard",
    "InProcessBackend",
    "Scorer",
    "audio_backend",
    "first_json_object",
    "load_callable",
    "renderable_config",
    "schema_score",
    "strict_json",
    "weighted_reward",
]
