"""Floor 5: the published GPT-2, read from its own files, so that pre-trained weights write text here.

A folder with `model.safetensors`, `config.json` and the tokenizer (`tokenizer.json`, or `vocab.json` and `merges.txt`):

    model, tokenizer = load_gpt2("gpt2")
    prompt = tokenizer.encode("Once upon a time")
    for tokens in generate(model, prompt, length=50, count=5, top_k=50):
        print(tokenizer.decode(tokens))
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..data import BytePairTokenizer
from ..serialization import SerializationError, load
from .gpt import GPT

# Its names, and ours; it keeps the weights of affine maps as (in, out), turned against Linear's (out, in).
BLOCK = {
    "ln_1.weight": "norm1.weight",
    "ln_1.bias": "norm1.bias",
    "attn.c_attn.weight": "attention.in_proj_weight",
    "attn.c_attn.bias": "attention.in_proj_bias",
    "attn.c_proj.weight": "attention.out_proj.weight",
    "attn.c_proj.bias": "attention.out_proj.bias",
    "ln_2.weight": "norm2.weight",
    "ln_2.bias": "norm2.bias",
    "mlp.c_fc.weight": "widen.weight",
    "mlp.c_fc.bias": "widen.bias",
    "mlp.c_proj.weight": "narrow.weight",
    "mlp.c_proj.bias": "narrow.bias",
}
OUTSIDE = {
    "wte.weight": "words.weight",
    "wpe.weight": "positions.weight",
    "ln_f.weight": "norm.weight",
    "ln_f.bias": "norm.bias",
}


def renamed(state: dict[str, Any]) -> dict[str, Any]:
    """A state with GPT-2's names as a state of `GPT`. The causal masks that some files hold are left out."""
    found = {}
    for name, x in state.items():
        name = name.removeprefix("transformer.")
        if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue  # the output is the table of words again; the masks are computed
        h, _, rest = name.partition(".")
        number, _, inner = rest.partition(".")
        if h == "h" and inner in BLOCK:
            turned = x.T if "c_" in inner and x.ndim == 2 else x
            found[f"blocks.{number}.{BLOCK[inner]}"] = turned
        else:
            found[OUTSIDE.get(name, name)] = x
    return found


def read_config(folder: Path) -> dict[str, Any]:
    """The sizes of the network, from config.json."""
    config = json.loads((folder / "config.json").read_text(encoding="utf8"))
    names = {"vocab_size": "vocabulary", "n_positions": "context", "n_embd": "width", "n_head": "heads"}
    missing = [name for name in (*names, "n_layer") if name not in config]
    if missing:
        raise SerializationError(f"load_gpt2: {folder / 'config.json'} lacks {', '.join(missing)}: is this GPT-2?")
    return {ours: config[theirs] for theirs, ours in (names | {"n_layer": "layers"}).items()}


def load_gpt2(folder: str | Path, tokenizer: bool = True) -> tuple[GPT, Any]:
    """The network with its weights, in eval mode, and its tokenizer (None if not asked for)."""
    folder = Path(folder)
    model = GPT(**read_config(folder))
    model.load_state_dict(renamed(load(folder / "model.safetensors")))
    return model.eval(), read_tokenizer(folder) if tokenizer else None


def read_tokenizer(folder: Path) -> BytePairTokenizer:
    """Its byte pairs, from either kind of file."""
    if (folder / "tokenizer.json").exists():
        return BytePairTokenizer.load(folder / "tokenizer.json")
    return BytePairTokenizer.load(folder / "vocab.json", folder / "merges.txt")
