"""python -m asr"""

from asr.main import run

if __name__ == "__main__":
    run()
