"""What the network looks at: which features, which days of the past, which neighbours.

Weights show what a part reads, not what would change without it.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from atft.batch import DayBatch
from atft.callbacks.figures import panels

SHOWN_FEATURES = 20
DEGREES = 64
"""Numbers of neighbours that are counted apart; a stock with more counts as one with the most."""
CORRELATION_BINS = 20
MIN_DRAWN_SHARE = 0.001
"""Share of the edges below which a mean over them is not drawn."""


def selection_sums(weights: Float[Tensor, "span stocks features"], batch: DayBatch) -> Float[Tensor, " sums"]:
    """Add up each feature's weight over the observed rows; the last number counts the rows."""
    rows = batch.observed.double()
    return torch.cat((torch.einsum("tsf,ts->f", weights.double(), rows), rows.sum()[None]))


def selection_figure(sums: Float[Tensor, " sums"], names: list[str]) -> Any:
    """The features that count most, heaviest on top, against the weight that each would have if all were equal."""
    share = 100 * sums[:-1] / sums[-1]
    order = share.argsort(descending=True).tolist()
    shown = order[:SHOWN_FEATURES][::-1]
    figure, (axis,) = panels.panel_grid(1, width=3.4, height=0.15 * len(shown) + 0.9, fit=True)
    axis.barh([names[i] for i in shown], [float(share[i]) for i in shown], color=panels.SCORE)
    axis.axvline(100 / len(names), color=panels.REFERENCE, linestyle="--", linewidth=0.8)
    axis.tick_params(axis="y", labelsize="small")
    most = order[:3]
    panels.set_title(axis, f"the first {len(most)} of {len(names)} features have {share[most].sum():.0f} %")
    axis.set_xlabel(f"mean selection weight, % of {int(sums[-1]):,} rows (dashed: all equal)")
    return figure


def attention_sums(
    weights: Float[Tensor, "days stocks heads lookback"], batch: DayBatch
) -> Float[Tensor, "heads sums"]:
    """Add up the weight of each day of the window by head; the last number counts the stock-days."""
    ranked = batch.universe.double()
    total = torch.einsum("dshl,ds->hl", weights.double(), ranked)
    return torch.cat((total, ranked.sum().expand(len(total), 1)), dim=1)


def attention_figure(sums: Float[Tensor, "heads sums"]) -> Any:
    """Mean weight by days ago: one line for each head, and their mean."""
    figure, (axis,) = panels.panel_grid(1)
    weights = 100 * sums[:, :-1] / sums[:, -1:]
    lookback = weights.shape[1]
    ago = list(range(lookback - 1, -1, -1))
    for head in weights:
        axis.plot(ago, head.tolist(), color=panels.FAINT, linewidth=1)
    mean = weights.mean(0)
    axis.plot(ago, mean.tolist(), color=panels.SCORE, linewidth=2)
    axis.axhline(100 / lookback, color=panels.REFERENCE, linestyle="--", linewidth=0.8)
    # The fewest latest days that have half of the weight.
    half = int((mean.flip(0).cumsum(0) < mean.sum() / 2).sum()) + 1
    panels.set_title(axis, f"half of the attention is on the last {half} of {lookback} days")
    axis.set(
        xlabel="trading days ago (grey: one head)",
        ylabel=f"mean weight of {int(sums[0, -1]):,} stock-days, %",
    )
    axis.set_xlim(lookback - 0.5, -0.5)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_ylim(bottom=0)
    return figure


def graph_sums(weights: Float[Tensor, "layers edges heads"], batch: DayBatch) -> dict[str, Tensor]:
    """Count stocks by their number of neighbours, and add up the neighbours' weights by correlation.

    A weight is a multiple of an equal share: 1 where all of a stock's neighbours count alike.

    Returns:
        ``degrees`` float64 [DEGREES]; ``neighbour_weights`` float64 [2, CORRELATION_BINS]: sums, then the edges.
    """
    stock, correlation = batch.edge_index[1], batch.edge_attr[:, 0]
    one = torch.ones_like(stock, dtype=torch.float64)
    degree = one.new_zeros(batch.universe.numel()).index_add(0, stock, one)
    ranked = batch.universe.flatten().double()
    degrees = one.new_zeros(DEGREES).index_add(0, degree.long().clamp(max=DEGREES - 1), ranked)
    multiple = weights.double().mean((0, 2)) * degree[stock]
    bins = ((correlation.double() + 1) / 2 * CORRELATION_BINS).long().clamp(0, CORRELATION_BINS - 1)
    by_correlation = [one.new_zeros(CORRELATION_BINS).index_add(0, bins, v) for v in (multiple, one)]
    return {"degrees": degrees, "neighbour_weights": torch.stack(by_correlation)}


def graph_figure(
    degrees: Float[Tensor, " degrees"], neighbour_weights: Float[Tensor, "2 correlation_bins"]
) -> Any:
    """Stocks by number of neighbours, and how much a neighbour counts by its correlation; or that there is none."""
    if not bool(neighbour_weights[1].any()):
        return panels.message_figure("the graph has no edge on these days")
    figure, (left, right) = panels.panel_grid(2)
    share = 100 * degrees / degrees.sum()
    count = torch.arange(DEGREES, dtype=share.dtype)
    last = int(share.nonzero().max()) if bool((share > 0).any()) else 0
    left.bar(range(last + 1), share[: last + 1].tolist(), color=panels.SCORE)
    panels.set_title(left, f"mean {(share * count).sum() / 100:.1f} neighbours, {share[0]:.0f} % without")
    left.set(xlabel="neighbours of a stock", ylabel="share of stocks, %")
    total, edges = neighbour_weights
    # A bin of a few edges would draw the noise of one of them.
    common = edges > MIN_DRAWN_SHARE * edges.sum()
    width = 2 / CORRELATION_BINS
    middle = (torch.arange(CORRELATION_BINS) + 0.5) * width - 1
    mean = total[common] / edges[common]
    right.bar(middle[common].tolist(), mean.tolist(), width=0.9 * width, color=panels.SCORE)
    right.axhline(1, color=panels.REFERENCE, linestyle="--", linewidth=0.8)
    if len(mean):
        panels.set_title(right, f"weight {mean.min():.1f} to {mean.max():.1f} x an equal share")
    right.set(xlabel="correlation with the neighbour", ylabel="attention (equal share: 1)")
    return figure
