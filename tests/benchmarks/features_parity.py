"""The worst frame of our filterbank against kaldi-native-fbank, over the shared recordings."""

from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
import torch

from asr_cli.audio.files import read_blocks
from asr_cli.features.fbank import Fbank

AUDIO = Path(__file__).resolve().parents[3] / "shared" / "data" / "audio"


def kaldi(samples: np.ndarray) -> torch.Tensor:
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.window_type = "hamming"
    options.mel_opts.num_bins = 80
    options.energy_floor = 0
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(16_000, (samples * 32768).tolist())
    fbank.input_finished()
    return torch.from_numpy(np.stack([fbank.get_frame(index) for index in range(fbank.num_frames_ready)]))


def main() -> None:
    fbank, worst, n_values, n_off = Fbank(), (0.0, ""), 0, 0
    for path in sorted(AUDIO.rglob("*.wav")):
        samples = np.concatenate([block.samples for block in read_blocks(path)])
        if len(samples) < 400:
            continue
        ours, _ = fbank(torch.from_numpy(samples))
        theirs = kaldi(samples)
        error = (ours - theirs).abs()
        n_values += error.numel()
        n_off += int((error > 1e-4).sum())
        frame, mel = divmod(int(error.argmax()), 80)
        below = float(theirs[frame].max() - theirs[frame, mel]) * 4.343
        found = (float(error.max()), f"{path.name}, frame {frame}, band {mel}, {below:.0f} dB below its loudest")
        worst = max(worst, found)
    print(f"worst of {n_values} values: {worst[0]:.1e} ({worst[1]}); beyond 1e-4: {n_off / max(n_values, 1):.1e}")


if __name__ == "__main__":
    main()
