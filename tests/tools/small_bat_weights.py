"""Teach the small transducers of `small_bat` to say made-up tokens, and write what decides to tests/golden.

usage: python -m tests.tools.small_bat_weights    (takes a minute)

Only with weights that were trained does a search have something to find: by chance, nothing says a token once.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from asr_cli.checkpoint import fill
from asr_cli.features.cmvn import Cmvn
from asr_cli.features.fbank import Fbank
from asr_cli.models.bat import BOUNDARIES, FIRED, WEIGHTS, Bat
from asr_cli.models.bat_folder import fresh_heads, named, read_config, read_frontend
from asr_cli.nn.transducer_lattice import whole
from asr_cli.nn.transducer_loss import transducer_loss
from tests.tools.small_bat import ENCODERS, TOKENS, WEIGHTS_FILE, config, seeded, sounds, write_mvn

HEADS = (BOUNDARIES, FIRED)
PACE = 0.3  # tokens a frame
SURE_ENOUGH = 0.08  # of the loss for each token: where searches still differ


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    kept = {}
    for encoder in ENCODERS:
        path = Path("config.yaml")
        conf = config(encoder)
        net = Bat(read_config(conf, path, read_frontend(conf, path), len(TOKENS)), heads=HEADS)
        weights = seeded((name, tuple(tensor.shape)) for name, tensor in named(net))
        fill(net, fresh_heads(net.config, HEADS) | weights, WEIGHTS, path)
        learn(net.eval())
        kept |= {
            f"{encoder}/{name}": tensor.detach().numpy().astype(np.float16)
            for name, tensor in named(net)
            if name.startswith(("decoder.", "joint_network."))
        }
    np.savez_compressed(WEIGHTS_FILE, **kept)


def learn(net: Bat) -> None:
    mvn = Path("/tmp/small_bat.mvn")
    write_mvn(mvn)
    cmvn, fbank = Cmvn.from_file(mvn), Fbank()
    with torch.no_grad():
        features = [cmvn(fbank(torch.tensor(sound))[0]) for sound in sounds()]
        encoded = [net.encoder(one[None], torch.tensor([len(one)]))[0][0] for one in features]
        frames = torch.cat(encoded) @ net.joiner.enc.weight.T
        # Such networks hear little of what changes from frame to frame; so make more of it.
        net.joiner.enc.weight /= frames.std(0).unsqueeze(1)
        net.joiner.enc.bias.copy_(-frames.mean(0) / frames.std(0))
    counts = torch.tensor([max(1, int(len(one) * PACE)) for one in encoded])
    targets = torch.randint(3, len(TOKENS) - 1, (len(encoded), int(counts.max())))
    heard = pad_sequence(encoded, batch_first=True)
    band = whole(torch.tensor([len(one) for one in encoded]), counts)
    said = torch.cat([targets.new_zeros(len(targets), 1), targets], dim=1)
    parameters = [*net.prediction.parameters(), *net.joiner.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=5e-3)
    for step in range(2000):
        predicted = net.joiner.dec(net.prediction(said))
        loss = transducer_loss(net.joiner.enc(heard), predicted, net.joiner.out, targets, band).sum() / counts.sum()
        if step % 50 == 0:
            print(step, round(loss.item(), 3), flush=True)
        if loss < SURE_ENOUGH:
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


if __name__ == "__main__":
    main()
