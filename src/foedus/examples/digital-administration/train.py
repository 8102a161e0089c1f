"""Read handwritten digits from forms. Each task of the job array tries one kind of model.

Data: 1,797 digits of 43 writers, 8 x 8 pixels, from the `scikit-learn` package (Alpaydin and Kaynak, 1998). A quarter
is held out; settings are chosen by cross-validation on the rest.
"""

import json
import pickle
import sys
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

SEED = 20261123
PLAUSIBLE = (0.90, 0.999)
KINDS = (
    ("nearest neighbours", [KNeighborsClassifier(n_neighbors=count, weights="distance") for count in range(1, 12)]),
    (
        "logistic regression",
        [make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=400)) for c in (0.01, 0.03, 0.1)],
    ),
    ("support vectors", [SVC(C=c, gamma=g) for c in (1, 10) for g in (0.0005, 0.001)]),
    ("random forest", [RandomForestClassifier(n_estimators=count, random_state=SEED) for count in (50, 100)]),
)


def main():
    task = int(sys.argv[1])
    kind, models = KINDS[task]
    images, digits = load_digits(return_X_y=True)
    known, unseen, known_digits, unseen_digits = train_test_split(
        images, digits, test_size=0.25, random_state=SEED, stratify=digits
    )
    folds = StratifiedKFold(n_splits=4, shuffle=True, random_state=SEED)
    scores = []
    for number, model in enumerate(models, start=1):
        scores.append(cross_val_score(model, known, known_digits, cv=folds).mean())
        print(f"{number:2d}/{len(models)}  {kind}  accuracy {scores[-1]:.4f}", flush=True)
    best = models[scores.index(max(scores))].fit(known, known_digits)
    accuracy = float(best.score(unseen, unseen_digits))
    result = {
        "task": "handwritten digits of forms",
        "model": kind,
        "accuracy": round(accuracy, 4),
        "examples": {"learnt": len(known), "held_out": len(unseen)},
    }
    Path(f"metrics-{task}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    Path(f"model.{task}.pickle").write_bytes(pickle.dumps(best))
    print(f"held-out accuracy {accuracy:.4f}")
    low, high = PLAUSIBLE
    if not low <= accuracy <= high:
        sys.exit(f"an accuracy of {accuracy:.4f} is not plausible: expected {low} to {high}")


if __name__ == "__main__":
    main()
