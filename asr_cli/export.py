"""Models as ONNX files, with the inputs and outputs of FunASR's own export: what runs that runs these.

sherpa-onnx finds what it wants to know of a Paraformer in the file's metadata and in tokens.txt.
"""

import importlib.util
import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from asr_cli import catalog, registry
from asr_cli.errors import DependencyError, ModelError, OutputError, UsageError
from asr_cli.models import paraformer_folder
from asr_cli.models.folder import CONFIGS, find_file, read_yaml
from asr_cli.models.fsmn_vad import FsmnVadNet
from asr_cli.models.graphs import ParaformerGraph, VadGraph
from asr_cli.models.paraformer import SeacoParaformer
from asr_cli.models.paraformer_contextual import ContextualParaformer
from asr_cli.models.paraformer_streaming import StreamingParaformer
from asr_cli.nn.rows import Rows
from asr_cli.vad.weights import read_folder as read_vad
from asr_cli.vad.weights import read_own

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPSET = 17
N_CHECKED = 83  # frames of the input that the file is tried with: as odd as any
TOLERANCE = 1e-3  # of what comes out, beside torch
NO_HOTWORDS = (
    "is a Paraformer that takes hotwords, for which ONNX has no agreed form; export the plain Paraformer or the one"
    " with times"
)


def export(name: str, out: Path, *, int8: bool = False, model_dir: Path | None = None) -> Iterator[Path]:
    """Write the ONNX files of a model, by its name or folder, into `out`; yield each once it is checked."""
    require_onnx()
    folder = registry.folder_named(name) or here(catalog.find(name, model_dir))
    if folder is not None and not is_vad_folder(folder):
        return export_paraformer(folder, out, int8=int8)
    if int8:
        raise UsageError("a VAD is too small to gain from 8 bits; leave --int8 out")
    return export_vad(read_vad(folder).net if folder else read_own()[0], out)


def here(entry: catalog.Entry) -> Path | None:
    """The folder of a known model; none for the VAD that comes with the program."""
    card = entry.card
    if card.kind != "vad" and entry.backend != "paraformer":
        raise ModelError(f"model {card.name!r} cannot be exported; FSMN-VAD and Paraformer can")
    if card.hotwords:
        raise ModelError(f"model {card.name!r} {NO_HOTWORDS}")
    if entry.folder is None and not card.bundled:
        raise ModelError(f"model {card.name!r} is not on this machine; pull it first: asr models pull {card.name}")
    return entry.folder


def is_vad_folder(folder: Path) -> bool:
    config = find_file(folder, CONFIGS)
    return config is not None and str(read_yaml(config).get("encoder", "")).lower() == "fsmn"


def export_paraformer(folder: Path, out: Path, *, int8: bool = False) -> Iterator[Path]:
    """Write model.onnx and tokens.txt (and model.int8.onnx), which are yielded as they are ready."""
    checkpoint = paraformer_folder.read_folder(folder)
    if isinstance(checkpoint.net, SeacoParaformer | ContextualParaformer):
        raise ModelError(f"{str(folder)!r} {NO_HOTWORDS}")
    if isinstance(checkpoint.net, StreamingParaformer):
        raise ModelError(f"{str(folder)!r} is a streaming Paraformer, for which no graph is written here yet")
    n_features = checkpoint.net.config.n_features
    speech = noise(n_features)
    with torch.inference_mode():
        checkpoint.net(speech[0], Rows([N_CHECKED]))  # which refuses to compute what is no number; a graph cannot
    inputs = {"speech": speech, "speech_lengths": torch.tensor([N_CHECKED], dtype=torch.int32)}
    dynamic = {"speech": {1: "frames"}, "logits": {1: "tokens"}}
    frontend, cmvn = checkpoint.frontend, checkpoint.cmvn
    facts = {
        "model_type": "paraformer", "vocab_size": len(checkpoint.vocabulary), "lfr_window_size": frontend.lfr_m,
        "lfr_window_shift": frontend.lfr_n, "neg_mean": numbers(cmvn.shift), "inv_stddev": numbers(cmvn.scale),
        "version": 1, "model_author": "FunASR", "comment": "exported by asr",
    }  # fmt: skip
    graph = ParaformerGraph(checkpoint.net).eval()
    path = write(graph, inputs, ("logits", "token_num"), dynamic, out / "model.onnx", facts)
    yield path
    tokens = out / "tokens.txt"
    with unfinished(tokens) as part:
        lines = [f"{token} {index}\n" for index, token in enumerate(checkpoint.vocabulary.tokens)]
        part.write_text("".join(lines), encoding="utf-8")
    yield tokens
    if int8:
        yield quantize(path, out / "model.int8.onnx", inputs)


