// SPDX-License-Identifier: Apache-2.0
#pragma once
// Circles of units. A unit is a header with the source of its name; it uses the units whose headers either of the
// two includes. Units in a circle can only be understood, tested and moved together. Pure functions.

#include <map>
#include <string>
#include <vector>

namespace pretrain::test {

/// The circles among files, given as content by path relative to the source tree: each as the sorted names of its
/// units, such as "libs/base/file". What is not among the files belongs to none.
std::vector<std::vector<std::string>> include_circles(const std::map<std::string, std::string>& files);

}  // namespace pretrain::test
