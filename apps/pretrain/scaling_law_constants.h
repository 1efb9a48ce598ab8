// SPDX-License-Identifier: Apache-2.0
#pragma once
// Written by tests/learning/fit_law.py from tests/learning/law_points.csv, which has the runs and where they
// come from; don't edit. tests/learning/NOTES.md says how far to trust it.
//
// fitted: S-120, 0.37 M parameters, 0.79 MB: 2.564, law +0.4 %
// fitted: S-240, 0.37 M parameters, 1.57 MB: 2.365, law +1.6 %
// fitted: A-120, 1.16 M parameters, 0.79 MB: 2.446, law +1.6 %
// fitted: A-240, 1.16 M parameters, 1.57 MB: 2.258, law +1.7 %
// fitted: S-480, 0.37 M parameters, 3.14 MB: 2.232, law +1.3 %
// fitted: S-1920, 0.37 M parameters, 12.56 MB: 2.073, law -0.9 %
// fitted: C-480, 4.46 M parameters, 3.14 MB: 2.086, law -1.5 %
// fitted: A-960, 1.16 M parameters, 6.28 MB: 2.000, law +0.4 %
// fitted: A-1920, 1.16 M parameters, 12.56 MB: 1.920, law -1.0 %
// fitted: T-5404, 0.24 M parameters, 31.01 MB: 2.024, law +1.3 %
// fitted: P-6270, 0.95 M parameters, 83.40 MB: 1.751, law -1.1 %
// fitted: Q-5132, 2.56 M parameters, 68.20 MB: 1.618, law +0.3 %
// fitted: U-4852, 5.51 M parameters, 36.50 MB: 1.554, law +1.8 %
// fitted: P-1570, 0.95 M parameters, 20.87 MB: 1.856, law -0.0 %
// fitted: P-392, 0.95 M parameters, 5.21 MB: 2.107, law -2.5 %
// fitted: Q-321, 2.56 M parameters, 4.27 MB: 2.078, law -3.1 %
// fitted: P-3140, 0.95 M parameters, 20.87 MB: 1.867, law -0.6 %
// fitted: Q-1283, 2.56 M parameters, 17.06 MB: 1.778, law +0.0 %
// fitted: U-1213, 5.51 M parameters, 9.12 MB: 1.820, law -1.8 %
// fitted: U-2150, 5.51 M parameters, 16.16 MB: 1.668, law +1.5 %
// held out: R-700, 4.20 M parameters, 5.45 MB: 2.048, law -3.6 %
// held out: B-643, 0.24 M parameters, 3.69 MB: 2.280, law +0.7 %
// Each fitted run predicted from the others: 2.3 % (root mean square)

namespace pretrain::scaling_law {

constexpr double kE = 0.45773;  // bits per byte that no model saves
constexpr double kA = 13.926;
constexpr double kAlpha = 0.193282;
constexpr double kB = 22.152;
constexpr double kBeta = 0.186924;
constexpr double kNorm = 2.58938;
constexpr double kContext = 1.374;
constexpr double kGamma = 0.377;
constexpr double kRepeatedTextDecay = 15.4;     // published, not fitted here
constexpr double kExcessParametersDecay = 5.3;  // likewise
constexpr double kLeastParameters = 238144;     // range of the fitted runs
constexpr double kMostParameters = 5.50784e+06;
constexpr double kLeastTextBytes = 785000;
constexpr double kMostTextBytes = 8.34e+07;
constexpr double kRelativeError =
    0.0452633;  // two standard deviations within that range, or the largest error on a held out run
constexpr double kErrorPerDecade =
    0.04;  // more for each factor of ten outside of it; a judgement, not measured

}  // namespace pretrain::scaling_law
