"""Worked examples of introductions to neural networks, computed by minigrad.

Examples in print are often slightly wrong: a sign, a factor, a shape, a sum. Each test says in words what a common
statement is, and what is right; minigrad computes what is right, and where it can, what the wrong version would do.
"""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import metrics, nn, ops, optim, training
from minigrad.data import DataLoader, Normalize, TensorDataset
from minigrad.models import GPT, MnistCNN, generate


def tensor(data, requires_grad=False):
    return mg.tensor(np.asarray(data, np.float64), requires_grad=requires_grad)


def assert_close(found, expected, digits=12):
    expected = np.asarray(expected.detach() if isinstance(expected, mg.Tensor) else expected, float)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=0.51 * 10.0**-digits)


# ---- layers


def test_a_layer_refuses_an_input_of_the_wrong_length():
    """A common example puts [1, 2, −1] through a ReLU layer of two units with two weights each, [[.5, .3], [.1, .2]],
    and biases [.2, .3], and finds [.7, .9].

    Three values do not fit a 2 × 2 weight. [.7, .9] is what two of the weights give when each is multiplied with one
    value; a layer sums over all inputs of a unit. With [1, 2] the layer gives [1.3, .8].
    """
    W, b = tensor([[0.5, 0.3], [0.1, 0.2]]), tensor([0.2, 0.3])
    with pytest.raises(ValueError, match=r"linear: x of shape \(3,\) and weight of shape \(2, 2\) do not fit"):
        F.linear(tensor([1, 2, -1]), W, b)
    with pytest.raises(ValueError, match=r"matmul: [\s\S]*the last axis of a \(2\) must equal"):
        W @ tensor([1, 2, -1])
    assert_close(F.relu(F.linear(tensor([1, 2]), W, b)), [1.3, 0.8])
    assert_close(F.relu(tensor([1, 2]) * W[0] + b), [0.7, 0.9])


def test_activations_as_they_are_written():
    """sigmoid z = 1 / (1 + e⁻ᶻ), ReLU z = max(0, z), tanh z = (eᶻ − e⁻ᶻ) / (eᶻ + e⁻ᶻ), softmax z = eᶻ / Σ eᶻ: right,
    and what minigrad computes, in forms that overflow nowhere."""
    z = tensor([-2, -0.5, 0, 1, 3])
    assert_close(F.sigmoid(z), 1 / (1 + ops.exp(-z)))
    assert_close(F.relu(z), ops.maximum(z, 0))
    assert_close(F.tanh(z), (ops.exp(z) - ops.exp(-z)) / (ops.exp(z) + ops.exp(-z)))
    assert_close(F.softmax(z), ops.exp(z) / ops.exp(z).sum())


def test_a_linear_model_of_house_prices():
    """A common example: a base price of 200000, 1000 for each of 150 m² of area, and 5000 less for each of 10 years
    make 275000. They make 300000."""
    house = tensor([150, 10])
    price = F.linear(house, tensor([[1000, -5000]]), tensor([200_000]))
    assert_close(price, [300_000])


def test_a_residual_connection_adds_its_input():
    """A common example: for x = [1, 2, 3] and f(x) = [4, 5, 6], the residual block ŷ = f(x) + x is said to give
    [4, 5, 6]. That is f(x) alone; the sum is [5, 7, 9]. Its gradient is that of f plus 1."""

    class F456(nn.Module):
        def forward(self, x):
            return x * x + tensor([3, 1, -3])

    x = tensor([1, 2, 3], requires_grad=True)
    y = nn.Residual(F456())(x)
    assert_close(F456()(x), [4, 5, 6])
    assert_close(y, [5, 7, 9])
    y.sum().backward()
    assert_close(x.grad, [2 + 1, 4 + 1, 6 + 1])


