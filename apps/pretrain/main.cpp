// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/program.h"

int main(int argc, char** argv) {
  return pretrain::run_program(argc, argv);
}
