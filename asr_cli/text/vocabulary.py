"""A recogniser's vocabulary: what its numbers stand for."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from asr_cli.errors import ModelError

UNKNOWN = ("<unk>", "<OOV>", "<UNK>")  # what vocabularies call a token they do not have
NUMBERED = re.compile(r"(.+?)[ \t]+([0-9]+)")  # the token may be a blank itself
ANOTHER_COPY = "pull the model again or take the file from another copy of it"


class Vocabulary:
    """Tokens in the order of their ids.

    >>> words = Vocabulary(["<blank>", "你", "hel@@", "lo", "<unk>"])
    >>> words.id("你"), words.id("她"), words.piece(2)
    (1, 4, 'hel@@')
    """

    __slots__ = ("_ids", "longest", "sentencepiece", "source", "tokens", "unknown")

    def __init__(self, tokens: Iterable[str], *, source: str = "the vocabulary") -> None:
        self.tokens = tuple(tokens)
        self.source = source
        if not self.tokens:
            raise ModelError(f"{source} has no tokens; {ANOTHER_COPY}")
        self._ids = {token: index for index, token in enumerate(self.tokens)}
        if len(self._ids) < len(self.tokens):
            again = next(token for index, token in enumerate(self.tokens) if self._ids[token] != index)
            raise ModelError(f"{source} has the token {again!r} more than once, so ids would be wrong; {ANOTHER_COPY}")
        # "▁" marks where a word begins; otherwise "@@" marks where it goes on.
        self.sentencepiece = any(token.startswith("▁") for token in self.tokens)
        self.longest = max(map(len, self.tokens))
        self.unknown = next((self._ids[name] for name in UNKNOWN if name in self._ids), None)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read tokens.json (a list) or tokens.txt: a token on each line, alone or with its id after it."""
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError as error:
            raise ModelError(f"the model has no vocabulary {str(path)!r}; {ANOTHER_COPY}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"cannot read the vocabulary {str(path)!r}: {error}; {ANOTHER_COPY}") from error
        if path.suffix != ".json":
            return cls(parse_lines(text, str(path)), source=repr(str(path)))
        try:
            return cls.from_list(json.loads(text), source=repr(str(path)))
        except json.JSONDecodeError as error:
            raise ModelError(f"{str(path)!r} is no JSON: {error}; {ANOTHER_COPY}") from error

    @classmethod
    def from_list(cls, tokens: object, *, source: str) -> Self:
        """Take what a JSON or YAML file holds where a list of tokens should be (`token_list` of FunASR before 1.0)."""
        if not isinstance(tokens, Sequence) or isinstance(tokens, str):
            raise ModelError(f"{source} holds {type(tokens).__name__}, not a list of tokens; {ANOTHER_COPY}")
        strange = next((token for token in tokens if not isinstance(token, str)), None)
        if strange is not None or None in tokens:
            raise ModelError(f"{source} has {strange!r} where a token should be; {ANOTHER_COPY}")
        return cls(tokens, source=source)

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def id(self, token: str) -> int:
        """The token's id, or that of the unknown token."""
        found = self._ids.get(token, self.unknown)
        if found is None:
            raise ModelError(f"{self.source} has neither {token!r} nor a token for what is unknown")
        return found

    def piece(self, index: int) -> str:
        if not 0 <= index < len(self.tokens):
            raise ModelError(
                f"the model says token {index}, and {self.source} has {len(self.tokens)}: they do not belong together;"
                f" {ANOTHER_COPY}"
            )
        return self.tokens[index]


def parse_lines(text: str, name: str) -> list[str]:
    # Not splitlines(): a vocabulary may hold characters that Python counts as line ends.
    lines = [line.removesuffix("\r") for line in text.rstrip("\r\n").split("\n")] if text.strip("\r\n") else []
    numbered = [NUMBERED.fullmatch(line) for line in lines]
    columns = [(found[1], int(found[2])) for found in numbered if found]
    if len(columns) == len(lines):
        columns.sort(key=lambda column: column[1])
        if [index for _, index in columns] != list(range(len(columns))):
            raise ModelError(f"the ids in {name!r} are not 0, 1, 2 and so on; {ANOTHER_COPY}")
        return [token for token, _ in columns]
    if 2 * len(columns) > len(lines):
        odd = numbered.index(None)
        raise ModelError(f"line {odd + 1} of {name!r} is {lines[odd]!r}, no token with its id; {ANOTHER_COPY}")
    if "" in lines:
        raise ModelError(f"line {lines.index('') + 1} of {name!r} is empty, so ids would be wrong; {ANOTHER_COPY}")
    return lines
