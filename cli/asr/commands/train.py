"""asr train: a model from data."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

MODEL, MACHINE = "Model", "Machine"


@app.command()
def train(
    config: Annotated[
        str | None,
        typer.Argument(
            metavar="CONFIG",
            help="A recipe's name (paraformer-tiny) or a YAML file: the model as FunASR has it, and a section train.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        list[str],
        typer.Option(
            "--data", metavar="DIR|JSONL", help="What to learn from: Kaldi folders, JSON lists; text, for punctuation."
        ),
    ] = [],  # noqa: B006 - typer reads it
    valid: Annotated[
        list[str],
        typer.Option("--valid", metavar="DIR|JSONL", help="What to measure error rates on meanwhile."),
    ] = [],  # noqa: B006
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="The run's folder; given again, the run goes on."),
    ] = None,
    changes: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Another value for a setting: lr=0.001, model_conf.lsm_weight=0."
        ),
    ] = [],  # noqa: B006
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew: the run that is in the folder is removed.")
    ] = False,
    init_from: Annotated[
        str | None,
        typer.Option(metavar="NAME|DIR", help="Begin with the weights of this model.", rich_help_panel=MODEL),
    ] = None,
    freeze: Annotated[
        list[str],
        typer.Option(metavar="PART", help="Leave this part as it is: encoder.", rich_help_panel=MODEL),
    ] = [],  # noqa: B006
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="What chance begins with.", rich_help_panel=MODEL)
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="End after so many steps.", rich_help_panel=MODEL)
    ] = None,
    max_epochs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="End after the data was seen so often.", rich_help_panel=MODEL),
    ] = None,
    max_hours: Annotated[
        float | None, typer.Option(metavar="HOURS", help="End after this time.", rich_help_panel=MODEL)
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute.", rich_help_panel=MACHINE)
    ] = "auto",
    devices: Annotated[
        str, typer.Option(metavar="N|auto", help="How many GPUs, or processes on a processor.", rich_help_panel=MACHINE)
    ] = "1",
    nodes: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many machines share the work.", rich_help_panel=MACHINE)
    ] = 1,
    precision: Annotated[
        str,
        typer.Option(
            metavar="float32|bfloat16|float16", help="What products are computed in.", rich_help_panel=MACHINE
        ),
    ] = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="What happens as JSON lines on standard error.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> int:
    """Train a recogniser, a voice activity detector or a punctuation model, or fine-tune one.

    The run's folder holds all of it: state, logs, TensorBoard events, and in the end the folder model, which asr
    transcribe --model loads (--vad-model, --punc-model). Interrupted, the same command goes on where it was.
    """
    from asr.training import follow, require

    given = {"seed": seed, "max_steps": max_steps, "max_epochs": max_epochs, "max_hours": max_hours}
    changes = [*changes, *(f"train.{name}={value}" for name, value in given.items() if value is not None)]
    require(data=data, valid=valid, output=output)
    assert output is not None
    return follow(
        config, changes, data=data, valid=valid, out=output, init=init_from, freeze=freeze, overwrite=overwrite,
        device=device, devices=devices, nodes=nodes, precision=precision, as_json=as_json, quiet=quiet,
    )  # fmt: skip
