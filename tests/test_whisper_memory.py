"""What Whisper's decoder keeps while it decodes: no more than it needs, and nothing of its company's."""

from collections.abc import Sequence

import pytest
import torch
from asr_plugins.whisper.beam import BeamSearch
from asr_plugins.whisper.decoder import Memory
from asr_plugins.whisper.folder import read_folder
from asr_plugins.whisper.model import Model, build, slots_for
from asr_plugins.whisper.pool import Marks, Pool, Prompt, Request
from asr_plugins.whisper.rules import Rules
from asr_plugins.whisper.search import Search, Single
from asr_plugins.whisper.speculative import SpeculativePool
from torch import Tensor

from tests.tools.small_whisper import make_whisper

CPU = torch.device("cpu")
WINDOW = 2.0  # s
N_WINDOWS = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = make_whisper(tmp_path_factory.mktemp("w") / "small", width=32, layers=(1, 2), window=WINDOW)
    return build(read_folder(path), CPU, "float32", "auto")


@pytest.fixture(autouse=True)
def inference() -> object:
    with torch.inference_mode():
        yield


def states(model: Model) -> list[Tensor]:
    dice = torch.Generator().manual_seed(1)
    return list(torch.randn(N_WINDOWS, model.decoder.n_places, model.decoder.width, generator=dice))


def prompt_of(model: Model, previous: Sequence[int] = ()) -> Prompt:
    first, *rest = model.tokens.prompt("en", timestamps=False, limit=448)
    return Prompt((*previous, first), {None: tuple(rest)})


def endless(model: Model, n_rows: int, max_tokens: int) -> Search:
    """A search for texts that never end."""
    tokens = model.tokens
    rules = Rules(tokens.n_tokens, (*tokens.suppress, tokens.eot), (), None, CPU)
    if n_rows == 1:
        return Single(rules, tokens.eot, max_tokens)
    return BeamSearch(rules, tokens.eot, max_tokens, n_rows)


@pytest.mark.parametrize("n_rows", [1, 2])
def test_a_long_prompt_takes_no_room_from_another_window(model: Model, n_rows: int) -> None:
    most = model.decoder.max_tokens
    prompts = [prompt_of(model), prompt_of(model, [5, 9, 300] * 40)]
    requests = [Request(heard, prompt) for heard, prompt in zip(states(model), prompts, strict=False)]
    found = Pool(model.memories, endless(model, n_rows, most), Marks(), requests, n_slots=2).run()
    assert [len(one.text.ids) for one in found] == [most - prompt.length for prompt in prompts]


@pytest.mark.parametrize("n_rows", [1, 3])
def test_of_what_the_heads_heard_only_the_decisions_are_kept(model: Model, n_rows: int) -> None:
    requests = [Request(heard, prompt_of(model, [5] * 30)) for heard in states(model)]
    pool = Pool(model.memories, endless(model, n_rows, 20), Marks(), requests, n_slots=N_WINDOWS)
    pool.admit()
    pool.step()
    heard = [step for slot in pool.running for step in slot.heard]
    assert [len(step) for step in heard] == [n_rows] * (2 * N_WINDOWS)
    assert all(step.untyped_storage().nbytes() == step.nbytes for step in heard)


def test_of_what_was_drafted_in_vain_nothing_is_kept(model: Model) -> None:
    requests = [Request(heard, prompt_of(model)) for heard in states(model)]
    search = endless(model, 1, 30)
    assert isinstance(search, Single)
    pool = SpeculativePool(model.memories, model.memories, search, Marks(), requests, n_slots=N_WINDOWS)
    pool.admit()
    pool.step()
    heard = [step for slot in pool.running for step in slot.heard]
    assert len(heard) > 2 * N_WINDOWS
    assert all(step.untyped_storage().nbytes() == step.nbytes for step in heard)


def test_beams_that_go_round_in_circles_are_stopped(model: Model) -> None:
    beams = endless(model, 3, 40)
    assert isinstance(beams, BeamSearch)
    beams.is_loop = lambda ids: len(ids) >= 16
    requests = [Request(heard, prompt_of(model)) for heard in states(model)]
    found = Pool(model.memories, beams, Marks(), requests, n_slots=2).run()
    assert [(len(one.text.ids), len(one.text.logps), one.text.loops) for one in found] == [(16, 16, True)] * N_WINDOWS
    assert all(one.heard is not None and one.heard.shape[1] == 16 for one in found)


@pytest.mark.parametrize("at", [None, [3], [0, 2], []])
def test_the_decoder_tells_of_the_tokens_that_it_is_asked_about(model: Model, at: list[int] | None) -> None:
    memory = Memory(model.decoder, N_WINDOWS, 1, 16)
    slots = slice(0, N_WINDOWS)
    memory.admit(slots, torch.stack(states(model)))
    ids = torch.tensor([[5, 9, 300, 17]] * N_WINDOWS)
    begins = torch.zeros(N_WINDOWS, dtype=torch.long)
    whole, part = (model.decoder(memory, slots, ids, begins, 16, which) for which in (None, at))
    which = list(range(ids.shape[1])) if at is None else at
    torch.testing.assert_close(part.logits, whole.logits[:, which], atol=1e-5, rtol=0)
    torch.testing.assert_close(part.heard, whole.heard[:, :, which], atol=0, rtol=0)


def test_rows_that_change_places_take_along_what_was_read_and_no_more(model: Model) -> None:
    memory = Memory(model.decoder, 2, 3, 200)
    slots = slice(0, 2)
    memory.admit(slots, torch.stack(states(model)[:2]))
    model.decoder(memory, slots, torch.arange(5, 11).unsqueeze(1), torch.zeros(6, dtype=torch.long), memory.seen(1))
    sources = torch.tensor([2, 0, 0, 3, 5, 4])
    expected = memory.read[:, :, sources, :, :16].clone()
    unread = memory.read[..., 16:, :].normal_().clone()
    memory.reorder(slots, sources)
    assert torch.equal(memory.read[..., :16, :], expected)
    assert torch.equal(memory.read[..., 16:, :], unread)


GB = 1 << 30


@pytest.mark.parametrize(
    ("slot", "n_threads", "n_slots"),
    [(20 << 20, 2, 16), (100 << 20, 2, 5), (300 << 20, 2, 4), (300 << 20, 16, 1), (2 * GB, 2, 1)],
)
def test_as_many_windows_are_decoded_at_a_time_as_have_room_in_all_threads(
    slot: int, n_threads: int, n_slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asr_cli.device.memory", lambda: 16 * GB)
    assert slots_for(slot, CPU, n_threads) == n_slots
