"""Makes the PyTorch fixtures beside this script: gradients of recurrent networks in f64.

    pip install torch numpy safetensors
    python make_fixtures.py

Every file holds one network, its inputs, its trajectory, and for each of its losses every
gradient. Layouts and parameter names are PyTorch's. README.md lists the tensors.

A step is written out by hand, so that each h_t and c_t is a tensor that can retain its gradient:

* the *node* gradient of h_t and c_t is what `retain_grad` reports on that very tensor: every path,
  c_t -> h_t inside step t included;
* the *carried* gradient is that of a copy of it: step t+1 reads the copies of h_t and c_t, the loss
  reads the copy of h_t, and only h_t = o_t * tanh(c_t) and the layer above read the originals. So
  it has what arrives through step t+1, plus the loss's own direct use.

The loop is checked against torch.nn.RNN, torch.nn.GRU and torch.nn.LSTM: outputs and all gradients.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

FOLDER = Path(__file__).parent
CLASSES = 3  # outputs of the readout
LOSSES = ("terminal", "every-step", "cross-entropy", "squared-error")


@dataclass
class Case:
    """One file."""

    name: str
    seed: int  # its own, so that a new file changes no other
    kind: str  # tanh, relu, gru or lstm
    steps: int
    batch: int
    hidden: int
    inputs: int
    losses: tuple
    layers: int = 1
    bias: bool = True

    def parameters(self, layer):
        names = ("weight_ih", "weight_hh") + (("bias_ih", "bias_hh") if self.bias else ())
        return [f"{name}_l{layer}" for name in names]

    def name_of(self, quantity, layer):
        """Of a tensor of one layer; a single layer goes without a suffix."""
        return quantity if self.layers == 1 else f"{quantity}_l{layer}"


CASES = (
    Case("tanh", 1, "tanh", steps=40, batch=3, hidden=7, inputs=4, losses=LOSSES),
    Case("relu", 2, "relu", steps=40, batch=3, hidden=7, inputs=4, losses=LOSSES),
    Case("lstm", 3, "lstm", steps=40, batch=3, hidden=7, inputs=4, losses=LOSSES),
    # Wide enough for blocked matrix kernels with rests in every dimension.
    Case("tanh-wide", 4, "tanh", steps=10, batch=5, hidden=33, inputs=6, losses=("squared-error",)),
    Case("lstm-wide", 5, "lstm", steps=10, batch=5, hidden=33, inputs=6, losses=("cross-entropy",)),
    # Long enough for several chunks of steps.
    Case("lstm-long", 6, "lstm", steps=200, batch=3, hidden=2, inputs=1, losses=("every-step",)),
    # Layers one above the other.
    *(
        Case(
            f"{kind}-{layers}-layers{'' if bias else '-no-bias'}",
            seed,
            kind,
            steps=20,
            batch=3,
            hidden=5,
            inputs=2,
            losses=LOSSES[:2],
            layers=layers,
            bias=bias,
        )
        for seed, (kind, layers, bias) in enumerate(
            (
                ("tanh", 2, True),
                ("tanh", 3, False),
                ("relu", 2, False),
                ("relu", 3, True),
                ("lstm", 2, True),
                ("lstm", 2, False),
                ("lstm", 3, True),
                ("lstm", 3, False),
            ),
            start=7,
        )
    ),
    Case("gru", 15, "gru", steps=40, batch=3, hidden=7, inputs=4, losses=LOSSES),
    Case("gru-wide", 16, "gru", steps=10, batch=5, hidden=33, inputs=6, losses=("squared-error",)),
    Case("gru-long", 17, "gru", steps=200, batch=3, hidden=2, inputs=1, losses=("every-step",)),
    *(
        Case(
            f"gru-{layers}-layers{'' if bias else '-no-bias'}",
            seed,
            "gru",
            steps=20,
            batch=3,
            hidden=5,
            inputs=2,
            losses=LOSSES[:2],
            layers=layers,
            bias=bias,
        )
        for seed, layers, bias in ((18, 2, True), (19, 2, False), (20, 3, True))
    ),
)


def draw(case):
    """Everything random: parameters, inputs, initial state and what the losses need."""
    T, B, H, I, K = case.steps, case.batch, case.hidden, case.inputs, CLASSES
    rows = {"lstm": 4, "gru": 3}.get(case.kind, 1) * H
    # A recurrent gain around 1, so that gradients at all lags are far from 0 and from overflow.
    gain = {"tanh": 1.2, "relu": 1.3, "gru": 1.0, "lstm": 1.0}[case.kind]
    tensors = {}
    for layer in range(case.layers):
        below = I if layer == 0 else H
        tensors[f"weight_ih_l{layer}"] = torch.randn(rows, below) / below**0.5
        tensors[f"weight_hh_l{layer}"] = torch.randn(rows, H) * gain / H**0.5
        if case.bias:
            tensors[f"bias_ih_l{layer}"] = torch.randn(rows) * 0.2
            tensors[f"bias_hh_l{layer}"] = torch.randn(rows) * 0.2
            if case.kind == "lstm":
                tensors[f"bias_ih_l{layer}"][H : 2 * H] += 1.0
    tensors["input"] = torch.randn(T, B, I)
    tensors["h_0"] = torch.randn(case.layers, B, H) * 0.5
    if case.kind == "lstm":
        tensors["c_0"] = torch.randn(case.layers, B, H)
    needed = {
        "terminal.adjoint": torch.randn(B, H),
        "every-step.adjoint": torch.randn(T, B, H),
        "readout.weight": torch.randn(K, H) / H**0.5,
        "readout.bias": torch.randn(K) * 0.2,
        "cross-entropy.labels": torch.randint(K, (T, B)),
        "squared-error.targets": torch.randn(T, B, K),
    }
    prefixes = case.losses + (("readout",) if set(case.losses) & set(LOSSES[2:]) else ())
    return tensors | {k: v for k, v in needed.items() if k.split(".")[0] in prefixes}


def loss_of(name, outputs, given):
    """The loss of outputs h_1…h_T, (T, B, H): sums over steps and sequences, never means."""
    if name == "terminal":
        return (outputs[-1] * given["terminal.adjoint"]).sum()
    if name == "every-step":
        return (outputs * given["every-step.adjoint"]).sum()
    y = outputs @ given["readout.weight"].T + given["readout.bias"]
    if name == "cross-entropy":
        labels = given["cross-entropy.labels"].flatten()
        return cross_entropy(y.flatten(0, 1), labels, reduction="sum")
    return 0.5 * ((y - given["squared-error.targets"]) ** 2).sum()


def leaves(tensors):
    """Fresh leaves for everything that gets a gradient; labels stay as they are."""
    return {k: v.clone().requires_grad_(v.is_floating_point()) for k, v in tensors.items()}


def run_layer(case, given, layer, inputs, direct_only):
    """One layer over the outputs of the one below. Lists over t = 0…T of the nodes and their copies.

    With `direct_only` step t+1 reads h_t detached: what is left of the cell's gradient is the
    direct path c_T -> c_{T-1} -> …, fed through each h_t by the loss or the layer above.
    """
    lstm = case.kind == "lstm"
    h, c = [given["h_0"][layer]], [given["c_0"][layer] if lstm else None]
    h_copy, c_copy = [], []

    def copy():
        h_copy.append(h[-1].clone())
        c_copy.append(c[-1].clone() if lstm else None)
        for tensor in (h[-1], h_copy[-1], c[-1], c_copy[-1]):
            if tensor is not None:
                tensor.retain_grad()

    copy()
    for x in inputs:
        h_read = h_copy[-1].detach() if direct_only else h_copy[-1]
        a = x @ given[f"weight_ih_l{layer}"].T
        if case.bias:
            a = a + given[f"bias_ih_l{layer}"]
        if case.kind == "gru":
            # The reset gate stands between the two parts of n.
            a_hidden = h_read @ given[f"weight_hh_l{layer}"].T
            if case.bias:
                a_hidden = a_hidden + given[f"bias_hh_l{layer}"]
            (a_r, a_z, a_n), (of_r, of_z, of_n) = a.chunk(3, dim=1), a_hidden.chunk(3, dim=1)
            r, z = (a_r + of_r).sigmoid(), (a_z + of_z).sigmoid()
            n = (a_n + r * of_n).tanh()
            h.append((1 - z) * n + z * h_read)
            c.append(None)
            copy()
            continue
        a = a + h_read @ given[f"weight_hh_l{layer}"].T
        if case.bias:
            a = a + given[f"bias_hh_l{layer}"]
        if lstm:
            i, f, g, o = a.chunk(4, dim=1)
            c.append(f.sigmoid() * c_copy[-1] + i.sigmoid() * g.tanh())
            h.append(o.sigmoid() * c[-1].tanh())
        else:
            h.append(a.tanh() if case.kind == "tanh" else a.relu())
        copy()
    return h, c, h_copy, c_copy


def loop(case, given, direct_layer=None):
    """The network written out: what `run_layer` gives, for each layer.

    `direct_layer` is the layer of which only the direct path is kept.
    """
    inputs, layers = given["input"], []
    for layer in range(case.layers):
        layers.append(run_layer(case, given, layer, inputs, direct_only=layer == direct_layer))
        inputs = layers[-1][0][1:]
    return layers


def stack_gradients(tensors):
    """(T+1, B, H). A tensor that nothing reads, such as the copy of c_T, has no gradient: zero."""
    return torch.stack([torch.zeros_like(t) if t.grad is None else t.grad for t in tensors])


def assert_close(what, value, expected):
    error = (value - expected).abs().max().item()
    bound = 1e-13 * expected.abs().max().item()
    assert error <= bound, f"{what}: differs by {error}, more than {bound}"


def check_against_module(case, tensors, name, outputs, gradients):
    """The same network and loss through torch.nn."""
    given = leaves(tensors)
    if case.kind == "gru":
        module = torch.nn.GRU(case.inputs, case.hidden, case.layers, bias=case.bias)
        state = given["h_0"]
    elif case.kind == "lstm":
        module = torch.nn.LSTM(case.inputs, case.hidden, case.layers, bias=case.bias)
        state = (given["h_0"], given["c_0"])
    else:
        module = torch.nn.RNN(
            case.inputs, case.hidden, case.layers, nonlinearity=case.kind, bias=case.bias
        )
        state = given["h_0"]
    parameters = [name for layer in range(case.layers) for name in case.parameters(layer)]
    with torch.no_grad():
        for parameter in parameters:
            getattr(module, parameter).copy_(tensors[parameter])
    module_outputs, _ = module(given["input"], state)
    loss_of(name, module_outputs, given).backward()
    assert_close("outputs", outputs, module_outputs)
    for parameter in parameters:
        # Both biases have the same gradient, stored once, but for a GRU's.
        same = "bias" in parameter and case.kind != "gru"
        stored = parameter.replace("_hh", "_ih") if same else parameter
        assert_close(parameter, gradients[stored], getattr(module, parameter).grad)
    assert_close("input", gradients["input"], given["input"].grad)
    for layer in range(case.layers):
        for state in ("h", "c") if case.kind == "lstm" else ("h",):
            gradient = gradients[case.name_of(state, layer)][0]
            assert_close(f"{state}_0", gradient, given[f"{state}_0"].grad[layer])


def gradients_of(case, tensors, name):
    """All gradients of one loss, and the trajectory."""
    given = leaves(tensors)
    layers = loop(case, given)
    loss = loss_of(name, torch.stack(layers[-1][2][1:]), given)
    loss.backward()

    gradients, trajectory = {}, {}
    for layer, (h, c, h_copy, c_copy) in enumerate(layers):
        states = {"h": (h, h_copy)} | ({"c": (c, c_copy)} if case.kind == "lstm" else {})
        for state, (nodes, copies) in states.items():
            gradients[case.name_of(state, layer)] = stack_gradients(nodes)
            gradients[case.name_of(f"{state}_carried", layer)] = stack_gradients(copies)
            trajectory[case.name_of(state, layer)] = torch.stack(nodes[1:]).detach()
        if layer == case.layers - 1:
            # Nothing inside step t reads h_t, so h has no carried gradient of its own.
            carried = gradients.pop(case.name_of("h_carried", layer))
            assert torch.equal(gradients[case.name_of("h", layer)], carried)
        if case.kind == "lstm":
            direct = leaves(tensors)
            direct_layers = loop(case, direct, direct_layer=layer)
            loss_of(name, torch.stack(direct_layers[-1][0][1:]), direct).backward()
            c_direct = stack_gradients(direct_layers[layer][1])
            gradients[case.name_of("c_direct", layer)] = c_direct
        for parameter in case.parameters(layer):
            if case.kind == "gru" or not parameter.startswith("bias_hh"):
                gradients[parameter] = given[parameter].grad
    gradients["input"] = given["input"].grad
    if name in LOSSES[2:]:
        gradients["readout.weight"] = given["readout.weight"].grad
        gradients["readout.bias"] = given["readout.bias"].grad

    outputs = trajectory[case.name_of("h", case.layers - 1)]
    check_against_module(case, tensors, name, outputs, gradients)
    return trajectory, {"loss": loss.detach()} | {f"grad.{k}": v for k, v in gradients.items()}


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    for case in CASES:
        torch.manual_seed(case.seed)
        tensors = draw(case)
        stored = dict(tensors)
        for name in case.losses:
            trajectory, results = gradients_of(case, tensors, name)
            stored |= trajectory | {f"{name}.{k}": v for k, v in results.items()}
        file = FOLDER / f"{case.name}.safetensors"
        save_file({k: v.contiguous() for k, v in stored.items()}, file)
        file.chmod(0o644)  # safetensors makes it readable by its owner alone
        print(f"{file.name}: {len(stored)} tensors, {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
