"""The transducer's loss in a band against sums over every path, one by one, in float64."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from asr_cli.nn import transducer_lattice as lattice
from asr_cli.nn import transducer_loss as module
from asr_cli.nn.transducer_lattice import Band, all_paths, around, passable, whole
from asr_cli.nn.transducer_loss import transducer_loss
from asr_cli.nn.transducer_pruned import LatticeLoss, pruned, simple_logs, simple_loss

J, V = 6, 9
Parts = tuple[Tensor, Tensor, nn.Linear, Tensor]


def some(batch: int, n_frames: int, n_tokens: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Parts:
    torch.manual_seed(seed)
    encoded = torch.randn(batch, n_frames, J, dtype=dtype, requires_grad=True)
    predicted = torch.randn(batch, n_tokens + 1, J, dtype=dtype, requires_grad=True)
    output = nn.Linear(J, V).to(dtype)
    return encoded, predicted, output, torch.randint(1, V, (batch, n_tokens))


def by_paths(parts: Parts, band: Band) -> Tensor:
    """The loss by the book: one cell after the other, autograd for the rest."""
    encoded, predicted, output, targets = parts
    losses = []
    for b, (n_frames, n_tokens) in enumerate(zip(band.n_frames.tolist(), band.n_tokens.tolist(), strict=True)):
        logs = output(torch.tanh(encoded[b, :, None] + predicted[b, None])).log_softmax(-1)
        ways = {(0, 0): logs.new_zeros(())}
        for t in range(n_frames):
            first = int(band.starts[b, t])
            for u in range(first, min(first + band.width, n_tokens + 1)):
                terms = [ways[t, u]] if (t, u) == (0, 0) else []
                if (t - 1, u) in ways:
                    terms.append(ways[t - 1, u] + logs[t - 1, u, 0])
                if (t, u - 1) in ways:
                    terms.append(ways[t, u - 1] + logs[t, u - 1, targets[b, u - 1]])
                if terms:
                    ways[t, u] = torch.stack(terms).logsumexp(0)
        losses.append(-(ways[n_frames - 1, n_tokens] + logs[n_frames - 1, n_tokens, 0]))
    return torch.stack(losses)


def gradients(loss: Callable[[], Tensor], parts: Parts) -> list[Tensor]:
    encoded, predicted, output, _ = parts
    values = loss()
    weights = torch.arange(1.0, len(values) + 1, dtype=values.dtype)
    return [values, *torch.autograd.grad((values * weights).sum(), [encoded, predicted, output.weight, output.bias])]


def check_same(ours: list[Tensor], theirs: list[Tensor], tolerance: float) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.double() - other.double()).abs().max() <= tolerance * other.abs().max().clamp(min=1.0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_a_band_that_covers_the_lattice_gives_the_loss_and_the_gradients_of_all_paths(
    dtype: torch.dtype, tolerance: float
) -> None:
    parts = some(4, 7, 5, dtype=dtype)
    band = whole(torch.tensor([7, 5, 7, 3]), torch.tensor([5, 2, 0, 4]))
    exact = some(4, 7, 5)
    with torch.no_grad():
        ours, theirs = ((one[0], one[1], *one[2].parameters()) for one in (exact, parts))
        for mine, other in zip(ours, theirs, strict=True):
            mine.copy_(other)
    exact = (*exact[:3], parts[3])
    found = gradients(lambda: transducer_loss(*parts, band), parts)
    check_same(found, gradients(lambda: by_paths(exact, band), exact), tolerance)
    wide = around(torch.rand(4, 7).cumsum(1), band.n_frames, band.n_tokens, back=9, ahead=9)
    check_same(gradients(lambda: transducer_loss(*parts, wide), parts), found, tolerance)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_in_any_band_only_the_paths_inside_count(data: st.DataObject) -> None:
    n_frames, n_tokens = data.draw(st.integers(1, 8)), data.draw(st.integers(0, 7))
    parts = some(2, n_frames, n_tokens, data.draw(st.integers(0, 99)))
    lengths = torch.tensor([n_frames, data.draw(st.integers(1, n_frames))])
    counts = torch.tensor([data.draw(st.integers(0, n_tokens)), n_tokens])
    said = (torch.rand(2, n_frames) * data.draw(st.floats(0.1, 3))).cumsum(1)
    back, ahead = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    step = min(back + ahead, int(counts.max()) + 1) - 1
    if bool((counts > lengths * max(step, 1)).any()):
        with pytest.raises(ValueError, match="tokens in"):
            around(said, lengths, counts, back=back, ahead=ahead)
        return
    band = around(said, lengths, counts, back=back, ahead=ahead)
    for starts, frames, tokens in zip(band.starts, lengths.tolist(), counts.tolist(), strict=True):
        assert starts[0] == 0 and starts[frames - 1] + band.width > tokens
        assert all(0 <= move < max(band.width, 2) for move in starts[:frames].diff().tolist())
    ours = gradients(lambda: transducer_loss(*parts, band), parts)
    assert all(part.isfinite().all() for part in ours)
    check_same(ours, gradients(lambda: by_paths(parts, band), parts), 1e-9)


def test_where_the_alignment_allows_it_the_band_is_that_of_the_paper() -> None:
    said = torch.tensor([[0.4, 0.9, 1.7, 2.2, 3.5, 4.1, 5.6, 7.0, 7.9, 8.0]])
    band = around(said, torch.tensor([10]), torch.tensor([8]), back=2, ahead=2)
    assert band.starts.tolist() == [[0, 0, 0, 0, 1, 2, 3, 5, 5, 5]]  # floor less two, at least 0, at most 8 - 4 + 1
    assert band.width == 4


def test_an_alignment_that_jumps_is_followed_as_fast_as_the_band_allows() -> None:
    said = torch.tensor([[0.0, 0.0, 0.0, 12.0, 12.0, 12.0]])
    band = around(said, torch.tensor([6]), torch.tensor([12]), back=1, ahead=3)
    starts = band.starts[0].tolist()
    assert starts[0] == 0 and max(band.starts[0].diff().tolist()) <= 3 and starts[-1] == 9


def test_what_the_joiner_thinks_impossible_is_finite_where_a_path_exists() -> None:
    encoded, predicted, output, targets = some(2, 30, 8, dtype=torch.float32)
    with torch.no_grad():
        output.weight.mul_(400)
        output.bias[0] += 3000  # to any model in its senses everything is blank
    band = around(torch.rand(2, 30).cumsum(1) / 3, torch.tensor([30, 9]), torch.tensor([8, 8]), back=1, ahead=2)
    parts = encoded, predicted, output, targets
    found = gradients(lambda: transducer_loss(*parts, band), parts)
    assert found[0].min() > 10_000
    assert all(part.isfinite().all() for part in found)


def test_more_tokens_than_the_frames_can_take_are_told_apart() -> None:
    with pytest.raises(ValueError, match=r"utterance 1 has 9 tokens in 4 frames; a band of 3 rows lets 2 tokens"):
        passable(torch.zeros(2, 5, dtype=torch.long), 3, torch.tensor([5, 4]), torch.tensor([3, 9]))


def test_padding_and_company_change_nothing() -> None:
    parts = some(3, 9, 5)
    said = torch.rand(3, 9).cumsum(1)
    lengths, counts = torch.tensor([9, 6, 4]), torch.tensor([5, 3, 1])
    together = transducer_loss(*parts, around(said, lengths, counts, back=2, ahead=1))
    for i in range(3):
        n, u = int(lengths[i]), int(counts[i])
        one = parts[0][i : i + 1, :n], parts[1][i : i + 1, : u + 1], parts[2], parts[3][i : i + 1, :u]
        band = around(said[i : i + 1, :n], lengths[i : i + 1], counts[i : i + 1], back=2, ahead=1)
        if band.width == 3:
            assert torch.allclose(transducer_loss(*one, band), together[i])


def test_frames_behind_the_longest_utterance_are_nobodys() -> None:
    encoded, *parts = some(3, 9, 5)
    band = whole(torch.tensor([7, 6, 4]), torch.tensor([5, 3, 1]))
    assert torch.equal(transducer_loss(encoded, *parts, band), transducer_loss(encoded[:, :7], *parts, band))


def test_however_few_cells_are_computed_at_once_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = some(3, 9, 5)
    band = whole(torch.tensor([9, 6, 4]), torch.tensor([5, 3, 1]))
    expected = gradients(lambda: transducer_loss(*parts, band), parts)
    monkeypatch.setitem(module.LOGITS, "cpu", 2 * V)
    check_same(gradients(lambda: transducer_loss(*parts, band), parts), expected, 1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_by_blocks_of_frames_the_paths_are_the_same(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(size)
    lengths, counts = torch.tensor([18, 18, 11, 1]), torch.tensor([9, 0, 7, 2])
    band = around((torch.rand(4, 18) * 1.2).cumsum(1), lengths, counts, back=2, ahead=2)
    blank, token = (torch.randn(4, 18, band.width, dtype=torch.float64).sub(3) * 5 for _ in range(2))
    one_by_one = all_paths(blank, token, band)
    monkeypatch.setattr(lattice, "block_size", lambda n_frames, width, device: size)
    by_blocks = all_paths(blank, token, band)
    assert torch.allclose(by_blocks.log_probability, one_by_one.log_probability)
    assert torch.allclose(by_blocks.blank, one_by_one.blank) and torch.allclose(by_blocks.token, one_by_one.token)


def test_fastemit_makes_tokens_count_more_and_leaves_the_loss_as_it_is() -> None:
    parts = some(2, 7, 4)
    band = whole(torch.tensor([7, 5]), torch.tensor([4, 3]))
    plain = gradients(lambda: transducer_loss(*parts, band), parts)
    faster = gradients(lambda: transducer_loss(*parts, band, fastemit=0.5), parts)
    assert torch.equal(plain[0], faster[0])
    # By the definition: half as much again of what the tokens' own log-probabilities get.
    logs = parts[2](torch.tanh(parts[0].unsqueeze(2) + parts[1].unsqueeze(1))).log_softmax(-1)
    blank, token = (
        logs[..., 0],
        logs.gather(3, nn.functional.pad(parts[3], (0, 1)).view(2, 1, 5, 1).expand(-1, 7, -1, -1)),
    )
    token = token.squeeze(3)
    token = token + 0.5 * (token - token.detach())
    loss, _ = LatticeLoss.apply(blank, token, band)
    assert torch.allclose(gradients(lambda: loss, parts)[1], faster[1])


def test_in_bfloat16_the_gradient_is_nearly_the_same() -> None:
    parts = some(2, 12, 5, dtype=torch.float32)
    band = around(torch.rand(2, 12).cumsum(1) / 2, torch.tensor([12, 9]), torch.tensor([5, 4]), back=2, ahead=2)
    exact = gradients(lambda: transducer_loss(*parts, band), parts)
    with torch.autocast("cpu", torch.bfloat16):
        lowered = gradients(lambda: transducer_loss(*parts, band), parts)
    assert lowered[0].dtype == torch.float32
    assert not torch.equal(exact[1], lowered[1])
    check_same(lowered, exact, 0.03)


def test_logits_and_their_gradients_never_stand_in_memory_together() -> None:
    torch.manual_seed(0)
    batch, n_frames, n_tokens, width, size = 2, 60, 12, 32, 3000
    encoded = torch.randn(batch, n_frames, width, requires_grad=True)
    predicted = torch.randn(batch, n_tokens + 1, width, requires_grad=True)
    output, targets = nn.Linear(width, size), torch.randint(1, size, (batch, n_tokens))
    band = around(torch.full((batch, n_frames), n_tokens / n_frames).cumsum(1), torch.tensor([60, 60]),
                  torch.tensor([12, 12]), back=3, ahead=5)  # fmt: skip
    sizes: list[int] = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            found = function(*args, **(kwargs or {}))
            sizes.extend(part.numel() for part in (found if isinstance(found, tuple) else (found,))
                         if isinstance(part, Tensor))  # fmt: skip
            return found

    with Watch():
        transducer_loss(encoded, predicted, output, targets, band).sum().backward()
    in_band = int(band.inside().sum()) * size
    assert in_band > 2.5 * module.LOGITS["cpu"]
    assert max(sizes) <= module.LOGITS["cpu"]


def test_the_simple_joiner_of_pruned_rnnt_sums_over_all_paths() -> None:
    torch.manual_seed(0)
    encoded = torch.randn(2, 6, V, dtype=torch.float32, requires_grad=True)
    predicted = torch.randn(2, 4, V, dtype=torch.float32, requires_grad=True)
    targets, lengths, counts = torch.randint(1, V, (2, 3)), torch.tensor([6, 4]), torch.tensor([3, 2])
    blank, token = simple_logs(encoded, predicted, targets)
    logs = (encoded.unsqueeze(2) + predicted.unsqueeze(1)).log_softmax(-1)
    assert torch.allclose(blank, logs[..., 0], atol=1e-5)
    assert torch.allclose(token[0, :, 0], logs[0, :, 0, targets[0, 0]], atol=1e-5)
    loss, occupied = simple_loss(encoded, predicted, targets, lengths, counts)
    loss.sum().backward()
    assert encoded.grad is not None and encoded.grad.isfinite().all()
    # Every path goes through one cell of a frame's blank: occupation is one a frame, and one a token.
    assert torch.allclose(occupied.sum((1, 2)), (lengths + counts).float(), atol=1e-4)
    band = pruned(occupied, 3, lengths, counts)
    assert band.width == 3 and bool((band.starts[:, 0] == 0).all())
    assert math.isclose(float(pruned(occupied, 9, lengths, counts).starts.sum()), 0)
