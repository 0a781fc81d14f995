"""Train weights and choices together with Lightning, with a table's latency in the loss.

    python examples/lightning_module.py TABLE.json

The same toy as training_loop.py, as a LightningModule: the table is a torch module, so it moves to a GPU with the
others. Needs: pip install lightning.
"""

import sys

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from latkit import LatencyTable

FEATURES, CLASSES, EPOCHS = 16, 10, 10


class SearchModule(lightning.LightningModule):
    """A supernet of linear layers; every choice mixes its candidates by their probabilities."""

    def __init__(self, table: LatencyTable) -> None:
        super().__init__()
        self.table = table
        self.logits = nn.Parameter(torch.zeros(table.mask.shape))
        widths = table.mask.sum(-1).tolist()
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.Linear(FEATURES, FEATURES) for _ in range(width)) for width in widths
        )
        self.classifier = nn.Linear(FEATURES, CLASSES)

    def forward(self, features: Tensor, probabilities: Tensor) -> Tensor:
        for candidates, probability in zip(self.layers, probabilities, strict=True):
            outputs = [share * one(features) for share, one in zip(probability, candidates, strict=False)]
            features = features + torch.stack(outputs).sum(0)
        return self.classifier(features)

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        images, labels = batch
        probabilities = self.table.softmax(self.logits)  # exactly 0 where a choice has no candidate
        latency = self.table(probabilities)  # seconds, differentiable
        self.log("expected_ms", 1e3 * latency)
        return functional.cross_entropy(self(images, probabilities), labels) + latency / self.table.slowest()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.05)


def main(path: str) -> None:
    lightning.seed_everything(0, verbose=False)
    table = LatencyTable.load(path)
    data = TensorDataset(torch.randn(256, FEATURES), torch.randint(CLASSES, (256,)))
    model = SearchModule(table)
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, DataLoader(data, batch_size=32))
    found = tuple(model.logits.masked_fill(~table.mask, -torch.inf).argmax(-1).tolist())
    print(f"candidates {found}: {table.format_value(table.total(found))}, of at most {table.format_value(table.max())}")


if __name__ == "__main__":
    main(sys.argv[1])
