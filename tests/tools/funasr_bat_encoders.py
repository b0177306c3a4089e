"""What FunASR's own encoders of BAT and RWKV-BAT give for small seeded weights, written to tests/golden.

usage: FUNASR_PYTHON -m tests.tools.funasr_bat_encoders    (with funasr==1.4.16, from the root; takes half a minute)
"""

import json
from pathlib import Path

import numpy as np
import torch

from tests.tools.small_encoders import CHUNK, CONFIGS, LEFT, LENGTHS, N_FEATURES, features, seeded

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def main() -> None:
    torch.set_num_threads(1)
    arrays: dict[str, np.ndarray] = {}
    shapes = {}
    with torch.inference_mode():
        for case, config in CONFIGS.items():
            encoder = build(case, config)
            shapes[case] = {f"encoder.{name}": list(x.shape) for name, x in encoder.state_dict().items()}
            for n_frames in LENGTHS[case.split()[0] if case != "chunked" else "conformer"]:
                if n_frames > 1000 and case != "rwkv":
                    continue
                x, length = features(n_frames).unsqueeze(0), torch.tensor([n_frames])
                arrays[f"{case}/{n_frames}"] = whole(encoder, case, x, length)[0].numpy()
                if case == "chunked" and n_frames % 4 in (0, 3):  # else what is no frame leaks into the last one
                    found = encoder.simu_chunk_forward(x, length, chunk_size=CHUNK)
                    arrays[f"{case}/{n_frames}/simulated"] = found[0].numpy()
                    arrays[f"{case}/{n_frames}/streamed"] = streamed(encoder, x)
    np.savez_compressed(GOLDEN / "funasr_bat_encoders.npz", **arrays)
    (GOLDEN / "funasr_bat_encoders.json").write_text(json.dumps(shapes, indent=0) + "\n", encoding="utf-8")


def build(case, config):  # type: ignore[no-untyped-def]
    from funasr.models.conformer.encoder import ConformerChunkEncoder
    from funasr.models.rwkv_bat.rwkv_encoder import RWKVEncoder

    kind = RWKVEncoder if case.startswith("rwkv") else ConformerChunkEncoder
    encoder = kind(N_FEATURES, **config, **({"context_size": 2048} if kind is RWKVEncoder else {}))
    weights = seeded((f"encoder.{name}", tuple(x.shape)) for name, x in encoder.state_dict().items())
    encoder.load_state_dict({name.removeprefix("encoder."): x for name, x in weights.items()})
    return encoder.eval()


def whole(encoder, case, x, length):  # type: ignore[no-untyped-def]
    return encoder.full_utt_forward(x, length) if case == "chunked" else encoder(x, length)[0]


def streamed(encoder, x):  # type: ignore[no-untyped-def]
    """Chunk by chunk, as its streaming decoding does."""
    encoder.reset_streaming_cache(CHUNK * LEFT, x.device)
    found = []
    for index, part in enumerate(x.split(4 * CHUNK, dim=1)):
        heard = torch.tensor([index * CHUNK])
        length = torch.tensor([part.shape[1]])
        found.append(encoder.chunk_forward(part, length, heard, chunk_size=CHUNK, left_context=CHUNK * LEFT))
    return torch.cat(found, dim=1)[0].numpy()


if __name__ == "__main__":
    main()
