/* The round: a workload timed alternately with a reference; see docs/agent-protocol.md. */
#ifndef LATKIT_TIMING_H
#define LATKIT_TIMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/energy.h"
#include "runtimes/runtime.h"

enum { MAX_SAMPLES = 1 << 20 }; /* of each model in a round, which ends when they are full */

/* Raw times of runs, one entry per run. */
struct samples {
    size_t count;
    size_t capacity;
    int64_t *wall_ns;
    int64_t *cpu_ns;
    int64_t *preemptions;
};

struct timing {
    struct samples workload;
    struct samples reference;
    int64_t inference_ns; /* all runs together, including warm-up runs */
    int64_t subject_runs; /* timed runs per block */
    int64_t reference_runs;
    int64_t warm_up_runs; /* of the workload */
};

struct paced {
    struct samples samples;
    int64_t missed; /* runs that began late */
    struct energy_meter meter;
};

/* Time runs that begin at an interval, after an untimed one. `samples_free` frees its samples, also after a failure. */
bool time_paced(const struct model *model, double interval_s, int64_t runs, struct paced *paced,
                struct failure *failure);

/* Free the memory of samples. */
void samples_free(struct samples *samples);

/* Time a round of at most `round_runs` runs of the workload. `timing_free` frees its samples, also after a failure. */
bool time_round(const struct model *workload, const struct model *reference, double round_s, int64_t round_runs,
                struct timing *timing, struct failure *failure);
void timing_free(struct timing *timing);

#endif
