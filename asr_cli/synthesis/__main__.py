"""python -m asr_cli.synthesis: a corpus."""

from asr_cli.synthesis.corpus import main

if __name__ == "__main__":
    main()
