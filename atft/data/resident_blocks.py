"""Assemble a planned block out of a resident panel: the same `DayBatch` as `DayBlocks` makes, on the device.

The host knows every size beforehand, so nothing waits for the device: it sends the numbers of the block's stocks
and the days' weights, and queues 15 operations (45 with a graph), for a block of one day as for one of eight. Days
of one block share their rows, so the windows are views of the span.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from atft.batch import EDGE_FEATURES, DayBatch
from atft.data.block_plan import PlannedBlock
from atft.data.blocks import DayBlocks
from atft.data.joined_days import join_days
from atft.data.records import Array
from atft.data.resident_panel import ResidentPanel
from atft.process.progress import track


def take(values: Tensor, index: Tensor) -> Tensor:
    """Rows of ``values`` at an index of any shape."""
    # On a CPU faster than ``values[index]``: whole rows are copied.
    return values.index_select(0, index.flatten()).view(*index.shape, *values.shape[1:])


class ResidentBlocks:
    """Blocks of a panel in the memory of a device.

    Args:
        panel: of the days that are asked for.
        blocks: the same blocks as the host reads them.
    """

    def __init__(self, panel: ResidentPanel, blocks: DayBlocks) -> None:
        self.panel, self.blocks = panel, blocks

    def __getitem__(self, block: PlannedBlock) -> DayBatch:
        """Gather one block."""
        if block.joined:
            return join_days(block, [self[day] for day in block.joined])
        start, first, stop = self.blocks.span_of(block)
        panel = self.panel
        of_block = self.blocks.stocks_of(block)
        stock = self._send(of_block)
        rows, last = panel.rows, panel.last_row
        pair = panel.first_key[start:stop, None] + stock
        row = torch.searchsorted(rows.key, pair)
        observed = take(rows.key, row) == pair
        row = torch.where(observed, row, last)
        scored = row[first - start :]
        # The rows of an empty block are read like others, so that all ranks see the same shapes.
        counting = last.expand_as(scored) if block.empty else scored
        universe = take(rows.universe, counting)
        edge_index, edge_attr = self._edges(block, of_block, stock, universe)
        return DayBatch(
            features=self._features(row),
            observed=observed,
            universe=universe,
            target=take(rows.target, scored),
            valid=take(rows.valid, counting),
            edge_index=edge_index,
            edge_attr=edge_attr,
            stock=stock,
            day=panel.day[first:stop],
            sector=take(rows.sector, scored).to(torch.int64),
            exposure=take(rows.exposure, scored),
            regime=panel.regime[first:stop],
            weight=self._send(np.array(block.weight, dtype=np.float32)),
            closes_step=block.closes_step,
            position=block.position,
            max_neighbours=panel.cache.max_neighbours,
        )

    def _send(self, values: Array) -> Tensor:
        """Copy some numbers to the device, without waiting for it."""
        tensor = torch.from_numpy(values)
        if self.panel.device.type == "cuda":
            return tensor.pin_memory().to(self.panel.device, non_blocking=True)
        return tensor.to(self.panel.device)

    def _features(self, row: Tensor) -> Tensor:
        full, half = self.panel.rows.features, self.panel.rows.half_features
        if not half.shape[1]:
            return take(full, row)
        if not full.shape[1]:
            return take(half, row).float()
        both = torch.cat((take(full, row), take(half, row).float()), dim=-1)
        return both.index_select(-1, self._column)

    @cached_property
    def _column(self) -> Tensor:
        """Column of each feature where those in float16 are after the others."""
        half = np.array(self.panel.cache.manifest.half)
        column = np.empty(len(half), dtype=np.int64)
        column[np.concatenate([np.flatnonzero(~half), np.flatnonzero(half)])] = np.arange(len(half))
        return self._send(column)

    def _edges(
        self, block: PlannedBlock, of_block: Array, stock: Tensor, universe: Tensor
    ) -> tuple[Tensor, Tensor]:
        panel = self.panel
        if panel.cache.manifest.graph is None or block.empty:
            return (
                torch.empty(2, 0, dtype=torch.int64, device=panel.device),
                torch.empty(0, len(EDGE_FEATURES), device=panel.device),
            )
        if block.parts > 1:
            # Which neighbours are in the same part is drawn: the host alone can count them without waiting.
            index, attr = self.blocks.edges(block, of_block)
            return self._send(index.numpy()), self._send(attr.numpy())
        days = range(block.first_day, block.first_day + block.days)
        near, row = self._neighbours(days, stock, universe)
        count = sum(self._edge_count(day) for day in days)
        width = near.shape[-1]
        # Ascending by day, stock and column, as the host finds them.
        cell = torch.nonzero_static(near.flatten() >= 0, size=count)[:, 0]
        node = torch.div(cell, width, rounding_mode="floor")
        source = near.flatten().index_select(0, cell) + (node - node % len(stock))
        edge = row.flatten().index_select(0, node) * width + cell % width
        return torch.stack((source, node)), panel.links.weight.flatten(0, 1).index_select(0, edge)

    def _neighbours(self, days: Sequence[int], stock: Tensor, universe: Tensor) -> tuple[Tensor, Tensor]:
        """Index in the block of each neighbour that has an edge, else -1; and each stock's row in the links."""
        panel, links, stocks = self.panel, self.panel.links, self.panel.cache.stocks
        refresh = np.array([panel.cache.refresh_of(day) for day in days])
        pair = self._send(refresh[:, None] * stocks) + stock
        row = torch.searchsorted(links.key, pair)
        row = torch.where(take(links.key, row) == pair, row, len(links.key) - 1)
        # A neighbour of -1 reads the last entry, which stays -1.
        in_block = torch.full((stocks + 1,), -1, device=panel.device)
        in_block[stock] = torch.arange(len(stock), device=panel.device)
        near = take(in_block, take(links.neighbour, row) % (stocks + 1))
        ranked = universe.gather(1, near.clamp_min(0).flatten(1)).view_as(near)
        return torch.where((near >= 0) & ranked & universe[..., None], near, -1), row

    def _edge_count(self, day: int) -> int:
        """Edges between the stocks of a day's universe: as many in any block that has the whole day."""
        panel = self.panel
        if not panel.edge_counts:
            counts = []
            for some in track(panel.days.tolist(), "counting the graph's edges"):
                stock = self._send(panel.cache.day(some).ranked.astype(np.int64))
                universe = torch.ones(1, len(stock), dtype=torch.bool, device=panel.device)
                counts.append((self._neighbours([some], stock, universe)[0] >= 0).sum())
            # One wait for all days, before the first block.
            panel.edge_counts = dict(zip(panel.days.tolist(), torch.stack(counts).tolist(), strict=True))
        return panel.edge_counts[day]
