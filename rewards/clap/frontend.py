"""Waveform to log-mel spectrogram in torch, equal to the checkpoint's extractor and on the model's device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import ClapFeatureExtractor

__all__ = ["LogMel"]

_POWER_FLOOR = 1e-10  # -100 dB, transformers' floor


class LogMel(nn.Module):
    """Log-mel spectrogram of whole windows with a checkpoint's own settings.

    Follows `ClapFeatureExtractor` with `truncation="rand_trunc"`, as unfused checkpoints were trained: slaney
    mels, Hann window, centred frames, decibels of power with reference 1. Its input is first quantized to 16
    bits as in LAION's pipeline, so that a clip scores the same from memory and from a WAV file.

    Source: transformers 5.23 `ClapFeatureExtractor`; LAION-AI/CLAP `int16_to_float32(float32_to_int16(x))`.
    """

    window: Tensor
    mel: Tensor

    def __init__(self, extractor: ClapFeatureExtractor) -> None:
        super().__init__()
        self.sample_rate = int(extractor.sampling_rate)
        self.window_samples = int(extractor.nb_max_samples)
        self.fft_size = int(extractor.fft_window_size)
        self.hop = int(extractor.hop_length)
        self.register_buffer("window", torch.hann_window(self.fft_size, dtype=torch.float64))
        mel = torch.from_numpy(extractor.mel_filters_slaney).to(torch.float32)
        self.register_buffer("mel", mel.contiguous())

    def forward(self, windows: Tensor) -> Tensor:
        """Log-mels of a batch of windows.

        Args:
            windows: [B, window_samples] mono audio, full scale 1.

        Returns:
            [B, 1, frames, mels] in dB, from -100: a ClapModel's `input_features`.

        Raises:
            ValueError: the windows have another length; CLAP pads and crops, we only score whole windows.
        """
        if windows.ndim != 2 or windows.shape[1] != self.window_samples:
            raise ValueError(f"windows must be [B, {self.window_samples}], got {list(windows.shape)}")
        # One clip at a time stays in a CPU's cache, which takes half the time.
        parts = torch.split(windows, 1 if windows.device.type == "cpu" else len(windows))
        mel_power = torch.cat([self._mel_power(quantize_16_bit(part)) for part in parts])
        return 10 * torch.log10(mel_power.clamp_min(_POWER_FLOOR)).unsqueeze(1)

    def _mel_power(self, audio: Tensor) -> Tensor:
        """[B, frames, mels] power. In float32 a loud tone's rounding would drown what is 100 dB below it."""
        spectrum = torch.stft(
            audio.double(),
            n_fft=self.fft_size,
            hop_length=self.hop,
            window=self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        power = (spectrum.real.square() + spectrum.imag.square()).float()  # [B, bins, frames]
        return power.transpose(1, 2) @ self.mel


def quantize_16_bit(audio: Tensor) -> Tensor:
    """What a 16-bit WAV file keeps of a signal: clipped to full scale, truncated towards zero."""
    return torch.trunc(audio.clamp(-1.0, 1.0) * 32767.0) / 32767.0
