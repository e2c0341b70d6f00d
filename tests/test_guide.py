"""The ablation guide works as written: its Python samples, its JSON file, its commands."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from common.training_config import TrainingConfig

ROOT = Path(__file__).parent.parent
GUIDE = ROOT.parent / "shared" / "ablation-guide.md"
PROGRAM = "python -m data_work.03_modal_train"

pytestmark = pytest.mark.skipif(not GUIDE.is_file(), reason="the guide is not beside this checkout")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)


def commands() -> list[list[str]]:
    [block] = blocks("bash")
    text = re.sub(r"^#.*$", "", block, flags=re.MULTILINE).replace("\\\n", " ")
    return [shlex.split(line)[3:] for line in text.splitlines() if line.startswith(PROGRAM)]


def test_every_python_sample_runs_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    samples = blocks("python")
    assert len(samples) == 3
    for sample in samples:
        # The combined sample lacks this one import; the prompt sample relies on the first sample's.
        scope = {"__name__": "guide"}
        exec("from common.training_config import OptimizerConfig, TrainingConfig\n" + sample, scope)
    printed = capsys.readouterr().out
    assert "Running r64: lora_r=64" in printed
    assert "Beta: 0.08" in printed
    assert "r=32, lr=0.0005" in printed


def test_the_json_file_loads_and_means_what_it_says() -> None:
    [block] = blocks("json")
    config = TrainingConfig.model_validate_json(block)
    assert (config.lora.r, config.lora.dropout, config.grpo.num_generations) == (32, 0.05, 6)
    assert (config.batch.batch_size, config.steps_per_generation) == (16, 3)
    assert config.grpo.reward.weights.as_tuple() == (0.15, 0.35, 0.5)


def vibesweep(arguments: list[str], cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vibesweep", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{shlex.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the guide's reader has it: an SFT adapter of the tiny policy, rows, the JSON file."""
    folder = tmp_path_factory.mktemp("guide")
    (folder / "data").mkdir()
    (folder / "experiments").mkdir()
    rows = (ROOT / "tiny/data/sft_sample.jsonl").read_text().splitlines()[:8]
    (folder / "data/train.jsonl").write_text("\n".join(rows) + "\n")
    (folder / "experiments/ablation_lr.json").write_text(blocks("json")[0])
    sft = ["train", "sft", "--model", "tiny", "--data", "data/train.jsonl", "--output", "checkpoints/sft"]
    vibesweep([*sft, "--epochs", "1"], folder)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(4))
def test_each_command_trains_an_adapter(workplace: Path, number: int) -> None:
    arguments = commands()[number]
    output = workplace / arguments[arguments.index("--output") + 1]
    vibesweep(["train", *arguments], workplace)
    assert (output / "adapter" / "adapter_model.safetensors").is_file()
    config = TrainingConfig.model_validate(json.loads((output / "trial.json").read_text())["config"])
    adapter = json.loads((output / "adapter" / "adapter_config.json").read_text())
    assert adapter["r"] == config.lora.r
    weights = config.grpo.reward.weights.as_tuple()
    observed = (config.lora.r, config.grpo.beta, weights)
    assert (
        observed
        == [
            (32, 0.02, (0.2, 0.3, 0.5)),
            (16, 0.04, (0.3, 0.4, 0.3)),
            (32, 0.04, (0.2, 0.3, 0.5)),
            (32, 0.02, (0.15, 0.35, 0.5)),
        ][number]
    )
    assert json.loads((output / "result.json").read_text())["status"] == "finished"
