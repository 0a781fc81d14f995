"""Train weights and choices together in plain PyTorch, with a table's latency in the loss.

    python examples/training_loop.py TABLE.json

TABLE.json is a table that `latkit table export` wrote. The supernet here is a toy, and its data is random: what matters
is the loss. A search proper alternates the steps on weights and choices, on separate data: docs/concepts/search.md.
"""

import sys

import torch
from torch import Tensor, nn
from torch.nn import functional

from latkit import LatencyTable

FEATURES, CLASSES, STEPS = 16, 10, 40


class Mixed(nn.Module):
    """A sum of candidates, each weighted by its probability."""

    def __init__(self, candidates: int) -> None:
        super().__init__()
        self.candidates = nn.ModuleList(nn.Linear(FEATURES, FEATURES) for _ in range(candidates))

    def forward(self, features: Tensor, probabilities: Tensor) -> Tensor:
        outputs = torch.stack([candidate(features) for candidate in self.candidates], -1)  # (N, features, candidates)
        return features + (outputs * probabilities[: len(self.candidates)]).sum(-1)


def main(path: str) -> None:
    torch.manual_seed(0)
    table = LatencyTable.load(path)
    layers = nn.ModuleList(Mixed(count) for count in table.mask.sum(-1).tolist())
    classifier = nn.Linear(FEATURES, CLASSES)
    logits = torch.zeros(table.mask.shape, requires_grad=True)
    optimizer = torch.optim.Adam([*layers.parameters(), *classifier.parameters(), logits], lr=0.05)
    images, labels = torch.randn(64, FEATURES), torch.randint(CLASSES, (64,))
    for _ in range(STEPS):
        probabilities = table.softmax(logits)  # exactly 0 where a choice has no candidate
        features = images
        for layer, share in zip(layers, probabilities, strict=True):
            features = layer(features, share)
        loss = functional.cross_entropy(classifier(features), labels) + table(probabilities) / table.slowest()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = tuple(logits.masked_fill(~table.mask, -torch.inf).argmax(-1).tolist())
    print(f"candidates {found}: {table.format_value(table.total(found))}, of at most {table.format_value(table.max())}")


if __name__ == "__main__":
    main(sys.argv[1])
