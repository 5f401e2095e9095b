"""The base of a network: all members of `atft.network.Network` but ``forward``."""

from collections import Counter
from collections.abc import Sequence

from torch import nn

from atft.errors import InputError, nearest
from atft.network import NetworkInputs, Scaling
from atft.nn.robust_input import RobustInput, ScaledModule
from atft.nn.sizes import check_horizons, check_levels


class RankingNetwork(nn.Module):
    """A network that scales its features robustly, and whose child modules are its parameter groups.

    A subclass builds its modules in ``__init__`` and adds ``forward``; ``self.scaling(batch.features,
    batch.observed)`` gives it features without NaN. It may set ``parts`` and ``reads``, and add ``explain``.

    Args:
        inputs: names of the columns that it reads, and horizons.
        quantiles: levels in (0, 1), ascending, of its quantile heads; empty without.

    Raises:
        InputError: horizons or levels are out of order or out of range.
    """

    def __init__(self, inputs: NetworkInputs, quantiles: Sequence[float] = ()) -> None:
        super().__init__()
        check_horizons(inputs.horizons)
        check_levels(quantiles)
        self.horizons, self.quantiles = tuple(inputs.horizons), tuple(quantiles)
        self.parts: dict[str, bool] = {}
        self.reads: dict[str, str] = {}
        self.scaling = RobustInput(len(inputs.features))

    def set_scaling(self, scaling: Scaling) -> None:
        """Set the training days' median and IQR per feature, and the edges of the bins that encode them.

        See :meth:`RobustInput.set_scaling`. Each `ScaledModule` of the network gets them too.
        """
        self.scaling.set_scaling(scaling.median, scaling.iqr)
        for module in self.modules():
            if isinstance(module, ScaledModule):
                module.set_scaling(scaling)

    def set_parts(self, **on: bool) -> None:
        """Turn parts on or off; the parameters of a part that is off ask for no gradient."""
        groups = self.parameter_groups()
        for name, switch in on.items():
            if name not in self.parts:
                known = nearest(name, self.parts) if self.parts else "; it has none"
                raise InputError(f"model.network: no part {name!r}{known}")
            self.parts[name] = switch
            for parameter in groups[name]:
                parameter.requires_grad_(switch)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Sort every parameter into the group of its child module.

        The network's own, and weights that several child modules share, are the group ``own``.
        """
        owners = Counter(id(parameter) for module in self.children() for parameter in module.parameters())
        groups = {
            name: [parameter for parameter in module.parameters() if owners[id(parameter)] == 1]
            for name, module in self.named_children()
        }
        groups["own"] = [parameter for parameter in self.parameters() if owners[id(parameter)] != 1]
        return {name: parameters for name, parameters in groups.items() if parameters}
