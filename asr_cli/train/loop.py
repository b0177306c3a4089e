"""The training loop: the whole journey from a run to a model.

Everything random is drawn from the run's seed and the number of the step, the epoch or the utterance, so a run that was
interrupted at any moment goes on as if it had not been.
"""

import logging
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch

from asr_cli.errors import AsrError, InputError, ModelError, OutputError, UsageError
from asr_cli.train import state
from asr_cli.train.architecture import tell_strangers
from asr_cli.train.average import Kept, average, keep, tidy
from asr_cli.train.config import Run
from asr_cli.train.data.batches import Order, divide
from asr_cli.train.data.corpus import loader
from asr_cli.train.data.lists import Skipped, add_skipped, read_skipped
from asr_cli.train.devices import is_first, make_fabric, require_packages, together
from asr_cli.train.events import Event, Finished, Saved, Started, Stepped, Validated
from asr_cli.train.lock import alone_in
from asr_cli.train.optimizer import freeze, learning_rate
from asr_cli.train.prepare import Prepared, prepare, read_prepared
from asr_cli.train.progress import Limits, Progress
from asr_cli.train.run_folder import BEST, LOG, MODEL, SKIPPED, STATE, refuse_strangers, writing
from asr_cli.train.steps import Stepper
from asr_cli.train.task import Delivered
from asr_cli.train.validate import Verdict, validate

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger("asr")

STOPPED = "stopped"


def train(run: Run, *, stop: threading.Event | None = None) -> Iterator[Event]:
    """Train, or go on; what happens is told on the first process only, the others are silent.

    stop: when it is set, the step in hand is finished and the state saved.
    """
    require_packages()
    fabric = make_fabric(run)
    with ExitStack() as stack:
        if is_first():
            with writing(run.out):
                refuse_strangers(run.out)
                run.out.mkdir(parents=True, exist_ok=True)
                # What another one is at work on is neither begun anew nor gone on with.
                stack.enter_context(alone_in(run.out))
                prepare(run)
            tell_strangers(run.recipe)
        fabric.launch()
        fabric.barrier()
        trainer = Trainer(run, fabric, read_prepared(run), stop or threading.Event())
        with together(fabric.world_size):
            for event in trainer.run():
                if fabric.is_global_zero:
                    yield event


