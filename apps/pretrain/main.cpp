#include "apps/pretrain/program.h"

int main(int argc, char** argv) {
  return pretrain::run_program(argc, argv);
}
