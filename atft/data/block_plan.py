"""Plan an epoch: which consecutive days are read together, which blocks share a step, which rank runs them.

Neighbouring days share all but one day of history, so reading a few together is nearly free; but their labels
overlap, so a step gathers several blocks from different dates until it has about ``batch_size`` stock-days.
Block boundaries and order are drawn in each epoch from (seed, epoch) alone: the same plan in every process, and
a plan can be drawn again without having kept anything.

Where days share no history (a lookback of 1) and each is a block by itself, the days of a step are joined: one
forward pass of 6,000 rows takes a third less time than six of 1,000, and its threads have something to share.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch.utils.data import Sampler

from atft.data.shared_buffers import SharedBuffers
from atft.data.split import Days
from atft.errors import InputError

MAX_STEP_EXCESS = 1.05
"""A block may exceed the step by this much, so that 2 days of 4,100 stocks still fit a step of 8,192."""
MAX_JOINED_ROWS = 16_384
"""Most rows of joined days, unless a single one has more: what a step keeps in memory grows with them."""


@dataclass(frozen=True)
class PlannedBlock:
    """What a worker needs to read one block; small, since it travels through a queue."""

    first_day: int
    days: int
    rows: int
    """Stock-days in the universe, of the part where a day is divided; 0 for an empty block."""
    weight: tuple[float, ...]
    """Share of the step's loss of each day."""
    closes_step: bool
    part: int = 0
    parts: int = 1
    """The stocks of a day larger than the step are divided at random into ``parts``."""
    draw: tuple[int, int] = (0, 0)
    """(seed, epoch) from which the parts of a day are drawn."""
    position: int = 0
    """Among the rank's blocks of the epoch."""
    index: int = 0
    """Among the epoch's blocks of all ranks: the same whatever their number."""
    ends_step: bool = False
    """The last block of its step on all ranks: on one of them only."""

    buffer: int | None = None
    """Of shared memory, which a worker writes the features into."""
    joined: tuple["PlannedBlock", ...] = ()
    """Blocks of one day each that are read as this one; none where its days follow each other."""

    @property
    def calendar_days(self) -> list[int]:
        """The calendar indices of its days."""
        if self.joined:
            return [block.first_day for block in self.joined]
        return list(range(self.first_day, self.first_day + self.days))

    @property
    def empty(self) -> bool:
        """True for a block that only keeps ranks in step: nothing in it counts."""
        return self.rows == 0


def block_seed(seed: int, epoch: int, index: int) -> int:
    """Seed of what the network draws for a block of its epoch's plan, dropout for instance."""
    return int(np.random.SeedSequence((seed, epoch, index)).generate_state(1, np.uint64)[0])


