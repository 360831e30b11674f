"""Makes the binary seeds, beside those of `config`, which are texts. Needs numpy, torch, safetensors.

Run from any folder: python make_seeds.py
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file as save_tensors

HERE = Path(__file__).parent
torch.manual_seed(20)
random = np.random.default_rng(20)


def state_dicts():
    folder = HERE / "state_dict"
    modules = {
        "rnn": torch.nn.RNN(2, 3),
        "lstm": torch.nn.LSTM(1, 2, num_layers=2),
        "no_bias": torch.nn.LSTM(2, 1, bias=False),
        "gru": torch.nn.GRU(1, 2),
        "bidirectional": torch.nn.RNN(1, 1, bidirectional=True),
        "projected": torch.nn.LSTM(1, 2, proj_size=1),
    }
    for name, module in modules.items():
        save_tensors(module.state_dict(), folder / f"{name}.safetensors")
    for dtype in [torch.float16, torch.bfloat16, torch.float64]:
        weights = torch.nn.RNN(1, 2).to(dtype).state_dict()
        save_tensors(weights, folder / f"{str(dtype).removeprefix('torch.')}.safetensors")
    whole = {f"encoder.rnn.{k}": v for k, v in torch.nn.RNN(1, 1).state_dict().items()}
    whole |= {f"decoder.{k}": v for k, v in torch.nn.LSTM(1, 1).state_dict().items()}
    whole |= {"head.weight": torch.zeros(1, 1)}
    save_tensors(whole, folder / "model.safetensors")


def inputs():
    folder = HERE / "inputs"
    x = random.standard_normal((3, 2, 2))
    save_arrays({"input": x}, folder / "input.safetensors")
    every = {
        "input": x.astype(np.float32),
        "h_0": np.zeros((1, 2, 3)),
        "c_0": np.zeros((1, 2, 3), np.float16),
        "grad_output": np.ones((3, 2, 3), np.float32),
        "lengths": np.array([3, 1]),
    }
    save_arrays(every, folder / "all.safetensors")
    save_arrays({"input": x[:, 0], "h_0": np.zeros((1, 3))}, folder / "one.safetensors")
    np.save(folder / "doubles.npy", x)
    np.save(folder / "singles.npy", x[:, 0].astype(np.float32))
    np.save(folder / "fortran.npy", np.asfortranarray(x))
    with open(folder / "version-2.npy", "wb") as file:
        np.lib.format.write_array(file, x, version=(2, 0))
    (folder / "header.csv").write_text("a,b\n1.0,2\n-3e-2, .5\n")
    (folder / "plain.csv").write_text("1\n2\n3\n")


def records():
    folder = HERE / "record"
    rows = {"x": np.array([-1.5, -2.0]), "reference": np.array([-0.5, 2.0])}
    save_arrays(rows, folder / "rows.safetensors", {"spec": "{}"})
    every = {
        "gate.f": np.full((2, 8), 0.5),
        "h": np.array([-2.5, -np.inf, 0.125]),
        "h.sequences": np.zeros((3, 2)),
        "law:h:rate:ln rho(W)": np.array([-np.inf]),
        "reference": np.zeros(0),
        "series.c": np.zeros((2, 2)),
    }
    save_arrays(every, folder / "all.safetensors", {"spec": "{}"})
    save_arrays(every, folder / "other-spec.safetensors", {"spec": "[]"})


state_dicts()
inputs()
records()
