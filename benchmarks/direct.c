/* Calls a runtime directly: a bare loop over one model, loaded as the native agent loads it. For each line on stdin, a
 * number of blocks, it prints as many times of blocks of BLOCK_RUNS runs in ns.
 *
 *     direct RUNTIME LIBRARIES MODEL
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtimes/runtime.h"

#ifndef BLOCK_RUNS
#define BLOCK_RUNS 10
#endif

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t block_ns(const struct model *model, struct failure *failure) {
    int64_t begin = now_ns();
    for (int run = 0; run < BLOCK_RUNS; run++) {
        if (!model->run(model->state, failure)) return -1;
    }
    return now_ns() - begin;
}

int main(int count, char **argv) {
    struct model model;
    struct failure failure = {0};
    char line[32];
    if (count != 4) return 2;
    const struct runtime *runtime = strcmp(argv[1], "tflite") == 0 ? &tflite : &onnxruntime;
    struct spec spec = {.path = argv[3], .libraries = argv[2], .threads = 1, .batch = 1, .signature = ""};
    if (!runtime->load(&spec, &model, &failure)) {
        fprintf(stderr, "%s\n", failure.message);
        return 1;
    }
    while (fgets(line, sizeof line, stdin)) {
        for (long blocks = strtol(line, NULL, 10); blocks > 0; blocks--)
            printf("%" PRId64 " ", block_ns(&model, &failure));
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