class BlockSampler(Sampler[PlannedBlock]):
    """Assigns every day of an epoch to exactly one block (or, if it is large, to parts that together are the day).

    Yields the plan of the current epoch to a `DataLoader`; call ``set_epoch`` before each.

    Args:
        days: calendar indices, ascending; blocks never reach across a gap.
        rows_per_day: stocks in the universe on each day of the *calendar*.
        block_days: most days read together; fewer where days are large.
        batch_size: stock-days of one optimiser step over all ranks, reached to the nearest block.
        seed: with the epoch, draws block offsets, order and the parts of large days.
        rank: this process, which gets its own blocks only.
        world_size: processes, all with as many blocks in every step: an empty one stands in for a missing one.
        shuffle: False for evaluation: days in order, fixed blocks, no day divided.
        limit: most blocks of each rank, the epoch's first; its last step is the mean over the days left of it.
        join: read the days of a step as one block; for ``block_days`` of 1 and a lookback of 1.
    """

    def __init__(
        self,
        days: Sequence[int] | Days,
        rows_per_day: Sequence[int],
        block_days: int,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        shuffle: bool = True,
        limit: int | None = None,
        join: bool = False,
    ) -> None:
        if len(days) == 0:
            raise InputError("there is no day to plan; check the split's dates")
        self.days, self.rows_per_day = np.asarray(days, dtype=np.int64), tuple(rows_per_day)
        self.block_days, self.batch_size, self.seed = block_days, batch_size, seed
        self.rank, self.world_size, self.shuffle, self.limit = rank, world_size, shuffle, limit
        self.join = join
        self.skip = 0
        """Blocks left out at the start of the next pass: those trained before a resume."""
        self.buffers: SharedBuffers | None = None
        """From which a block that is read by a worker gets its own."""
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Draw offsets, order and parts of ``epoch``."""
        self.epoch = epoch
        self._blocks = self._drawn(epoch)
        self._closed = np.cumsum([block.closes_step for block in self._blocks])

    def plan(self, epoch: int | None = None) -> list[PlannedBlock]:
        """This rank's blocks of an epoch (the current one by default), of which the last closes a step.

        Weights of a step sum to 1 over all ranks.
        """
        return self._blocks if epoch is None or epoch == self.epoch else self._drawn(epoch)

    def _drawn(self, epoch: int) -> list[PlannedBlock]:
        rng = np.random.default_rng([self.seed, epoch])
        blocks: list[PlannedBlock] = []
        for run in np.split(self.days, np.flatnonzero(np.diff(self.days) != 1) + 1):
            blocks += self._cut(run.tolist(), (self.seed, epoch), rng)
        if self.shuffle:
            blocks = [blocks[i] for i in rng.permutation(len(blocks))]
        blocks = [replace(block, index=index) for index, block in enumerate(blocks)]
        assigned: list[PlannedBlock] = []
        for step in self._steps(blocks):
            left = None if self.limit is None else self.limit - len(assigned)
            if left == 0:
                break
            assigned += self._share_of(step, left)
        return [replace(block, position=position) for position, block in enumerate(assigned)]

    def _cut(self, run: list[int], draw: tuple[int, int], rng: np.random.Generator) -> Iterator[PlannedBlock]:
        """Cut consecutive days into blocks."""
        rows = [self.rows_per_day[day] for day in run]

        def length(position: int) -> int:
            sums = np.cumsum(rows[position : position + self.block_days])
            return max(1, int((sums <= MAX_STEP_EXCESS * self.batch_size).sum()))

        position = 0
        while position < len(run):
            days = length(position)
            if self.shuffle and not position:
                # A first block of random length shifts all boundaries, so other days meet in the next epoch.
                days = int(rng.integers(1, days + 1))
            size = sum(rows[position : position + days])
            block = PlannedBlock(run[position], days, size, (1.0,) * days, False, draw=draw)
            position += days
            if self.shuffle and days == 1 and size > self.batch_size:
                # Parts of a day weigh by their stocks, so that together they weigh as much as any other day.
                parts = np.array_split(range(size), -(-size // self.batch_size))
                for part, stocks in enumerate(map(len, parts)):
                    weight = (stocks / size,)
                    yield replace(block, rows=stocks, part=part, parts=len(parts), weight=weight)
            else:
                yield block

    def _steps(self, blocks: list[PlannedBlock]) -> Iterator[list[PlannedBlock]]:
        step: list[PlannedBlock] = []
        rows = 0
        for block in blocks:
            # Stop where the total is nearest to batch_size.
            if step and rows + block.rows / 2 > self.batch_size:
                yield step
                step, rows = [], 0
            step.append(block)
            rows += block.rows
        yield step

    def _share_of(self, step: list[PlannedBlock], most: int | None) -> list[PlannedBlock]:
        """This rank's blocks of a step, of which each rank runs at most so many."""
        shares = [self._joined(step[rank :: self.world_size])[:most] for rank in range(self.world_size)]
        everywhere = [block for share in shares for block in share]
        total = sum(sum(b.weight) for b in everywhere)
        last = max(b.index for b in everywhere)
        blocks = [
            replace(b, weight=tuple(w / total for w in b.weight), ends_step=b.index == last)
            for b in shares[self.rank]
        ]
        # Ranks average their gradients at the same block: a rank without one would leave the others waiting.
        empty = replace(step[0], days=1, rows=0, part=0, parts=1, weight=(0.0,))
        blocks += [empty] * (max(map(len, shares)) - len(blocks))
        blocks[-1] = replace(blocks[-1], closes_step=True)
        return blocks

    def _joined(self, blocks: list[PlannedBlock]) -> list[PlannedBlock]:
        """Join days that are read as one block."""
        if not self.join:
            return blocks
        groups: list[list[PlannedBlock]] = []
        for block in blocks:
            if not groups or sum(b.rows for b in groups[-1]) + block.rows > MAX_JOINED_ROWS:
                groups.append([])
            groups[-1].append(block)
        return [group[0] if len(group) == 1 else _as_one(group) for group in groups]

    def blocks_of_steps(self, steps: int, epoch: int) -> int:
        """How many of this rank's blocks of an epoch its first ``steps`` steps have.

        Raises:
            InputError: the epoch has fewer steps.
        """
        closing = [block.position for block in self.plan(epoch) if block.closes_step]
        if steps > len(closing):
            raise InputError(
                f"checkpoint: {steps} steps of epoch {epoch + 1} are done, which has {len(closing)} here; resume "
                f"with the same data and data.loader, or start again"
            )
        return closing[steps - 1] + 1 if steps else 0

    def share_of_steps(self, position: int) -> float:
        """Share of the current epoch's optimiser steps that are closed by the blocks up to ``position``."""
        return float(self._closed[position] / self._closed[-1])

    def __iter__(self) -> Iterator[PlannedBlock]:
        # A generator: with workers torch asks for an iterator twice, and only the second is consumed.
        buffers = self.buffers
        if buffers is not None:
            buffers.begin()
        for block in self._blocks[self.skip :]:
            yield block if buffers is None else replace(block, buffer=buffers.take())

    def __len__(self) -> int:
        return len(self._blocks)


def _as_one(days: list[PlannedBlock]) -> PlannedBlock:
    return replace(
        days[0],
        days=len(days),
        rows=sum(day.rows for day in days),
        weight=tuple(weight for day in days for weight in day.weight),
        part=0,
        parts=1,
        joined=tuple(days),
    )
