"""A run's curves for TensorBoard."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from asr_cli.train.events import Event, Started, Stepped, Validated

FOLDER = "tensorboard"


def shown_on_board(events: Iterable[Event], out: Path) -> Iterator[Event]:
    """The same events; what can be drawn is written to files on the way."""
    writer = None
    try:
        for event in events:
            if isinstance(event, Started):
                from torch.utils.tensorboard import SummaryWriter

                # What an interrupted run drew beyond its state is drawn again.
                writer = SummaryWriter(str(out / FOLDER), purge_step=event.step + 1)
            if writer is not None:
                for name, value, step in values(event):
                    writer.add_scalar(name, value, step)
            yield event
    finally:  # how a run went that ended with an error is asked for most
        if writer is not None:
            writer.close()


def values(event: Event) -> Iterator[tuple[str, float, int]]:
    if isinstance(event, Stepped) and not event.is_skipped:
        yield "train/loss", event.loss, event.step
        yield "train/learning rate", event.learning_rate, event.step
        yield "train/gradient", event.gradient, event.step
        for name, value in event.parts.items():
            yield f"train/{name}", value, event.step
    if isinstance(event, Validated):
        yield "valid/loss", event.loss, event.step
        yield f"valid/{event.metric}", event.rate, event.step
        for name, value in event.parts.items():
            yield f"valid/{name}", value, event.step
