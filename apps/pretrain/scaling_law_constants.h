// SPDX-License-Identifier: Apache-2.0
#pragma once
// Written by tests/learning/fit_law.py from tests/learning/law_points.csv, which has the runs and where they
// come from; don't edit. tests/learning/NOTES.md says how far to trust it.
//
// fitted: S-120, 0.37 M parameters, 0.79 MB: 2.564, law +2.0 %
// fitted: S-240, 0.37 M parameters, 1.57 MB: 2.365, law -0.6 %
// fitted: A-120, 1.16 M parameters, 0.79 MB: 2.446, law +0.8 %
// fitted: A-240, 1.16 M parameters, 1.57 MB: 2.258, law -2.4 %
// held out: R-700, 4.20 M parameters, 5.45 MB: 2.048, law -15.7 %
// Each fitted run predicted from the others: 3.9 % (root mean square)

namespace pretrain::scaling_law {

constexpr double kE = 0.62;  // bits per byte that no model saves
constexpr double kA = 30.6524;
constexpr double kAlpha = 0.325;
constexpr double kB = 63.4809;
constexpr double kBeta = 0.275;
constexpr double kRepeatedTextDecay = 15.4;     // published, not fitted here
constexpr double kExcessParametersDecay = 5.3;  // likewise
constexpr double kLeastParameters = 369216;     // range of the fitted runs
constexpr double kMostParameters = 1.16454e+06;
constexpr double kLeastTextBytes = 785000;
constexpr double kMostTextBytes = 1.57e+06;
constexpr double kRelativeError =
    0.156614;  // two standard deviations within that range, or the largest error on a held out run
constexpr double kErrorPerDecade =
    0.04;  // more for each factor of ten outside of it; a judgement, not measured

}  // namespace pretrain::scaling_law
