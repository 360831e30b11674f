"""Joins criterion's estimates with the peers' CSV into one Markdown table.

usage: python compare.py CRITERION_DIR… PEERS_CSV…     (CRITERION_DIR: target/criterion)

Of several folders, and of several CSV files, the fastest time counts: where a process's memory comes to
lie decides a few percent.

`best peer` is the fastest of PyTorch (autograd with retain_grad, or backpropagation by hand) and JAX
(gradients of perturbations, or two scans by hand). The bound is what the machine could do at most:
the operations of the three products at the rate of `machine/fma`, or, where that takes longer, the
bytes of W_hh, forward and back, at the rate of `machine/read` from a cache that holds it. A network
has to take its activations too, one tanh for each unit, step and sequence, of an LSTM five: `with
activations` adds them at the rate of `kernels/tanh`."""
import csv
import glob
import json
import os
import sys
from collections import defaultdict


def criterion(folders):
    """Median seconds and throughput of every benchmark, by id."""
    times = {}
    for folder in folders:
        for path in glob.glob(os.path.join(folder, "**", "new", "estimates.json"), recursive=True):
            with open(path) as f:
                seconds = json.load(f)["median"]["point_estimate"] * 1e-9
            with open(path.replace("estimates", "benchmark")) as f:
                benchmark = json.load(f)
            amount = next(iter((benchmark.get("throughput") or {}).values()), None)
            name = benchmark["full_id"]
            times[name] = min((seconds, amount), times.get(name, (seconds, amount)))
    return times


def peers(paths):
    found = defaultdict(dict)
    for path in paths:
        with open(path) as f:
            for row in csv.DictReader(f):
                if row["T"] == "100" and row["dtype"] == "float64":
                    times = found[row["cell"], int(row["H"]), int(row["B"])]
                    seconds = float(row["median_s"])
                    times[row["peer"]] = min(seconds, times.get(row["peer"], seconds))
    return found


def rate(times, name):
    seconds, amount = times[name]
    return amount / seconds


def bound(times, P, H, B, I=8, T=100):
    operations = 2 * P * T * B * ((H + I) + H + (H + I + 1))
    size = 8 * P * (2 * H + I)
    # Half as much again as a cache holds is still read mostly from it.
    cache = "32KiB" if size < 1.5 * 2**15 else "512KiB" if size < 1.5 * 2**20 else "2048KiB" if size < 2**22 else "8192KiB"
    reading = T * size / rate(times, f"machine/read/{cache}")
    return max(operations / rate(times, "machine/fma"), reading)


def activations(times, P, H, B, T=100):
    per_unit = 1 if P == H else 5
    return per_unit * H * B * T / rate(times, "kernels/tanh/kernels/N=1024")


def main():
    folders = [path for path in sys.argv[1:] if os.path.isdir(path)]
    times, other = criterion(folders), peers(path for path in sys.argv[1:] if path not in folders)
    print(f"FMA peak {rate(times, 'machine/fma') / 1e9:.0f} GFLOP/s; reads of "
          + ", ".join(f"{k} {rate(times, f'machine/read/{k}') / 1e9:.0f} GB/s"
                      for k in ("32KiB", "512KiB", "2048KiB", "8192KiB")) + ".\n")
    print("| network | B | H | here, µs | norms only, µs | best peer, µs | best peer ÷ here | best peer ÷ bound | eager ÷ here | bound ÷ here | with activations |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for (cell, H, B), found in sorted(other.items(), key=lambda item: (item[0][0] == "lstm", item[0][2], item[0][1])):
        kind, P = ("vanilla-rnn", H) if cell == "rnn" else ("lstm", 4 * H)
        name = f"backpropagation/{kind}/%s/H={H},B={B},T=100"
        if name % "norms+weights" not in times:
            continue
        here, norms = times[name % "norms+weights"][0], times[name % "norms"][0]
        candidates = {k: v for k, v in found.items() if k != "torch_fused"}
        best = min(candidates, key=candidates.get)
        least = bound(times, P, H, B)
        print(f"| {cell.upper()} | {B} | {H} | {here * 1e6:.1f} | {norms * 1e6:.1f} | {candidates[best] * 1e6:.0f} ({best.replace('_', ' ')}) "
              f"| {candidates[best] / here:.2f} | {candidates[best] / least:.1f} | {found['torch_eager'] / here:.0f} "
              f"| {100 * least / here:.0f} % | {100 * (least + activations(times, P, H, B)) / here:.0f} % |")


if __name__ == "__main__":
    main()