def noise(width: int) -> Tensor:
    return torch.randn(1, N_CHECKED, width, generator=torch.Generator().manual_seed(0))


def export_vad(net: FsmnVadNet, out: Path) -> Iterator[Path]:
    """Write vad.onnx; yield it once it is checked."""
    config = net.config
    caches = {
        f"in_cache{index}": torch.zeros(1, config.proj_dim, config.lorder - 1, 1) for index in range(config.fsmn_layers)
    }
    inputs = {"speech": noise(config.input_dim), **caches}
    names = ("logits", *(f"out_cache{index}" for index in range(config.fsmn_layers)))
    yield write(
        VadGraph(net).eval(), inputs, names, {"speech": {1: "frames"}, "logits": {1: "frames"}}, out / "vad.onnx"
    )


def require_onnx() -> None:
    missing = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise DependencyError(f"exporting needs {' and '.join(missing)}: pip install 'asr-cli[onnx]'")
    # Otherwise onnxruntime notes in the user's home what it is used for, as soon as it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


@torch.inference_mode()
def write(
    graph: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]],
    path: Path,
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Trace, save under another name, compare with torch on some lengths, and only then put it in its place."""
    with unfinished(path) as part:
        trace(graph, inputs, outputs, dynamic, part)
        describe(part, facts or {})
        for n_frames in (N_CHECKED, N_CHECKED // 3, 1):  # one frame hardly ever is a token
            compare(graph, shortened(inputs, n_frames), part)
    return path


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Another name beside it, which becomes its own if all goes well; otherwise nothing is left."""
    part = path.with_suffix(f".part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {str(path)!r}: {error.strerror or error}; choose another place with -o"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def trace(
    graph: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]],
    path: Path,
) -> None:
    with warnings.catch_warnings(action="ignore"):  # what the tracer notes of constants is checked below
        torch.onnx.export(
            graph, tuple(inputs.values()), path, input_names=list(inputs), output_names=list(outputs),
            dynamic_axes={name: dict(axes) for name, axes in dynamic.items()}, opset_version=OPSET, dynamo=False,
        )  # fmt: skip


def shortened(inputs: Mapping[str, Tensor], n_frames: int) -> dict[str, Tensor]:
    found = {name: tensor[:, :n_frames] if name == "speech" else tensor for name, tensor in inputs.items()}
    if "speech_lengths" in found:
        found["speech_lengths"] = torch.tensor([n_frames], dtype=torch.int32)
    return found


def compare(graph: nn.Module, inputs: Mapping[str, Tensor], path: Path) -> None:
    expected = graph(*inputs.values())
    found = run(path, {name: tensor.numpy() for name, tensor in inputs.items()})
    for ours, theirs in zip(expected, found, strict=True):
        worst = float(np.abs(ours.numpy() - theirs).max(initial=0)) if ours.shape == theirs.shape else float("inf")
        if not worst <= TOLERANCE:  # also what is no number
            raise ModelError(f"the exported network differs from the original by {worst:g}; nothing was written")


def run(path: Path, inputs: Mapping[str, "NDArray[np.generic]"]) -> "Sequence[NDArray[np.float32]]":
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: Sequence[NDArray[np.float32]] = session.run(None, dict(inputs))
    return found


def describe(path: Path, facts: Mapping[str, object]) -> None:
    import onnx

    model = onnx.load(path)
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(model, path)


def numbers(values: Iterable[float]) -> str:
    return ",".join(f"{float(value):.8g}" for value in values)


def quantize(source: Path, target: Path, inputs: Mapping[str, Tensor]) -> Path:
    """The same network with weights of 8 bits, which is tried once: it runs, and computes numbers."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with unfinished(target) as part:
        with silent_logging():  # the advice it gives is for other kinds of networks
            quantize_dynamic(
                source, part, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8
            )
        found = run(part, {name: tensor.numpy() for name, tensor in inputs.items()})
        if not all(np.isfinite(one).all() for one in found):
            raise ModelError(f"with 8 bits {str(source)!r} computes what is no number; leave --int8 out")
    return target


@contextmanager
def silent_logging() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
