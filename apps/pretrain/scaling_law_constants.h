// SPDX-License-Identifier: Apache-2.0
#pragma once
// Written by tests/learning/fit_law.py from tests/learning/law_points.csv, which has the runs and where they
// come from; don't edit. tests/learning/NOTES.md says how far to trust it.
//
// fitted: S-120, 0.37 M parameters, 0.79 MB: 2.564, law -0.1 %
// fitted: S-240, 0.37 M parameters, 1.57 MB: 2.365, law +2.0 %
// fitted: A-120, 1.16 M parameters, 0.79 MB: 2.446, law -0.8 %
// fitted: A-240, 1.16 M parameters, 1.57 MB: 2.258, law +0.8 %
// fitted: S-480, 0.37 M parameters, 3.14 MB: 2.232, law +2.1 %
// fitted: S-1920, 0.37 M parameters, 12.56 MB: 2.073, law -1.2 %
// fitted: C-480, 4.46 M parameters, 3.14 MB: 2.086, law -2.4 %
// fitted: A-960, 1.16 M parameters, 6.28 MB: 2.000, law +1.1 %
// fitted: A-1920, 1.16 M parameters, 12.56 MB: 1.920, law -0.3 %
// fitted: T-5404, 0.24 M parameters, 31.01 MB: 2.024, law -1.7 %
// held out: R-700, 4.20 M parameters, 5.45 MB: 2.048, law -5.1 %
// held out: B-643, 0.24 M parameters, 3.69 MB: 2.280, law +1.6 %
// Each fitted run predicted from the others: 2.7 % (root mean square)

namespace pretrain::scaling_law {

constexpr double kE = 0.62;  // bits per byte that no model saves
constexpr double kA = 28.0821;
constexpr double kAlpha = 0.325;
constexpr double kB = 11.5341;
constexpr double kBeta = 0.15;
constexpr double kRepeatedTextDecay = 15.4;     // published, not fitted here
constexpr double kExcessParametersDecay = 5.3;  // likewise
constexpr double kLeastParameters = 238144;     // range of the fitted runs
constexpr double kMostParameters = 4.45926e+06;
constexpr double kLeastTextBytes = 785000;
constexpr double kMostTextBytes = 3.101e+07;
constexpr double kRelativeError =
    0.0543515;  // two standard deviations within that range, or the largest error on a held out run
constexpr double kErrorPerDecade =
    0.04;  // more for each factor of ten outside of it; a judgement, not measured

}  // namespace pretrain::scaling_law
