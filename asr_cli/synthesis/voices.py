"""Synthetic speakers: espeak-ng and flite reading sentences made up here.

Nobody's recording is used anywhere, so anybody who has the two programs can make the same corpus.
"""

import io
import random
import shutil
import subprocess
import wave
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asr_cli.errors import DependencyError

WORDS = {
    "en-us": """
        the a of and to in is that it was for on are with as his they at be this from have or by one had not but
        what all were when we there can an your which their said if do will each about how up out them then she
        many some so these would other into has more her two like him see time could no make than first been its
        who now people my made over did down only way find use may water long little very after words called
        just where most know get through back much before good new write our used me man too any day same right
        look think also around another came come work three word must because does part even place well such
        here take why things help put years different away again off went old number great tell men say small
        every found still between name should home big give air line set own under read last never us left end
        along while might next sound below saw something thought both few those always looked show large often
        together asked house world going want school important until form food keep children feet land side
        without boy once animal life enough took sometimes four head above kind began almost live page got earth
        need far hand high year mother
    """,
    "cmn": """
        wo3 ni3 ta1 shi4 de5 bu4 zai4 you3 ren2 zhe4 zhong1 guo2 da4 lai2 shang4 wei4 he2 di4 dao4 yi1 er4 san1 si4
        wu3 shuo1 shi2 yao4 jiu4 chu1 hui4 ke3 ye3 sheng1 neng2 er2 zi5 na4 de2 yu2 zhe5 xia4 zi4 zhi1 nian2 guo4
        fa1 hou4 zuo4 li3 yong4 dao4 xing2 suo3 ran2 jia1 zhong3 shi4 cheng2 fang1 duo1 jing1 me5 qu4 fa3 xue2 ru2
        dou1 tong2 xian4 dang1 mei2 dong4 mian4 qi3 kan4 ding4 tian1 fen1 hai2 jin4 hao3 xiao3 bu4 qi2 xie1 zhu3
        yang4 li3 xin1 xian1 dan4 ben3
    """,
    "ja": """
        わたし は きょう あさ ごはん を たべて から でかけました その ひと の なまえ が わかりません とても しずか
        な へや です あした も また きます か いいえ ちがいます でんしゃ に のって うみ まで いきたい と おもいます
        ゆっくり はなして ください これ それ あれ どれ ここ そこ あそこ みず そら かぜ やま かわ とり さかな ほん
        つくえ いす まど とけい
    """,
    "de": """
        der die das und ist nicht ein ich sie wir mit auf von haben werden können heute morgen schön groß klein
        über zwischen sprechen Wasser Straße Himmel Zeitung Freund Arbeit Geschichte ziehen fünf zwölf
        vielleicht manchmal
    """,
    "fr": """
        le la les un une des et est dans pour avec sur nous vous ils elle bonjour demain toujours jamais petit
        grand maison rivière soleil oiseau chemin histoire parler écouter peut-être quelque chose aujourd'hui
    """,
    "es": """
        el la los un una y es en para con sobre nosotros ustedes ellos mañana siempre nunca pequeño grande casa
        río sol pájaro camino historia hablar escuchar quizás alguna cosa hoy gracias trabajo ciudad
    """,
    "ru": """
        и в не на я быть он с что это весь она так его но да ты к у же вы за бы по только мне было вот от меня
        ещё нет
    """,
    "it": """
        il lo la i gli le un una e di che non per con sono questo bene casa giorno sempre mai grande piccolo
        acqua parlare
    """,
}
SHARES = {"en-us": 7, "cmn": 6, "ja": 3, "de": 1, "fr": 1, "es": 1, "ru": 1, "it": 1}
VARIANTS = ("", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+f1", "+f2", "+f3", "+f4", "+f5", "+croak",
            "+whisper", "+klatt", "+klatt2", "+klatt3")  # fmt: skip
FLITE = ("kal16", "awb", "rms", "slt")


def require() -> None:
    for program, package in (("espeak-ng", "espeak-ng"), ("flite", "flite")):
        if shutil.which(program) is None:
            raise DependencyError(f"{program} is needed to synthesise speech; install it (apt install {package})")


def speak(chance: random.Random) -> tuple[NDArray[np.float32], int]:
    """A sentence by a random speaker: samples in [-1, 1], and their rate in Hz."""
    if chance.random() < 0.3:
        command = ["flite", "-voice", chance.choice(FLITE), "-t", sentence("en-us", chance), "-o", "/dev/stdout",
                   "--setf", f"duration_stretch={chance.uniform(0.75, 1.35):.2f}",
                   "--setf", f"int_f0_target_mean={chance.uniform(80, 240):.0f}"]  # fmt: skip
    else:
        language = chance.choices(list(SHARES), list(SHARES.values()))[0]
        command = ["espeak-ng", "-v", language + chance.choice(VARIANTS), "-s", str(chance.randint(110, 270)),
                   "-p", str(chance.randint(5, 95)), "-g", str(chance.choice((0, 0, 1, 3, 8))), "--stdout",
                   sentence(language, chance)]  # fmt: skip
    spoken = subprocess.run(command, capture_output=True, check=False).stdout
    return decode(spoken) if len(spoken) > 1000 else speak(chance)


def sentence(language: str, chance: random.Random) -> str:
    words: Sequence[str] = WORDS[language].split()
    chosen = [chance.choice(words) for _ in range(chance.randint(1, 14))]
    for position in range(2, len(chosen) - 2, 5):
        if chance.random() < 0.4:
            chosen[position] += ","
    return " ".join(chosen) + chance.choice((".", "?", "!"))


def decode(wav: bytes) -> tuple[NDArray[np.float32], int]:
    # Both programs write a header whose length they do not know yet; the samples are what follows it.
    with wave.open(io.BytesIO(wav)) as file:
        rate = file.getframerate()
    body = wav[wav.index(b"data") + 8 :]
    samples = np.frombuffer(body[: len(body) // 2 * 2], dtype="<i2")
    return samples.astype(np.float32) / np.float32(32768), rate
