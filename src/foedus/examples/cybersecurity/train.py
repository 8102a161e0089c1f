"""Learn to tell phishing sites from honest ones, one site after another, as reports come in.

Data: 1,250 labelled web sites with nine features each, from the `river` package (Abdelhamid and others, 2014).
The last fifth is held out. Learning rate and regularisation are chosen by progressive validation on the rest: each
site is first judged, then learnt from.
"""

import itertools
import json
import math
import pickle
import sys
from pathlib import Path

from river import compose, datasets, linear_model, metrics, optim, preprocessing

RATES = (0.01, 0.03, 0.1)
PENALTIES = (0.0, 0.0001, 0.001, 0.01)
PASSES = 2
PLAUSIBLE = (0.80, 0.99)


def new_model(rate, penalty):
    return compose.Pipeline(
        preprocessing.StandardScaler(),
        linear_model.LogisticRegression(optimizer=optim.SGD(rate), l2=penalty),
    )


def learn(model, sites):
    """Judge each site before learning from it; the area under the ROC curve of those judgements."""
    score = metrics.ROCAUC(n_thresholds=50)
    for turn in range(PASSES):
        for features, phishing in sites:
            if turn == 0:
                score.update(phishing, model.predict_proba_one(features))
            model.learn_one(features, phishing)
    return score.get()


def examine(model, sites):
    accuracy, area = metrics.Accuracy(), metrics.ROCAUC(n_thresholds=100)
    for features, phishing in sites:
        chances = model.predict_proba_one(features)
        accuracy.update(phishing, chances[True] > chances[False])
        area.update(phishing, chances)
    return accuracy.get(), area.get()


def main():
    sites = list(datasets.Phishing())
    held_out = len(sites) // 5
    known, unseen = sites[:-held_out], sites[-held_out:]
    best, best_score = None, -math.inf
    choices = list(itertools.product(RATES, PENALTIES))
    for number, (rate, penalty) in enumerate(choices, start=1):
        model = new_model(rate, penalty)
        score = learn(model, known)
        print(f"{number:2d}/{len(choices)}  rate {rate:<5}  penalty {penalty:<6}  ROC AUC {score:.4f}", flush=True)
        if score > best_score:
            best, best_score, chosen = model, score, {"rate": rate, "penalty": penalty}
    accuracy, area = examine(best, unseen)
    result = {
        "task": "phishing detection",
        "accuracy": round(accuracy, 4),
        "roc_auc": round(area, 4),
        "chosen": chosen,
        "examples": {"learnt": len(known), "held_out": len(unseen)},
    }
    Path("metrics.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    Path("model.pickle").write_bytes(pickle.dumps(best))
    print(f"held-out accuracy {accuracy:.4f}, ROC AUC {area:.4f}")
    low, high = PLAUSIBLE
    if not low <= accuracy <= high:
        sys.exit(f"an accuracy of {accuracy:.4f} is not plausible: expected {low} to {high}")


if __name__ == "__main__":
    main()
