"""Whisper's tokens: what they are called is the same in every checkpoint, what numbers they have is not."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from asr_cli.errors import ModelError, UsageError
from asr_plugins.whisper.cards import SAME
from asr_plugins.whisper.look import is_multilingual
from asr_plugins.whisper.spelling import Spelled, spell

TIMESTAMP_STEP = 0.02
SPECIAL = re.compile(r"<\|.*\|>")
LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
# What openai-whisper keeps from being written where a checkpoint names nothing: marks that nobody speaks, and music.
SYMBOLS = (
    *'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
    "<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("', "((", "))", "(((", ")))", "[[", "]]", "{{", "}}",
    "♪♪", "♪♪♪",
)  # fmt: skip
MUSIC = tuple("♩♪♫♬♭♮♯")  # of more than one token, the first of which is theirs alone
DASHES = (" -", " '")  # fine within a word, not in front of one


class Tokens:
    """A checkpoint's tokens by what they mean; None for what it does not have.

    languages: by code; none where the model knows English only. suppress: never written. begin_suppress: not written
    at the beginning.
    """

    timestamp_step = TIMESTAMP_STEP

    def __init__(
        self,
        tokenizer: Tokenizer,
        n_tokens: int,
        config: Mapping[str, Any] | None = None,
        generation: Mapping[str, Any] | None = None,
    ) -> None:
        """config, generation: config.json and generation_config.json, as far as there are any."""
        self.n_tokens = n_tokens
        self._tokenizer = tokenizer
        self._tokenizer.encode_special_tokens = True  # nobody's prompt ends the text by naming its end
        added = {token.content: id for id, token in tokenizer.get_added_tokens_decoder().items()}
        self._plain = {id: text for text, id in added.items() if not SPECIAL.fullmatch(text)}
        self.sot = self._required("<|startoftranscript|>")
        self.eot = self._required("<|endoftext|>")
        self.transcribe = tokenizer.token_to_id("<|transcribe|>")
        self.translate = tokenizer.token_to_id("<|translate|>")
        self.no_timestamps = tokenizer.token_to_id("<|notimestamps|>")
        self.start_of_prev = tokenizer.token_to_id("<|startofprev|>")
        self.no_speech = self._first("<|nospeech|>", "<|nocaptions|>")
        self.timestamp_begin = self._timestamp_begin()
        self._special = {id for text, id in added.items() if SPECIAL.fullmatch(text)} | {self.eot}
        settings = {**(config or {}), **(generation or {})}
        self.languages = self._languages(settings, added) if is_multilingual(settings, n_tokens) else {}
        self.suppress = known(settings.get("suppress_tokens", self._unspoken()), n_tokens)
        first = known(settings.get("begin_suppress_tokens", (*self._encode(" "), self.eot)), n_tokens)
        self.begin_suppress = first

    def language(self, code: str) -> str:
        """What the model calls a language; an error where it does not know it.

        A model without Cantonese writes it as Chinese.
        """
        name = code.partition("-")[0].lower()
        for one in (name, SAME.get(name, name)):
            if one in self.languages or (one == "en" and not self.languages):
                return one
        if not self.languages:
            raise UsageError(f"the model knows English only, not {code!r}; take one for many languages (asr models)")
        raise UsageError(f"the model does not know the language {code!r}; it knows {', '.join(sorted(self.languages))}")

    def prompt(
        self,
        language: str | None,
        task: str = "transcribe",
        *,
        timestamps: bool,
        previous: Sequence[int] = (),
        limit: int,
    ) -> list[int]:
        """What the decoder begins with. previous: said before; its end is kept. limit: the longest text in tokens."""
        start = [self.sot]
        if self.languages:
            assert language is not None, "somebody has to find out the language first"
            start += [self.languages[self.language(language)], self._task(task)]
        elif language is not None:
            self.language(language)
        if not self.languages and task == "translate":
            raise UsageError("the model knows English only, and translates nothing; take one for many languages")
        if not timestamps:
            if self.no_timestamps is None:
                raise ModelError("the model cannot do without timestamps: its tokenizer has no <|notimestamps|>")
            start.append(self.no_timestamps)
        n_before = limit // 2 - 1  # as released: as much again is left for the text
        if not previous or self.start_of_prev is None or n_before < 1:
            return start
        return [self.start_of_prev, *previous[-n_before:], *start]

    def encode(self, text: str) -> list[int]:
        """The ids of a text, none of them special."""
        return [id for id in self._encode(text) if not self.is_special(id)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the ids; special ones say nothing, and what is no UTF-8 reads as U+FFFD."""
        return b"".join(self.bytes_of(id) or b"" for id in ids).decode("utf-8", errors="replace")

    def spell(self, ids: Iterable[int]) -> list[Spelled]:
        """The words of the ids; run together, they are `decode(ids)`."""
        return spell(map(self.bytes_of, ids))

    def words(self, ids: Iterable[int]) -> list[tuple[str, int]]:
        """Words, and how many ids each took, in all as many as there are.

        No id where a word shares the last one of the word before; no text where special ids stand between words.
        """
        return [(word.text, word.n_ids) for word in self.spell(ids)]

    def is_special(self, id: int) -> bool:
        """Whether it stands for no text: timestamps, languages, and so on."""
        return id in self._special or self.is_timestamp(id)

    def is_timestamp(self, id: int) -> bool:
        return self.timestamp_begin is not None and id >= self.timestamp_begin

    def bytes_of(self, id: int) -> bytes | None:
        """A part of a text in UTF-8, which may begin and end within a character; None for a special token."""
        if self.is_special(id):
            return None
        if id in self._plain:
            return self._plain[id].encode()
        text = self._tokenizer.id_to_token(id)
        return bytes(map(byte_of().__getitem__, text)) if text is not None else None

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _first(self, *names: str) -> int | None:
        ids = (self._tokenizer.token_to_id(name) for name in names)
        return next((id for id in ids if id is not None and id < self.n_tokens), None)

    def _required(self, name: str) -> int:
        id = self._first(name)
        if id is None:
            raise ModelError(f"the tokenizer has no {name}: it is not Whisper's, or of another model; pull it again")
        return id

    def _timestamp_begin(self) -> int | None:
        """Old tokenizers do not name the timestamps, which stand behind all others."""
        found = self._first("<|0.00|>")
        if found is not None or self.no_timestamps is None:
            return found
        return self.no_timestamps + 1 if self.n_tokens > self.no_timestamps + 1 else None

    def _task(self, task: str) -> int:
        id = self.translate if task == "translate" else self.transcribe
        if id is None:
            raise ModelError(f"the model's tokenizer has no <|{task}|>; pull it again")
        return id

    def _languages(self, settings: Mapping[str, Any], added: Mapping[str, int]) -> dict[str, int]:
        named = settings.get("lang_to_id")
        texts = named if isinstance(named, dict) and named else added
        found = {match[1]: added[text] for text in texts if text in added and (match := LANGUAGE.fullmatch(text))}
        return {code: id for code, id in found.items() if id < self.n_tokens}

    def _unspoken(self) -> tuple[int, ...]:
        found = {self._encode(text)[0] for text in DASHES}
        for symbol in (*SYMBOLS, *MUSIC):
            for ids in (self._encode(symbol), self._encode(f" {symbol}")):
                if len(ids) == 1 or symbol in MUSIC:
                    found.add(ids[0])
        special = (self.sot, self.transcribe, self.translate, self.start_of_prev, self.no_speech,
                   self._first("<|startoflm|>"))  # fmt: skip
        return tuple(sorted(found | {id for id in special if id is not None}))


