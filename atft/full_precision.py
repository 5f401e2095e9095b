"""What autocast does to a tensor's device, and how to do without: losses, and what a rounding would drown.

A device without autocast (meta, which has shapes only) follows the CPU's.
"""

import torch


def full_precision(device: torch.device) -> torch.autocast:
    """Turn autocast off inside the block, for tensors of the device."""
    return torch.autocast(_kind(device), enabled=False)


def product_dtype(device: torch.device, stored: torch.dtype) -> torch.dtype:
    """Format in which matrices of the ``stored`` format are multiplied on the device: autocast's where it is on."""
    kind = _kind(device)
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else stored


def _kind(device: torch.device) -> str:
    return device.type if torch.amp.is_autocast_available(device.type) else "cpu"
