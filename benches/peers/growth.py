"""Draws how time grows with T, H, B and the number of runs, from what `cargo bench --bench growth`
left in target/criterion.

usage: python growth.py CRITERION_DIR OUT.svg [OUT.png ...]     (needs matplotlib)"""
import glob
import json
import os
import sys
from collections import defaultdict

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {"vanilla-rnn": "#0072B2", "lstm": "#D55E00"}
LABELS = {"T": "steps T", "H": "hidden units H", "B": "sequences B", "runs": "runs"}


def main():
    times = defaultdict(list)
    for path in glob.glob(os.path.join(sys.argv[1], "growth*", "**", "new", "benchmark.json"), recursive=True):
        with open(path) as f:
            _, varied, memory, kind, value = json.load(f)["full_id"].split("/")
        with open(path.replace("benchmark", "estimates")) as f:
            seconds = json.load(f)["median"]["point_estimate"] * 1e-9
        times[varied, memory, kind].append((int(value), seconds))
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), sharey=True)
    for axis, varied in zip(axes, LABELS):
        for (name, memory, kind), points in sorted(times.items()):
            if name != varied:
                continue
            x, y = zip(*sorted(points))
            dashed = memory == "checkpointed"
            axis.loglog(x, y, "o--" if dashed else "o-", color=COLOURS[kind], ms=4, lw=1.2, alpha=0.6 if dashed else 1,
                        label=f"{kind}, {memory}" if varied == "T" else None)
        low, high = axis.get_xlim()
        axis.plot([low, high], [2e-3, 2e-3 * high / low], color="0.75", lw=0.8, zorder=0)
        axis.set(xlabel=LABELS[varied], xlim=(low, high))
        values = sorted({x for (name, *_), points in times.items() if name == varied for x, _ in points})
        axis.set_xticks(values, [f"{x:,}".replace(",", " ") for x in values], fontsize=8)
        axis.minorticks_off()
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("time (s), one thread")
    axes[0].legend(frameon=False, fontsize=7)
    figure.suptitle("Time is linear in T, B and runs, and between linear and quadratic in H "
                    "(grey: linear; else T = 200, H = 64, B = 16, one run)", fontsize=10, x=0.01, ha="left")
    figure.tight_layout()
    for out in sys.argv[2:]:
        figure.savefig(out, dpi=150)


if __name__ == "__main__":
    main()