def test_normalisation_divides_by_the_standard_deviation():
    """A common example normalises [1, 2, 3, 4, 5] with mean 3 and "standard deviation 1" to [0, −.5, −1, −1.5, −2].

    The standard deviation over the batch is √2 (with n in the denominator), and what is left has mean 0 and
    deviation 1: [−1.41421, −.70711, 0, .70711, 1.41421], with ε = 1e-5 under the root. Division by 1 leaves deviation
    √2, and the values of the example have mean −1: nothing was subtracted rightly there.
    """
    x = tensor([1, 2, 3, 4, 5])
    assert_close(ops.mean(x), 3)
    assert_close(ops.std(x), 2**0.5)
    right = [-1.41421, -0.70711, 0, 0.70711, 1.41421]
    y = (x - ops.mean(x)) / ops.sqrt(ops.var(x) + 1e-5)
    assert_close(y, right, digits=5)
    assert_close(ops.mean(y), 0)
    assert_close(ops.std(y), 1, digits=5)
    layer = nn.BatchNorm1d(1, dtype="float64")
    assert_close(layer(x.reshape(5, 1)), y[:, None])
    assert_close(F.batch_norm(x.reshape(5, 1), training=True), y[:, None])
    assert_close(ops.std((x - 3) / 1), 2**0.5)
    assert_close(ops.mean(tensor([0, -0.5, -1, -1.5, -2])), -1)


def test_mean_and_deviation_one_half_scale_pixels_to_plus_and_minus_one():
    """A common statement: normalising pixels in [0, 1] with mean .5 and standard deviation .5 scales them to [0, 1].
    It scales them to [−1, 1]."""
    pixels = mg.linspace(0, 1, 11, dtype=np.float64).reshape(1, 1, 1, 11)
    scaled = Normalize(0.5, 0.5)(pixels)
    assert_close(scaled.min(), -1)
    assert_close(scaled.max(), 1)
    assert_close(scaled, 2 * pixels - 1)


# ---- losses


def test_half_the_sum_of_squares():
    """A common example: E = ½ Σ (y − ŷ)² for y = [1, 0] and ŷ = [.8, .2], without a value. It is .04, and its gradient
    is ŷ − y = [−.2, .2]."""
    y, prediction = tensor([1, 0]), tensor([0.8, 0.2], requires_grad=True)
    loss = F.mse_loss(prediction, y, "half_sum")
    assert_close(loss, 0.04)
    loss.backward()
    assert_close(prediction.grad, [-0.2, 0.2])


@pytest.mark.parametrize("n", [1, 2, 5])
def test_three_conventions_of_the_squared_error(n):
    """½ Σ, 1/2m Σ and 1/n Σ of (y − ŷ)² are all in use under one name. They differ by factors, hence in the learning
    rate that suits them; minigrad has all three, and the mean where none is named."""
    rng = np.random.default_rng(0)
    y, prediction = rng.normal(size=n), rng.normal(size=n)
    total = ((y - prediction) ** 2).sum()
    args = tensor(prediction), tensor(y)
    assert_close(F.mse_loss(*args, "half_sum"), total / 2)
    assert_close(F.mse_loss(*args, "half_mean"), total / (2 * n))
    assert_close(F.mse_loss(*args), total / n)
    for reduction, factor in (("half_sum", 1), ("half_mean", 1 / n), ("mean", 2 / n)):
        leaf = tensor(prediction, requires_grad=True)
        F.mse_loss(leaf, args[1], reduction).backward()
        assert_close(leaf.grad, factor * (prediction - y))


def test_squared_error_of_one_prediction():
    """A common example: the squared error of .6 where 0 is right is .36. Right."""
    assert_close(F.mse_loss(tensor(0.6), tensor(0)), 0.36)


def test_log_loss_of_a_distribution():
    """A common example: the log loss of ŷ = [.8, .2] for y = [1, 0] is −log .8. Right: .22314; the second class adds
    nothing, as its y is 0. From logits whose softmax is ŷ it is the same, and so it is from the index of the class."""
    y, probabilities = tensor([[1, 0]]), tensor([[0.8, 0.2]])
    by_definition = -(y * ops.log(probabilities)).sum()
    assert_close(by_definition, 0.22314, digits=5)
    logits = ops.log(probabilities) + 7  # softmax does not see a common shift
    assert_close(F.cross_entropy(logits, y), by_definition)
    assert_close(F.cross_entropy(logits, mg.tensor([0])), by_definition)


