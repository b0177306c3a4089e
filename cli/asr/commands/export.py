"""asr export: a model for other programs."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command()
def export(
    model: Annotated[str, typer.Argument(metavar="NAME|DIR", help="A Paraformer or an FSMN-VAD (asr models).")],
    onnx: Annotated[bool, typer.Option("--onnx", help="As ONNX, checked beside the original.")] = False,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write.")] = Path(),
    int8: Annotated[bool, typer.Option("--int8", help="Also with weights of 8 bits.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """Write a model in a form that other programs run: onnxruntime, sherpa-onnx, FunASR's runtimes."""
    from asr_cli.errors import UsageError

    if not onnx:
        raise UsageError("say what to export to: --onnx")
    from asr.shelving import asked
    from asr_cli.export import export as export_model

    for path in export_model(model, output, int8=int8, model_dir=asked().model_dir):
        print(path)
