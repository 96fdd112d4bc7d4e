"""Runs an emitted JAX file for `train`, `verify`, `eval` and `predict`: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from nnspec.backends.choices import value_of
from nnspec.backends.jax.kept import keep_compiled
from nnspec.backends.loading import import_file, require_same_names

if TYPE_CHECKING:
    from pathlib import Path

    from nnspec.backends.base import Array, State
    from nnspec.backends.choices import Choices

# Fields of optax states that mirror the parameters, in PyTorch's words.
SLOTS = {
    "ScaleByAdamState.mu": "exp_avg",
    "ScaleByAdamState.nu": "exp_avg_sq",
    "ScaleByLionState.mu": "exp_avg",
    "ScaleByRmsState.nu": "square_avg",
    "ScaleByRssState.sum_of_squares": "sum",
    "TraceState.trace": "momentum_buffer",
    "AverageState.average": "ema",
}


class Driver:
    """JAX behind the protocol of `nnspec.backends.base.Driver`.

    float64 is switched on for the calls of this driver alone, so both precisions live side by side in a process.
    Matrix products keep the working precision on accelerators too (no TF32), as the other backends do.
    """

    name = "jax"

    def __init__(
        self,
        source: Path,
        *,
        dtype: str = "float32",
        device: str = "auto",
        seed: int = 0,
        choices: Choices = (),
    ) -> None:
        if value_of(choices, "compilation") == "kept":
            keep_compiled()
        self.device = _device(device)
        self.wide = dtype == "float64"
        self.dtype = np.dtype(dtype)
        self.module: Any = _import_once(source)
        self._data: tuple[Any, dict[str, jax.Array]] | None = None
        self._jitted: dict[Any, Callable[..., Any]] = {}
        self._known: dict[Any, frozenset[str]] = {}  # the arguments of an emitted function
        steps = getattr(self.module, "train_steps", None)
        self._counts = steps is not None and "count" in inspect.signature(steps).parameters
        self._steps = 0
        rule = getattr(self.module, "optimizer", None)
        annotation = inspect.signature(rule).parameters["lr"].annotation if rule is not None else float
        self._many = annotation not in (float, "float")  # the emitted optimizer takes a rate for each group
        self.objectives = tuple(getattr(self.module, "OBJECTIVES", ()))
        make = self.module.Model.init
        self._given = ("key",) if "key" in inspect.signature(make).parameters else ()
        self._model: Any = None
        self._opt_state: Any = None
        with self._working():
            self.key = jax.random.key(seed)
            self._form = jax.eval_shape(make, *[self.key for _ in self._given])  # shapes alone: nothing is drawn yet
        places = [keys for keys, _ in jax.tree_util.tree_leaves_with_path(self._form)]
        self._paths = dict(zip(places, self.module.to_state(self._form), strict=True))

    @property
    def model(self) -> Any:
        """The emitted model; its own initialisation in one compiled call, unless a state was loaded."""
        if self._model is None:
            with self._working():
                self._model = jax.jit(self.module.Model.init)(*[self.key for _ in self._given])
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        self._model = model

    @property
    def opt_state(self) -> Any:
        """The state of the optimizer, zeros before the first step."""
        if self._opt_state is None and hasattr(self.module, "optimizer"):
            with self._working():
                form = self._optimizer_form()
                self._opt_state = jax.tree.map(lambda leaf: jax.device_put(np.zeros(leaf.shape, leaf.dtype)), form)
        return self._opt_state

    @opt_state.setter
    def opt_state(self, state: Any) -> None:
        self._opt_state = state

    def _optimizer_form(self) -> Any:
        rates: Any = _NO_RATES if self._many else 0.0
        if not self.objectives:
            return jax.eval_shape(self.module.optimizer(rates).init, self._form)
        return {k: jax.eval_shape(self.module.optimizer(rates, k).init, self._form) for k in self.objectives}

    @contextmanager
    def _working(self) -> Iterator[None]:
        """The precision and the device of this driver; what was set before is put back."""
        with jax.enable_x64(self.wide), jax.default_device(self.device), jax.default_matmul_precision("highest"):
            yield

    # ---------------------------------------------------------------- state

    def load(self, state: State) -> None:
        with self._working():
            held = self.module.to_state(self._form)
            require_same_names(set(state), set(held), "the state")
            for path, leaf in held.items():
                if tuple(state[path].shape) != leaf.shape:
                    raise ValueError(
                        f"the state: {path} has shape {tuple(state[path].shape)}, the model {tuple(leaf.shape)}"
                    )
            self.model = self.module.from_state(self._form, state)

    def state(self) -> dict[str, Array]:
        with self._working():
            return {path: np.array(leaf) for path, leaf in self.module.to_state(self.model).items()}

    def _trained(self, tree: Any, objective: int) -> dict[str, Any]:
        """The leaves of a tree of the model's form that some optimizer updates for an objective, by path."""
        found = self.module.to_state(tree)
        if not hasattr(self.module, "labels"):
            return {path: leaf for path, leaf in found.items() if not path.endswith(_BUFFERS)}
        given = self.objectives[objective : objective + 1]
        rules = self.module.to_state(self.module.labels(self._form, *given))
        return {path: leaf for path, leaf in found.items() if rules[path] != "frozen"}

    def optimizer_state(self) -> dict[str, Array]:
        found: dict[str, Array] = {"step": np.array(self._steps, dtype=np.int64)}
        with self._working():
            for name, leaf in self._slots():
                if name is not None:
                    found[name] = np.array(leaf)
        return found

    def load_optimizer(self, state: State) -> None:
        self._steps = int(state["step"])
        with self._working():
            leaves = []
            for name, leaf in self._slots():
                if name is None:
                    leaves.append(jnp.array(self._steps, leaf.dtype))
                else:  # a run that has not stepped yet has no slots: they start from zero
                    leaves.append(jnp.array(state[name], leaf.dtype) if name in state else jnp.zeros_like(leaf))
            self.opt_state = jax.tree.unflatten(jax.tree.structure(self.opt_state), leaves)

    def _slots(self) -> list[tuple[str | None, jax.Array]]:
        """Every leaf of the optimizer's state with its name; None for counts of steps."""
        found: list[tuple[str | None, jax.Array]] = []
        for keys, leaf in jax.tree_util.tree_leaves_with_path(self.opt_state):
            found.append((self._slot_name(keys), leaf))
        return found

    def _slot_name(self, keys: tuple[Any, ...]) -> str | None:
        """`conv1.weight/exp_avg` for a leaf of an optax state; None for a count of steps."""
        holder = self.opt_state
        for depth, key in enumerate(keys):
            if isinstance(key, jax.tree_util.GetAttrKey):
                slot = SLOTS.get(f"{type(holder).__name__}.{key.name}")
                if slot is not None:
                    return f"{self._paths[keys[depth + 1 :]]}/{slot}"
                if key.name in ("count", "steps"):
                    return None
            holder = _child(holder, key)
        raise AssertionError(f"an optimizer state of unknown form: {jax.tree_util.keystr(keys)}")

    # ---------------------------------------------------------------- running

    def outputs(self, batch: State, *, training: bool = False) -> dict[str, Array]:
        with self._working():
            function = self._jit("outputs", static=("training",))
            found = self._call(function, self.model, self._batch(batch), training=training, key=self._key(1))
            return {name: np.array(value) for name, value in found.items()}

    def gradients(self, batch: State, *, step: int = 1, objective: int = 0) -> tuple[float, dict[str, Array]]:
        with self._working():
            given = self._batch(batch)
            named = {"objective": self.objectives[objective]} if self.objectives else {}
            found = self._call(self.module.gradients, self.model, given, step=step, key=self._key(step), **named)
            value, grads, *after = found
            if after:
                self.model = after[0]
            return float(value), {path: np.array(g) for path, g in self._trained(grads, objective).items()}

    def update(self, gradients: State, lr: tuple[float, ...], objective: int = 0) -> None:
        self._steps += objective == max(len(self.objectives) - 1, 0)
        with self._working():
            held = self.module.to_state(self._form)
            full = {p: gradients[p] if p in gradients else np.zeros(leaf.shape) for p, leaf in held.items()}
            grads = self.module.from_state(self._form, full)
            named = {"objective": self.objectives[objective]} if self.objectives else {}
            function = self._jit("update", static=("objective",))
            self.model, self.opt_state = function(self.model, self.opt_state, grads, self._rates(lr), **named)

    def train_steps(self, data: State, order: Array, lr: Array, *, first_step: int) -> Array:
        with self._working():
            held = self._held(data)
            count = len(order)
            if not self._many:
                lr = lr[:, 0] if lr.ndim > 1 else lr
            convert = _padded if self._counts else np.asarray
            rows, rates = convert(order, np.int32), convert(lr, self.dtype)
            state = (self.model, self.opt_state, held, rows, rates)
            found = self._call(self.module.train_steps, *state, key=self.key, first_step=first_step, count=count)
            self.model, self.opt_state, losses = found
        self._steps += count
        return np.asarray(losses, dtype=np.float64)[:count]

    def evaluate(self, batch: State) -> tuple[float, dict[str, float]]:
        with self._working():
            given = self._batch(batch)
            value, metrics = self._call(self.module.evaluate, self.model, given, key=self._key(1))
            return float(value), {name: float(m) for name, m in metrics.items()}

    def _call(self, function: Callable[..., Any], *positional: Any, **named: Any) -> Any:
        """A call with those of the named arguments that the emitted function has: keys, steps, the training flag."""
        if function not in self._known:  # looking costs more than a small step
            self._known[function] = frozenset(inspect.signature(function).parameters)
        known = self._known[function]
        return function(*positional, **{name: value for name, value in named.items() if name in known})

    def _jit(self, name: str, static: tuple[str, ...] = ()) -> Callable[..., Any]:
        if name not in self._jitted:
            function = getattr(self.module, name)
            has = tuple(s for s in static if s in inspect.signature(function).parameters)
            self._jitted[name] = jax.jit(function, static_argnames=has)
        return self._jitted[name]

    def _key(self, step: int) -> jax.Array:
        """The key of a step: a function of the seed and the step alone."""
        return jax.random.fold_in(self.key, step)

    def _rates(self, lr: tuple[float, ...]) -> jax.Array:
        return jnp.asarray(lr if self._many else lr[0], self.dtype)

    # ---------------------------------------------------------------- data

    def _held(self, data: State) -> dict[str, jax.Array]:
        """The data set on the device, moved once as long as the same arrays come."""
        key = tuple((name, id(array)) for name, array in data.items())
        if self._data is None or self._data[0] != key:
            self._data = key, self._batch(data)
        return self._data[1]

    def _batch(self, batch: Mapping[str, Array]) -> dict[str, jax.Array]:
        return {name: self._array(array) for name, array in batch.items()}

    def _array(self, array: Array) -> jax.Array:
        array = np.asarray(array)
        if array.dtype.kind == "f":
            return jnp.asarray(array, self.dtype)
        return jnp.asarray(array, jnp.int32 if array.dtype == np.int64 and not self.wide else None)