def test_cross_entropy_takes_logits_not_probabilities():
    """A common slip is a softmax in front of a loss that has one. Nothing fails, and the loss is another one: for
    [.8, .2] as logits .43749 in place of .22314, and however sure the network is, never below log(1 + 1/e)."""
    target = mg.tensor([0])
    assert_close(F.cross_entropy(tensor([[0.8, 0.2]]), target), 0.43749, digits=5)
    sure = F.softmax(tensor([[1000, -1000]]))
    assert_close(F.cross_entropy(sure, target), np.log(1 + 1 / np.e))


def test_binary_cross_entropy_of_one_prediction():
    """A common example: the cross-entropy of .6 where 1 is right is .5108. Right: −log .6 = .5108256. The logit of .6
    gives the same."""
    p = tensor([0.6])
    assert_close(F.binary_cross_entropy(p, tensor([1])), 0.5108256, digits=7)
    logit = ops.log(p / (1 - p))
    assert_close(F.binary_cross_entropy_with_logits(logit, tensor([1])), 0.5108256, digits=7)


def test_binary_cross_entropy_as_it_is_written():
    """−1/m Σ [y log h + (1 − y) log(1 − h)]: right, and what minigrad computes, from probabilities h as from logits."""
    rng = np.random.default_rng(0)
    z, y = tensor(rng.normal(size=8)), tensor(rng.integers(0, 2, 8))
    h = F.sigmoid(z)
    by_definition = -ops.mean(y * ops.log(h) + (1 - y) * ops.log(1 - h))
    assert_close(F.binary_cross_entropy(h, y), by_definition)
    assert_close(F.binary_cross_entropy_with_logits(z, y), by_definition)


# ---- gradients


