"""Weigh a row's features by the row itself, and embed what encodes them.

The usual way embeds each feature in ``hidden`` numbers first, a tensor [rows, features, hidden] of 30 kB a
row at 112 features and hidden 64. Here the weighted features go through one matrix, ``(F w * e(x)) A + w B``:
the same weights as a product of [rows, features] and [features, hidden], paid once per row of the span and
not per window. A feature's weight multiplies the whole of its encoding ``e(x)``, in which the result is linear.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atft.nn.feature_encoding import FeatureEncoding
from atft.nn.gated_residual import GatedResidual

STRIPE_NUMBERS = 1 << 18
"""Hidden numbers that a thread of a CPU embeds at a time, 1 MB: a dozen passes over them stay in its cache."""


class VariableSelection(nn.Module):
    """Weigh features by ``w = softmax(MLP(x))`` and embed them: ``GRN((F w e(x)) A + w B)``, or ``GRN(e(x) A)``.

    With ``refine`` off there is a bias instead of the GRN.
    """

    def __init__(
        self,
        encoding: FeatureEncoding,
        hidden_size: int,
        dropout: float,
        select: bool = True,
        refine: bool = True,
    ) -> None:
        super().__init__()
        n_features, variance = encoding.features, encoding.features * encoding.variance
        self.encoding = encoding
        self.weigher = _weigher(n_features, hidden_size) if select else None
        value = torch.randn(n_features * encoding.size, hidden_size) / variance**0.5
        if not refine:
            # As a linear layer starts. From states of variance 1 what ReLU reads is learned less: the mean RankIC
            # of two seeds on a NASDAQ fold was lower by .003.
            value.uniform_(-(len(value) ** -0.5), len(value) ** -0.5)
        self.value = nn.Parameter(value)
        self.level = nn.Parameter(0.1 * torch.randn(n_features, hidden_size)) if select else None
        self.refine: nn.Module = GatedResidual(hidden_size, dropout) if refine else Bias(hidden_size)

    def weights(self, x: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows features"]:
        """Weigh each row's features: positive, summing to 1; all alike where nothing weighs them."""
        if self.weigher is None:
            return torch.full_like(x, 1 / x.shape[-1])
        logits: Tensor = self.weigher(x)
        return logits.softmax(dim=-1)

    def forward(
        self, x: Float[Tensor, "*rows features"], select: bool = True
    ) -> Float[Tensor, "*rows hidden"]:
        """Embed each row; with ``select`` off all features weigh alike."""
        # A product and a bias are a single pass, which has its own stripes.
        one_pass = self.weigher is None and isinstance(self.refine, Bias)
        if one_pass or x.device.type != "cpu" or torch.compiler.is_compiling():
            return self._embed(x, select)
        flat, width = x.reshape(-1, x.shape[-1]), self.value.shape[1]
        # Stripes of one length: products of a few rows left over would round otherwise than the rest.
        stripes = torch.chunk(flat, 1 + len(flat) * width // (STRIPE_NUMBERS * torch.get_num_threads()))
        rows = [self._embed(stripe, select) for stripe in stripes]
        return (rows[0] if len(rows) == 1 else torch.cat(rows)).view(*x.shape[:-1], width)

    def _embed(self, x: Tensor, select: bool) -> Tensor:
        if select and self.level is not None:
            weight = self.weights(x)
            embedded = self.encoding.product(x, self.value, x.shape[-1] * weight) + weight @ self.level
        else:
            embedded = self.encoding.product(x, self.value)
        refined: Tensor = self.refine(embedded)
        return refined


class Bias(nn.Module):
    """Add a learned number to each hidden unit."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(hidden_size))

    def forward(self, x: Float[Tensor, "*rows hidden"]) -> Float[Tensor, "*rows hidden"]:
        # In the format of x: under autocast a sum with float32 would make all that follows float32.
        return x + self.bias.to(x.dtype)


def _weigher(n_features: int, hidden_size: int) -> nn.Module:
    logits = nn.Linear(hidden_size, n_features)
    # Nearly equal weights, so that a new network is linear in its input; exactly equal ones would leave the
    # first layer without gradient.
    nn.init.normal_(logits.weight, std=0.1 * hidden_size**-0.5)
    nn.init.zeros_(logits.bias)
    return nn.Sequential(nn.Linear(n_features, hidden_size), nn.ELU(), logits)
