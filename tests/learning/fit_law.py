#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fits the law of `pretrain plan` to measured runs, with the standard library alone.

fit_law.py POINTS.csv OUT.h     writes the constants, how they were found, and the error on runs that were held out

The law, in bits per byte, for N parameters, D bytes of text and contexts of C bytes:

    E + ((A / N^alpha)^q + (B / D^beta)^q)^(1/q) + K / C^gamma

With q = 1 it is the sum of Hoffmann et al.; with a larger q the scarcer one of parameters and text counts more, as in Kaplan et
al., equation 1.5. Minimises the squared relative error. Few and small runs determine not all of it, so the exponents and E are
drawn to published values (PRIORS) by their spread. K and gamma come from one model that was evaluated with windows of several
lengths (NOTES.md). Texts differ in how easy they are: runs that were validated on another one than most have a common factor.
"""
import csv
import math
import pathlib
import sys

# Value and spread. Exponents: Hoffmann et al. 0.34 and 0.28, Besiroglu et al. ("Chinchilla Scaling: A replication
# attempt") 0.35 and 0.37; that of text is larger in runs of some thousand steps. E: the irreducible 1.7 to 1.8 nats a token of
# both are 0.55 to 0.6 bits per byte, some of which are the context's here.
PRIORS = {"alpha": (0.35, 0.1), "beta": (0.4, 0.2), "E": (0.5, 0.1), "other_text": (1.0, 0.02)}
RANGES = {"E": (0.2, 0.9), "alpha": (0.05, 1.0), "beta": (0.05, 1.2), "q": (1.0, 6.0)}
STARTS = [{"E": 0.5, "A": 1.0, "alpha": 0.3, "B": 0.6, "beta": 0.4, "q": q, "other_text": 1.0} for q in (1.2, 2.0, 3.0)]
# Relative, that a run of one seed has from the law. Runs of few steps depend on warmup and cooldown, too.
SPREAD, SPREAD_OF_FEW_STEPS, FEW_STEPS = 0.01, 0.02, 500
CONTEXT, GAMMA = 1.374, 0.377
MAIN_TEXT = "documents"  # what most runs are validated on: documents of all files
MILLIONS_OF_PARAMETERS, TENS_OF_MEGABYTES = 1e6, 1e7  # units of A and B while they are fitted, so that they are near 1
REPEATED_TEXT_DECAY, EXCESS_PARAMETERS_DECAY = 15.4, 5.3  # Muennighoff et al., fitted there to 182 runs


def read_points(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    for row in rows:
        for key in ("parameters", "text_bytes", "context_bytes", "bits_per_byte"):
            row[key] = float(row[key])
        row["spread"] = SPREAD_OF_FEW_STEPS if int(row["run"].split("-")[1]) < FEW_STEPS else SPREAD
    return rows


def predict(law, p):
    of_parameters = law["A"] * (p["parameters"] / MILLIONS_OF_PARAMETERS) ** -law["alpha"]
    of_text = law["B"] * (p["text_bytes"] / TENS_OF_MEGABYTES) ** -law["beta"]
    bits = law["E"] + (of_parameters ** law["q"] + of_text ** law["q"]) ** (1 / law["q"])
    bits += CONTEXT * p["context_bytes"] ** -GAMMA
    return bits * (1.0 if p["held_out"] == MAIN_TEXT else law["other_text"])


def errors(law, points):
    return [predict(law, p) / p["bits_per_byte"] - 1 for p in points]


def cost(law, points):
    if law["A"] <= 0 or law["B"] <= 0 or any(not low < law[key] < high for key, (low, high) in RANGES.items()):
        return math.inf
    return (sum((error / p["spread"]) ** 2 for p, error in zip(points, errors(law, points)))
            + sum(((law[key] - value) / spread) ** 2 for key, (value, spread) in PRIORS.items()))


def along(start, end, share):
    return {key: start[key] + share * (end[key] - start[key]) for key in start}


def descend(points, start):
    """The simplex method of Nelder and Mead. Returns the cost and the law."""
    def rated(law):
        return cost(law, points), law

    simplex = [rated(start)] + [rated(start | {key: value * 1.1 + 0.1}) for key, value in start.items()]
    for _ in range(3000):
        simplex.sort(key=lambda corner: corner[0])
        worst = simplex.pop()
        centre = {key: sum(law[key] for _, law in simplex) / len(simplex) for key in start}
        reflected = rated(along(worst[1], centre, 2))
        if reflected[0] < simplex[0][0]:
            simplex.append(min(reflected, rated(along(worst[1], centre, 3)), key=lambda corner: corner[0]))
        elif reflected[0] < simplex[-1][0]:
            simplex.append(reflected)
        else:
            inside = rated(along(worst[1], centre, 0.5))
            if inside[0] < worst[0]:
                simplex.append(inside)
            else:
                best = simplex[0][1]
                simplex = [simplex[0]] + [rated(along(best, law, 0.5)) for _, law in simplex[1:] + [worst]]
    return min(simplex, key=lambda corner: corner[0])


def fit(points):
    return min((descend(points, start) for start in STARTS), key=lambda found: found[0])[1]


def left_out(points):
    """Relative errors of each point predicted from all others."""
    return [errors(fit(points[:i] + points[i + 1:]), [p])[0] for i, p in enumerate(points)]


def root_mean_square(values):
    return math.sqrt(sum(value * value for value in values) / len(values))


def header(law, fitted, held, left):
    # Runs that were held out may come from another program or text; the law is not better than its error on them.
    error = max([2 * root_mean_square(left), 0.04] + [abs(value) for value in errors(law, held)])
    lines = ["// SPDX-License-Identifier: Apache-2.0",
             "#pragma once",
             "// Written by tests/learning/fit_law.py from tests/learning/law_points.csv, which has the runs and where they",
             "// come from; don't edit. tests/learning/NOTES.md says how far to trust it.",
             "//"]
    for name, points, values in (("fitted", fitted, errors(law, fitted)), ("held out", held, errors(law, held))):
        for p, value in zip(points, values):
            lines.append(f"// {name}: {p['run']}, {p['parameters'] / 1e6:.2f} M parameters, {p['text_bytes'] / 1e6:.2f} MB: "
                         f"{p['bits_per_byte']:.3f}, law {100 * value:+.1f} %")
    lines += [f"// Each fitted run predicted from the others: {100 * root_mean_square(left):.1f} % (root mean square)", "",
              "namespace pretrain::scaling_law {", ""]

    def constant(name, value, comment=""):
        lines.append(f"constexpr double {name} = {value:.6g};" + (f"  // {comment}" if comment else ""))

    constant("kE", law["E"], "bits per byte that no model saves")
    constant("kA", law["A"] * MILLIONS_OF_PARAMETERS ** law["alpha"])
    constant("kAlpha", law["alpha"])
    constant("kB", law["B"] * TENS_OF_MEGABYTES ** law["beta"])
    constant("kBeta", law["beta"])
    constant("kNorm", law["q"])
    constant("kContext", CONTEXT)
    constant("kGamma", GAMMA)
    constant("kRepeatedTextDecay", REPEATED_TEXT_DECAY, "published, not fitted here")
    constant("kExcessParametersDecay", EXCESS_PARAMETERS_DECAY, "likewise")
    constant("kLeastParameters", min(p["parameters"] for p in fitted), "range of the fitted runs")
    constant("kMostParameters", max(p["parameters"] for p in fitted))
    constant("kLeastTextBytes", min(p["text_bytes"] for p in fitted))
    constant("kMostTextBytes", max(p["text_bytes"] for p in fitted))
    constant("kRelativeError", error, "two standard deviations within that range, or the largest error on a held out run")
    constant("kErrorPerDecade", 0.04, "more for each factor of ten outside of it; a judgement, not measured")
    return "\n".join(lines + ["", "}  // namespace pretrain::scaling_law", ""])


def main(points, out):
    rows = read_points(points)
    fitted = [row for row in rows if row["use"] == "fit"]
    held = [row for row in rows if row["use"] == "held"]
    law = fit(fitted)
    pathlib.Path(out).write_text(header(law, fitted, held, left_out(fitted)))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
