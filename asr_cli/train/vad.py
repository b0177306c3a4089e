"""Train the small FSMN-VAD that ships with the program: python -m asr_cli.train.vad --out FILE.

Everything it learns from is made on the spot (voices.py, scenes.py) from one seed.
"""

import argparse
import copy
import math
import multiprocessing
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from asr_cli.features.cmvn import Cmvn
from asr_cli.features.fbank import Fbank
from asr_cli.features.lfr import LowFrameRate
from asr_cli.models.fsmn_vad import Config, FsmnVadNet
from asr_cli.synthesis import voices
from asr_cli.synthesis.scenes import scene
from asr_cli.train.schedule import follow, warm_cosine
from asr_cli.train.tasks.detector import speech_logit
from asr_cli.vad.weights import write_own

SCENE_SECONDS = 20.0
CHUNK = 600  # frames a training example holds
WARM = 60  # its first frames have no past yet and do not count, except where the recording itself begins there
BEGINNINGS = 0.3  # of the examples begin where their recording does
# A quarter of the published network's products, and one class of silence against seven of speech instead of 247.
SMALL = Config(input_affine_dim=48, linear_dim=128, proj_dim=64, output_affine_dim=48, output_dim=8)
SPEECH_AT = 0.8  # FunASR's threshold: a frame is speech when its probability reaches this


@dataclass(frozen=True, slots=True)
class Corpus:
    """fbank (n_scenes, T, 80) and labels (n_scenes, T), both float16."""

    fbank: Tensor
    labels: Tensor


def example(seed: int) -> tuple[Tensor, Tensor]:
    torch.set_num_threads(1)
    samples, labels = scene(seed, SCENE_SECONDS)
    fbank, _ = Fbank()(samples)
    return fbank.half(), labels.half()


def make_corpus(seeds: range, processes: int) -> Corpus:
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        made = list(tqdm(pool.imap(example, seeds, chunksize=4), total=len(seeds), desc="synthesising", unit="scene"))
    return Corpus(torch.stack([fbank for fbank, _ in made]), torch.stack([labels for _, labels in made]))


def normalisation(corpus: Corpus) -> Cmvn:
    """Mean and variance of the corpus, for five stacked frames."""
    some = corpus.fbank[:: max(1, len(corpus.fbank) // 200)].float().flatten(0, 1)
    mean, deviation = some.mean(dim=0), some.std(dim=0)
    return Cmvn((-mean).repeat(5), (1 / deviation).repeat(5))


def chunks(corpus: Corpus, batch: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Endless batches of random stretches: fbank (B, T, 80), labels (B, T), and which frames count, (B, T)."""
    n_scenes, n_frames = corpus.labels.shape
    while True:
        scenes = torch.randint(n_scenes, (batch,), generator=generator)
        starts = torch.randint(n_frames - CHUNK + 1, (batch,), generator=generator)
        starts *= torch.rand(batch, generator=generator) > BEGINNINGS
        at = starts[:, None] + torch.arange(CHUNK)
        counts = (starts[:, None] == 0) | (torch.arange(CHUNK) >= WARM)
        yield corpus.fbank[scenes[:, None], at].float(), corpus.labels[scenes[:, None], at].float(), counts


def disguise(fbank: Tensor, generator: torch.Generator) -> Tensor:
    """Another level and microphone, and bands that are not there: what a model must not rely on."""
    batch, _, n_mels = fbank.shape
    fbank = fbank + (torch.rand(batch, 1, 1, generator=generator) - 0.5) * 2
    slope = (torch.rand(batch, 1, 1, generator=generator) - 0.5) * 4
    fbank = fbank + slope * torch.linspace(-1, 1, n_mels)
    width = torch.randint(0, 16, (batch,), generator=generator)
    low = torch.randint(0, n_mels, (batch,), generator=generator)
    bins = torch.arange(n_mels)
    hidden = (bins >= low[:, None]) & (bins < (low + width)[:, None])
    floor = fbank.amin(dim=(1, 2), keepdim=True)
    return torch.where(hidden[:, None], floor, fbank)


def train(corpus: Corpus, net: FsmnVadNet, cmvn: Cmvn, steps: int, batch: int, seed: int) -> FsmnVadNet:
    """The running average of the weights after `steps` batches."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_cosine(step, steps))
    average = copy.deepcopy(net)
    stack = LowFrameRate(5, 1)
    progress = tqdm(zip(range(steps), chunks(corpus, batch, generator), strict=False), total=steps, desc="training")
    for step, (fbank, labels, counts) in progress:
        stacked, _ = stack(disguise(fbank, generator))
        logits, _ = net(cmvn(stacked))
        loss = F.binary_cross_entropy_with_logits(speech_logit(logits)[counts], labels[counts])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        follow(average, net, min(0.999, step / (step + 20)))
        if step % 20 == 0:
            progress.set_postfix(loss=f"{loss.item():.4f}")
    return average


@torch.no_grad()
def calibrate(net: FsmnVadNet, cmvn: Cmvn, corpus: Corpus) -> tuple[float, float]:
    """Move the silence class so that FunASR's threshold decides best; give precision and recall on `corpus`."""
    logit = score(net, cmvn, corpus)
    labels = corpus.labels > 0.5
    at = math.log(SPEECH_AT / (1 - SPEECH_AT))

    def f2(shift: float) -> float:
        """Recall counts twice: a recogniser may pass over noise, but never finds a word that it was not given."""
        said = logit + shift > at
        return float((said & labels).sum() / (said.sum() + 4 * labels.sum()))

    shift = max((step / 10 for step in range(-40, 41)), key=f2)
    net.out2.bias[0] -= shift
    said = logit + shift > at
    return float((said & labels).sum() / said.sum()), float((said & labels).sum() / labels.sum())


def score(net: FsmnVadNet, cmvn: Cmvn, corpus: Corpus) -> Tensor:
    stack = LowFrameRate(5, 1)
    rows = [speech_logit(net(cmvn(stack(fbank.float()[None])[0]))[0])[0] for fbank in corpus.fbank]
    return torch.stack(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m asr_cli.train.vad", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the safetensors file to write")
    parser.add_argument("--hours", type=float, default=10.0, help="how much to synthesise")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cache", type=Path, help="keep the corpus in this file, or take it from there")
    given = parser.parse_args()
    voices.require()
    torch.manual_seed(given.seed)
    corpus = cached_corpus(given)
    held_out = Corpus(corpus.fbank[-60:], corpus.labels[-60:])
    corpus = Corpus(corpus.fbank[:-60], corpus.labels[:-60])
    cmvn = normalisation(corpus)
    net = train(corpus, FsmnVadNet(SMALL), cmvn, given.steps, given.batch, given.seed)
    precision, recall = calibrate(net, cmvn, held_out)
    write_own(given.out, net, cmvn)
    print(
        f"wrote {given.out}; on held-out synthetic recordings precision {precision:.4f}, recall {recall:.4f}",
        file=sys.stderr,
    )


def cached_corpus(given: argparse.Namespace) -> Corpus:
    if given.cache and given.cache.is_file():
        return Corpus(*torch.load(given.cache, weights_only=True))
    n_scenes = round(given.hours * 3600 / SCENE_SECONDS)
    first = given.seed * 1_000_000
    corpus = make_corpus(range(first, first + n_scenes), given.processes)
    if given.cache:
        torch.save((corpus.fbank, corpus.labels), given.cache)
    return corpus


if __name__ == "__main__":
    main()
