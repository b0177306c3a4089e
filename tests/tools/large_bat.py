"""A BAT or RWKV-BAT of the published size with seeded random weights, in FunASR's layout: what it says means nothing,
what it costs is the real cost.

usage: python -m tests.tools.large_bat FOLDER rwkv|conformer
"""

import sys
from pathlib import Path

import torch

from asr_cli.features.cmvn import Cmvn
from asr_cli.models.bat import Bat
from asr_cli.models.bat_folder import read_config, read_frontend, write_folder
from asr_cli.text.vocabulary import Vocabulary

N_TOKENS = 4234
ENCODERS = {
    "rwkv": {
        "model": "Transducer", "encoder": "RWKVEncoder",
        "encoder_conf": {"kernel": 3, "subsampling_factor": 4, "output_size": 512, "num_blocks": 18,
                         "time_reduction_factor": 2},
    },
    "conformer": {
        "model": "BAT", "encoder": "ChunkConformerEncoder",
        "encoder_conf": {"activation_type": "swish", "time_reduction_factor": 2, "embed_vgg_like": False,
                         "subsampling_factor": 4, "linear_units": 2048, "output_size": 512, "attention_heads": 8,
                         "dropout_rate": 0.1, "positional_dropout_rate": 0.1, "attention_dropout_rate": 0.0,
                         "cnn_module_kernel": 15, "num_blocks": 12},
    },
}  # fmt: skip
REST = {
    "decoder": "rnnt_decoder", "decoder_conf": {"embed_size": 512, "hidden_size": 512},
    "joint_network": "joint_network", "joint_network_conf": {"joint_space_size": 512},
    "frontend": "WavFrontend",
    "frontend_conf": {"fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10, "lfr_m": 1,
                      "lfr_n": 1, "dither": 0.0},
}  # fmt: skip
# It says nothing: a network of chance that speaks does not stop, and FunASR's search would never leave the frame.
BLANK_BIAS = 15.0


def write_large(folder: Path, kind: str) -> Path:
    torch.manual_seed(0)
    settings = ENCODERS[kind] | REST
    path = folder / "config.yaml"
    tokens = ["<blank>", "<s>", "</s>", *(chr(0x4E00 + index) for index in range(N_TOKENS - 4)), "<unk>"]
    net = Bat(read_config(settings, path, read_frontend(settings, path), N_TOKENS))
    with torch.no_grad():
        net.joiner.out.bias[0] += BLANK_BIAS
    cmvn = Cmvn(torch.full((80,), 10.0), torch.full((80,), 0.25))
    write_folder(folder, net, settings, cmvn, Vocabulary.from_list(tokens, source="here"))
    return folder


if __name__ == "__main__":
    write_large(Path(sys.argv[1]), sys.argv[2])
