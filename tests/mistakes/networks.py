"""Mistakes with losses, layers and modules."""

# ruff: noqa: E501 - messages stand here as they are printed

from . import Mistake

NETWORKS = {
    "Targets of cross-entropy": [
        Mistake(
            "Classes as floats",
            """
            logits = mg.ones(4, 3)
            F.cross_entropy(logits, mg.tensor([0.0, 1.0, 2.0, 1.0]))
            """,
            """
            minigrad.errors.ShapeError: cross_entropy: expected integer classes of shape (4,) or probabilities of shape (4, 3), got float32 of shape (4,) for logits float32 of shape (4, 3); for classes use target.astype(int)
            """,
            """A class is the number of a column, an integer. Floats are taken for probabilities, one for each
            class.""",
            """
            logits = mg.ones(4, 3)
            F.cross_entropy(logits, mg.tensor([0, 1, 2, 1]))
            """,
        ),
        Mistake(
            "One-hot rows of integers",
            """
            logits = mg.ones(2, 3)
            F.cross_entropy(logits, mg.tensor([[0, 1, 0], [1, 0, 0]]))
            """,
            """
            minigrad.errors.ShapeError: cross_entropy: expected integer classes of shape (2,) or probabilities of shape (2, 3), got int64 of shape (2, 3) for logits float32 of shape (2, 3); for one-hot targets use target.astype(logits.dtype)
            """,
            """One-hot rows are probabilities, and so they are floats; classes do without.""",
            """
            logits = mg.ones(2, 3)
            F.cross_entropy(logits, mg.tensor([[0, 1, 0], [1, 0, 0]]).astype("float32"))
            """,
        ),
        Mistake(
            "A column of classes",
            """
            logits = mg.ones(4, 3)
            F.cross_entropy(logits, mg.tensor([[0], [1], [2], [1]]))
            """,
            """
            minigrad.errors.ShapeError: cross_entropy: expected integer classes of shape (4,) or probabilities of shape (4, 3), got int64 of shape (4, 1) for logits float32 of shape (4, 3); reshape the target to (4,)
            """,
            """There is one class for each sample, without a second axis.""",
            """
            logits = mg.ones(4, 3)
            F.cross_entropy(logits, mg.tensor([[0], [1], [2], [1]]).squeeze(1))
            """,
        ),
        Mistake(
            "A class that does not exist",
            """
            logits = mg.ones(4, 3)
            F.cross_entropy(logits, mg.tensor([1, 2, 3, 1]))
            """,
            """
            minigrad.errors.OperationIndexError: cross_entropy: class 3 is out of range for 3 classes (0 … 2)
              got logits (4, 3) float32, target (4,) int64, ignore_index=-100, reduction='mean'
            """,
            """Classes are counted from 0: labels 1 to C need a `- 1`. On a GPU the question would have to wait for the
            device; there the loss becomes nan, and nothing is taken from another row in silence.""",
            """
            logits = mg.ones(4, 3)
            F.cross_entropy(logits, mg.tensor([1, 2, 3, 1]) - 1)
            """,
        ),
        Mistake(
            "Nothing but padding",
            """
            logits = mg.ones(2, 3)
            F.cross_entropy(logits, mg.tensor([-100, -100]))
            """,
            """
            UserWarning: cross_entropy: every target is ignored (ignore_index=-100), nothing is learned from this batch; its mean loss is 0
            """,
            """Targets equal to ignore_index do not count. A mean over none of them is taken as 0; strict=True makes an
            error of it.""",
            """
            logits = mg.ones(2, 3)
            F.cross_entropy(logits, mg.tensor([-100, 1]))
            """,
        ),
    ],
    "Softmax before cross-entropy": [
        Mistake(
            "Softmax as the last layer",
            """
            model = nn.Sequential(nn.Linear(2, 3), nn.Softmax())
            x, target = mg.ones(4, 2), mg.tensor([0, 1, 2, 1])
            loss = F.cross_entropy(model(x), target)
            """,
            """
            UserWarning: cross_entropy: the input comes out of softmax, which is a part of this loss: applied twice, it learns slowly or not at all. Hand in the logits; for probabilities there is nll_loss(log(p), …)
            """,
            """Cross-entropy takes the logits, for together with softmax it is exact and cannot overflow. Of numbers
            between 0 and 1 the second softmax makes nearly equal probabilities, whose gradient is small.""",
            """
            model = nn.Sequential(nn.Linear(2, 3))
            x, target = mg.ones(4, 2), mg.tensor([0, 1, 2, 1])
            loss = F.cross_entropy(model(x), target)
            """,
        ),
        Mistake(
            "Sigmoid before the loss that has one",
            """
            model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
            x, target = mg.ones(4, 2), mg.ones(4, 1)
            loss = F.binary_cross_entropy_with_logits(model(x), target)
            """,
            """
            UserWarning: binary_cross_entropy_with_logits: the input comes out of sigmoid, which is a part of this loss: applied twice, it learns slowly or not at all. Hand in the logits; for probabilities there is binary_cross_entropy
            """,
            """The same for yes or no.""",
            """
            model = nn.Sequential(nn.Linear(2, 1))
            x, target = mg.ones(4, 2), mg.ones(4, 1)
            loss = F.binary_cross_entropy_with_logits(model(x), target)
            """,
        ),
        Mistake(
            "No sigmoid before the loss that needs one",
            """
            model = nn.Sequential(nn.Linear(2, 1))
            nn.init.constant_(model[0].bias, 3.0)
            x, target = mg.ones(4, 2), mg.ones(4, 1)
            loss = F.binary_cross_entropy(model(x), target)
            """,
            """
            ValueError: binary_cross_entropy: predictions must be probabilities between 0 and 1; for logits use binary_cross_entropy_with_logits
            """,
            """binary_cross_entropy takes probabilities.""",
            """
            model = nn.Sequential(nn.Linear(2, 1))
            nn.init.constant_(model[0].bias, 3.0)
            x, target = mg.ones(4, 2), mg.ones(4, 1)
            loss = F.binary_cross_entropy_with_logits(model(x), target)
            """,
        ),
    ],
    "Batch normalisation of a single value": [
        Mistake(
            "One sample in training mode",
            """
            model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
            answer = model(mg.ones(1, 2))
            """,
            """
            minigrad.errors.ShapeError: BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True): batch_norm: in training, x of shape (1, 3) has one value for each channel, whose variance is 0 and output the bias alone, whatever x; use a larger batch, eval(), or layer_norm or group_norm
              in layer 1 of Sequential: BatchNorm1d
            """,
            """The mean of one value is that value, and what is left of it is 0. In training, take larger batches (and
            drop_last=True for a last one of 1); for an answer, call eval() before.""",
            """
            model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).eval()
            answer = model(mg.ones(1, 2))
            """,
        ),
    ],
    "eval() forgotten": [
        Mistake(
            "Answers with dropout",
            """
            model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))
            with mg.no_grad():
                answer = model(mg.ones(4, 2))
            """,
            """
            UserWarning: Dropout(p=0.5) is in training mode under no_grad, and the answers are noisy; call model.eval() before (and model.train() afterwards), or functional.dropout where noise is meant
            """,
            """no_grad is about graphs, eval() about what layers do. fit, evaluate and predict switch by themselves.
            Batch normalisation under no_grad does not warn: networks are also run that way to collect statistics.""",
            """
            model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))
            model.eval()
            with mg.no_grad():
                answer = model(mg.ones(4, 2))
            """,
        ),
    ],
    "Masks of attention": [
        Mistake(
            "A mask of keys as a mask of queries and keys",
            """
            query = key = value = mg.ones(2, 4, 5, 8)  # (B, H, T, D)
            words = mg.ones(2, 5, dtype=bool)  # (B, S): which tokens are words
            F.scaled_dot_product_attention(query, key, value, words)
            """,
            """
            minigrad.errors.ShapeError: attention: may_attend must be booleans, True = may attend, that broadcast to (B, H, T, S) = (2, 4, 5, 5); got bool of shape (2, 5)
              for a mask of keys (B, S) use may_attend[:, None, None, :]; for PyTorch's key_padding_mask, True = left out, ~mask[:, None, None, :]
            """,
            """A mask says for each query which keys it may see, and broadcasts to (B, H, T, S).""",
            """
            query = key = value = mg.ones(2, 4, 5, 8)
            words = mg.ones(2, 5, dtype=bool)
            F.scaled_dot_product_attention(query, key, value, words[:, None, None, :])
            """,
        ),
        Mistake(
            "A mask that means the opposite",
            """
            attention = nn.MultiheadAttention(8, 2)
            tokens = mg.tensor([[5, 3, 0], [7, 0, 0]])  # 0 is padding
            attention(mg.ones(2, 3, 8), key_padding_mask=tokens == 0)
            """,
            """
            TypeError: MultiheadAttention.forward() got an unexpected keyword argument 'key_padding_mask'
              PyTorch's key_padding_mask is True where a token is left out; here it is may_attend_keys=~mask, True = a real token
            """,
            """All masks here have one meaning, True = may attend, and names that say so.""",
            """
            attention = nn.MultiheadAttention(8, 2)
            tokens = mg.tensor([[5, 3, 0], [7, 0, 0]])
            attention(mg.ones(2, 3, 8), may_attend_keys=tokens != 0)
            """,
        ),
        Mistake(
            "A mask under another name",
            """
            query = key = value = mg.ones(2, 5, 8)
            mask = mg.ones(5, 5, dtype=bool)
            F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
            """,
            """
            TypeError: scaled_dot_product_attention is called as scaled_dot_product_attention(query, key, value, may_attend=None, dropout=0.0, causal=False, scale=None, rng=None); got an unexpected keyword argument 'attn_mask'
              masks are called may_attend here, True = may attend: the attn_mask of a PyTorch layer, True = left out, becomes may_attend=~mask, that of scaled_dot_product_attention may_attend=mask
            """,
            """The name says which value lets a query see a key.""",
            """
            query = key = value = mg.ones(2, 5, 8)
            mask = mg.ones(5, 5, dtype=bool)
            F.scaled_dot_product_attention(query, key, value, may_attend=mask)
            """,
        ),
        Mistake(
            "A mask that is added",
            """
            query = key = value = mg.ones(2, 2, 8)
            mask = mg.tensor([[0.0, -float("inf")], [0.0, 0.0]])
            F.scaled_dot_product_attention(query, key, value, mask)
            """,
            """
            TypeError: attention: may_attend must be booleans, True = may attend, that broadcast to (…, T, S) = (2, 2, 2); got float32 of shape (2, 2)
              a mask that is added (0 and −inf) becomes `mask == 0`; PyTorch's key_padding_mask, True = left out, becomes `~mask`
            """,
            """A mask of 0 and minus infinity, to be added to the scores, says the same as booleans.""",
            """
            query = key = value = mg.ones(2, 2, 8)
            mask = mg.tensor([[0.0, -float("inf")], [0.0, 0.0]])
            F.scaled_dot_product_attention(query, key, value, mask == 0)
            """,
        ),
        Mistake(
            "A query that may see nothing",
            """
            query = key = value = mg.ones(1, 2, 8)
            mask = mg.tensor([[True, True], [False, False]])
            F.scaled_dot_product_attention(query, key, value, mask)
            """,
            """
            UserWarning: attention: 1 of the mask's 2 rows let their query attend to no key: its output is 0
            """,
            """Often the mask is the wrong way round (use ~mask), or a sequence is all padding.""",
            """
            query = key = value = mg.ones(1, 2, 8)
            mask = mg.tensor([[True, True], [False, True]])
            F.scaled_dot_product_attention(query, key, value, mask)
            """,
        ),
    ],
    "A state that does not fit its model": [
        Mistake(
            "Other names",
            """
            saved = nn.Sequential(fc_1=nn.Linear(3, 2)).state_dict()
            model = nn.Sequential(fc1=nn.Linear(3, 2))
            model.load_state_dict(saved)
            """,
            """
            minigrad.nn.module.StateDictError: load_state_dict: the state does not fit Sequential, and nothing was changed:
              fc1.weight: missing in the state
              fc1.bias: missing in the state
              fc_1.weight: unexpected in the state (did you mean fc1.weight?)
              fc_1.bias: unexpected in the state (did you mean fc1.bias?)
            """,
            """A state is a dictionary by the names of attributes. It can be renamed, or loaded in part with
            strict=False.""",
            """
            saved = nn.Sequential(fc_1=nn.Linear(3, 2)).state_dict()
            model = nn.Sequential(fc1=nn.Linear(3, 2))
            model.load_state_dict({name.replace("fc_1", "fc1"): x for name, x in saved.items()})
            """,
        ),
        Mistake(
            "Other shapes",
            """
            saved = nn.Linear(3, 10).state_dict()
            model = nn.Linear(3, 2)
            model.load_state_dict(saved)
            """,
            """
            minigrad.nn.module.StateDictError: load_state_dict: the state does not fit Linear, and nothing was changed:
              weight: expected shape (2, 3), got (10, 3)
              bias: expected shape (2,), got (10,)
            """,
            """The model was made with other sizes than the one that was saved.""",
            """
            saved = nn.Linear(3, 10).state_dict()
            model = nn.Linear(3, 10)
            model.load_state_dict(saved)
            """,
        ),
    ],
    "Modules of one's own": [
        Mistake(
            "super().__init__() forgotten",
            """
            class Net(nn.Module):
                def __init__(self):
                    self.layer = nn.Linear(2, 1)

            Net()
            """,
            """
            AttributeError: Net.__init__ must call super().__init__() first
            """,
            """Module prepares in its __init__ what it keeps its parts in.""",
            """
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Linear(2, 1)

            Net()
            """,
        ),
        Mistake(
            "Layers in a plain list",
            """
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layers = [nn.Linear(2, 2), nn.Linear(2, 1)]

            Net()
            """,
            """
            TypeError: Net.layers: in a list, the parameters of modules are not found; write self.layers = nn.ModuleList(…)
            """,
            """In a plain list nobody would find the parameters: not the optimiser, not to(), not the state.""",
            """
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 1)])

            Net()
            """,
        ),
        Mistake(
            "A layer that was not made",
            """
            nn.Sequential(nn.Linear(2, 2), nn.ReLU, nn.Linear(2, 1))
            """,
            """
            TypeError: Sequential: layer 1 must be a Module, not <class 'minigrad.nn.activation.ReLU'>; did you mean ReLU()?
            """,
            """nn.ReLU is the class, nn.ReLU() a layer.""",
            """
            nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
            """,
        ),
        Mistake(
            "A word that the table does not have",
            """
            words = nn.Embedding(5, 2)
            words(mg.tensor([1, 7]))
            """,
            """
            IndexError: Embedding(5, 2): embedding: index 7 is out of range for a table of 5 rows (0 … 4); is the vocabulary larger than num_embeddings?
            """,
            """num_embeddings counts all words, with padding and the unknown one; indices go up to one less.""",
            """
            words = nn.Embedding(8, 2)
            words(mg.tensor([1, 7]))
            """,
        ),
    ],
}
