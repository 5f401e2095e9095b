"""What a task, its curriculum and its figures need of a network: the seam between a model and everything else.

Any `torch.nn.Module` that has the members of `Network` trains, sweeps and predicts with the same commands. Named by
``model.network.class_path`` it is built from `NetworkInputs` and its own ``init_args``.
`atft.nn.ranking_network.RankingNetwork` has every member but ``forward``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any, Literal, NamedTuple, Protocol, get_args, get_origin, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.errors import InputError, clip, one_line

NetworkFactory = Callable[["NetworkInputs"], nn.Module]
"""The class of a network with its own arguments set: ``functools.partial(ATFTGATFAN, hidden_size=32)``."""
OPTIONAL_INPUTS = ("graph", "regime", "sector", "exposure")
"""Inputs of a `DayBatch` that a panel or config may lack, as ``reads`` names them."""


class NetworkInputs(NamedTuple):
    """What a network is built for, in the order of its inputs' and scores' last axes."""

    features: tuple[str, ...]
    """Columns that differ by stock: ``DayBatch.features``."""
    horizons: tuple[int, ...]
    """Trading days ahead, ascending; one score each."""
    regimes: tuple[str, ...] = ()
    """Market-wide columns: ``DayBatch.regime``."""


class Scaling(NamedTuple):
    """Location and scale of the inputs over the training days, in each column's unit."""

    median: Float[Tensor, " features"]
    iqr: Float[Tensor, " features"]
    """75 % minus 25 % quantile; 0 for a flag that hardly ever changes."""
    regime_median: Float[Tensor, " regimes"]
    regime_iqr: Float[Tensor, " regimes"]
    quantiles: Float[Tensor, "features levels"] | None = None
    """Of the features, at equally spaced levels from 0 (the minimum) to 1; None where a network needs none."""
    regime_quantiles: Float[Tensor, "regimes levels"] | None = None
    """The same of the market-wide columns."""

    def of_features(self, order: Sequence[int]) -> "Scaling":
        """The same with its features in another order; all as they are where ``order`` is empty."""
        if not order:
            return self
        index = list(order)
        quantiles = None if self.quantiles is None else self.quantiles[index]
        return self._replace(median=self.median[index], iqr=self.iqr[index], quantiles=quantiles)


class Explanation(NamedTuple):
    """What a network looks at; a field is None where it has no such part, or the part is off."""

    selection: Float[Tensor, "span stocks features"] | None = None
    """Weight of each feature of each row, summing to 1."""
    attention: Float[Tensor, "days stocks heads lookback"] | None = None
    """Weight of each day of the window, oldest first, summing to 1."""
    neighbours: Float[Tensor, "layers edges heads"] | None = None
    """Weight of each edge of the block's graph, summing to 1 over the edges that end in a stock."""


@runtime_checkable
class Network(Protocol):
    """Scores the stocks of each day of a block. Also an `nn.Module`."""

    horizons: Sequence[int]
    """Those of `NetworkInputs`."""
    quantiles: Sequence[float]
    """Levels in (0, 1), ascending, of its quantile heads; empty without."""
    parts: Mapping[str, bool]
    """Parts that a phase of a curriculum can switch, and whether each is on; empty without."""
    reads: Mapping[str, str]
    """Parameter group -> which of :data:`OPTIONAL_INPUTS` it reads. A group that is on without its input is an
    error before the first step."""

    def forward(self, batch: DayBatch) -> Forecast:
        """Score every stock-day; outside the universe a score is finite and means nothing.

        A day's scores may depend on its own window and cross-section only. In ``eval`` mode they are
        deterministic. Features come raw, NaN where unknown.
        """
        ...

    def set_scaling(self, scaling: Scaling) -> None:
        """Keep the training days' location and scale as buffers, which a checkpoint then carries."""
        ...

    def set_parts(self, **on: bool) -> None:
        """Turn parts on or off; the parameters of a part that is off ask for no gradient.

        Raises:
            InputError: no part of that name.
        """
        ...

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Sort every parameter into exactly one group, which trains, is frozen and reports its gradient apart.

        A part is the group of its name: the parameters that only it uses.
        """
        ...


@runtime_checkable
class Explainable(Protocol):
    """A network that can say what it looks at; one without is trained and measured all the same."""

    def explain(self, batch: DayBatch) -> Explanation:
        """Return what the network looks at in a block; costs about a forward pass."""
        ...


@runtime_checkable
class Pretrainable(Protocol):
    """A network whose states can be trained before its heads are; one without is an error of ``pretrain`` only."""

    def encode(self, batch: DayBatch) -> Float[Tensor, "days stocks width"]:
        """Return the state of every stock-day that the heads read: its row, its history and its neighbours.

        It uses the parameters of every group but those of the heads. What holds of ``forward`` holds of it: a day
        reads its own window and cross-section only, and features come raw, NaN where unknown.
        """
        ...


def parameter_names(network: Any, groups: Iterable[str]) -> set[str]:
    """Names of the parameters of some groups of a `Network`; a group that it lacks has none."""
    by_group = network.parameter_groups()
    ids = {id(parameter) for group in groups for parameter in by_group.get(group, ())}
    return {name for name, parameter in network.named_parameters() if id(parameter) in ids}


def build_network(factory: NetworkFactory, inputs: NetworkInputs) -> Any:
    """Build a network, and check that it is one.

    Raises:
        InputError: it is no class, its arguments are out of range, or it has not what a `Network` has.
    """
    if isinstance(factory, nn.Module) or not callable(factory):
        came = (
            f"a {type(factory).__name__} that is built" if isinstance(factory, nn.Module) else repr(factory)
        )
        raise InputError(
            f"model.network must be a class or functools.partial(MyNetwork, size=8), got {clip(came, 60)}"
        )
    _check_choices(factory)
    try:
        network = factory(inputs)
    except InputError:
        raise
    except (ValueError, TypeError, AttributeError) as error:
        kind = factory.func if isinstance(factory, partial) else factory
        fault = constructor_fault(kind, error)
        if fault is None and isinstance(error, AttributeError):
            raise
        raise InputError(fault or f"model.network: {one_line(error)}") from error
    check_network(network, inputs)
    return network


def constructor_fault(kind: object, error: BaseException) -> str | None:
    """Say what the constructor of a network must do, where not doing it is what raised; None for another fault."""
    if not isinstance(kind, type) or not issubclass(kind, nn.Module):
        return None
    where = f"model.network: {clip(f'{kind.__module__}.{kind.__qualname__}', 60)}"
    if "before Module.__init__() call" in str(error):
        return f"{where}: __init__ sets a member too early; call super().__init__(inputs) first"
    if not isinstance(error, TypeError) or "positional argument" not in str(error):
        return None
    first = next(iter(signature(kind).parameters.values()), None)
    if first is None or (first.name != "inputs" and first.annotation not in (NetworkInputs, "NetworkInputs")):
        return f"{where}: __init__ must take inputs as its first argument, and call super().__init__(inputs)"
    if "'inputs'" in str(error):
        return f"{where}: __init__ must pass its inputs on; call super().__init__(inputs) first"
    return None


def _check_choices(factory: NetworkFactory) -> None:
    """Raise where an argument is none of the words that the network's signature lists for it."""
    if not isinstance(factory, partial):
        return
    parameters = signature(factory.func).parameters
    for name, value in factory.keywords.items():
        hint = parameters[name].annotation if name in parameters else None
        if get_origin(hint) is Literal and value not in get_args(hint):
            known = ", ".join(map(str, get_args(hint)))
            raise InputError(f"model.network: {name} must be one of {known}, got {value!r:.40}")


