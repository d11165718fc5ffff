"""Fits the learned part of the behavioural engine.

Reads the features of recordings (JSON lines of the program `features`, see `tests/src/bin/features.rs`) and writes the
table that core evaluates: gradient-boosted trees for pointer and keys, their calibration, and where it came from. With
`--naturalness` also the small table behind `mouse_entropy` that is sent to every page.

Same features, same versions of the libraries: same bytes. One thread, fixed seed, rounded numbers.
"""

import argparse
import hashlib
import json
import os
import struct
from collections import Counter
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import lightgbm
import numpy
import sklearn
from sklearn.linear_model import LogisticRegression

SEED = 1
FOLDS = 5
RAW_SCALE = 10_000
PARTS = ["pointer", "keys"]

# What the features of counts and delivery say is evidence of its own, not the model's.
NOT_LEARNT = {"moves", "presses", "untrusted", "untrusted_moves", "keys", "inputs"}

# Made-up families that come nearest to the recipe of a recorded tool; a fit without the tool is without them. `steered`
# (a mass on a spring with drag and random pushes) is nobody's recipe and stays.
NEAREST_FAMILIES = {
    "linear_steps": ["eased_line"],
    "linear_paced": ["eased_line"],
    "minjerk": ["eased_line"],
    "pyautogui": ["eased_line"],
    "bezier_const": ["eased_curve"],
    "ghost_cursor": ["eased_curve"],
    "pyclick": ["eased_curve", "jittered_curve"],
    "oxy_perlin": ["jittered_line", "jittered_curve"],
    "replay_noise": ["replay_white"],
    "stroke_splice": ["splice"],
}

# The half of the weight that bots have goes to recorded tools and made-up ones in this proportion; looks at the first
# seconds only have this part of either.
SYNTHETIC_SHARE = 0.35
PREFIX_SHARE = 0.25

