// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/secret.h"

#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/base/private_file.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;
using testing::HasSubstr;

std::string hexadecimal(const MessageCode& code) {
  std::string text;
  for (const std::byte byte : code) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return text;
}

// Source: RFC 4231, test cases 1, 2 and 6.
TEST(MessageCode, IsTheOneOfTheStandard) {
  EXPECT_EQ(hexadecimal(message_code(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hexadecimal(message_code("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hexadecimal(message_code(std::string(131, '\xaa'),
                                     "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(MessageCode, IsComparedInEachBit) {
  const MessageCode code = message_code("key", "message");
  EXPECT_TRUE(is_same_code(code, message_code("key", "message")));
  for (size_t bit = 0; bit < code.size() * 8; ++bit) {
    MessageCode other = code;
    other[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(is_same_code(code, other)) << "bit " << bit;
  }
}

TEST(DerivedKey, DependsOnSecretAndPurpose) {
  const std::set<std::string> keys{derived_key("a", "x"), derived_key("a", "y"), derived_key("b", "x")};
  EXPECT_EQ(keys.size(), 3U);
}

TEST(RandomBytes, DifferEachTime) {
  EXPECT_NE(random_bytes(), random_bytes());
  EXPECT_NE(make_secret(), make_secret());
}

TEST(Secret, IsReadFromAPrivateFile) {
  const TempFolder folder;
  const std::string secret = make_secret();
  EXPECT_EQ(secret.size(), 64U);
  write_private_file(folder / "secret", fmt::format("  {}\n\n", secret));
  EXPECT_EQ(read_secret(folder / "secret"), secret);
}

/// What read_secret() says about a file.
std::string complaint(const std::filesystem::path& path) {
  try {
    read_secret(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

TEST(Secret, MustBeLongAndPrivate) {
  const TempFolder folder;
  EXPECT_THAT(complaint(folder / "absent"), HasSubstr("there is no secret file"));
  write_private_file(folder / "short", "123456789012345\n");
  EXPECT_THAT(complaint(folder / "short"), HasSubstr("at least 16 characters (got 15)"));
  write_private_file(folder / "long", std::string(5000, 'x'));
  EXPECT_THAT(complaint(folder / "long"), HasSubstr("long"));
  const auto open = folder.write("open", make_secret());
  std::filesystem::permissions(open, std::filesystem::perms(0640));
  EXPECT_THAT(complaint(open), HasSubstr("chmod 600"));
}

}  // namespace
}  // namespace pretrain
