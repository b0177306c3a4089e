"""Full-size UniASR beside FunASR's own: the same tokens in all three modes, utterance by utterance?

usage: uniasr_parity.py MODEL_DIR FUNASR_PYTHON AUDIO.wav [N]

MODEL_DIR is a checkpoint in FunASR's layout (tests/tools/large_uniasr.py makes one with random weights: hypotheses are
closer to each other there than in any that was trained); FUNASR_PYTHON an interpreter with funasr==1.4.16 and
torchaudio. Both hear the same N utterances of 10 to 20 s of AUDIO (16 kHz mono). Prints how many are the same, the
share of equal tokens, how far the scores are apart, and the same of this project's other compute types.
"""

import json
import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path

from uniasr_speed import cut, read

ROOT = Path(__file__).resolve().parents[2]
MODES = ("fast", "normal", "offline")
TYPES = ("float32", "bfloat16", "int8")
Found = dict[str, list[tuple[list[int], float]]]  # by mode, of each utterance the tokens and their score


def ours(model: Path, audio: Path, n_utterances: int, compute_type: str) -> Found:
    import torch
    from asr_plugins.uniasr.loading import lighten
    from asr_plugins.uniasr.recognizer import UniAsrRecognizer

    from asr_cli.audio import Audio
    from asr_cli.models.uniasr_folder import read_folder
    from asr_cli.protocols import Chunk

    checkpoint = read_folder(model)
    lighten(checkpoint.net, compute_type)
    sounds = list(cut(read(audio)))[:n_utterances]
    found: Found = {}
    for mode in MODES:
        recognizer = UniAsrRecognizer(checkpoint, mode=mode)
        with torch.inference_mode():
            heard = recognizer.listen([Chunk(Audio(sound), final=True) for sound in sounds], drafts=False)
        beams = [(one.heard.first or one.heard.second).beam for one in heard]
        found[mode] = [([token.id for token in beam.best.tokens()], beam.best.score) for beam in beams]
    return found


def theirs(python: str, model: Path, audio: Path, n_utterances: int) -> Found:
    command = [python, __file__, "--funasr", str(model), str(audio), str(n_utterances)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def inside_funasr(model: Path, audio: Path, n_utterances: int) -> None:
    """The half that runs in FunASR's interpreter."""
    sys.path.insert(0, str(ROOT))
    from importlib import import_module

    from tests.tools.funasr_uniasr import MODULES
    from tests.tools.funasr_vad import torchaudio_without_its_library

    torchaudio_without_its_library()
    for module in MODULES:
        import_module(f"funasr.models.{module}")
    from funasr import AutoModel

    auto = AutoModel(model=str(model), device="cpu", ncpu=1, disable_update=True, disable_pbar=True)
    begin, best = auto.model.init_beam_search, []

    def watched(**kwargs):  # type: ignore[no-untyped-def]
        begin(**kwargs)
        auto.model.beam_search.register_forward_hook(lambda _, __, out: best.append(out[0]))

    auto.model.init_beam_search = watched
    found = {}
    for mode in MODES:
        auto.model.beam_search = None  # it would keep the first mode's decoder
        best.clear()
        for sound in list(cut(read(audio)))[:n_utterances]:
            auto.generate(input=sound, decoding_model=mode)
        found[mode] = [(one.yseq[1:-1].tolist(), float(one.score)) for one in best]
    print(json.dumps(found))


def main() -> None:
    model, python, audio = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    n_utterances = int(sys.argv[4]) if len(sys.argv) > 4 else 4
    known = theirs(python, model, audio, n_utterances)
    for kind in TYPES:
        found = ours(model, audio, n_utterances, kind)
        for mode in MODES:
            pairs = list(zip(found[mode], known[mode], strict=True))
            n_same = sum(one[0] == other[0] for one, other in pairs)
            equal = sum(
                block.size
                for one, other in pairs
                for block in SequenceMatcher(None, one[0], other[0]).get_matching_blocks()
            )
            n_tokens = sum(len(other[0]) for _, other in pairs)
            apart = max(abs(one[1] - other[1]) for one, other in pairs)
            print(f"{kind} {mode}: {n_same} of {len(pairs)} utterances the same, {equal} of {n_tokens} tokens,"
                  f" scores apart by at most {apart:.4f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1] == "--funasr":
        inside_funasr(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