TREES = {
    "pointer": {"count": 300, "num_leaves": 12, "learning_rate": 0.09, "min_data_in_leaf": 20},
    "keys": {"count": 200, "num_leaves": 5, "learning_rate": 0.05, "min_data_in_leaf": 15},
    "naturalness": {"count": 100, "num_leaves": 4, "max_depth": 2, "learning_rate": 0.12, "min_data_in_leaf": 40},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", required=True, type=Path, help="JSON lines of the program `features`")
    parser.add_argument("--out", type=Path, help="the table to write")
    parser.add_argument("--naturalness", type=Path, help="the table behind mouse_entropy to write")
    parser.add_argument("--calibration", type=Path, help="take the calibration from this table instead of fitting it")
    parser.add_argument("--exclude-generator", action="append", default=[])
    parser.add_argument("--exclude-fold", action="append", type=int, default=[])
    parser.add_argument("--exclude-source", action="append", default=[])
    parser.add_argument("--plan", type=Path, help="JSON lines of {out, exclude_generator, exclude_fold, exclude_source}")
    arguments = parser.parse_args()

    rows = Rows.read(arguments.features)
    calibration = json.loads(arguments.calibration.read_text()) if arguments.calibration else None
    jobs = [json.loads(line) for line in arguments.plan.read_text().splitlines()] if arguments.plan else []
    if arguments.out:
        jobs.append(
            {
                "out": arguments.out,
                "exclude_generator": arguments.exclude_generator,
                "exclude_fold": arguments.exclude_fold,
                "exclude_source": arguments.exclude_source,
            }
        )
    for job in jobs:
        kept = rows.without(
            job.get("exclude_generator", []), job.get("exclude_fold", []), job.get("exclude_source", [])
        )
        Path(job["out"]).write_text(table(kept, calibration))
    if arguments.naturalness:
        arguments.naturalness.write_bytes(naturalness_table(rows.part("pointer")))


class Rows:
    """Features with what is known of each row, as columns."""

    def __init__(self, names, features, columns, digest):
        self.names, self.features, self.columns, self.digest = names, features, columns, digest

    @classmethod
    def read(cls, path):
        lines = path.read_bytes().splitlines()
        rows = [json.loads(line) for line in lines]
        names = sorted({name for row in rows for name in row["features"]})
        place = {name: index for index, name in enumerate(names)}
        features = numpy.full((len(rows), len(names)), numpy.nan)
        for index, row in enumerate(rows):
            for name, value in row.pop("features").items():
                features[index, place[name]] = value
        columns = {
            key: numpy.array([row[key] if row[key] is not None else "" for row in rows])
            for key in ["folder", "source", "generator", "track"]
        }
        columns["label"] = numpy.array([row["label"] for row in rows])
        columns["fold"] = numpy.array([row["fold"] for row in rows])
        columns["prefix"] = numpy.array([row["seconds"] is not None for row in rows])
        columns["typing"] = numpy.array(
            [row["folder"] == "keys" or (row["generator"] or "").startswith("typed_") for row in rows]
        )
        return cls(names, features, columns, hashlib.sha256(b"\n".join(lines)).hexdigest())

    def __getattr__(self, name):
        return self.columns[name]

    def where(self, mask):
        return Rows(
            self.names, self.features[mask], {key: column[mask] for key, column in self.columns.items()}, self.digest
        )

    def without(self, generators, folds, sources):
        families = [family for generator in generators for family in NEAREST_FAMILIES.get(generator, [])]
        return self.where(
            ~numpy.isin(self.generator, generators + families)
            & ~numpy.isin(self.fold, folds)
            & ~numpy.isin(self.source, sources)
        )

    def part(self, part):
        """The rows that the pointer or the keys are learnt from; never what tools did natively."""
        is_learnt = self.typing if part == "keys" else ~self.typing & (self.folder != "bots_native")
        is_keys = numpy.array([name.startswith("motion_key_") for name in self.names])
        is_count = numpy.array([name.removeprefix("motion_") in NOT_LEARNT for name in self.names])
        wanted = is_keys if part == "keys" else ~is_keys & ~is_count
        has_features = ~numpy.isnan(self.features[:, wanted]).all(axis=1)
        if part == "pointer":
            # Too few steps to learn from, unless that is the whole recording.
            has_features &= ~self.prefix | ~numpy.isnan(self.features[:, self.names.index("motion_unit")])
        rows = self.where(is_learnt & has_features)
        rows.names = [name for name, keep in zip(self.names, wanted) if keep]
        rows.features = rows.features[:, wanted]
        return rows

    def weights(self):
        """People and bots half and half; each recorder of people and each tool the same."""
        kinds = [
            "person" if label == 0 else "synthetic" if folder == "synthetic" else "tool"
            for label, folder in zip(self.label, self.folder)
        ]
        names = [source if label == 0 else tool for label, source, tool in zip(self.label, self.source, self.generator)]
        keys = list(zip(kinds, names, self.prefix.tolist()))
        counts = Counter(keys)
        groups = Counter((kind, prefix) for kind, _, prefix in counts)
        has_prefixes = {kind for kind, _, prefix in counts if prefix}
        parts = {"person": 0.5, "tool": 0.5 * (1 - SYNTHETIC_SHARE), "synthetic": 0.5 * SYNTHETIC_SHARE}

        def weight(key):
            kind, _, prefix = key
            share = (PREFIX_SHARE if prefix else 1 - PREFIX_SHARE) if kind in has_prefixes else 1
            return parts[kind] * share / groups[(kind, prefix)] / counts[key]

        weights = numpy.array([weight(key) for key in keys])
        return weights / weights.mean()


def fit(rows, part):
    settings = dict(TREES[part])
    count = settings.pop("count")
    settings |= {
        "objective": "binary",
        "lambda_l2": 5.0,
        "feature_fraction": 0.3,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "max_bin": 127,
        "num_threads": 1,
        "seed": SEED,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    data = lightgbm.Dataset(rows.features, rows.label, weight=rows.weights(), params={"max_bin": 127, "verbose": -1})
    return lightgbm.train(settings, data, count)


def raw(booster, rows):
    return booster.predict(rows.features, raw_score=True, num_threads=1)


def cross_validated(rows, part):
    """Scores of whole recordings, each by a fit without its person's fold."""
    scores = numpy.zeros(len(rows.label))
    for fold in range(FOLDS):
        held = rows.fold == fold
        if held.any() and not held.all():
            scores[held] = raw(fit(rows.where(~held), part), rows.where(held))
    whole = ~rows.prefix & (rows.folder != "synthetic")
    return rows.where(whole), scores[whole]


def people_weights(rows):
    counts = Counter(rows.source.tolist())
    return numpy.array([1 / counts[source] for source in rows.source])


def quantile(values, weights, share):
    order = numpy.argsort(values, kind="stable")
    reached = numpy.cumsum(weights[order]) / weights.sum()
    return float(values[order][numpy.searchsorted(reached, share)])


def steps(points):
    """Strictly increasing whole raw scores with their values."""
    result = []
    for score, value in points:
        score = round(score * RAW_SCALE)
        if not result or score > result[-1][0]:
            result.append([score, value])
    return result


def calibrate(rows, part):
    held, scores = cross_validated(rows, part)
    weights = held.weights()
    model = LogisticRegression(C=1e6).fit(scores.reshape(-1, 1), held.label, sample_weight=weights)
    slope, shift = round(float(model.coef_[0][0]), 4), round(float(model.intercept_[0]), 4)
    logits = numpy.linspace(-12, 12, 49)
    likelihood = steps([((logit - shift) / slope, round(1 / (1 + float(numpy.exp(-logit))), 9)) for logit in logits])
    at = lambda likelihood: (float(numpy.log(likelihood / (1 - likelihood))) - shift) / slope
    people, tools = held.label == 0, held.label == 1
    if part == "pointer":
        of_people = people_weights(held.where(people))
        above = lambda share: quantile(scores[people], of_people, 1 - share)
        of_tools = lambda share: quantile(scores[tools], weights[tools], share)
        few, fewest, half = above(0.015), above(0.004), of_tools(0.5)
        caps = steps([(few, 50), (fewest, 30), ((fewest + half) / 2, 12), (half, 3), (of_tools(0.9), 1)])
    else:
        # Few people and one phrase: a quantile of them says less than the distance from both sides.
        caps = steps([(at(0.9), 50), (at(0.97), 30), (at(0.995), 15), (at(0.999), 10)])
    return {"likelihood": likelihood, "caps": caps, "check": check(held, scores, slope, shift, caps)}


def check(held, scores, slope, shift, caps):
    """Figures of the cross-validation, for the reader of the table."""
    likelihood = 1 / (1 + numpy.exp(-(slope * scores + shift)))
    weights = held.weights()
    people = held.label == 0
    of_people = people_weights(held.where(people))
    threshold = quantile(scores[people], of_people, 0.99)
    return {
        "brier": round(float(numpy.average((likelihood - held.label) ** 2, weights=weights)), 4),
        "people_capped_below_30": round(float(of_people[scores[people] * RAW_SCALE > caps[1][0]].sum() / of_people.sum()), 4),
        "tools_above_99_percent_of_people": {
            tool: round(float((scores[held.generator == tool] > threshold).mean()), 3)
            for tool in sorted(set(held.generator[~people].tolist()))
        },
    }


def table(rows, calibration):
    result = {
        "version": 1,
        "motion_version": 1,
        "provenance": {
            "program": "xtask/train/train.py",
            "libraries": {"lightgbm": lightgbm.__version__, "numpy": numpy.__version__, "scikit-learn": sklearn.__version__},
            "seed": SEED,
            "features_sha256": rows.digest,
            "tuned_on": {
                "pointer": sorted(set(rows.source[~rows.typing & (rows.label == 0)].tolist())),
                "keys": sorted(set(rows.source[rows.typing & (rows.label == 0)].tolist())),
                "tools": sorted(
                    {tool for part in PARTS for tool in rows.part(part).generator.tolist() if tool}
                ),
            },
        },
    }
    for part in PARTS:
        learnt = rows.part(part)
        fitted = calibration[part] if calibration else calibrate(learnt, part)
        names, trees, thresholds = compact(fit(learnt, part), learnt.names)
        if "check" in fitted:
            result["provenance"][f"{part}_check"] = fitted["check"]
        result[part] = {
            "features": names,
            "thresholds": thresholds,
            "likelihood": fitted["likelihood"],
            "caps": fitted["caps"],
            "trees": trees,
        }
    return write(result)


def compact(booster, names):
    """Trees in preorder: `feature, threshold * 2 + is_absent_left` for a split, `-1, value` for a leaf."""
    trees = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    splits = [split for tree in trees for split in splits_of(tree)]
    used = sorted({split["split_feature"] for split in splits})
    values = {
        feature: sorted({cut(split) for split in splits if split["split_feature"] == feature}) for feature in used
    }

    def flat(node):
        if "leaf_value" in node:
            return [-1, round(node["leaf_value"] * RAW_SCALE)]
        feature = node["split_feature"]
        own = [used.index(feature), values[feature].index(cut(node)) * 2 + int(node["default_left"])]
        return own + flat(node["left_child"]) + flat(node["right_child"])

    return [names[feature] for feature in used], [flat(tree) for tree in trees], [values[feature] for feature in used]


def splits_of(node):
    if "leaf_value" in node:
        return []
    return [node] + splits_of(node["left_child"]) + splits_of(node["right_child"])


def cut(split):
    return float(f"{split['threshold']:.6g}")


def write(result):
    """JSON with a line for each tree."""
    lines = []
    for key, value in result.items():
        if key in PARTS:
            inner = []
            for name, content in value.items():
                if name in ("trees", "thresholds"):
                    rows = ",\n   ".join(json.dumps(row, separators=(",", ":")) for row in content)
                    inner.append(f'  "{name}": [\n   {rows}\n  ]')
                else:
                    inner.append(f'  "{name}": {json.dumps(content, separators=(",", ":"))}')
            lines.append(f' "{key}": {{\n' + ",\n".join(inner) + "\n }")
        else:
            lines.append(f' "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def naturalness_table(rows):
    """Trees of three splits and the values of raw scores, little-endian; `core/src/motion/naturalness.rs` reads it."""
    held, scores = cross_validated(rows, "naturalness")
    people, tools = held.label == 0, held.label == 1
    of_people = people_weights(held.where(people))
    above = lambda share: quantile(scores[people], of_people, 1 - share)
    # At most 1 % of people may lie below 0.02 and 5 % below 0.05; half of that leaves room for other devices.
    points = [
        (float(scores[people].min()) - 1.0, 1000),
        (above(0.90), 900),
        (above(0.50), 600),
        (above(0.20), 300),
        (above(0.025), 50),
        (above(0.005), 20),
        (quantile(scores[tools], held.weights()[tools], 0.9), 0),
    ]
    order = TABLE_ORDER
    trees = [tree["tree_structure"] for tree in fit(rows, "naturalness").dump_model()["tree_info"]]
    knots = steps(points)
    content = struct.pack("<BB", len(trees), len(knots))
    for tree in trees:
        content += small_tree(tree, [order.index(name) for name in rows.names])
    for score, value in knots:
        content += struct.pack("<iH", score, value)
    print(
        "mouse_entropy, cross-validated: people below 0.02",
        round(float(of_people[scores[people] * RAW_SCALE > knots[-2][0]].sum() / of_people.sum()), 4),
        {
            tool: round(float((scores[held.generator == tool] * RAW_SCALE > knots[-2][0]).mean()), 2)
            for tool in sorted(set(held.generator[tools].tolist()))
        },
    )
    return content


def small_tree(tree, order):
    """A tree of depth two, padded: three splits, then four leaves in thousandths."""

    def split(node):
        if "leaf_value" in node:
            return struct.pack("<Bf", 0, 0.0), [node, node]
        code = order[node["split_feature"]] | (0x80 if node["default_left"] else 0)
        return struct.pack("<Bf", code, max(-1e30, min(1e30, node["threshold"]))), [node["left_child"], node["right_child"]]

    root, children = split(tree)
    content, leaves = root, []
    for child in children:
        own, ends = split(child)
        content += own
        leaves += ends
    return content + struct.pack("<4h", *(round(leaf["leaf_value"] * 1000) for leaf in leaves))


def table_order():
    """The order of the features is that of core's table."""
    source = Path(__file__).parents[2] / "core/src/motion/features.rs"
    lines = [line.strip() for line in source.read_text().splitlines()]
    return ["motion_" + line.split('"')[1] for line in lines if line.startswith('"') and '" = ' in line]


TABLE_ORDER = table_order()

if __name__ == "__main__":
    main()
