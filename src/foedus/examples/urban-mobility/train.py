"""How travellers choose between aeroplane, train, bus and car: a conditional logit, judged on travellers it never saw.

Data: 210 travellers between Sydney, Canberra and Melbourne, each with four ways to go, from the `statsmodels` package
(Greene, from Hensher and Louviere). Six-fold cross-validation.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from statsmodels.datasets import modechoice
from statsmodels.discrete.conditional_models import ConditionalLogit

SEED = 20261123
FOLDS = 6
PLAUSIBLE = (0.55, 0.90)
NAMES = ("cost", "waiting", "in-vehicle cost", "in-vehicle time", "air", "train", "bus", "income x air")


def read():
    """Return the features (travellers x ways x features) and the way that each traveller took."""
    table = modechoice.load_pandas().data.sort_values(["individual", "mode"])
    mode, income = table["mode"].to_numpy(), table["hinc"].to_numpy()
    columns = [table[name].to_numpy() / 100 for name in ("gc", "ttme", "invc", "invt")]
    columns += [(mode == way).astype(float) for way in (1, 2, 3)]
    columns.append((mode == 1) * income / 100)
    ways = np.column_stack(columns).reshape(-1, 4, len(columns))
    return ways, table["choice"].to_numpy().reshape(-1, 4).argmax(axis=1)


def fit(ways, taken):
    chosen = (np.arange(4) == taken[:, None]).astype(float).ravel()
    groups = np.repeat(np.arange(len(ways)), 4)
    model = ConditionalLogit(chosen, ways.reshape(-1, ways.shape[2]), groups=groups)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a numerical Hessian near the optimum; the fit is checked by its forecasts
        return model.fit(disp=False, skip_hessian=True).params


def main():
    ways, taken = read()
    generator = np.random.default_rng(SEED)
    hits, likelihood, guesses = [], [], []
    for number, unseen in enumerate(np.array_split(generator.permutation(len(ways)), FOLDS), start=1):
        known = np.setdiff1d(np.arange(len(ways)), unseen)
        utility = ways[unseen] @ fit(ways[known], taken[known])
        chances = np.exp(utility - utility.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        hits.extend(chances.argmax(axis=1) == taken[unseen])
        likelihood.extend(np.log(chances[np.arange(len(unseen)), taken[unseen]]))
        guesses.extend(np.bincount(taken[known]).argmax() == taken[unseen])
        print(f"{number:2d}/{FOLDS}  held-out accuracy so far {np.mean(hits):.4f}", flush=True)
    accuracy, guess = float(np.mean(hits)), float(np.mean(guesses))
    weights = dict(zip(NAMES, fit(ways, taken).round(4).tolist(), strict=True))
    result = {
        "task": "travel mode choice",
        "accuracy": round(accuracy, 4),
        "accuracy_of_constant_guess": round(guess, 4),
        "log_loss": round(float(-np.mean(likelihood)), 4),
        "examples": {"travellers": len(ways), "folds": FOLDS},
    }
    Path("metrics.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    Path("model.json").write_text(json.dumps(weights, indent=2) + "\n", encoding="utf-8")
    print(f"held-out accuracy {accuracy:.4f}; the commonest way alone gives {guess:.4f}")
    low, high = PLAUSIBLE
    if not low <= accuracy <= high:
        sys.exit(f"an accuracy of {accuracy:.4f} is not plausible: expected {low} to {high}")


if __name__ == "__main__":
    main()
