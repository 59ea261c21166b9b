"""Mistakes with the graph and with gradients."""

# ruff: noqa: E501 - messages stand here as they are printed

from . import Mistake

GRADIENTS = {
    "backward twice": [
        Mistake(
            "A second walk over one graph",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            loss = (w * w).sum()
            loss.backward()
            loss.backward()
            """,
            """
            RuntimeError: backward: the graph through sum was walked before and its memory is freed; call backward(keep_graph=True) the first time if you need a second walk, or compute the loss anew; what is carried on from an earlier step, such as a hidden state, must be detached: h = h.detach()
            """,
            """backward() frees the values that the graph kept, as it uses them. In a training loop the loss is
            computed anew in each step.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            loss = (w * w).sum()
            loss.backward(keep_graph=True)
            loss.backward()  # w.grad is now the sum of both
            """,
        ),
        Mistake(
            "A state that is carried from step to step",
            """
            w = mg.tensor(0.5, requires_grad=True)
            state = mg.tensor(1.0)
            for step in range(2):
                state = w * state
                loss = (state - 1) ** 2
                loss.backward()
            """,
            """
            RuntimeError: backward: the graph through multiply was walked before and its memory is freed; call backward(keep_graph=True) the first time if you need a second walk, or compute the loss anew; what is carried on from an earlier step, such as a hidden state, must be detached: h = h.detach()
            """,
            """The state of the second step hangs on the graph of the first. Recurrent networks and running sums of
            losses lead here; detached, the state is a plain value.""",
            """
            w = mg.tensor(0.5, requires_grad=True)
            state = mg.tensor(1.0)
            for step in range(2):
                state = w * state.detach()
                loss = (state - 1) ** 2
                loss.backward()
            """,
        ),
    ],
    "backward from something that is no scalar": [
        Mistake(
            "A loss for each sample",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            losses = w * w
            losses.backward()
            """,
            """
            RuntimeError: backward: the output has shape (2,); only a scalar has a gradient by itself. Reduce it first (y.sum()), or say which gradient to start from
            """,
            """Several numbers have several gradients. One loss has one: the mean, or the sum.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            losses = w * w
            losses.mean().backward()
            """,
        ),
    ],
    "No gradient": [
        Mistake(
            "Before backward",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            loss = (w * w).sum()
            with mg.no_grad():
                w -= w.grad
            """,
            """
            minigrad.errors.OperationTypeError: subtract: b is None
              got a (2,) float32, b None
              if it is the .grad of a tensor: no gradient has arrived there; call backward() before, on a loss that depends on that tensor
            """,
            """.grad is None until backward() has left a gradient there, also after zero_grad(), and for a tensor that
            the loss does not depend on.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            loss = (w * w).sum()
            loss.backward()
            with mg.no_grad():
                w -= w.grad
            """,
        ),
        Mistake(
            "Before backward, in the words of Python",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            with mg.no_grad():
                w -= 0.1 * w.grad
            """,
            """
            TypeError: unsupported operand type(s) for *: 'float' and 'NoneType'
            """,
            """The same with a learning rate before it: 0.1 * None is refused by Python, which knows nothing of
            gradients.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            (w * w).sum().backward()
            with mg.no_grad():
                w -= 0.1 * w.grad
            """,
        ),
        Mistake(
            "Of an intermediate result",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            y = w * w
            y.sum().backward()
            y.grad
            """,
            """
            UserWarning: .grad of the result of multiply, which is no leaf, is not kept; call .retain_grad() on it before backward()
            """,
            """Gradients are kept at the leaves, which a program made itself. On the way to them they are dropped, for
            the memory's sake, unless one asks before.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            y = w * w
            y.retain_grad()
            y.sum().backward()
            y.grad
            """,
        ),
        Mistake(
            "Detached on the way",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            y = w.detach() * 2
            loss = y.sum()
            loss.backward()
            """,
            """
            RuntimeError: backward: the output does not depend on any tensor that requires gradients: it was computed under no_grad, from detached tensors, from tensors without requires_grad=True, or only through operations without a derivative, such as comparisons; on the way to it, look for the first tensor whose requires_grad is False
            """,
            """detach() gives the values without the graph, and what is computed from them alone has none. So has a
            tensor that was made without requires_grad=True, or one made from the numbers of another,
            mg.tensor(x.item()).""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            y = w * 2
            loss = y.sum()
            loss.backward()
            """,
        ),
        Mistake(
            "Under no_grad",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            with mg.no_grad():
                loss = (w * w).sum()
                loss.backward()
            """,
            """
            RuntimeError: backward: the output does not depend on any tensor that requires gradients: under no_grad nothing is recorded; compute it and call backward outside of that block
            """,
            """no_grad is for answers and for updates, which need no graph.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            loss = (w * w).sum()
            loss.backward()
            """,
        ),
        Mistake(
            "Through a comparison",
            """
            logits = mg.tensor([[1.0, 2.0], [0.5, 0.1]], requires_grad=True)
            target = mg.tensor([1, 0])
            errors = (logits.argmax(axis=1) != target).sum()
            errors.backward()
            """,
            """
            RuntimeError: backward: the output does not depend on any tensor that requires gradients: it is int64, which comes of operations without a derivative, such as comparisons and argmax
            """,
            """The number of errors does not change when the logits change a little: its derivative is 0 wherever it
            has one. A loss such as cross-entropy stands in for it.""",
            """
            logits = mg.tensor([[1.0, 2.0], [0.5, 0.1]], requires_grad=True)
            target = mg.tensor([1, 0])
            F.cross_entropy(logits, target).backward()
            """,
        ),
        Mistake(
            "Of a tensor that the loss does not depend on",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            v = mg.tensor([3.0, 4.0], requires_grad=True)
            mg.grad((w * w).sum(), v)
            """,
            """
            RuntimeError: grad: the outputs do not depend on input 0; pass allow_unused=True to get None for it
            """,
            """grad() has been asked for this one, so it says that there is none; backward() leaves v.grad at None,
            without a word, for a network may well have parts that a loss does not reach.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            v = mg.tensor([3.0, 4.0], requires_grad=True)
            mg.grad((w * v).sum(), v)
            """,
        ),
    ],
    "Changes in place": [
        Mistake(
            "An update that is recorded",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            (w * w).sum().backward()
            w -= 0.1 * w.grad
            """,
            """
            minigrad.inplace.InplaceError: x -= …: x is a leaf that requires gradients, and operations are recorded; write `with minigrad.no_grad():` around an update, or `x = x - …` for a new tensor
            """,
            """An update is no part of the function that is learned.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            (w * w).sum().backward()
            with mg.no_grad():
                w -= 0.1 * w.grad
            """,
        ),
        Mistake(
            "A value that a gradient needs",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            x = mg.tensor([3.0, 4.0])
            loss = (w * x).sum()
            x[0] = 0.0
            loss.backward()
            """,
            """
            minigrad.inplace.InplaceError: multiply needs the value of b (2,) for its gradient, but x[...] = … changed it in place afterwards
              changed at example.py:4
              (the line of multiply is told in anomaly mode: see minigrad.detect_anomaly)
              work on a copy (x.copy()), or change it after backward()
            """,
            """The derivative of w x with respect to w is x, as it was when the product was computed.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            x = mg.tensor([3.0, 4.0])
            loss = (w * x).sum()
            loss.backward()
            x[0] = 0.0
            """,
        ),
        Mistake(
            "An element of a result",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            y = w * 2
            y[0] = 0.0
            """,
            """
            minigrad.inplace.InplaceError: x[...] = …: this tensor is the result of multiply and part of a graph; changing it in place would make gradients wrong: build a new tensor (where, concatenate), or .detach() it
            """,
            """y is 2 w by its graph, and would no longer be so.""",
            """
            w = mg.tensor([1.0, 2.0], requires_grad=True)
            y = w * 2
            y = mg.where(mg.tensor([True, False]), 0.0, y)
            """,
        ),
    ],
}
