#!/usr/bin/env bash
# Make morning.mp3 from morning.txt: one utterance a line, a pause between them, a little noise behind.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0
while IFS= read -r line; do
    flite -voice rms -t "$line" -o "$work/line.wav"
    ffmpeg -nostdin -v error -y -i "$work/line.wav" -af "adelay=400,apad=pad_dur=0.5" -ar 16000 "$work/$n.wav"
    echo "file '$n.wav'" >>"$work/list"
    n=$((n + 1))
done <morning.txt
ffmpeg -nostdin -v error -y -f concat -i "$work/list" \
    -f lavfi -i "anoisesrc=color=pink:amplitude=0.003:seed=1:r=16000" \
    -filter_complex "[0][1]amix=inputs=2:duration=first:normalize=0" -ac 1 -b:a 48k morning.mp3
