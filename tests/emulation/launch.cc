// Launches kernels through native/cuda.h: a line of arguments each, "program kernel grid team threads shared cluster".
#include <cstdio>
#include <iostream>
#include <sstream>

#include "cuda.h"

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    cuda::Launch launch;
    std::istringstream(line) >> launch.program >> launch.kernel >> launch.grid >> launch.team >> launch.threads >>
        launch.shared >> launch.cluster;
    try {
      cuda::programs().add("known", "BINARY");
      int teams = (int)(launch.grid / launch.team);
      void *arguments[] = {&teams};
      cuda::programs().launch(launch, (void *)40, arguments);
    } catch (const std::exception &error) {
      printf("%s\n", error.what());
    }
  }
}
