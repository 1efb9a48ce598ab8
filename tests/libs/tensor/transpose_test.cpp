#include "libs/tensor/transpose.h"

#include <gtest/gtest.h>

#include "tests/libs/tensor/kernel_testing.h"

namespace pretrain {
namespace {

using test::Guarded;

constexpr float kUntouched = -77.0F;

/// Whether out is the transpose of in, and what lies between its rows is as it was.
void expect_transposed(const std::vector<float>& in, int64_t ld_in, const std::vector<float>& out,
                       int64_t ld_out, int64_t rows, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t r = 0; r < ld_out; ++r) {
      const float expected = r < rows ? in[test::area(1, r * ld_in + c)] : kUntouched;
      ASSERT_EQ(out[test::area(1, c * ld_out + r)], expected)
          << rows << " x " << columns << " at " << r << ", " << c;
    }
  }
}

void check(int64_t rows, int64_t columns) {
  const int64_t ld_in = columns + rows % 4;
  const int64_t ld_out = rows + columns % 3;
  const std::vector<float> in = test::normal_values(test::area(rows, ld_in), 1);
  Guarded block(std::vector<float>(test::area(columns, ld_out), kUntouched), 1);
  transpose_block(in.data(), ld_in, rows, columns, block.data(), ld_out);
  expect_transposed(in, ld_in, block.copy(), ld_out, rows, columns);
  EXPECT_TRUE(block.intact());
}

TEST(Transpose, MovesEachElementAndNoOther) {
  test::for_each_target([&] {
    for (const int64_t rows : {1, 3, 15, 16, 17, 64, 65, 100}) {
      for (const int64_t columns : {1, 5, 16, 33, 63, 64, 65, 129}) check(rows, columns);
    }
  });
}

}  // namespace
}  // namespace pretrain