class Trainer:
    """One run on one process."""

    log: state.Log | None = None

    def __init__(self, run: Run, fabric: "Fabric", prepared: Prepared, stop: threading.Event) -> None:
        self.out, self.config, self.fabric, self.prepared = run.out, run.recipe.train, fabric, prepared
        self.stop, self.material = stop, prepared.material
        torch.manual_seed(self.config.seed)
        self.task = self.material.build()
        self.items, self.valid_items = (self.material.items(one) for one in (prepared.train, prepared.valid))
        freeze(self.task.net, run.freeze)
        self.stepper = Stepper(fabric, self.task, self.config, self.spare)
        self.progress = Progress()
        self.told = read_skipped(self.out / SKIPPED)
        sizes = [one.size for one in self.items]
        config = self.config
        self.order = Order(sizes, self.material.batch_size, config.seed, fabric.world_size, config.accumulate)
        self.limits = Limits(config, self.order, len(self.order.steps(0)))
        self.metric = self.material.metric(self.valid_items)
        self.valid = self.valid_batches()

    def run(self) -> Iterator[Event]:
        self.resume()
        yield self.started()
        if self.fabric.is_global_zero:
            self.log = state.Log(self.out / LOG, self.progress.step)
        why = self.limits.reached(self.progress, len(self.order.steps(self.progress.epoch)))
        if not why:
            why = yield from self.learn()
        if why != STOPPED and self.progress.validated != self.progress.step:  # it was stopped there before
            yield self.validate()
            yield self.save()
        if self.log is not None:
            self.log.close()
        if why == STOPPED:
            rate = self.progress.kept[0].rate if self.progress.kept else None
            yield Finished(self.progress.step, why, None, rate, self.metric, 0, self.material.use)
        else:
            yield self.finish(why)

    def learn(self) -> Generator[Event, None, str]:
        """Steps until it is over; gives why."""
        progress, config = self.progress, self.config
        began = time.monotonic() - progress.elapsed
        n_steps = len(self.order.steps(progress.epoch))
        batches = self.train_batches()
        saved = progress.step
        why = ""
        while not why:
            if progress.position == n_steps:
                progress.epoch, progress.position = progress.epoch + 1, 0
                n_steps = len(self.order.steps(progress.epoch))
            stepped, asked = self.step(list(islice(batches, config.accumulate)), began)
            yield stepped
            why = STOPPED if asked else self.limits.reached(progress, n_steps)
            is_due = progress.step % config.validate_every == 0
            if is_due or (why and not asked):
                yield self.validate()
                why = why or self.limits.reached(progress, n_steps)
            if is_due or why or progress.step - saved >= config.save_every:
                yield self.save()
                saved = progress.step
        return why

    def step(self, delivered: Sequence[Delivered], began: float) -> tuple[Stepped, bool]:
        """One step, and whether somebody asked to stop."""
        progress, config = self.progress, self.config
        self.tell([skipped for one in delivered for skipped in one.skipped])
        progress.step += 1
        progress.position += 1
        rate = learning_rate(progress.step, config, self.limits.steps)
        found = self.stepper.step(
            progress.step, rate, delivered, stop=self.stop.is_set(), clock=lambda: time.monotonic() - began
        )
        progress.streak = 0 if found.is_usable else progress.streak + 1
        progress.elapsed = found.elapsed
        parts = dict(found.means)
        stepped = Stepped(
            step=progress.step, epoch=progress.epoch, loss=parts.pop("loss", float("nan")), parts=parts,
            learning_rate=rate, gradient=found.gradient, audio=found.audio, elapsed=progress.elapsed,
            left=self.limits.left(progress), total_steps=self.limits.steps, is_skipped=not found.is_usable,
        )  # fmt: skip
        self.note(stepped)
        if progress.streak >= config.longest_streak:
            raise self.no_way_on([key for one in delivered for key in one.keys])
        return stepped, found.asked

    def no_way_on(self, keys: Sequence[str]) -> AsrError:
        steps = f"{self.progress.streak} steps in a row"
        if not keys:
            return InputError(f"nothing of {steps} could be read; see {str(self.out / SKIPPED)!r}")
        saved = ": the state of before is saved" if (self.out / STATE).is_file() else ""
        return AsrError(
            f"the gradients of {steps} were no numbers, the last ones on {', '.join(keys[:5])}; look at those"
            f" recordings, or begin anew with --overwrite and a lower train.lr{saved}"
        )

    def tell(self, skipped: Sequence[Skipped]) -> None:
        """Once of each recording that turns out to be of no use."""
        new = list({one.key: one for one in skipped if one.key not in self.told}.values())
        for one in new:
            log.warning("%s is left out: %s", one.key, one.why, extra={"code": "W-SKIPPED"})
        if new:
            self.told.update(one.key for one in new)
            with state.kept(self.out / SKIPPED):
                add_skipped(self.out / SKIPPED, new)

    def note(self, one: Stepped) -> None:
        if self.log is not None:
            self.log.write(
                {"step": one.step, "epoch": one.epoch, "loss": one.loss, **one.parts, "lr": one.learning_rate,
                 "gradient": one.gradient, "audio": round(one.audio, 2), "elapsed": round(one.elapsed, 3)}
            )  # fmt: skip

    def validate(self) -> Validated:
        """Measure the weights, or their running average, and keep them if they are among the best."""
        net, ema, progress = self.task.net, self.stepper.ema, self.progress
        progress.validated = progress.step
        raw = {name: tensor.clone() for name, tensor in net.state_dict().items()} if ema else None
        if ema is not None:
            net.load_state_dict(ema.tensors)
        verdict = self.verdict()
        one = Kept(verdict.rate, verdict.loss, -progress.step)
        is_best = not progress.kept or one < progress.kept[0]
        progress.since_best = 0 if is_best else progress.since_best + 1
        tensors = net.state_dict() if self.fabric.is_global_zero else None
        with state.kept(self.out / BEST):
            progress.kept = keep(self.out / BEST, progress.kept, one, tensors, self.n_best)
        if raw is not None:
            net.load_state_dict(raw)
        if self.log is not None:
            self.log.write(
                {"step": progress.step, "valid_loss": verdict.loss, "rate": verdict.rate, **verdict.parts}
            )  # fmt: skip
        return Validated(progress.step, verdict.loss, verdict.rate, self.metric, verdict.parts, is_best, verdict.sample)

    @property
    def n_best(self) -> int:
        return 1 if self.stepper.ema is not None else self.config.average

    def verdict(self) -> Verdict:
        torch.manual_seed(self.config.seed)
        try:
            return validate(self.fabric, self.task, self.valid, self.material, self.tell)
        except ModelError as error:  # which speaks of weights that somebody else made
            raise AsrError(
                f"after step {self.progress.step} the model computes what is no number; lower train.lr, and begin anew"
                " with --overwrite"
            ) from error

    def save(self) -> Saved:
        path = self.out / STATE
        if self.fabric.is_global_zero:
            whole = {**self.stepper.state(), "progress": self.progress.as_state(), "together": self.together}
            state.save(path, whole)
            with state.kept(self.out / BEST):
                tidy(self.out / BEST, self.progress.kept)
        self.fabric.barrier()
        return Saved(self.progress.step, path)

    def resume(self) -> None:
        """Go on where the state file says, if there is one."""
        path = self.out / STATE
        if not path.is_file():
            return
        found = state.load(path)
        if found["together"] != self.together:
            raise UsageError(
                f"a step of {str(self.out)!r} has {found['together']} batches, and here it would have {self.together};"
                " use as many devices as before, or --overwrite to begin anew"
            )
        self.stepper.restore(found)
        self.progress = Progress.from_state(found["progress"])

    @property
    def together(self) -> int:
        """Batches of a step."""
        return self.order.world * self.order.accumulate

    def finish(self, why: str) -> Finished:
        """The mean of the best weights, or the best ones where those are better, as a folder."""
        kept = self.progress.kept
        tensors, rate, n_averaged = state.load(kept[0].path(self.out / BEST)), kept[0].rate, 1
        if len(kept) > 1:
            mean = average(one.path(self.out / BEST) for one in kept)
            self.task.net.load_state_dict(mean)
            verdict = self.verdict()
            if (verdict.rate, verdict.loss) <= (kept[0].rate, kept[0].loss):
                tensors, rate, n_averaged = mean, verdict.rate, len(kept)
        folder = self.out / MODEL
        if self.fabric.is_global_zero:
            try:
                self.material.write(self.task, folder, tensors)
            except OutputError as error:
                raise OutputError(f"{error}; what was learned is saved, and the same command writes it") from error
        self.fabric.barrier()
        return Finished(self.progress.step, why, folder, rate, self.metric, n_averaged, self.material.use)

    def started(self) -> Started:
        prepared, fabric = self.prepared, self.fabric
        name = torch.cuda.get_device_name(fabric.device) if fabric.device.type == "cuda" else str(fabric.device)
        return Started(
            step=self.progress.step, n_utterances=len(self.items), unit=self.material.unit,
            n_valid=len(self.valid_items), n_skipped=prepared.n_skipped,
            seconds=sum(one.seconds for one in self.items), n_tokens=self.material.n_tokens,
            n_parameters=sum(one.numel() for one in self.task.net.parameters() if one.requires_grad),
            device=name, n_processes=fabric.world_size,
        )  # fmt: skip

    def spare(self) -> Any:
        """A batch of one, of the first that can be read."""
        corpus = self.material.corpus(self.task, self.items, by_chance=False)
        for index in range(len(self.items)):
            one = corpus[0, index]
            if not isinstance(one, Skipped):
                return self.task.collate([one])
        raise InputError("nothing of the data can be read any more; look whether it is still there")

    def train_batches(self) -> Iterator[Delivered]:
        """From where the run stands, for ever."""
        corpus = self.material.corpus(self.task, self.items, by_chance=True)
        places = self.order.walk(self.progress.epoch, self.progress.position, self.fabric.global_rank)
        return iter(loader(corpus, Walk(places), self.task.collate, self.config.workers))

    def valid_batches(self) -> Any:
        """The largest first: if they do not fit, that is known at once."""
        sizes = [one.size for one in self.valid_items]
        order = sorted(range(len(sizes)), key=lambda i: sizes[i])
        batches = divide(sizes, order, self.material.batch_size)[::-1]
        mine = batches[self.fabric.global_rank :: self.fabric.world_size]
        places = [[(0, index) for index in batch] for batch in mine]
        corpus = self.material.corpus(self.task, self.valid_items, by_chance=False)
        return loader(corpus, places, self.task.collate, self.config.workers)


class Walk:
    """Batches for a loader, which walks through them once."""

    def __init__(self, places: Iterator[list[tuple[int, int]]]) -> None:
        self.places = places

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return self.places
