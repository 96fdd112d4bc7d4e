"""The static checker of `data { }` and `train { }`: keys, and the names that stand in their values."""

from __future__ import annotations

from nnspec.diagnostics import Label, Span
from nnspec.passes import keys
from nnspec.passes import resolve_tables as tables
from nnspec.passes.resolve_body import BodyChecker
from nnspec.passes.resolve_lost import poison
from nnspec.passes.resolve_scope import A_KIND, ANY, BOOL, LIST, NUMBER, STRING, TENSOR, Known, Names
from nnspec.suggest import did_you_mean, nearest
from nnspec.syntax import nodes

_OF_OPTIMIZERS = {
    "lr": "the rate stands in the optimizer: optimizer = adam(1e-3)",
    "learning_rate": "the rate stands in the optimizer: optimizer = adam(1e-3)",
    "momentum": "it stands in the optimizer: optimizer = sgd(0.1, momentum = 0.9)",
    "weight_decay": "it stands in the optimizer: optimizer = adamw(1e-3, decay = 0.01)",
}
"""What other frameworks give to the training loop."""


class SettingsChecker(BodyChecker):
    """Checks the entries of one `data` or `train` block."""

    where = "train"
    unquoted = False  # whether a word without quotes was reported in this entry
    twice = False  # there is another block of this kind for the model: what one lacks the other may hold

    # ------------------------------------------------------------ keys

    def known_entries(
        self, block: nodes.Data | nodes.Train, table: dict[str, keys.Key], other: dict[str, keys.Key]
    ) -> list[nodes.Entry]:
        """The entries whose key is known and stands once."""
        word = "train" if isinstance(block, nodes.Train) else "data"
        other_word = "data" if word == "train" else "train"
        seen: dict[tuple[str, str], Span] = {}
        found: list[nodes.Entry] = []
        foreign = other.keys() - table.keys()
        merged = sum(e.key.id in foreign for e in block.entries) > 2  # the braces between two blocks are missing
        strays = 0
        for entry in block.entries:
            key = entry.key.id
            pattern = entry.pattern.value if entry.pattern is not None else ""
            if (key in other and self.lost.broken(block.span)) or (key in foreign and merged and strays):
                poison(self.program, entry)  # the brace between the blocks may be what is missing
            elif key not in table:
                help = f"it stands in {other_word} {{ ... }}" if key in other else did_you_mean(key, table)
                if word == "data" and key in keys.SOURCES:
                    help = f"a source is called: source = {keys.EXAMPLES[key]}"
                if word == "train":
                    help = _OF_OPTIMIZERS.get(key, help)
                strays += key in foreign
                help = help or f"{word} takes {', '.join(table)}"
                self.error("E0401", entry, f"unknown key {key} of {word}", help=help, span=entry.key.span)
            elif entry.pattern is not None and not table[key].pattern:
                allowed = ", ".join(k for k, v in table.items() if v.pattern)
                message = f'{key} takes no pattern: it cannot differ between parts as {key}("{pattern}") would say'
                self.error("E0402", entry, message, help=f"a pattern may follow {allowed}", span=entry.pattern.span)
            elif entry.pattern is not None and not pattern:
                self.error(
                    "E0402", entry, "an empty pattern matches nothing", help='"*" matches all', span=entry.pattern.span
                )
            elif (key, pattern) in seen:
                label = Label(seen[key, pattern], "first here")
                shown = f'{key}("{pattern}")' if pattern else key
                self.error("E0403", entry, f"{shown} is given twice", labels=(label,), span=entry.key.span)
            else:
                seen[key, pattern] = entry.key.span
                found.append(entry)
        return found

    # ------------------------------------------------------------ train

    def train(self, block: nodes.Train, names: Names, models: list[nodes.Model]) -> None:
        """`names` are what the model shows to `train`; see `resolve`."""
        self.where, self.place = "train", "model"
        self.around = tuple(m.span for m in models)
        entries = self.known_entries(block, keys.TRAIN_KEYS, keys.DATA_KEYS)
        given = {e.key.id: e for e in entries if e.pattern is None}
        if "epochs" in given and "steps" in given:
            label = Label(given["epochs"].key.span, "epochs here")
            help = "epochs counts passes over the training part, steps counts updates: leave one out"
            self.error("E0403", given["steps"], "epochs and steps are both given", labels=(label,), help=help)
        present = _meant(block.entries, keys.TRAIN_KEYS)
        self.word = _start(block.span, "train")
        if self.twice and "minimize" not in present:
            self.silence(block)
        if not ("minimize" in present or self.twice or self.lost.word(self.path, "minimize")):
            target = next(
                (s.name.id for m in models for s in m.body.statements if isinstance(s, nodes.Target)), "label"
            )
            output = next((s.name.id for m in models for s in m.body.statements if isinstance(s, nodes.Output)), "y")
            help = f"add a line such as minimize = mse({output}, {target})"
            self.error("E0404", block, "train does not say what to minimize", help=help, span=self.word)
        if "optimizer" not in present and not self.twice:
            self.lacks_optimizer(entries)
        elif "optimizer" not in {e.key.id for e in entries} and "minimize" in given:
            self.silence(given["minimize"].key)  # what was meant to be one is reported
        for entry in entries:
            self.train_entry(entry, names)

    def lacks_optimizer(self, entries: list[nodes.Entry]) -> None:
        first = next((e.key for e in entries if e.key.id == "minimize"), None)
        if first is not None and self.lost.word(self.path, "optimizer"):
            self.silence(first)
        elif first is not None:
            help = "add a line such as optimizer = sgd(0.1)"
            self.error("E0404", first, "train does not say which optimizer to use", help=help, span=self.word)

    def train_entry(self, entry: nodes.Entry, names: Names) -> None:
        key, value = entry.key.id, entry.value
        if id(value) in self.program.poisoned:
            return
        step = Names(names)
        step.known.update({"t": Known(NUMBER), "epoch": Known(NUMBER)})
        if key == "minimize":
            own = [name for name in step.known if names.find(name) is not None]
            for name in own:  # a tensor of the model called t is meant before the step
                del step.known[name]
            kind = self.kind(value, step)
            if kind not in (TENSOR, NUMBER, ANY) and (lacking := self.lacking(value)):
                self.error("E0209", value, lacking)
            elif kind not in (TENSOR, NUMBER, ANY):
                help = "as in minimize = cross_entropy(logits, label)"
                self.error("E0405", value, f"minimize is a number for each example, this is {A_KIND[kind]}", help=help)
        elif key == "optimizer":
            self.optimizer(value, step, entry)
        elif key == "metrics":
            self.metrics(value, names)
        elif key == "init":
            if not isinstance(value, nodes.String):
                self.initialiser(value, "init", names)
        elif key == "stop":
            self.one_of(value, keys.STOPS, "stop", names)
        else:
            self.plain(value, keys.TRAIN_KEYS[key], key, names)

    def optimizer(self, e: nodes.Expr, names: Names, entry: nodes.Entry) -> None:
        """`adam(lr)`, a `let` that names one, or `frozen` for a group."""
        name = _word(e)
        if name == "frozen" and isinstance(e, nodes.Name):
            if entry.pattern is None:
                message = "frozen is for a part: all of the model would stay as it is"
                help = 'optimizer = sgd(0.1) for the rest, then optimizer("conv*") = frozen for what is to stay'
                self.error("E0407", e, message, help=help)
            return
        if not name:
            kind = self.kind(e, names, free=True)
            if kind != ANY:
                help = f"one of {', '.join(tables.optimizer_names())}"
                self.error("E0407", e, f"optimizer takes an optimizer, this is {A_KIND[kind]}", help=help)
            return
        signature = tables.of_optimizer(name)
        if signature is None and self.look(name, names) is not None:
            self.kind(e, names, free=True)
            return
        if signature is None:
            known = tables.optimizer_names()
            words = (*known, "frozen") if entry.pattern is not None else known
            help = did_you_mean(name, words, f"known: {', '.join(words)}")
            if isinstance(e, nodes.Call):
                self.arguments(e, names, free=True)
            span = e.callee.span if isinstance(e, nodes.Call) else e.span
            message = f"unknown optimizer {name}"
            if name in tables.schedule_names():
                message, help = f"{name} is a schedule, not an optimizer", f"in place of a rate: sgd({name}(...))"
            self.error("E0406", e, message, help=help, span=span)
        elif isinstance(e, nodes.Call):
            self.rates(e, names)
            self.apply(e, signature, names, False)
        elif signature.required():
            missing = ", ".join(signature.required())
            self.error("E0209", e, f"{name} needs its {missing}", help=f"as in {signature.example()}")

    def rates(self, e: nodes.Call, names: Names) -> None:
        """Schedules stand in place of numbers: each is checked here, where its name means one."""
        for argument in e.arguments:
            value = argument.value
            name = _word(value)
            if not name or names.find(name) is not None:
                continue
            signature = tables.of_schedule(name)
            if signature is not None and isinstance(value, nodes.Name):
                missing = " and ".join(signature.required())
                self.error("E0209", value, f"{name} needs its {missing}", help=f"as in {signature.example()}")
                self.kinds[id(value)] = ANY
            if signature is not None and isinstance(value, nodes.Call):
                self.rates(value, names)
                self.kinds[id(value)] = ANY
                self.apply(value, signature, names, False)
            elif isinstance(value, nodes.Call) and self.signature(name) is None and self.look(name, names) is None:
                if name in tables.NUMERIC:
                    continue
                self.arguments(value, names, free=True)
                known = tables.schedule_names()
                help = did_you_mean(name, known, f"schedules: {', '.join(known)}")
                self.error("E0408", value, f"unknown schedule {name}", help=help, span=value.callee.span)
                self.kinds[id(value)] = ANY

    def metrics(self, e: nodes.Expr, names: Names) -> None:
        items = e.items if isinstance(e, nodes.List) else (e,)
        for item in items:
            name = _word(item)
            if not name:
                self.error(
                    "E0409", item, "a metric is a name or a call", help=f"known: {', '.join(tables.metric_names())}"
                )
            elif name not in tables.metric_names() and self.look(name, names) is None and tables.of_op(name) is None:
                known = tables.metric_names()
                help = did_you_mean(name, known, f"known: {', '.join(known)}")
                span = item.callee.span if isinstance(item, nodes.Call) else item.span
                self.error("E0409", item, f"unknown metric {name}", help=help, span=span)
            elif isinstance(item, nodes.Call):
                self.arguments(item, names)

    def one_of(self, e: nodes.Expr, known: tuple[str, ...], key: str, names: Names) -> None:
        """A call of one of a few names."""
        name = _word(e)
        if isinstance(e, nodes.Call) and name in known:
            self.arguments(e, names, free=True)
            return
        shown = f"{key} is {' or '.join(f'{k}(...)' for k in known)}"
        if isinstance(e, nodes.Call):
            self.error("E0405", e, f"{key} cannot be {name}", help=did_you_mean(name, known, shown), span=e.callee.span)
        elif not isinstance(e, nodes.Name) or self.look(name, names) is None:
            self.error("E0405", e, shown, help=f"as in {key} = {known[0]}(...)")

    def plain(self, e: nodes.Expr, key: keys.Key, name: str, names: Names) -> None:
        """A number, a bool or one of the key's own words."""
        if isinstance(e, nodes.Name) and self.look(e.id, names) is None:
            if e.id not in key.words:
                help = did_you_mean(e.id, (*key.words, *names.all_names(NUMBER)), _example(name, key))
                self.error("E0405", e, f"{name} takes {key.takes}, not {e.id}", help=help)
            return
        kind = self.kind(e, names)
        wanted = BOOL if key.takes == "true or false" else NUMBER
        if kind not in (ANY, wanted) and (key.takes.startswith("a number") or wanted == BOOL):
            self.error("E0405", e, f"{name} takes {key.takes}, this is {A_KIND[kind]}")
        elif name == "precision" and kind != ANY:
            self.error(
                "E0405",
                e,
                f"precision takes {key.takes}, this is {A_KIND[kind]}",
                help="without quotes: precision = float64",
            )

    # ------------------------------------------------------------ data

    def data(self, block: nodes.Data) -> None:
        """`data` sees the `let`s of its file; words and column names are checked where the data is read."""
        self.where, self.place = "data", "model"
        entries = self.known_entries(block, keys.DATA_KEYS, keys.TRAIN_KEYS)
        names = Names()
        for entry in entries:
            key, value = entry.key.id, entry.value
            self.unquoted = False
            if id(value) in self.program.poisoned:
                continue
            if key in ("source", "train", "validation", "test"):
                self.source(value, key, names)
            elif key == "split":
                if isinstance(value, nodes.Call):
                    self.one_of(value, keys.SPLITS, "split", names)
                else:
                    self.expect(value, names, (LIST,), "split", free=True, help="as in split = [0.8, 0.1, 0.1]")
            elif key == "normalize":
                self.normalize(value, names)
            elif key == "augment":
                self.augment(value, names)
            else:
                self.plain(value, keys.DATA_KEYS[key], key, names)
        given = _meant(block.entries, keys.DATA_KEYS)
        if not (given & {"source", "train", *keys.SOURCES} or self.twice or self.lost.word(self.path, "source")):
            span = _start(block.span, "data")
            help = 'add a line such as source = csv("file.csv")'
            self.error("E0404", block, "data does not say where examples come from", help=help, span=span)

    def augment(self, e: nodes.Expr, names: Names) -> None:
        """A list of augmentations: which there are is for `nnspec.data` to say."""
        items = e.items if isinstance(e, nodes.List) else ()
        if not isinstance(e, nodes.List):
            self.expect(e, names, (LIST,), "augment", help="as in augment = [flip, crop(4)]")
        for item in items:
            if isinstance(item, nodes.Call):
                self.arguments(item, names, free=True)

    def source(self, e: nodes.Expr, key: str, names: Names) -> None:
        name = _word(e)
        if isinstance(e, nodes.Call) and name in keys.SOURCES:
            for argument in e.arguments:
                value = argument.value
                if not (isinstance(value, nodes.Name) and value.id in keys.WORDS_OF_SOURCES):
                    self.kind(value, names, free=True)
        elif isinstance(e, nodes.Call):
            help = did_you_mean(name, keys.SOURCES, f"known: {', '.join(keys.SOURCES)}")
            self.error("E0523", e, f"unknown source {name}", help=help, span=e.callee.span)
        elif not isinstance(e, nodes.Name) or self.look(name, names) is None:
            kind = STRING if isinstance(e, nodes.String) else ANY
            if name in keys.SOURCES:
                self.error("E0523", e, f"{name} does not say what to read", help=f"as in {keys.EXAMPLES[name]}")
                return
            help = (
                f'csv("{e.value}") reads a csv file'
                if isinstance(e, nodes.String)
                else 'as in csv("file.csv") or sklearn("digits")'
            )
            self.error(
                "E0523", e, f"{key} is a source, " + (f"this is {A_KIND[kind]}" if kind != ANY else "a call"), help=help
            )

    def normalize(self, e: nodes.Expr, names: Names) -> None:
        words = keys.DATA_KEYS["normalize"].words
        if isinstance(e, nodes.Name) and self.look(e.id, names) is None:
            if e.id not in words:
                help = did_you_mean(e.id, words, "standard, minmax or [mean, std]")
                self.error("E0405", e, f"normalize cannot be {e.id}", help=help)
            return
        kind = self.kind(e, names, free=True)
        if kind not in (ANY, LIST):
            self.error("E0405", e, f"normalize takes standard, minmax or [mean, std], this is {A_KIND[kind]}")

    # ------------------------------------------------------------ names that train cannot see

    def unknown_name(self, e: nodes.Name, names: Names, step: bool) -> str:
        if self.lost.may_hold(self.path, e.id):
            return self.silence(e)
        if self.where == "data":
            lets = self.program.names(self.path, nodes.Let)
            help = did_you_mean(
                e.id,
                [*lets, *(keys.WORDS_OF_SOURCES if self.where == "data" else ())],
                f'names of files, columns and data sets stand in quotes: "{e.id}"',
            )
            if self.unquoted and not help.startswith("did"):
                return self.silence(e)  # words of one call, of which the first is reported
            self.unquoted = True
            return self.error("E0201", e, f"unknown name {e.id}", help=help)
        if (gone := names.left_behind(e.id)) is not None:
            label = Label(gone, "inside these braces")
            return self.error("E0206", e, f"{e.id} is not known outside the braces that made it", labels=(label,))
        known = [n for n in names.all_names() if n not in ("t", "epoch")]
        help = did_you_mean(e.id, known + self.program.names(self.path, nodes.Let) + list(tables.SELECTIONS))
        if self.far(help) or (e.id in self.lost.unknown and not help):
            return self.silence(e)
        seen = f"train sees {', '.join(known[:12])}; " if known else ""
        help = help or f"{seen}declare it in the model, as in target {e.id}: ..., or above it, as in let {e.id} = ..."
        return self.error("E0414", e, f"train cannot see {e.id}", help=help)


def _start(span: Span, word: str) -> Span:
    """The word that a block begins with."""
    return Span(span.path, span.line, span.column, span.line, span.column + len(word))


def _meant(entries: tuple[nodes.Entry, ...], table: dict[str, keys.Key]) -> set[str]:
    """The keys of a block, and those that misspelt ones are reported to mean: they are not missing as well."""
    unknown = [e.key.id for e in entries if e.key.id not in table]
    return {e.key.id for e in entries}.union(*(nearest(key, table) for key in unknown))


def _example(name: str, key: keys.Key) -> str:
    """How a key is given a number or a truth value."""
    values = {"clip_norm": "1.0", "clip_value": "0.5", "ema": "0.999", "seed": "0", "shift": "1", "shuffle": "false"}
    return f"as in {name} = {values.get(name, key.words[0] if key.words else '8')}"


def _word(e: nodes.Expr) -> str:
    """The name of a bare word or of a call."""
    while isinstance(e, nodes.Paren):
        e = e.value
    return e.id if isinstance(e, nodes.Name) else e.callee.id if isinstance(e, nodes.Call) else ""
