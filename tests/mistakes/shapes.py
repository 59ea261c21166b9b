"""Mistakes with shapes, dtypes, devices and the values of tensors."""

# ruff: noqa: E501 - messages stand here as they are printed

from . import Mistake

SHAPES = {
    "Shapes that do not fit: products, layers, convolutions": [
        Mistake(
            "A matrix product of two batches",
            """
            x = mg.ones(32, 784)  # 32 images
            weight = mg.ones(64, 784)  # 64 units
            y = x @ weight
            """,
            """
            minigrad.errors.OperationValueError: matmul: shapes (32, 784) and (64, 784) do not fit
              got a (32, 784) float32, b (64, 784) float32
              the last axis of a (784) must equal the second last of b (64); did you mean swapaxes(b, -1, -2)?
            """,
            """A product adds up along the last axis of the left and the second last of the right factor: (n, k) times
            (k, m). Weights are often kept as (out, in), and are then turned.""",
            """
            x = mg.ones(32, 784)
            weight = mg.ones(64, 784)
            y = x @ weight.T  # (32, 784) (784, 64) → (32, 64)
            """,
        ),
        Mistake(
            "A layer that expects another number of features",
            """
            model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(32, 10))
            model(mg.ones(8, 784))
            """,
            """
            minigrad.errors.ShapeError: Linear(in_features=32, out_features=10, bias=True): linear: x of shape (8, 64) and weight of shape (10, 32) do not fit: the last axis of x must equal the last axis of weight (out, in)
              for this x, in_features must be 64
              in layer 2 of Sequential: Linear
            """,
            """Each layer takes what the one before gives: `out_features` of one is `in_features` of the next.""",
            """
            model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
            model(mg.ones(8, 784))
            """,
        ),
        Mistake(
            "Images for a linear layer",
            """
            model = nn.Sequential(nn.Linear(784, 10))
            model(mg.ones(32, 28, 28))
            """,
            """
            minigrad.errors.ShapeError: Linear(in_features=784, out_features=10, bias=True): linear: x of shape (32, 28, 28) and weight of shape (10, 784) do not fit: the last axis of x must equal the last axis of weight (out, in)
              put a Flatten() before the layer, or hand in x.reshape(len(x), -1)
              in layer 0 of Sequential: Linear
            """,
            """A linear layer works along the last axis, and takes all others for batches. An image has to become one
            row of numbers before.""",
            """
            model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
            model(mg.ones(32, 28, 28))
            """,
        ),
        Mistake(
            "No Flatten between convolutions and linear layers",
            """
            model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Linear(8, 10))
            model(mg.ones(4, 1, 28, 28))
            """,
            """
            minigrad.errors.ShapeError: Linear(in_features=8, out_features=10, bias=True): linear: x of shape (4, 8, 26, 26) and weight of shape (10, 8) do not fit: the last axis of x must equal the last axis of weight (out, in)
              for images put a Flatten() before the layer; in_features is then 5408
              in layer 2 of Sequential: Linear
            """,
            """A convolution gives images again, (N, C, H, W). For a linear layer they are flattened; the message says
            how many numbers that makes.""",
            """
            model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5408, 10))
            model(mg.ones(4, 1, 28, 28))
            """,
        ),
        Mistake(
            "Channels that stand last",
            """
            images = mg.ones(4, 32, 32, 3)  # as image files are read: height, width, color
            nn.Conv2d(3, 8, kernel_size=3)(images)
            """,
            """
            minigrad.errors.ShapeError: Conv2d(3, 8, kernel_size=(3, 3)): conv2d: x of shape (4, 32, 32, 3) has 32 channels, but a weight of shape (8, 3, 3, 3) is for 3; channels come second: did you mean x.transpose(0, 3, 1, 2)?
            """,
            """Convolutions take (N, C, H, W), with channels before the places.""",
            """
            images = mg.ones(4, 32, 32, 3)
            nn.Conv2d(3, 8, kernel_size=3)(images.transpose(0, 3, 1, 2))
            """,
        ),
        Mistake(
            "Gray images without an axis for their channel",
            """
            images = mg.ones(32, 28, 28)
            nn.Conv2d(1, 8, kernel_size=3)(images)
            """,
            """
            minigrad.errors.ShapeError: Conv2d(1, 8, kernel_size=(3, 3)): conv2d: x of shape (32, 28, 28) has 32 channels, but a weight of shape (8, 1, 3, 3) is for 1; a batch of one channel each is x.reshape(32, 1, 28, 28)
            """,
            """Without four axes, x is taken for a single image (C, H, W), here with 32 channels.""",
            """
            images = mg.ones(32, 28, 28)
            nn.Conv2d(1, 8, kernel_size=3)(images.reshape(32, 1, 28, 28))
            """,
        ),
    ],
    "Shapes that do not broadcast": [
        Mistake(
            "A number for each row",
            """
            scores = mg.ones(32, 10)
            weights = mg.ones(32)  # one for each row
            scores * weights
            """,
            """
            minigrad.errors.OperationValueError: multiply: shapes (32, 10) and (32,) do not broadcast
              got a (32, 10) float32, b (32,) float32
              broadcasting aligns shapes at the right: 10 and 32 must be equal or one of them 1; insert an axis with expand_dims or b[:, None]
            """,
            """Shapes are compared from the right, and the last axis of the scores has length 10. An axis of length 1
            at the right makes a column of the weights, which is repeated along the row.""",
            """
            scores = mg.ones(32, 10)
            weights = mg.ones(32)
            scores * weights[:, None]  # (32, 10) (32, 1)
            """,
        ),
        Mistake(
            "A column and a row as prediction and target",
            """
            prediction = nn.Linear(2, 1)(mg.ones(8, 2))  # (8, 1)
            target = mg.ones(8)
            F.mse_loss(prediction, target)
            """,
            """
            minigrad.errors.ShapeError: mse_loss: prediction and target must have one shape, got (8, 1) and (8,); add or drop an axis with reshape or squeeze
            """,
            """Broadcast, their difference would be an (8, 8) matrix of every prediction with every target, and the
            training would go on without a word and learn the mean. So losses refuse it.""",
            """
            prediction = nn.Linear(2, 1)(mg.ones(8, 2))
            target = mg.ones(8)
            F.mse_loss(prediction.squeeze(1), target)
            """,
        ),
        Mistake(
            "A reshape to another number of elements",
            """
            x = mg.ones(2, 3)
            x.reshape(4, 2)
            """,
            """
            minigrad.errors.OperationValueError: reshape: cannot reshape array of size 6 into shape (4,2)
              got x (2, 3) float32, shape=(4, 2)
            """,
            """A reshape keeps all elements in their order; -1 stands for the one length that follows from the
            others.""",
            """
            x = mg.ones(2, 3)
            x.reshape(-1, 2)
            """,
        ),
        Mistake(
            "An axis that is not there",
            """
            x = mg.ones(2, 3)
            x.sum(axis=2)
            """,
            """
            minigrad.errors.OperationIndexError: sum: axis 2 is out of bounds for array of dimension 2
              got x (2, 3) float32, axis=2, keepdims=False
            """,
            """Axes are counted from 0, or from -1 at the end.""",
            """
            x = mg.ones(2, 3)
            x.sum(axis=1)
            """,
        ),
    ],
    "Integers that should learn": [
        Mistake(
            "An integer leaf",
            """
            w = mg.tensor([1, 2, 3], requires_grad=True)
            """,
            """
            TypeError: gradients need a float dtype, not int64; use x.astype(float)
            """,
            """A gradient says what a small change does, and integers have no small changes. Numbers with a point are
            floats.""",
            """
            w = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
            """,
        ),
    ],
    "float64 data for a float32 network": [
        Mistake(
            "An array of NumPy's usual precision",
            """
            x = np.random.default_rng(0).normal(size=(8, 2))  # float64, as NumPy makes it
            model = nn.Linear(2, 1)
            y = model(x)
            """,
            """
            UserWarning: Linear(in_features=2, out_features=1, bias=True): x is float64 and the parameters are float32, so from here on all is computed in float64; use x.astype("float32"), or model.to("float64") if that is meant
            """,
            """As in NumPy, what meets a float64 array becomes float64. The result is right, and so are the float32
            gradients, but everything after that layer takes twice the time and memory, on a GPU far more.""",
            """
            x = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
            model = nn.Linear(2, 1)
            y = model(x)
            """,
        ),
    ],
    "Tensors on different devices": [
        Mistake(
            "The model has moved, and its input has not",
            """
            model = nn.Linear(3, 2).to("cuda")
            x = mg.ones(8, 3)
            model(x)
            """,
            """
            TypeError: Linear(in_features=3, out_features=2, bias=True): matmul: the inputs live on different devices: cpu, cuda:0; move them with .to(device)
            """,
            """Nothing moves by itself, for that would be slow and hard to notice. Model and data go to the same
            device.""",
            """
            model = nn.Linear(3, 2).to("cuda")
            x = mg.ones(8, 3).to("cuda")
            model(x)
            """,
        ),
        Mistake(
            "Two tensors",
            """
            a = mg.ones(3)
            b = mg.ones(3).to("cuda")
            a + b
            """,
            """
            TypeError: add: the inputs live on different devices: cpu, cuda:0; move them with .to(device)
            """,
            """Both have to be on one device.""",
            """
            a = mg.ones(3)
            b = mg.ones(3).to("cuda")
            a.to(b.device) + b
            """,
        ),
    ],
    "A tensor where Python or NumPy wants something else": [
        Mistake(
            "NumPy wants the values of a tensor that requires gradients",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            w.numpy()
            """,
            """
            RuntimeError: a tensor that requires gradients is not turned into an array; use .detach().numpy()
            """,
            """What NumPy computes is not recorded, and its gradient would be lost unseen. `detach` says that this is
            meant. The same holds for np.array(w), and for np.concatenate and its like.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            w.detach().numpy()
            """,
        ),
        Mistake(
            "A function of NumPy on a tensor",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            np.sin(w)
            """,
            """
            TypeError: operand 'Tensor' does not support ufuncs (__array_ufunc__=None)
            """,
            """This is NumPy's own message. Its functions know nothing of graphs; minigrad has the same ones under the
            same names.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            mg.sin(w)
            """,
        ),
        Mistake(
            "A reduction of NumPy on a tensor",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            np.mean(w)
            """,
            """
            TypeError: mean is called as mean(x, axis=None, keepdims=False); got 1 positional arguments and axis, dtype, out; NumPy hands these on: call minigrad.mean
            """,
            """np.mean(w) calls w.mean(axis=None, dtype=None, out=None), and there are no such arguments here.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            w.mean()
            """,
        ),
        Mistake(
            "A question with several answers",
            """
            x = mg.tensor([-1.0, 2.0])
            if x > 0:
                print("positive")
            """,
            """
            ValueError: the truth of a tensor of shape (2,) is ambiguous; use .any() or .all(), & and | for and, or
            """,
            """x > 0 holds an answer for each element, and `if` needs one. For a value that depends on the answers,
            element by element, there is where(x > 0, a, b).""",
            """
            x = mg.tensor([-1.0, 2.0])
            if (x > 0).all():
                print("positive")
            """,
        ),
        Mistake(
            "The number of a tensor that holds several",
            """
            losses = mg.ones(8)
            losses.item()
            """,
            """
            ValueError: item: only a tensor of one element has one, this one has shape (8,)
            """,
            """item() gives the only element as a Python number.""",
            """
            losses = mg.ones(8)
            losses.mean().item()
            """,
        ),
        Mistake(
            "The length of a single number",
            """
            loss = mg.tensor(0.5)
            len(loss)
            """,
            """
            TypeError: len() of a 0-d tensor
            """,
            """A 0-d tensor has a value, and no axis to count along. loss.size is 1.""",
            """
            loss = mg.tensor(0.5)
            loss.size
            """,
        ),
        Mistake(
            "Lists of different lengths",
            """
            x = mg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0]])
            """,
            """
            ValueError: tensor: the lists inside do not have one length, so there is no shape; pad the short ones, or keep a list of tensors
            """,
            """A tensor is a box of numbers, with the same length along each axis. Sequences of different lengths are
            padded to the longest one.""",
            """
            x = mg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 0.0]])
            """,
        ),
        Mistake(
            "A tensor made of tensors that learn",
            """
            a = mg.tensor(1.0, requires_grad=True)
            b = mg.tensor(2.0, requires_grad=True)
            x = mg.tensor([a, b])
            """,
            """
            TypeError: tensor: a list of Tensors that require gradients would lose them; use stack
            """,
            """tensor() copies numbers into a new leaf, which would know nothing of a and b.""",
            """
            a = mg.tensor(1.0, requires_grad=True)
            b = mg.tensor(2.0, requires_grad=True)
            x = mg.stack([a, b])
            """,
        ),
    ],
}
