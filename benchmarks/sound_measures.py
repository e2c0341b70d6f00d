"""What librosa and scipy measure in a clip: onsets, brightness, decay, width, echo, mode."""

from __future__ import annotations

import librosa
import librosa.onset as onsets
import numpy as np
import numpy.typing as npt
import pyloudnorm
import scipy.signal
import scipy.stats

RATE = 48_000
Sound = npt.NDArray[np.float32]
"""[2, S] samples at RATE Hz."""

MODE_SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
"""Semitones above the root, from a music theory book rather than from the renderer."""
_HOP = 512


def onset_times_s(sound: Sound, *, hop: int = _HOP) -> npt.NDArray[np.float64]:
    """Times at which something begins."""
    times: npt.NDArray[np.float64] = onsets.onset_detect(
        y=sound.mean(axis=0), sr=RATE, hop_length=hop, units="time"
    )
    return times


def onset_strength(sound: Sound) -> float:
    """How hard things begin: the 99th percentile of the rise from frame to frame, in dB."""
    envelope = onsets.onset_strength(y=sound.mean(axis=0), sr=RATE, hop_length=_HOP)
    return float(np.percentile(envelope, 99))


def unevenness_ms(sound: Sound, step_s: float) -> float:
    """Standard deviation of the onsets from a grid of `step_s` seconds."""
    times = onset_times_s(sound, hop=128)
    return float(1000.0 * scipy.stats.tstd((times + step_s / 2.0) % step_s))


def centroid_hz(sound: Sound) -> float:
    """Mean spectral centroid."""
    return float(librosa.feature.spectral_centroid(y=sound.mean(axis=0), sr=RATE).mean())


def flatness_db(sound: Sound) -> float:
    """Median spectral flatness: 0 dB is white noise, a pure tone far below."""
    flatness = librosa.feature.spectral_flatness(y=sound.mean(axis=0))
    return float(np.median(librosa.power_to_db(flatness, ref=1.0, amin=1e-12, top_db=None)))


def decay_s(sound: Sound, after_s: float) -> float:
    """Time to fall by 60 dB after the playing stops, from a line through the first 30 dB of the fall."""
    level = librosa.feature.rms(y=sound.mean(axis=0), frame_length=2048, hop_length=_HOP)[0]
    decibels = librosa.amplitude_to_db(level, ref=1.0, amin=1e-6, top_db=None)
    times = librosa.times_like(level, sr=RATE, hop_length=_HOP)
    first = int(np.searchsorted(times, after_s))
    # The clip's last frames see its fade.
    tail, when = decibels[first:-8], times[first:-8]
    below = np.flatnonzero(tail < max(tail[0] - 30.0, -95.0))
    count = max(3, int(below[0])) if len(below) else len(tail)
    return float(-60.0 / scipy.stats.linregress(when[:count], tail[:count]).slope)


def side_over_mid(sound: Sound) -> float:
    """Energy of left minus right over that of left plus right."""
    side, mid = (librosa.feature.rms(y=sound[0] + sign * sound[1]) for sign in (-1.0, 1.0))
    return float(np.mean(side**2) / np.mean(mid**2))


def share_below_80_hz(sound: Sound) -> float:
    """Share of the energy below 80 Hz."""
    hertz, power = scipy.signal.welch(sound.mean(axis=0), RATE, nperseg=16_384)
    return float(power[hertz < 80.0].sum() / power.sum())


def echo_correlation(sound: Sound, delay_s: float) -> float:
    """Autocorrelation of the onset envelope at a delay, within 30 ms; 1 at no delay."""
    envelope = onsets.onset_strength(y=sound.mean(axis=0), sr=RATE, hop_length=_HOP)
    correlation = librosa.autocorrelate(envelope - envelope.mean())
    lag = round(delay_s * RATE / _HOP)
    return float(correlation[lag - 3 : lag + 4].max() / correlation[0])


def movement_hz(sound: Sound) -> float:
    """The frequency at which the level moves most, of at most 12 Hz."""
    level = librosa.feature.rms(y=sound.mean(axis=0), frame_length=4096, hop_length=1024)[0]
    trend = scipy.signal.detrend(librosa.amplitude_to_db(level, ref=1.0, amin=1e-6, top_db=None))
    hertz, power = scipy.signal.periodogram(trend, RATE / 1024, window="hann")
    inside = (hertz > 0.1) & (hertz <= 12.0)
    return float(hertz[inside][np.argmax(power[inside])])


def recognized_mode(sound: Sound, root: int) -> str:
    """The mode whose seven tones correlate best with the mean chroma.

    Args:
        sound: [2, S] samples.
        root: semitones above C, which is told.
    """
    mono = librosa.resample(sound.mean(axis=0), orig_sr=RATE, target_sr=22_050)
    chroma = np.roll(librosa.feature.chroma_cqt(y=mono, sr=22_050).mean(axis=1), -root)
    fits = {
        mode: scipy.stats.pearsonr(chroma, np.isin(np.arange(12), scale)).statistic
        for mode, scale in MODE_SCALES.items()
    }
    return max(fits, key=lambda mode: fits[mode])


def loudness_lufs(sound: Sound) -> float:
    """Integrated loudness after ITU-R BS.1770."""
    return float(pyloudnorm.Meter(RATE).integrated_loudness(sound.T.astype(np.float64)))
