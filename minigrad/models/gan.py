"""Floor 5: two networks against each other: one draws samples, the other tells them from real ones.

noise (N, 16) → generator → samples (N, 2) or images (N, pixels);  samples → discriminator → logits (N,)
"""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import Generator as RandomGenerator
from ..creation import randn
from ..functional import leaky_relu, linear, relu, sigmoid
from ..tensor import Tensor


class Generator(nn.Module):
    """G(z), noise to samples        (N, noise) → (N, out); between 0 and 1 where `bounded`, as pixels are"""

    def __init__(
        self,
        noise: int = 16,
        hidden: int = 128,
        out_features: int = 2,
        bounded: bool = False,
        rng: RandomGenerator | None = None,
    ) -> None:
        super().__init__()
        self.bounded = bounded
        self.layer1 = nn.Linear(noise, hidden, rng=rng)
        self.layer2 = nn.Linear(hidden, hidden, rng=rng)
        self.output = nn.Linear(hidden, out_features, rng=rng)

    def forward(self, z: Any) -> Tensor:
        x = self.output(relu(self.layer2(relu(self.layer1(z)))))
        return sigmoid(x) if self.bounded else x


class Discriminator(nn.Module):
    """D(x), the logit of x being real        (N, in) → (N,)

    With learns=False the weights are constants: gradients pass through to x, and stop there.
    """

    def __init__(self, in_features: int = 2, hidden: int = 128, rng: RandomGenerator | None = None) -> None:
        super().__init__()
        self.layer1 = nn.Linear(in_features, hidden, rng=rng)
        self.layer2 = nn.Linear(hidden, hidden, rng=rng)
        self.output = nn.Linear(hidden, 1, rng=rng)

    def forward(self, x: Any, learns: bool = True) -> Tensor:
        for layer in (self.layer1, self.layer2, self.output):
            parameters = (layer.weight, layer.bias)
            x = linear(x, *(parameters if learns else (p.detach() for p in parameters if p is not None)))
            if layer is not self.output:
                x = leaky_relu(x, 0.2)
        return x.reshape(-1)


class GAN(nn.Module):
    """min over G, max over D of  E ln D(x) + E ln(1 − D(G(z)))        real samples (N, …) → three rows of logits (N,)

    forward gives D(x) and D(G(z)), by which D learns, and D(G(z)) again, by which G does: it makes −ln D(G(z)) small,
    which has the same fixed point and larger gradients while D wins. So both learn from one sum of three losses, at the
    same time. Goodfellow et al., "Generative adversarial networks" (2014), eq. 1 and section 3.
    """

    def __init__(
        self,
        out_features: int = 2,
        noise: int = 16,
        hidden: int = 128,
        bounded: bool = False,
        rng: RandomGenerator | None = None,
    ) -> None:
        super().__init__()
        self.noise, self.rng = noise, rng
        self.generator = Generator(noise, hidden, out_features, bounded, rng)
        self.discriminator = Discriminator(out_features, hidden, rng)

    def sample(self, count: int) -> Tensor:
        """(count, out) new samples"""
        device = self.generator.output.weight.device
        return self.generator(randn(count, self.noise, device=device, generator=self.rng))

    def forward(self, real: Any) -> tuple[Tensor, Tensor, Tensor]:
        drawn = self.sample(len(real))
        judge = self.discriminator
        return judge(real.reshape(len(real), -1)), judge(drawn.detach()), judge(drawn, learns=False)
