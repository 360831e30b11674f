"""Trains a two-layer LSTM to recall the signs it saw in its first step, and saves what
`vangrad trace` wants: checkpoints, and sequences longer than those of the training.

    pip install torch numpy safetensors
    python train.py
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

FOLDER = Path(__file__).parent
SIZE, HIDDEN, STEPS, UPDATES = 4, 24, 20, 100


class Recall(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(SIZE, HIDDEN, num_layers=2)
        self.head = torch.nn.Linear(HIDDEN, SIZE)
        for name, parameter in self.lstm.named_parameters():
            if "bias_ih" in name:
                parameter.data[HIDDEN : 2 * HIDDEN] += 3.0

    def forward(self, x):
        outputs, _ = self.lstm(x)
        return self.head(outputs[-1])


def draw(steps, batch):
    """Noise after a first step of signs, (T, B, I)."""
    x = 0.1 * torch.randn(steps, batch, SIZE)
    x[0] = torch.sign(torch.randn(batch, SIZE))
    return x


torch.manual_seed(0)
torch.set_num_threads(1)
model = Recall()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for update in range(UPDATES + 1):
    if update % 20 == 0:
        save_file(model.state_dict(), FOLDER / f"update-{update:03}.safetensors")
    x = draw(STEPS, 32)
    loss = (model(x) - x[0]).square().mean()
    if update % 20 == 0:
        print(update, loss.item())
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
save_file({"input": draw(100, 4)}, FOLDER / "inputs.safetensors")
