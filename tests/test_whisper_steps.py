"""Steps of Whisper's decoder that are captured once and run again: what they write, and what they may not do."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from asr_plugins.whisper import steps
from asr_plugins.whisper.beam import BeamSearch
from asr_plugins.whisper.decoder import Memory
from asr_plugins.whisper.folder import read_folder
from asr_plugins.whisper.model import Model, build
from asr_plugins.whisper.pool import Decoded, Marks, Pool, Prompt, Request
from asr_plugins.whisper.rules import Rules, Stamps
from asr_plugins.whisper.search import Search, Single
from asr_plugins.whisper.speculative import SpeculativePool
from asr_plugins.whisper.steps import CudaGraphs, Memories
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.tools.small_whisper import make_whisper

CPU = torch.device("cpu")
WINDOW = 2.0  # s
N_WINDOWS, N_SLOTS = 11, 4
N_TOKENS = 40


class Tapes:
    """A capture as CUDA's where there is none: it computes from what is then where it reads."""

    def __init__(self) -> None:
        self.n_captured = self.n_runs = 0

    def __call__(self, compute: Callable[[], None]) -> Callable[[], None]:
        compute()
        self.n_captured += 1

        def run() -> None:
            self.n_runs += 1
            compute()

        return run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = make_whisper(tmp_path_factory.mktemp("w") / "small", width=48, layers=(2, 3), window=WINDOW)
    return build(read_folder(path), CPU, "float32", "auto")


