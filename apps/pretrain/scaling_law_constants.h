// SPDX-License-Identifier: Apache-2.0
#pragma once
// Written by tests/learning/fit_law.py from tests/learning/law_points.csv, which has the runs and where they
// come from; don't edit. tests/learning/NOTES.md says how far to trust it.
//
// fitted: S-120, 0.37 M parameters, 0.79 MB: 2.564, law -0.2 %
// fitted: S-240, 0.37 M parameters, 1.57 MB: 2.365, law +0.1 %
// fitted: R-700, 4.20 M parameters, 5.45 MB: 2.048, law +0.0 %
// Each fitted run predicted from the others: 15.4 % (root mean square)

namespace pretrain::scaling_law {

constexpr double kE = 0.58;  // bits per byte that no model saves
constexpr double kA = 3.2779;
constexpr double kAlpha = 0.35;
constexpr double kB = 14.8837;
constexpr double kBeta = 0.15;
constexpr double kRepeatedTextDecay = 15.4;     // published, not fitted here
constexpr double kExcessParametersDecay = 5.3;  // likewise
constexpr double kLeastParameters = 369216;     // range of the fitted runs
constexpr double kMostParameters = 4.2e+06;
constexpr double kLeastTextBytes = 785000;
constexpr double kMostTextBytes = 5.45e+06;
constexpr double kRelativeError = 0.30814;  // two standard deviations within that range, at least 4 %
constexpr double kErrorPerDecade =
    0.04;  // more for each factor of ten outside of it; a judgement, not measured

}  // namespace pretrain::scaling_law