def check_network(network: object, inputs: NetworkInputs) -> None:
    """Check what no type can say of a network that somebody else has written.

    Raises:
        InputError: a member is missing, or members contradict each other; the line names the class and member.
    """
    where = f"model.network: {type(network).__module__}.{type(network).__qualname__}"
    members = [
        *Network.__annotations__,
        *(n for n, m in vars(Network).items() if callable(m) and n[0] != "_"),
    ]
    missing = [name for name in members if not hasattr(network, name)]
    if missing or not isinstance(network, Network) or not isinstance(network, nn.Module):
        lacks = f"has no {', '.join(missing)}" if missing else "is no torch.nn.Module"
        has_methods = missing and set(missing) <= set(Network.__annotations__)
        base = "derive it from atft.nn.ranking_network.RankingNetwork"
        raise InputError(f"{where} {lacks}; {'call super().__init__(inputs) first' if has_methods else base}")
    groups = network.parameter_groups()
    for name, kind, value in (
        ("horizons", "list", network.horizons),
        ("quantiles", "list", network.quantiles),
        ("parts", "dict", network.parts),
        ("reads", "dict", network.reads),
        ("parameter_groups()", "dict", groups),
    ):
        if not isinstance(value, Mapping if kind == "dict" else Sequence):
            raise InputError(f"{where}: {name} is a {type(value).__name__}; make it a {kind}")
    if tuple(network.horizons) != tuple(inputs.horizons):
        raise InputError(
            f"{where}: horizons {list(network.horizons)} are not model.horizons {list(inputs.horizons)}; take "
            f"those it is built with"
        )
    for kind, names in (("part", network.parts), ("reads", network.reads)):
        for name in names:
            if name not in groups:
                raise InputError(f"{where}: {kind} {name!r} is no group of parameter_groups; name it there")
    for name in network.reads.values():
        if name not in OPTIONAL_INPUTS:
            raise InputError(f"{where}: reads names {name!r}; it must be one of {', '.join(OPTIONAL_INPUTS)}")
    _check_registered(where, network)
    # A parameter without a group would never train; one in two groups is an error of torch's optimisers.
    grouped = sorted(id(parameter) for group in groups.values() for parameter in group)
    if grouped != sorted(id(parameter) for parameter in network.parameters()):
        raise InputError(f"{where}: parameter_groups must have each parameter in exactly one group")


def _check_registered(where: str, network: nn.Module) -> None:
    """Check that torch knows of every layer: of those in a plain list it does not, nor of a network without any."""
    for name, parameter in network.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise InputError(
                f"{where}: {clip(name, 40)} is of a lazy layer without a size; give it its sizes"
            )
    known = {id(part) for part in (*network.modules(), *network.parameters())}
    for name, module in network.named_modules():
        for member, value in vars(module).items():
            if member.startswith("_") or not isinstance(value, list | tuple | dict):
                continue
            parts = value.values() if isinstance(value, dict) else value
            if any(isinstance(part, nn.Module | nn.Parameter) and id(part) not in known for part in parts):
                path = f"self.{name}.{member}" if name else f"self.{member}"
                raise InputError(
                    f"{where}: {clip(path, 40)} is a {type(value).__name__} of layers, which neither train nor are "
                    f"saved; make it a torch.nn.ModuleList, ModuleDict or ParameterList"
                )
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(f"{where} has no parameter to train; add layers as members in __init__")
