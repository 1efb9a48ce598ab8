#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fits the law of `pretrain plan` to measured runs, with the standard library alone.

fit_law.py POINTS.csv OUT.h     writes the constants, how they were found, and the error on runs that were held out

Minimises the squared relative error of E + A / N^alpha + B / D^beta in bits per byte, N parameters, D bytes of text. Few and
small runs determine neither the exponents nor E, so these are drawn to published values (PRIORS) by their spread.
"""
import csv
import math
import pathlib
import sys

# Value and spread. Exponents: Hoffmann et al. 0.34 and 0.28, Besiroglu et al. ("Chinchilla Scaling: A replication
# attempt") 0.35 and 0.37. E: the irreducible 1.7 to 1.8 nats a token of both are 0.55 to 0.6 bits per byte.
PRIORS = {"alpha": (0.35, 0.05), "beta": (0.35, 0.05), "E": (0.58, 0.08)}
SPREAD = 0.02  # relative, that a run of one seed has from the law
REPEATED_TEXT_DECAY, EXCESS_PARAMETERS_DECAY = 15.4, 5.3  # Muennighoff et al., fitted there to 182 runs


def read_points(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    for row in rows:
        for key in ("parameters", "text_bytes", "bits_per_byte"):
            row[key] = float(row[key])
    return rows


def solve(points, alpha, beta, e):
    """A and B by least squares for these exponents, not negative."""
    sums = [0.0] * 5
    for p in points:
        weight = 1 / p["bits_per_byte"] ** 2
        u, v, y = p["parameters"] ** -alpha, p["text_bytes"] ** -beta, p["bits_per_byte"] - e
        for i, value in enumerate((u * u, u * v, v * v, u * y, v * y)):
            sums[i] += weight * value
    uu, uv, vv, uy, vy = sums
    determinant = uu * vv - uv * uv
    if determinant > 1e-12 * uu * vv:
        a, b = (uy * vv - vy * uv) / determinant, (vy * uu - uy * uv) / determinant
        if a > 0 and b > 0:
            return a, b
    return None


def predict(law, p):
    return law["E"] + law["A"] * p["parameters"] ** -law["alpha"] + law["B"] * p["text_bytes"] ** -law["beta"]


def errors(law, points):
    return [predict(law, p) / p["bits_per_byte"] - 1 for p in points]


def grid(low, high, count):
    return [low + (high - low) * i / (count - 1) for i in range(count)]


def fit(points):
    best = None
    for alpha in grid(0.05, 0.6, 23):
        for beta in grid(0.05, 0.6, 23):
            for e in grid(0.42, 0.74, 9):
                found = solve(points, alpha, beta, e)
                if not found:
                    continue
                law = {"E": e, "A": found[0], "B": found[1], "alpha": alpha, "beta": beta}
                cost = sum((error / SPREAD) ** 2 for error in errors(law, points))
                cost += sum(((law[key] - value) / spread) ** 2 for key, (value, spread) in PRIORS.items())
                if best is None or cost < best[0]:
                    best = (cost, law)
    if best is None:
        raise SystemExit("no law fits: the points need two sizes and two amounts of text")
    return best[1]


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
    constant("kA", law["A"])
    constant("kAlpha", law["alpha"])
    constant("kB", law["B"])
    constant("kBeta", law["beta"])
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
