"""Makes the fixtures of `vangrad trace` in the folder `trace` beside this script, by autograd in f64.

    pip install torch numpy safetensors
    python make_trace_fixtures.py

A file holds a state dict (`model.…`, in its own precision), the inputs (`inputs.…`) and what is to
come out: `expected.<layer>.<quantity>`, log10 of gradient norms for t = 0…T (-inf for an exact zero).

Steps are written out by hand, so that every h_t and c_t is a tensor that can retain its gradient. The
*node* gradient is that of the tensor itself; the *carried* one that of a copy that only step t+1 of
the same layer reads, and in the top layer the loss. The layer above reads the tensor itself: within
step t it is another coordinate's path. Outputs are checked against torch.nn.RNN, torch.nn.GRU and torch.nn.LSTM,
of unequal lengths as packed sequences.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

FOLDER = Path(__file__).parent / "trace"
NOTHING = torch.tensor(float("-inf"), dtype=torch.float64)


def copy(tensor):
    """The same numbers as a node of their own."""
    tensor = tensor * 1.0
    tensor.retain_grad()
    return tensor


def trace(module, x, h_0, c_0, grad_output):
    """Of one sequence (T, I): squared norms (T + 1) by layer and quantity, and the outputs (T, H)."""
    T, L, H = x.shape[0], module.num_layers, module.hidden_size
    is_lstm = isinstance(module, torch.nn.LSTM)
    states, copies = [[] for _ in range(L)], [[] for _ in range(L)]
    for layer in range(L):
        state = [h_0[layer], c_0[layer]] if is_lstm else [h_0[layer]]
        state = [s.clone().requires_grad_() for s in state]
        states[layer].append(state)
        copies[layer].append(state)
    for t in range(T):
        below = x[t]
        for layer in range(L):
            parameter = lambda name: getattr(module, f"{name}_l{layer}")
            before = copies[layer][-1]
            of_input, of_hidden = parameter("weight_ih") @ below, parameter("weight_hh") @ before[0]
            a = of_input + of_hidden
            if module.bias:
                a = a + parameter("bias_ih") + parameter("bias_hh")
            if isinstance(module, torch.nn.GRU):
                r, z, _ = a.sigmoid().split(H)
                # The reset gate stands between the two parts of n.
                of_n, of_h = of_input[2 * H :], of_hidden[2 * H :]
                if module.bias:
                    of_n, of_h = of_n + parameter("bias_ih")[2 * H :], of_h + parameter("bias_hh")[2 * H :]
                n = (of_n + r * of_h).tanh()
                h = (1 - z) * n + z * before[0]
            elif is_lstm:
                i, f, g, o = a.split(H)
                c = f.sigmoid() * before[1] + i.sigmoid() * g.tanh()
                c.retain_grad()
                h = o.sigmoid() * c.tanh()
            else:
                h = a.tanh() if module.nonlinearity == "tanh" else a.relu()
            h.retain_grad()
            state = [h, c] if is_lstm else [h]
            states[layer].append(state)
            copies[layer].append([copy(s) for s in state])
            below = h
    outputs = torch.stack([copies[-1][t][0] for t in range(1, T + 1)])
    if grad_output is None:
        loss = 0.5 * (copies[-1][T][0] ** 2).sum()
    else:
        loss = (grad_output[:T] * outputs).sum()
    loss.backward()
    square = lambda s: (s.grad**2).sum() if s.grad is not None else torch.zeros((), dtype=torch.float64)
    squares = {}
    for layer in range(L):
        for k, name in enumerate("hc" if is_lstm else "h"):
            squares[f"{layer}.{name}"] = torch.stack([square(s[k]) for s in states[layer]])
            squares[f"{layer}.{name}_carried"] = torch.stack([square(s[k]) for s in copies[layer]])
    return squares, outputs.detach()


def make(name, module, dtype, T, B, lengths=None, with_states=False, every_step=False):
    module = module.to(dtype)
    state_dict = {f"model.{k}": v.clone() for k, v in module.state_dict().items()}
    module = module.to(torch.float64)
    L, H, I = module.num_layers, module.hidden_size, module.input_size
    x = torch.randn(T, B, I, dtype=torch.float64)
    inputs = {"input": x}
    zeros = torch.zeros(L, B, H, dtype=torch.float64)
    h_0, c_0, grad_output = zeros, zeros, None
    is_lstm = isinstance(module, torch.nn.LSTM)
    if with_states:
        inputs["h_0"] = h_0 = torch.randn(L, B, H, dtype=torch.float64) * 0.5
        if is_lstm:
            inputs["c_0"] = c_0 = torch.randn(L, B, H, dtype=torch.float64)
    if every_step:
        inputs["grad_output"] = grad_output = torch.randn(T, B, H, dtype=torch.float64)
    if lengths:
        inputs["lengths"] = torch.tensor(lengths)
    ends = lengths or [T] * B
    longest = max(ends)
    packed = pack_padded_sequence(x, torch.tensor(ends), enforce_sorted=False)
    expected_outputs, _ = pad_packed_sequence(module(packed, (h_0, c_0) if is_lstm else h_0)[0])
    total = None
    for j, end in enumerate(ends):
        given = None if grad_output is None else grad_output[:, j]
        squares, outputs = trace(module, x[:end, j], h_0[:, j], c_0[:, j], given)
        torch.testing.assert_close(outputs, expected_outputs[:end, j], rtol=1e-12, atol=1e-14)
        # Aligned at the end: lag k of this sequence is lag k of all.
        padded = {k: torch.cat([v.new_zeros(longest - end), v]) for k, v in squares.items()}
        total = padded if total is None else {k: total[k] + v for k, v in padded.items()}
    expected = {f"expected.{k}": torch.where(v > 0, 0.5 * v.log10(), NOTHING) for k, v in total.items()}
    inputs = {f"inputs.{k}": v for k, v in inputs.items()}
    tensors = {**state_dict, **inputs, **expected}
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, FOLDER / f"{name}.safetensors")


FOLDER.mkdir(exist_ok=True)
torch.manual_seed(7)
LSTM, GRU, RNN = torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN
make("lstm-1", LSTM(3, 5), torch.float64, T=30, B=3)
make("lstm-2-f32", LSTM(3, 5, num_layers=2), torch.float32, T=25, B=3, with_states=True)
make("lstm-3-f16", LSTM(2, 4, num_layers=3, bias=False), torch.float16, T=20, B=2, every_step=True)
make("lstm-2-lengths", LSTM(3, 5, num_layers=2), torch.float64, T=20, B=4, lengths=[20, 7, 7, 1], with_states=True)
make("tanh-2-bf16", RNN(3, 5, num_layers=2), torch.bfloat16, T=25, B=3, with_states=True, every_step=True)
make("relu-1", RNN(3, 6, nonlinearity="relu"), torch.float64, T=20, B=4)
make("relu-3-lengths", RNN(3, 6, num_layers=3, nonlinearity="relu"), torch.float32, T=18, B=3, lengths=[5, 15, 9])
make("gru-1", GRU(3, 5), torch.float64, T=30, B=3)
make("gru-2-f32-lengths", GRU(3, 5, num_layers=2), torch.float32, T=20, B=4, lengths=[20, 7, 7, 1], with_states=True)
make("gru-3-f16", GRU(2, 4, num_layers=3, bias=False), torch.float16, T=20, B=2, every_step=True)
make("gru-2-bf16", GRU(3, 5, num_layers=2), torch.bfloat16, T=25, B=3, with_states=True, every_step=True)
