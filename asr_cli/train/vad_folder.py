"""The voice activity model that comes with the program, as a folder that training can begin from."""

from hashlib import blake2b
from importlib.resources import files
from pathlib import Path

from asr_cli.errors import OutputError, UsageError
from asr_cli.hub.places import cache_folder
from asr_cli.models.write_folder import write_folder
from asr_cli.train.config import read_recipe
from asr_cli.train.tasks.detector import modern
from asr_cli.vad.weights import OWN, read_own, theirs

VAD, RECIPE = "fsmn-vad-mini", "fsmn-vad-tiny"  # the recipe says what beside the network the model was made with


def as_folder(name: str) -> Path:
    """In our cache, where the same model always has the same place: a run that goes on finds it again."""
    if name != VAD:
        raise UsageError(f"model {name!r} comes inside the program, and training cannot begin from it")
    mark = blake2b((files("asr_cli") / "weights" / OWN).read_bytes(), digest_size=4).hexdigest()
    folder = cache_folder() / "bundled" / f"{name}-{mark}"
    if not folder.is_dir():
        net, cmvn = read_own()
        settings = modern(read_recipe(RECIPE).architecture, net)
        try:
            write_folder(folder, settings, theirs(net.state_dict()), cmvn, None)
        except OutputError:
            if not folder.is_dir():  # else another process was there first
                raise
    return folder