class TwoThreeOne:
    """The network of two inputs, three hidden units and one output, all sigmoid, with J = ½ (y − σ(z))²."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.x, self.y = tensor([1, 2]), tensor([1])
        self.W1, self.b1 = tensor(rng.normal(size=(3, 2)), True), tensor(rng.normal(size=3), True)
        self.W2, self.b2 = tensor(rng.normal(size=(1, 3)), True), tensor(rng.normal(size=1), True)
        self.parameters = [self.W1, self.b1, self.W2, self.b2]

    def forward(self):
        """The hidden and the output values."""
        h = F.sigmoid(self.W1 @ self.x + self.b1)
        return h, F.sigmoid(self.W2 @ h + self.b2)

    def loss(self):
        return 0.5 * ((self.y - self.forward()[1]) ** 2).sum()


def test_gradients_of_the_2_3_1_network():
    """A common derivation of the gradients by hand, for input [1, 2] and label 1, drops the sign of the error, leaves
    the output weights out of the hidden gradients, and calls hidden and output weights by the same names.

    Right, with δ = ∂J/∂z at each layer, and ⊙ element by element:

        δ₂ = −(y − a) ⊙ a (1 − a)            ∂W₂ = δ₂ hᵀ,  ∂b₂ = δ₂
        δ₁ = W₂ᵀ δ₂ ⊙ h (1 − h)              ∂W₁ = δ₁ xᵀ,  ∂b₁ = δ₁

    Automatic differentiation gives these.
    """
    net = TwoThreeOne()
    h, a = net.forward()
    with mg.no_grad():
        delta2 = -(net.y - a) * a * (1 - a)
        delta1 = (net.W2.T @ delta2) * h * (1 - h)
        by_hand = [delta1[:, None] * net.x, delta1, delta2[:, None] * h, delta2]
    net.loss().backward()
    for parameter, expected in zip(net.parameters, by_hand, strict=True):
        assert_close(parameter.grad, expected, digits=14)


def test_what_the_wrong_gradients_of_the_2_3_1_network_would_do():
    """Without its sign, the gradient leads uphill: a descent step raises the loss. Without the output weights, the
    hidden gradients are those of another network, in which all of them are 1."""
    right = TwoThreeOne()
    right.loss().backward()
    for sign, falls in ((1, True), (-1, False)):
        net = TwoThreeOne()
        before = net.loss().item()
        with mg.no_grad():
            for parameter, other in zip(net.parameters, right.parameters, strict=True):
                parameter -= 0.1 * sign * other.grad
        assert (net.loss().item() < before) == falls

    net = TwoThreeOne()
    h, a = net.forward()
    with mg.no_grad():
        without_weights = -(net.y - a) * a * (1 - a) * h * (1 - h)
        assert_close(right.b1.grad, without_weights * net.W2[0], digits=14)
        assert not np.allclose(right.b1.grad.numpy(), without_weights.numpy(), rtol=0.1)


def test_derivative_of_the_squared_error_of_a_linear_model():
    """A common derivation gives the derivative of 1/n Σ (y − ŷ)² by w, for ŷ = w x, as 2/n Σ (y − ŷ), without the minus
    sign, or without the factor x. Right is −2/n Σ (y − ŷ) x, and by the bias of ŷ = w x + b it is −2/n Σ (y − ŷ)."""
    x, y = tensor([1, 2, 3]), tensor([2, 4, 6])
    w, b = tensor(0.5, requires_grad=True), tensor(0.25, requires_grad=True)
    F.mse_loss(w * x + b, y).backward()
    error = y - (w * x + b).detach()
    assert_close(w.grad, -2 * ops.mean(error * x))
    assert_close(b.grad, -2 * ops.mean(error))
    assert abs(w.grad.item() + 2 * error.numpy().mean()) > 1, "the factor x matters"


def test_fitting_y_is_2x():
    """A common case study fits y = 2 x to (1, 2), (2, 4), (3, 6) by gradient descent. With the right derivative it
    does: w is 2 to all digits after 50 steps of .05; without the minus sign it runs away."""
    x, y = tensor([1, 2, 3]), tensor([2, 4, 6])
    for sign, arrives in ((1, True), (-1, False)):
        w = tensor(0, requires_grad=True)
        for _ in range(50):
            F.mse_loss(w * x, y).backward()
            with mg.no_grad():
                w -= 0.05 * sign * w.grad
            w.zero_grad()
        assert (abs(w.item() - 2) < 1e-12) == arrives


@pytest.mark.parametrize("twins", [True, False])
@pytest.mark.parametrize("weight", [0.5, 1.0, 3.0])
def test_gradients_vanish_and_explode_by_the_product_of_their_steps(weight, twins):
    """A common explanation: in a deep or recurrent network the gradient is a product of factors, one for each step, and
    vanishes or explodes with their number. Right: for hₜ = tanh(w hₜ₋₁ + xₜ), ∂h_T/∂h₀ = Π w (1 − hₜ²). In the middle
    of tanh, at h = 0, each factor is w: after 50 steps that is 10⁻¹⁵ for .5, 1 for 1, and 10²⁴ for 3."""
    rng, T = np.random.default_rng(0), 50
    one, w = tensor([[1.0]]), tensor([[weight]])
    for x, in_the_middle in ((np.zeros(T), True), (rng.normal(scale=0.1, size=T), False)):
        h = tensor([[0.0]], requires_grad=True)
        with mg.twins(twins):
            states = F.rnn(tensor(x[:, None, None]), h, one, w)
            states[-1].sum().backward()
        product = np.prod(weight * (1 - states[:-1].detach().numpy() ** 2))
        np.testing.assert_allclose(h.grad.item(), product, rtol=1e-12)
        if in_the_middle:
            np.testing.assert_allclose(h.grad.item(), weight**T, rtol=1e-12)
        else:
            assert abs(product) < weight**T


# ---- optimisers


def step_from_1_2(optimiser):
    """Parameters [1, 2] after one step with the gradient [−2, −3]."""
    w = tensor([1, 2], requires_grad=True)
    (w * tensor([-2, -3])).sum().backward()
    optimiser([w]).step()
    return w


def test_one_step_of_gradient_descent():
    """A common example: [1, 2] − .01 · [−2, −3] = [−.02, .04]. It is [1.02, 2.03]: each parameter moves by a hundredth
    of its gradient, against the sign."""
    assert_close(tensor([1, 2]) - 0.01 * tensor([-2, -3]), [1.02, 2.03])
    assert_close(step_from_1_2(lambda params: optim.SGD(params, lr=0.01)), [1.02, 2.03])


@pytest.mark.parametrize("size", [6, 1, 2])
def test_descent_over_all_samples_over_one_and_over_some(size):
    """Batch gradient descent takes a step for all samples, stochastic for one, mini-batch for some: the gradient of a
    step is the mean over its samples, and an epoch takes n / size steps. Right; and on points of a line all arrive."""
    x = np.array([[0.5], [1.0], [1.5], [2.0], [-1.0], [-2.0]])
    y, expected = 2 * x, 0.0
    w = tensor([[0.0]], requires_grad=True)
    optimiser = optim.SGD([w], lr=0.05)
    for epoch in range(100):
        loader = DataLoader(TensorDataset(x, y), size, shuffle=True, generator=epoch)
        assert len(loader) == 6 // size
        batches = list(loader)
        assert sorted(value for some_x, _ in batches for value in some_x[:, 0].tolist()) == sorted(x[:, 0])
        for some_x, some_y in batches:
            expected -= 0.05 * np.mean([2 * (expected * a - b) * a for a, b in zip(some_x.numpy(), some_y.numpy())])
            optimiser.zero_grad()
            F.mse_loss(F.linear(some_x, w), some_y).backward()
            optimiser.step()
        assert_close(w, [[expected]])
    assert abs(w.item() - 2) < 1e-6


def test_the_first_step_of_adam():
    """A common description of Adam leaves out the correction of the two means, which begin at 0. The first step from
    [1, 2] with gradient [−2, −3], α = .01 and β = (.9, .999) then leads to [1.03162, 2.03162], three times as far as α.

    With m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ), as in the paper, it leads to [1.01, 2.01]: the first step is α for
    every parameter, whatever the size of its gradient.
    """
    w, g = tensor([1, 2]), tensor([-2, -3])
    m, v = 0.1 * g, 0.001 * g * g
    uncorrected = w - 0.01 * m / (ops.sqrt(v) + 1e-8)
    assert_close(uncorrected, [1.03162, 2.03162], digits=5)
    m, v = m / (1 - 0.9), v / (1 - 0.999)
    corrected = w - 0.01 * m / (ops.sqrt(v) + 1e-8)
    assert_close(corrected, [1.01, 2.01], digits=9)
    assert_close(step_from_1_2(lambda params: optim.Adam(params, lr=0.01, betas=(0.9, 0.999))), corrected)


# ---- a network in use


def test_judging_a_network_records_no_graph_and_drops_nothing():
    """Common: outside of training, switch gradients off and the layers into eval mode. Right, and `evaluate` and
    `predict` do both by themselves, and leave the network in the mode that it was in."""
    network = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)).train()
    x, y = mg.ones(4, 3), mg.zeros(4, 2)
    seen = []

    def loss(prediction, target):
        seen.append(prediction)
        return F.mse_loss(prediction, target)

    judged = training.evaluate(network, loss, DataLoader(TensorDataset(x, y), 4))
    seen.append(training.predict(network, x))
    expected = F.linear(x, network[0].weight, network[0].bias).detach()
    for prediction in seen:
        assert not prediction.requires_grad
        assert_close(prediction, expected, digits=6)
    assert judged["loss"] == pytest.approx(ops.mean(expected**2).item())
    assert network.training
    assert network[1].training


# ---- convolution


def test_shapes_of_a_small_convolutional_network():
    """Common: the first linear layer of a network with one 3 × 3 convolution and one 2 × 2 pooling takes 32·7·7.

    Right: 28 → 26 (no padding) → 13, so 32·13·13 = 5408. The layer of 32·7·7 refuses what it is given; 7 is what two
    poolings leave of a padded image.
    """
    images, kernels = mg.zeros(2, 1, 28, 28), mg.ones(32, 1, 3, 3)
    maps = F.conv2d(images, kernels)
    assert maps.shape == (2, 32, 26, 26)
    pooled = F.max_pool2d(maps, 2)
    assert pooled.shape == (2, 32, 13, 13)
    rows = nn.Flatten()(pooled)
    assert rows.shape == (2, 5408)
    with pytest.raises(ValueError, match="in_features must be 5408"):
        nn.Linear(32 * 7 * 7, 128)(rows)
    network = MnistCNN()
    assert network.hidden.in_features == 5408
    assert network(images).shape == (2, 10)
    assert F.max_pool2d(F.max_pool2d(F.conv2d(images, kernels, padding=1), 2), 2).shape == (2, 32, 7, 7)


def test_what_layers_call_convolution_is_correlation():
    """Common: y[i, j] = Σ image[i − m, j − n] kernel[m, n], which turns the kernel round, as the formula of a layer.
    Right: layers do not turn it; the two agree once the kernel is flipped along both axes."""
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(5, 6)), rng.normal(size=(3, 2))
    correlation, convolution = np.zeros((3, 5)), np.zeros((3, 5))
    for i, j in np.ndindex(3, 5):
        for m, n in np.ndindex(3, 2):
            correlation[i, j] += image[i + m, j + n] * kernel[m, n]
            convolution[i, j] += image[i + 2 - m, j + 1 - n] * kernel[m, n]

    def layer(kernel):
        return F.conv2d(tensor(image[None]), kernel.reshape(1, 1, 3, 2))[0]

    assert_close(layer(tensor(kernel)), correlation)
    assert_close(layer(ops.flip(tensor(kernel))), convolution)
    assert np.abs(correlation - convolution).max() > 0.1


# ---- judging a classifier


def test_recall_is_not_the_false_positive_rate():
    """Common: recall is the share of negatives that are predicted positive. Right: that is the false-positive rate;
    recall = TP / (TP + FN), precision = TP / (TP + FP)."""
    truth, answer = mg.tensor([1, 1, 1, 1, 0, 0, 0, 0, 0]), mg.tensor([1, 1, 0, 0, 1, 0, 0, 0, 0])
    (TN, FP), (FN, TP) = metrics.confusion_matrix(truth, answer)
    assert (TP, FN, FP, TN) == (2, 2, 1, 4)
    assert metrics.recall(truth, answer) == pytest.approx(TP / (TP + FN))  # 1/2
    assert metrics.precision(truth, answer) == pytest.approx(TP / (TP + FP))  # 2/3
    false_positive_rate, true_positive_rate, _ = metrics.roc_curve(truth, answer)
    assert false_positive_rate[1] == pytest.approx(FP / (FP + TN))  # 1/5
    assert true_positive_rate[1] == metrics.recall(truth, answer)


def test_measures_of_a_classifier():
    """Accuracy is the share of right answers, F1 = 2 P R / (P + R) the harmonic mean of precision and recall, and the
    area under the ROC curve the chance that a positive gets a higher score than a negative. Right."""
    truth, scores = mg.tensor([1, 1, 1, 1, 0, 0, 0, 0, 0]), tensor([0.9, 0.8, 0.4, 0.3, 0.7, 0.3, 0.2, 0.1, 0.1])
    answer = (scores > 0.5).astype(int)
    P, R = metrics.precision(truth, answer), metrics.recall(truth, answer)
    assert metrics.accuracy(truth, answer) == pytest.approx(6 / 9)
    assert metrics.f1(truth, answer) == pytest.approx(2 * P * R / (P + R))
    above = [(p > n) + 0.5 * (p == n) for p in scores[:4].tolist() for n in scores[4:].tolist()]
    assert metrics.roc_auc(truth, scores) == pytest.approx(np.mean(above))


# ---- generating text


def test_greedy_choice_gives_one_sequence():
    """Common: a call that always takes the likeliest next token is asked for five sequences. Right: it gives one, five
    times over; different ones need sampling. minigrad says so, rather than return five copies."""
    model = GPT(6, context=32, width=8, heads=2, layers=1, rng=mg.Generator(0))
    greedy = {tuple(generate(model, [0], 20, temperature=0)[0]) for _ in range(5)}
    assert len(greedy) == 1
    with pytest.raises(ValueError, match="with temperature 0 all 5 sequences would be the same"):
        generate(model, [0], 20, count=5, temperature=0)
    sampled = generate(model, [0], 20, count=5, rng=0)
    assert len({tuple(sequence) for sequence in sampled}) == 5
    assert {len(sequence) for sequence in sampled} == {20}
