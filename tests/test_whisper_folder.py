"""Whisper checkpoints: the layouts that are read, and what is said of those that cannot be."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from asr_plugins.whisper import BACKEND
from asr_plugins.whisper.cards import CARDS, LANGUAGES, card_named
from asr_plugins.whisper.folder import alignment_heads, is_distilled, read_folder
from asr_plugins.whisper.look import look
from safetensors.torch import load_file, save_file
from transformers.models.whisper.modeling_whisper import WhisperForConditionalGeneration

from asr_cli.errors import ModelError
from tests.tools.small_whisper import make_whisper, save_openai

Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whisper(tmp_path_factory.mktemp("whisper") / "mine", window=2.0, width=16, n_text=40)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(made, tmp_path / "mine"))


def logits(model: WhisperForConditionalGeneration) -> torch.Tensor:
    config = model.config
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, config.num_mel_bins, 2 * config.max_source_positions, generator=generator)
    ids = torch.randint(config.vocab_size, (2, 9), generator=generator)
    with torch.inference_mode():
        return model(input_features=features, decoder_input_ids=ids).logits


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def shard(folder: Path, suffix: str, save: Callable[[dict[str, torch.Tensor], Path], None]) -> None:
    """The weights in three files and an index."""
    weights = list(load_file(folder / "model.safetensors").items())
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    where = {}
    for i in range(3):
        name = f"{stem}-{i + 1:05}-of-00003.{suffix}"
        part = dict(weights[i::3])
        save(part, folder / name)
        where |= dict.fromkeys(part, name)
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def as_bin(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")


def as_old_bin(folder: Path) -> None:
    """With the output beside the table that it is."""
    weights = load_file(folder / "model.safetensors")
    weights["proj_out.weight"] = weights["model.decoder.embed_tokens.weight"]
    torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


LAYOUTS: dict[str, Change] = {
    "bin": as_bin,
    "old bin": as_old_bin,
    "sharded": lambda folder: shard(folder, "safetensors", save_file),
    "sharded bin": lambda folder: shard(folder, "bin", torch.save),
}


def test_the_network_is_that_of_transformers(made: Path) -> None:
    folder = read_folder(made)
    assert torch.equal(logits(folder.model), logits(WhisperForConditionalGeneration.from_pretrained(made)))
    assert (folder.window, folder.n_mels, folder.n_text, folder.median_width) == (2.0, 80, 40, 7)
    assert folder.alignment_heads == ((1, 0), (1, 1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_the_weights_is_read(made: Path, folder: Path, layout: str) -> None:
    LAYOUTS[layout](folder)
    (folder / "model.safetensors").unlink()
    assert torch.equal(logits(read_folder(folder).model), logits(read_folder(made).model))


def test_openais_file_holds_the_same_network(made: Path, tmp_path: Path) -> None:
    path = save_openai(made, tmp_path / "mine.pt")
    shutil.copyfile(made / "tokenizer.json", tmp_path / "tokenizer.json")
    for one in (path, tmp_path):
        folder = read_folder(one)
        assert torch.equal(logits(folder.model), logits(read_folder(made).model))
        assert (folder.window, folder.n_text, folder.alignment_heads) == (2.0, 40, ((1, 0), (1, 1)))
        assert set(folder.tokens.languages) == {"en", "zh", "de", "ja"}
        assert folder.tokens.begin_suppress == read_folder(made).tokens.begin_suppress
        card = look(one)
        assert card is not None
        assert card.languages[:2] == ("en", "zh")


def test_weights_stay_as_they_are_stored(tmp_path: Path) -> None:
    model = read_folder(make_whisper(tmp_path, window=1.0, width=16, dtype=torch.float16)).model
    assert model.dtype == torch.float16
    assert model.proj_out.weight is model.model.decoder.embed_tokens.weight
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))


def test_alignment_heads_are_those_that_the_decoder_has() -> None:
    sizes = {"decoder_layers": 4, "decoder_attention_heads": 2}
    assert alignment_heads([[3, 0], [2, 1]], sizes) == ((3, 0), (2, 1))
    later = ((2, 0), (2, 1), (3, 0), (3, 1))
    for named in (
        None,
        [],
        [[3, 2]],
        [[4, 0], [3, 1]],
        [[[3], 0]],
        "all",
    ):  # a student is left with its teacher's, sometimes
        assert alignment_heads(named, sizes) == later


@pytest.mark.parametrize(
    ("layers", "expected"), [((32, 2), True), ((12, 4), True), ((32, 32), False), ((32, 4), False), ((4, 4), False)]
)
def test_a_student_has_a_short_decoder(layers: tuple[int, int], expected: bool) -> None:
    assert is_distilled(*layers) is expected  # large-v3-turbo, of (32, 4), was trained like its elders


# -- what cannot be read


def without(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def writing(name: str, text: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).write_text(text)

    return change


def setting(name: str, **changes: Any) -> Change:
    return lambda folder: edit(folder / f"{name}.json", **changes)


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:50_000])


def shards_without_one(folder: Path) -> None:
    shard(folder, "safetensors", save_file)
    (folder / "model.safetensors").unlink()
    (folder / "model-00002-of-00003.safetensors").unlink()


def shards_elsewhere(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"proj_out.weight": "../../secret.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def index_without_names(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}")


BAD: dict[str, tuple[Change, str]] = {
    "no weights": (without("model.safetensors"), r"has no weights; put model.safetensors or pytorch_model.bin"),
    "no config": (without("config.json"), "has no config.json; pull it again"),
    "no tokenizer": (without("tokenizer.json"), "has no tokenizer; put tokenizer.json"),
    "truncated": (cut, "model.safetensors' is broken or cut short"),
    "pointer": (writing("model.safetensors", "version https://git-lfs.github.com/spec/v1\n"), "Git LFS"),
    "other shape": (setting("config", d_model=32), "holds other weights than its configuration says .*another shape"),
    "more layers": (setting("config", decoder_layers=3), "holds other weights .*missing: model.decoder.layers.2"),
    "no whisper": (setting("config", model_type="wav2vec2"), "describes no Whisper .*'wav2vec2'"),
    "broken config": (writing("config.json", "{"), "config.json' is broken or cut short"),
    "no table": (writing("generation_config.json", "[]"), "generation_config.json' is no table of settings"),
    "no size": (setting("config", encoder_layers=0), "encoder_layers 0, where a positive whole number should be"),
    "text for size": (setting("config", vocab_size="many"), "vocab_size 'many', where"),
    "median": (setting("config", median_filter_width="7"), "a median_filter_width of '7', which is no odd number"),
    "suppressed": (setting("generation_config", suppress_tokens=5), "suppress 5, which is no list of tokens"),
    "heads": (setting("config", encoder_attention_heads=3), "width 16 for 3 heads"),
    "activation": (setting("config", activation_function="tune"), "transformers builds no Whisper as .*tune"),
    "tokenizer of another": (setting("config", vocab_size=500), r"has 593 tokens and the model 500; they do not"),
    "other hop": (setting("preprocessor_config", hop_length=128), "wants hop_length 128; only 160 is known"),
    "other mels": (setting("preprocessor_config", feature_size=128), "wants feature_size 128; only 80"),
    "shard missing": (shards_without_one, "no weights at .*model-00002-of-00003.safetensors"),
    "shard elsewhere": (shards_elsewhere, "names '../../secret.safetensors', which is not in its folder"),
    "empty index": (index_without_names, "does not say which files hold the weights"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_what_is_wrong_with_a_folder_is_said_in_a_sentence(folder: Path, fault: str) -> None:
    change, message = BAD[fault]
    change(folder)
    with pytest.raises(ModelError, match=message) as caught:
        read_folder(folder)
    assert "\n" not in str(caught.value)


def test_openais_file_without_a_tokenizer_says_what_is_needed(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no tokenizer; put tokenizer\.json"):
        read_folder(save_openai(made, tmp_path / "mine.pt"))


# -- cards


def test_a_folder_is_known_by_its_configuration(folder: Path) -> None:
    card = look(folder)
    assert card is not None
    assert card.name == "mine"
    assert card.languages == ("en", "zh", "de", "ja", "yue")  # which is written as Chinese
    assert card.translate
    edit(folder / "generation_config.json", is_multilingual=False)
    english = look(folder)
    assert english is not None
    assert english.languages == ("en",)
    assert not english.translate


def test_a_folder_with_a_published_name_is_what_was_published(folder: Path) -> None:
    card = look(folder.rename(folder.with_name("distil-large-v3")))
    assert card is not None
    assert (card.languages, card.license, card.translate) == (("en",), "MIT", False)


@pytest.mark.parametrize(
    "change", [setting("config", model_type="wav2vec2"), writing("config.json", "{"), without("config.json")]
)
def test_a_folder_of_anything_else_is_left_to_others(folder: Path, change: Change) -> None:
    change(folder)
    assert look(folder) is None


def test_a_pt_file_of_anybody_elses_is_left_to_others(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(2)}}, tmp_path / "model.pt")
    assert look(tmp_path) is None
    assert look(tmp_path / "model.pt") is None
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04 cut")
    assert look(tmp_path / "model.pt") is None
    assert look(tmp_path / "missing.pt") is None


def test_no_name_means_two_models() -> None:
    names = [name for card in CARDS for name in card.names]
    assert len(names) == len(set(names))
    named = {name: card.name for card in CARDS for name in card.names}
    assert {name: named[name] for name in ("tiny", "base.en", "large", "large-v1", "turbo", "large-v3")} == {
        "tiny": "whisper-tiny",
        "base.en": "whisper-base.en",
        "large": "whisper-large-v3",
        "large-v1": "whisper-large",
        "turbo": "whisper-large-v3-turbo",
        "large-v3": "whisper-large-v3",
    }


def test_a_card_says_what_its_model_can_do() -> None:
    cards = {card.name: card for card in CARDS}
    assert len(LANGUAGES) == 99
    assert cards["whisper-small"].translate
    assert cards["whisper-small"].languages[0] == "en"
    for name in ("whisper-small.en", "distil-large-v3", "whisper-large-v3-turbo"):
        assert not cards[name].translate
        assert "assistant_model" in cards[name].decoding
    assert cards["distil-small.en"].languages == ("en",)
    assert all(card.prompt and card.hotwords and card.word_times for card in CARDS)
    assert [card.name for card in CARDS if not card.punctuation] == ["whisper-mini"]


def test_any_model_of_the_hub_has_a_card() -> None:
    card = card_named("someone/whisper-small-cantonese")
    assert (card.huggingface, card.languages) == ("someone/whisper-small-cantonese", ("und",))
    assert BACKEND.card_named is card_named


def test_the_backends_face_loads_nothing() -> None:
    code = "import sys, asr_plugins.whisper; print({'torch', 'transformers', 'numpy', 'tokenizers'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"