@pytest.fixture(autouse=True)
def inference(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(steps, "OFTEN", 2)
    with torch.inference_mode():
        yield


def states(model: Model) -> list[Tensor]:
    dice = torch.Generator().manual_seed(1)
    return list(torch.randn(N_WINDOWS, model.decoder.n_places, model.decoder.width, generator=dice))


def requests(model: Model, n: int = N_WINDOWS) -> list[Request]:
    """Some with more before them than others."""
    first, *rest = model.tokens.prompt("en", timestamps=True, limit=448)
    return [
        Request(heard, Prompt((*[5, 9, 300][: at % 4], first), {None: tuple(rest)}), seed=at)
        for at, heard in enumerate(states(model)[:n])
    ]


def search(model: Model, kind: str) -> Search:
    tokens = model.tokens
    assert tokens.timestamp_begin is not None
    assert tokens.no_timestamps is not None
    stamps = Stamps(tokens.timestamp_begin, tokens.eot, tokens.no_timestamps, 50) if kind == "times" else None
    rules = Rules(tokens.n_tokens, tokens.suppress, tokens.begin_suppress, stamps, CPU)
    if kind == "beams":
        return BeamSearch(rules, tokens.eot, N_TOKENS, 3)
    return Single(rules, tokens.eot, N_TOKENS, temperature=0.7 if kind == "drawn" else 0.0)


def same(found: Sequence[Decoded], known: Sequence[Decoded]) -> None:
    assert [one.text.ids for one in found] == [one.text.ids for one in known]
    for one, other in zip(found, known, strict=True):
        torch.testing.assert_close(one.text.logps, other.text.logps, atol=1e-4, rtol=0)
        torch.testing.assert_close(one.heard, other.heard, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["greedy", "times", "drawn", "beams"])
def test_captured_steps_write_what_others_write(model: Model, kind: str) -> None:
    tapes = Tapes()
    memories = Memories(model.decoder, lambda: tapes)
    known = Pool(Memories(model.decoder), search(model, kind), Marks(), requests(model), n_slots=N_SLOTS).run()
    found = Pool(memories, search(model, kind), Marks(), requests(model), n_slots=N_SLOTS).run()
    assert tapes.n_runs > 20
    same(found, known)
    # The next batch finds them captured, has fewer windows, and what the first one left in its slots.
    n_captured, n_runs = tapes.n_captured, tapes.n_runs
    some = requests(model)[N_SLOTS - 1 : 2 * N_SLOTS - 2]
    same(Pool(memories, search(model, kind), Marks(), some, n_slots=N_SLOTS).run(), known[N_SLOTS - 1 :][: len(some)])
    assert tapes.n_captured == n_captured
    assert tapes.n_runs > n_runs


def test_captured_steps_draft_and_check_the_same(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "OFTEN", 0)
    tapes = [Tapes(), Tapes()]
    greedy = search(model, "greedy")
    assert isinstance(greedy, Single)
    known = Pool(Memories(model.decoder), greedy, Marks(), requests(model), n_slots=N_SLOTS).run()
    main, other = (Memories(model.decoder, partial(lambda tape: tape, tape)) for tape in tapes)
    for _ in range(2):
        same(SpeculativePool(main, other, greedy, Marks(), requests(model), n_slots=N_SLOTS).run(), known)
    assert tapes[1].n_runs > 5


def test_texts_that_fill_all_of_a_memory_are_captured(tmp_path: Path) -> None:
    path = make_whisper(tmp_path / "m", window=WINDOW, n_text=90, layers=(1, 2))
    model = build(read_folder(path), CPU, "float32", "auto")
    tokens = model.tokens
    endless = Single(Rules(tokens.n_tokens, (*tokens.suppress, tokens.eot), (), None, CPU), tokens.eot, 90)
    prompt = Prompt((), {None: tuple(tokens.prompt("en", timestamps=False, limit=90))})
    asked = [
        Request(heard, Prompt(prompt.rest[None][:1], {None: prompt.rest[None][1:]})) for heard in states(model)[:4]
    ]
    tapes = Tapes()
    memories = Memories(model.decoder, lambda: tapes)
    found = [
        Pool(memories, endless, Marks(), asked, n_slots=4).run(),
        SpeculativePool(memories, Memories(model.decoder, Tapes), endless, Marks(), asked, n_slots=4).run(),
    ]
    assert tapes.n_runs > 20
    for one in found:
        same(one, Pool(Memories(model.decoder), endless, Marks(), asked, n_slots=4).run())


def test_a_memory_is_kept_for_what_has_room_in_it(model: Model) -> None:
    memories = Memories(model.decoder, Tapes)
    first = memories.take(4, 1, 40)
    memories.give_back(first)
    assert memories.take(3, 1, 33) is first
    assert memories.take(3, 1, 33) is not first  # it is lent
    memories.give_back(first)
    assert memories.take(5, 1, 40) is not first
    memories.give_back(first)
    assert memories.take(4, 2, 40) is not first
    memories.give_back(first)
    memories.clear()
    assert memories.take(4, 1, 40) is not first


def test_where_nothing_is_captured_nothing_is_kept(model: Model) -> None:
    first = model.memories.take(4, 1, 40)
    model.memories.give_back(first)
    assert model.memories.take(4, 1, 40) is not first


WAITS = {"lift_fresh", "item", "_local_scalar_dense", "nonzero", "is_nonzero", "equal", "unique"}


def test_slots_in_which_nobody_was_spoil_nothing(model: Model) -> None:
    """Windows with less and with more before them take turns in a memory of which a part was never used."""
    memories = Memories(model.decoder, Tapes)
    greedy = search(model, "greedy")
    asked = requests(model)
    torch.use_deterministic_algorithms(True)  # what nobody has filled is not a number then
    try:
        memories.give_back(memories.take(8, 1, 100))
    finally:
        torch.use_deterministic_algorithms(False)
    for some in (asked[:5], asked[:8], asked[3:]):
        known = Pool(Memories(model.decoder), greedy, Marks(), some, n_slots=8).run()
        same(Pool(memories, greedy, Marks(), some, n_slots=8).run(), known)


class Watch(TorchDispatchMode):
    """Tells of what a captured GPU may not do: wait for a number, or be told one."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        by_truth = name.startswith("index") and any(
            isinstance(one, Tensor) and one.dtype == torch.bool for one in (args[1] if len(args) > 1 else ()) or ()
        )
        if by_truth or name in {
            "lift_fresh",
            "item",
            "_local_scalar_dense",
            "nonzero",
            "is_nonzero",
            "equal",
            "unique",
        }:
            self.found.add(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("at", [None, (-1,)])
@pytest.mark.parametrize("n_tokens", [1, 2, 7])
@pytest.mark.parametrize("compute_type", ["float32", "bfloat16"])
def test_a_step_waits_for_no_number(
    compute_type: str, n_tokens: int, at: tuple[int, ...] | None, model: Model, tmp_path: Path
) -> None:
    if compute_type != "float32":
        path = make_whisper(tmp_path / "small", width=48, layers=(1, 2), window=WINDOW)
        model = build(read_folder(path), CPU, compute_type, "auto")
    memory = Memory(model.decoder, 3, 2, 32)
    tokens, begins = torch.full((6, n_tokens), 7), torch.full((6,), 3)
    with Watch() as watch:
        model.decoder(memory, slice(0, 3), tokens, begins, 16, at)
    assert not watch.found


def test_such_waits_are_seen() -> None:
    x = torch.arange(4)
    for wait in (lambda: int(x.max()), lambda: x[[0, 1]], lambda: x[x > 2], lambda: torch.tensor([1, 2])):
        with Watch() as watch:
            wait()
        assert watch.found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs want a GPU")
def test_cuda_graphs_write_what_steps_write_on_that_gpu(tmp_path: Path) -> None:
    gpu = torch.device("cuda")
    path = make_whisper(tmp_path / "small", width=64, layers=(2, 3), window=WINDOW)
    model = build(read_folder(path), gpu, "float32", "auto")
    asked = [Request(one.states.to(gpu), one.prompt, one.seed) for one in requests(model)]
    tokens = model.tokens
    greedy = Single(Rules(tokens.n_tokens, tokens.suppress, tokens.begin_suppress, None, gpu), tokens.eot, N_TOKENS)
    known = Pool(Memories(model.decoder), greedy, Marks(), asked, n_slots=N_SLOTS).run()
    memories = Memories(model.decoder, lambda: CudaGraphs(gpu))
    for _ in range(2):
        same(Pool(memories, greedy, Marks(), asked, n_slots=N_SLOTS).run(), known)
    assert memories.kept[0].captured