def known(ids: Any, n_tokens: int) -> tuple[int, ...]:
    if not isinstance(ids, list | tuple | None):
        raise ModelError(f"its settings suppress {ids!r}, which is no list of tokens")
    return tuple(id for id in ids or () if type(id) is int and 0 <= id < n_tokens)


@cache
def byte_of() -> dict[str, int]:
    """Which byte each character of a byte-level vocabulary stands for (Radford et al. 2019): printable ones themselves.

    >>> bytes(byte_of()[c] for c in "Ġcafé")
    b' caf\\xe9'
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


def read_tokenizer(folder: Path) -> Tokenizer:
    """From tokenizer.json, or from the vocab.json, merges.txt and added_tokens.json of older folders."""
    path = folder / "tokenizer.json"
    parts = folder / "vocab.json", folder / "merges.txt"
    if not path.is_file() and not all(part.is_file() for part in parts):
        raise ModelError(
            f"{str(folder)!r} has no tokenizer; put tokenizer.json (or vocab.json, merges.txt and"
            " added_tokens.json) of the model there, or pull it again"
        )
    at = path if path.is_file() else parts[0]
    try:
        return Tokenizer.from_file(str(path)) if path.is_file() else build(folder)
    except ModelError:
        raise
    except Exception as error:  # the library raises nothing more special
        raise ModelError(f"{str(at)!r} is broken or cut short; pull the model again") from error


def build(folder: Path) -> Tokenizer:
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" ") for line in lines if line and not line.startswith("#version"))
    merges = [(left, right) for left, right in pairs]
    made = Tokenizer(models.BPE(vocabulary, merges, continuing_subword_prefix="", end_of_word_suffix=""))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    path = folder / "added_tokens.json"
    added = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    # The end of the text is among the others.
    special = {text: id for text, id in vocabulary.items() if SPECIAL.fullmatch(text)} | added
    ordered = sorted(special, key=special.__getitem__)
    made.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in ordered])
    if any(made.token_to_id(text) != id for text, id in special.items()):
        raise ModelError(
            f"{str(folder)!r}: added_tokens.json leaves numbers out that vocab.json has not; pull it again"
        )
    return made
