"""Try whether a checkpoint would have all that a network's scores depend on, before the first step.

A checkpoint has parameters and buffers. A tensor, or a layer in an object or a closure, that torch does not know of
is in no checkpoint: it does not train, and a loaded network draws it again at random. So the network is built once
more, is given the parameters and buffers of the first one, and must have its scores.
"""

from typing import TYPE_CHECKING

import torch
from lightning.pytorch.utilities.seed import isolate_rng

from atft.batch import DayBatch
from atft.errors import one_line
from atft.network import NetworkFactory, NetworkInputs, Scaling, build_network

if TYPE_CHECKING:
    from atft.tasks.network_check import Trial

TOLERANCE = 1e-4
"""By how much the scores of equal weights may differ: the rounding of a compiled layer, no more."""
SEED = 722_519_301
"""Of the weights that the second network is built with; no seed that a run is likely to have."""


def check_restored(trial: "Trial", batch: DayBatch, factory: NetworkFactory, inputs: NetworkInputs) -> None:
    """Check that a network of the same ``factory`` scores as the tried one does, once it has its state.

    The scaling of the tried one is another afterwards.
    """
    # Scaling that is not the first one, which a new network has anyway.
    names = (inputs.features, inputs.regimes)
    scaling = [torch.full((len(of),), x) for of in names for x in (0.5, 2.0)]
    trial.call("set_scaling", trial.network.eval().set_scaling, Scaling(*scaling))
    # The second build may draw from any generator: the run's go on as if it were not there.
    with isolate_rng(include_cuda=False):
        torch.default_generator.manual_seed(SEED)
        again = build_network(factory, inputs).cpu().eval()
    again.set_parts(**trial.network.parts)
    try:
        again.load_state_dict(trial.network.state_dict())
    except RuntimeError as error:
        raise trial.fault(
            f"no checkpoint of it could be loaded ({one_line(error, 60)}); make parameters and buffers in "
            f"__init__, of sizes that its arguments decide"
        ) from error
    scores, others = trial.scores(batch), trial._replace(network=again).scores(batch)
    if not torch.allclose(scores[batch.universe], others[batch.universe], rtol=TOLERANCE, atol=TOLERANCE):
        raise trial.fault(
            "a checkpoint would not restore its scores; make each tensor a torch.nn.Parameter or a buffer "
            "(self.register_buffer), each layer a member"
        )
