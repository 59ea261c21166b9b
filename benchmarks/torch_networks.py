"""The networks of `minigrad.models` in PyTorch, with the same names of parameters, so that a state fits both.

They are what the training benchmark and the tests of agreement compare with. Each is written as one would write it in
PyTorch; only what both libraries leave to choice (the order of operations) follows minigrad's pages.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


class MLP(nn.Module):
    def __init__(self, in_features: int = 784, hidden: int = 64, classes: int = 10) -> None:
        super().__init__()
        self.hidden = nn.Linear(in_features, hidden)
        self.output = nn.Linear(hidden, classes)

    def forward(self, x: Any) -> Any:
        return self.output(F.relu(self.hidden(x.flatten(1))))


class MnistCNN(nn.Module):
    def __init__(self, side: int = 28, classes: int = 10, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 32, 3)
        self.hidden = nn.Linear(32 * ((side - 2) // 2) ** 2, 128)
        self.output = nn.Linear(128, classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        x = self.dropout(x.flatten(1))
        return self.output(self.dropout(F.relu(self.hidden(x))))


class CifarCNN(nn.Module):
    def __init__(self, classes: int = 10, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.hidden = nn.Linear(64 * 4 * 4, 64)
        self.output = nn.Linear(64, classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.dropout(F.relu(self.conv3(x)).flatten(1))
        return self.output(self.dropout(F.relu(self.hidden(x))))


class TextClassifier(nn.Module):
    def __init__(self, vocabulary: int = 10_000, embedding: int = 16, hidden: int = 24, classes: int = 2) -> None:
        super().__init__()
        self.classes = classes
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.hidden = nn.Linear(embedding, hidden)
        self.output = nn.Linear(hidden, 1 if classes == 2 else classes)

    def forward(self, tokens: Any) -> Any:
        vectors = self.embedding(tokens)
        words = (tokens != 0).unsqueeze(-1).to(vectors.dtype)
        average = (vectors * words).sum(1) / words.sum(1).clamp(min=1)
        logits = self.output(F.relu(self.hidden(average)))
        return logits.reshape(-1) if self.classes == 2 else logits


class CharRNN(nn.Module):
    layer: Any = nn.RNN

    def __init__(self, vocabulary: int, embedding: int = 64, hidden: int = 256, layers: int = 1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.recurrent = self.layer(embedding, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(self, tokens: Any) -> Any:
        return self.output(self.recurrent(self.embedding(tokens))[0])


class CharLSTM(CharRNN):
    layer = nn.LSTM


class LSTMClassifier(nn.Module):
    def __init__(self, vocabulary: int, classes: int, embedding: int = 32, hidden: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.output = nn.Linear(hidden, classes)

    def forward(self, tokens: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(tokens), (tokens != 0).sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        _, (state, _) = self.lstm(packed)
        return self.output(state[0])


class ResidualBlock(nn.Module):
    def __init__(self, channels: int, wider: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wider, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(wider)
        self.conv2 = nn.Conv2d(wider, wider, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(wider)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != wider:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, wider, 1, stride=stride, bias=False), nn.BatchNorm2d(wider)
            )

    def forward(self, x: Any) -> Any:
        f = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(f + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(
        self, channels: int = 1, classes: int = 10, widths: tuple[int, ...] = (16, 32, 64), blocks: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        stages, before = [], widths[0]
        for i, width in enumerate(widths):
            for j in range(blocks):
                stages.append(ResidualBlock(before, width, stride=2 if i and not j else 1))
                before = width
        self.stages = nn.Sequential(*stages)
        self.output = nn.Linear(before, classes)

    def forward(self, x: Any) -> Any:
        return self.output(self.stages(F.relu(self.norm(self.conv(x)))).mean((2, 3)))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Any) -> Any:
        z, T = self.norm1(x), x.shape[1]
        mask = torch.triu(torch.ones(T, T, dtype=torch.bool, device=x.device), 1)  # here, True is what is left out
        x = x + self.dropout(self.attention(z, z, z, attn_mask=mask, is_causal=True, need_weights=False)[0])
        return x + self.dropout(self.narrow(F.gelu(self.widen(self.norm2(x)), approximate="tanh")))


class GPT(nn.Module):
    def __init__(
        self,
        vocabulary: int,
        context: int = 128,
        width: int = 128,
        heads: int = 4,
        layers: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList([Block(width, heads, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Any) -> Any:
        x = self.dropout(self.words(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device)))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.words.weight)


class ViT(nn.Module):
    def __init__(
        self,
        side: int = 8,
        patch: int = 2,
        channels: int = 1,
        classes: int = 10,
        width: int = 64,
        heads: int = 4,
        layers: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + (side // patch) ** 2, width))
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width, heads, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
                )
                for _ in range(layers)
            )
        )
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, classes)

    def forward(self, x: Any) -> Any:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        z = torch.cat([self.class_token.expand(len(x), -1, -1), patches], 1) + self.positions
        return self.output(self.norm(self.layers(z))[:, 0])


class EncoderClassifier(nn.Module):
    def __init__(
        self,
        in_features: int = 8,
        classes: int = 10,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        max_length: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width = width
        self.project = nn.Linear(in_features, width)
        self.layers = nn.Sequential(
            *(nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, batch_first=True) for _ in range(layers))
        )
        self.output = nn.Linear(width, classes)

    def forward(self, x: Any) -> Any:
        if x.ndim == 4:
            x = x.flatten(1, 2)
        z = self.project(x)
        t = torch.arange(z.shape[1], dtype=torch.float64)[:, None]
        rates = torch.exp(-math.log(10_000) / self.width * torch.arange(0, self.width, 2, dtype=torch.float64))
        positions = torch.stack([torch.sin(t * rates), torch.cos(t * rates)], -1).flatten(1)
        return self.output(self.layers(z + positions.float().to(z.dtype)).mean(1))  # the table is one of float32