_BUFFERS = (".running_mean", ".running_var")
_MODULES: dict[bytes, Any] = {}  # by text


def _import_once(source: Path) -> Any:
    """The module of an emitted file, the same for the same text: emitted JAX modules hold no state of a driver."""
    text = source.read_bytes()
    if text not in _MODULES:
        with _classes_apart() if _MODULES else nullcontext():
            _MODULES[text] = import_file(source)
    return _MODULES[text]


@contextmanager
def _classes_apart() -> Iterator[None]:
    """Registers the dataclasses of a module so that their trees differ from those of every other module.

    JAX 0.10 compares trees of dataclasses by the names of their fields, not by their class. Two models with equal
    names in one process then meet in its caches, about once in a hundred pairs, and what was traced for one comes
    back with the classes of the other. A node with functions of its own is compared by its class; flattening it takes
    microseconds longer, which the only module of a process need not pay.
    """
    register = jax.tree_util.register_dataclass
    jax.tree_util.register_dataclass = _register_apart  # type: ignore[assignment]
    try:
        yield
    finally:
        jax.tree_util.register_dataclass = register


def _register_apart(cls: Any) -> Any:
    data = [f.name for f in dataclasses.fields(cls) if not f.metadata.get("static")]
    static = [f.name for f in dataclasses.fields(cls) if f.metadata.get("static")]
    keys = [jax.tree_util.GetAttrKey(name) for name in data]

    def flatten(tree: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(getattr(tree, name) for name in data), tuple(getattr(tree, name) for name in static)

    def flatten_with_keys(tree: Any) -> tuple[tuple[tuple[Any, Any], ...], tuple[Any, ...]]:
        children, fixed = flatten(tree)
        return tuple(zip(keys, children, strict=True)), fixed

    def unflatten(fixed: tuple[Any, ...], children: Iterable[Any]) -> Any:
        return cls(**dict(zip(data, children, strict=True)), **dict(zip(static, fixed, strict=True)))

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


class _NoRates:
    """A rate of 0 for every group: the form of an optimizer's state does not depend on its rates."""

    def __getitem__(self, group: int) -> float:
        return 0.0


_NO_RATES = _NoRates()


def _padded(rows: Array, dtype: Any) -> Array:
    """Rows up to a power of two, 64 at least: chunks of any length meet few shapes, so little is compiled."""
    length = max(64, 1 << (len(rows) - 1).bit_length())
    found = np.zeros((length, *rows.shape[1:]), dtype)
    found[: len(rows)] = rows
    return found


def _child(holder: Any, key: Any) -> Any:
    if isinstance(key, jax.tree_util.GetAttrKey):
        return getattr(holder, key.name)
    if isinstance(key, jax.tree_util.SequenceKey):
        return holder[key.idx]
    return holder[key.key]


def _device(name: str) -> jax.Device:
    """A JAX device by name: `auto` takes the first of the fastest kind; OSError where there is none of a kind."""
    if name == "auto":
        return jax.devices()[0]
    kind, _, number = name.partition(":")
    try:
        devices = jax.devices({"gpu": "cuda"}.get(kind, kind))
        return devices[int(number or 0)]
    except (RuntimeError, IndexError, ValueError) as error:
        raise OSError(
            f"device {name}: this JAX sees {', '.join(sorted({d.platform for d in jax.devices()}))}"
        ) from error


def automatic_device() -> str:
    """The kind of device that `auto` comes to: "cpu", "cuda" or another platform of JAX."""
    platform = _device("auto").platform
    return "cuda" if platform == "gpu" else str(platform)
