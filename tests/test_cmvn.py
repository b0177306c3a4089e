"""Kaldi's text form of mean and variance, read strictly."""

from pathlib import Path

import numpy as np
import pytest
import torch

from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.features.fbank import Fbank
from asr_cli.features.lfr import LowFrameRate

TWO = """<Nnet>
<Splice> 2 2
[ 0 ]
<AddShift> 2 2
<LearnRateCoef> 0 [ -1 -2 ]
<Rescale> 2 2
<LearnRateCoef> 0 [ 3 0.5 ]
</Nnet>
"""


def test_frames_are_shifted_then_scaled(tmp_path: Path) -> None:
    path = tmp_path / "am.mvn"
    path.write_text(TWO, encoding="utf-8")
    assert Cmvn.from_file(path)(torch.tensor([[2.0, 2.0], [1.0, 4.0]])).tolist() == [[3.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    "text",
    ["", "<Nnet>\n</Nnet>\n", TWO.replace("<Rescale>", "<Other>"), TWO.replace("-1 -2", "-1 x"),
     TWO.replace("-1 -2", "-1"), TWO.replace("<LearnRateCoef>", "<Odd>"), "<AddShift> 2 2\n\n<Rescale> 2 2\n\n"],
)  # fmt: skip
def test_a_broken_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "am.mvn"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"am\.mvn"):
        Cmvn.from_file(path)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "am.mvn").write_bytes(b"\xff\xfe\x00")
    for name in ("am.mvn", "none.mvn"):
        with pytest.raises(ModelError, match="download"):
            Cmvn.from_file(tmp_path / name)


def test_the_published_normalisation_gives_funasrs_features(shared: Path) -> None:
    golden = np.load(Path(__file__).parent / "golden" / "funasr_features.npz")
    cmvn = Cmvn.from_file(shared / "data" / "fsmn-vad" / "vad.mvn")
    assert cmvn.shift[0].item() == pytest.approx(-8.311879)
    assert cmvn.scale[0].item() == pytest.approx(0.155775)
    frames, _ = Fbank()(torch.from_numpy(golden["samples"].astype(np.float32) / 32768))
    rows, _ = LowFrameRate(5, 1)(frames)
    torch.testing.assert_close(cmvn(rows)[::7], torch.from_numpy(golden["vad"]), rtol=0, atol=1e-5)
