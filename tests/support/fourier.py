"""The plain twin of what a frequency-adaptive normalisation does."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def without_dominant(window: Array, components: int) -> Array:
    """Take the strongest Fourier components out of each window ``[..., lookback]``, level apart."""
    spectrum = np.fft.rfft(window, axis=-1)
    power = np.abs(spectrum)
    power[..., 0] = 0
    strongest = np.argsort(power, axis=-1)[..., power.shape[-1] - components :]
    np.put_along_axis(spectrum, strongest, 0, axis=-1)
    return np.fft.irfft(spectrum, n=window.shape[-1], axis=-1)
