"""Mistakes with optimisers and trainings."""

# ruff: noqa: E501 - messages stand here as they are printed

from . import Mistake

TRAININGS = {
    "zero_grad() forgotten": [
        Mistake(
            "Gradients that pile up",
            """
            model = nn.Linear(2, 1)
            optimizer = optim.SGD(model.parameters(), lr=0.1)
            for step in range(3):
                loss = model(mg.ones(4, 2)).mean()
                loss.backward()
                optimizer.step()
            """,
            """
            UserWarning: SGD.step: the gradients of the last step are still in the gradients of this one, for backward() adds to what is there; call zero_grad() before each backward() (or after each step)
            """,
            """backward() adds to the gradients that are there, so that the parts of a large batch can come one after
            another. Several backward() before one step() are therefore no mistake, and do not warn.""",
            """
            model = nn.Linear(2, 1)
            optimizer = optim.SGD(model.parameters(), lr=0.1)
            for step in range(3):
                optimizer.zero_grad()
                loss = model(mg.ones(4, 2)).mean()
                loss.backward()
                optimizer.step()
            """,
        ),
    ],
    "A loss that does not depend on the parameters": [
        Mistake(
            "The parameters of another model",
            """
            student, teacher = nn.Linear(2, 1), nn.Linear(2, 1)
            optimizer = optim.SGD(student.parameters(), lr=0.1)
            loss = teacher(mg.ones(4, 2)).mean()
            loss.backward()
            optimizer.step()
            """,
            """
            UserWarning: SGD.step: none of the 2 parameters has a gradient, and nothing was changed; call loss.backward() between zero_grad() and step(). If you do, the loss does not depend on these parameters: are they those of another model, or was something on the way detached?
            """,
            """backward() has left its gradients at the teacher, and the student has none.""",
            """
            student, teacher = nn.Linear(2, 1), nn.Linear(2, 1)
            optimizer = optim.SGD(student.parameters(), lr=0.1)
            loss = student(mg.ones(4, 2)).mean()
            loss.backward()
            optimizer.step()
            """,
        ),
        Mistake(
            "A prediction that was detached",
            """
            model = nn.Linear(2, 1)
            batches = [(mg.ones(4, 2), mg.ones(4, 1))]
            fit(
                model,
                lambda prediction, target: F.mse_loss(prediction.detach(), target),
                optim.SGD(model.parameters(), lr=0.1),
                batches,
                epochs=1,
                progress=False,
            )
            """,
            """
            RuntimeError: backward: the output does not depend on any tensor that requires gradients: it was computed under no_grad, from detached tensors, from tensors without requires_grad=True, or only through operations without a derivative, such as comparisons; on the way to it, look for the first tensor whose requires_grad is False
            """,
            """The loss is a plain number, which no parameter can change.""",
            """
            model = nn.Linear(2, 1)
            batches = [(mg.ones(4, 2), mg.ones(4, 1))]
            fit(model, F.mse_loss, optim.SGD(model.parameters(), lr=0.1), batches, epochs=1, progress=False)
            """,
        ),
    ],
    "An optimiser with nothing to change": [
        Mistake(
            "Parameters that were gone through before",
            """
            model = nn.Linear(2, 1)
            parameters = model.parameters()
            print(sum(p.size for p in parameters), "parameters")
            optim.SGD(parameters, lr=0.1)
            """,
            """
            ValueError: SGD: no parameters (what model.parameters() returns is used up by one pass)
            """,
            """parameters() gives its items once, as every iterator does.""",
            """
            model = nn.Linear(2, 1)
            print(sum(p.size for p in model.parameters()), "parameters")
            optim.SGD(model.parameters(), lr=0.1)
            """,
        ),
        Mistake(
            "The model itself",
            """
            model = nn.Linear(2, 1)
            optim.Adam(model, lr=0.1)
            """,
            """
            TypeError: Adam: expected an iterable of tensors, got a Linear; hand in its parameters()
            """,
            """An optimiser changes tensors, and asks for them.""",
            """
            model = nn.Linear(2, 1)
            optim.Adam(model.parameters(), lr=0.1)
            """,
        ),
        Mistake(
            "One parameter in two groups",
            """
            model = nn.Linear(2, 1)
            groups = [{"params": model.parameters()}, {"params": [model.bias], "lr": 0.01}]
            optim.SGD(groups, lr=0.1)
            """,
            """
            ValueError: SGD: parameter 0 of shape (1,) was given twice; it belongs into one group, once
            """,
            """It would be changed twice in each step.""",
            """
            model = nn.Linear(2, 1)
            groups = [{"params": [model.weight]}, {"params": [model.bias], "lr": 0.01}]
            optim.SGD(groups, lr=0.1)
            """,
        ),
        Mistake(
            "A tensor that does not learn",
            """
            w = mg.ones(3)
            optim.SGD([w], lr=0.1)
            """,
            """
            ValueError: SGD: parameter 0 of shape (3,) does not require gradients; make it with requires_grad=True
            """,
            """Without requires_grad it would never get a gradient.""",
            """
            w = mg.ones(3, requires_grad=True)
            optim.SGD([w], lr=0.1)
            """,
        ),
        Mistake(
            "A frozen model",
            """
            model = nn.Linear(2, 1).requires_grad_(False)
            optim.SGD(model.parameters(), lr=0.1)
            """,
            """
            ValueError: SGD: all 2 parameters are frozen, so there is nothing to learn; let some of them learn with requires_grad_()
            """,
            """Some parameters may be frozen, but one at least should learn.""",
            """
            model = nn.Linear(2, 1).requires_grad_(False)
            model.bias.requires_grad_()
            optim.SGD(model.parameters(), lr=0.1)
            """,
        ),
        Mistake(
            "A negative learning rate",
            """
            model = nn.Linear(2, 1)
            optim.SGD(model.parameters(), lr=-0.1)
            """,
            """
            ValueError: SGD: lr must be at least 0, not -0.1
            """,
            """Steps go down by themselves. To go up, there is maximize=True.""",
            """
            model = nn.Linear(2, 1)
            optim.SGD(model.parameters(), lr=0.1, maximize=True)
            """,
        ),
    ],
    "A loss that is not a number": [
        Mistake(
            "A missing value in the data",
            """
            x = np.ones((3, 4, 2), "float32")
            x[2, 1, 0] = np.nan  # as a table has it where a cell is empty
            model = nn.Linear(2, 1)
            nn.init.zeros_(model.weight)
            nn.init.zeros_(model.bias)
            fit(
                model,
                F.mse_loss,
                optim.SGD(model.parameters(), lr=0.125),
                [(mg.tensor(batch), mg.ones(4, 1)) for batch in x],
                epochs=1,
                checkpoint="run",
                checkpoint_every=1,
                progress=False,
            )
            """,
            """
            minigrad.training.divergence.DivergenceError: fit: the loss is nan at epoch 1, batch 3 (the last finite one was 0.0625). What helps most often: a smaller learning rate (now 0.125), clip_norm=1, inputs and targets of the order of 1, no missing values in the data, no log(0) or division by 0 in the loss. The parameters before are in run/checkpoint-00000002.safetensors
            """,
            """One nan spoils everything that is computed from it: the loss, all gradients, and after a step all
            parameters. fit stops before that step.""",
            """
            x = np.ones((3, 4, 2), "float32")
            x[2, 1, 0] = np.nan
            x = np.nan_to_num(x, nan=0.0)
            model = nn.Linear(2, 1)
            fit(
                model,
                F.mse_loss,
                optim.SGD(model.parameters(), lr=0.125),
                [(mg.tensor(batch), mg.ones(4, 1)) for batch in x],
                epochs=1,
                progress=False,
            )
            """,
        ),
    ],
    "Data that do not belong together": [
        Mistake(
            "More samples than labels",
            """
            x, labels = mg.ones(5, 2), mg.tensor([0, 1, 1, 0])
            data = TensorDataset(x, labels)
            """,
            """
            ValueError: TensorDataset: the first axes must have one length, got (5, 2), (4,)
            """,
            """Sample i is (x[i], labels[i]).""",
            """
            x, labels = mg.ones(5, 2), mg.tensor([0, 1, 1, 0, 1])
            data = TensorDataset(x, labels)
            """,
        ),
        Mistake(
            "Batches that can be gone through only once",
            """
            model = nn.Linear(2, 1)
            batches = ((mg.ones(4, 2), mg.ones(4, 1)) for _ in range(3))
            fit(model, F.mse_loss, optim.SGD(model.parameters(), lr=0.1), batches, epochs=2, progress=False)
            """,
            """
            ValueError: fit: epoch 2 has no batches; what can be gone through only once, such as a generator, is empty the second time: hand in a DataLoader or a list
            """,
            """Each epoch goes through the batches anew, and a generator is empty after the first.""",
            """
            model = nn.Linear(2, 1)
            batches = [(mg.ones(4, 2), mg.ones(4, 1)) for _ in range(3)]
            fit(model, F.mse_loss, optim.SGD(model.parameters(), lr=0.1), batches, epochs=2, progress=False)
            """,
        ),
    ],
}
