/* The visit: a subject timed in turn with a reference; see `A visit` in docs/agent-protocol.md. */
#ifndef LATKIT_VISIT_H
#define LATKIT_VISIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime.h"

enum { MOST_SAMPLES = 1 << 20 }; /* of each model in a visit, which ends when they are full */

/* Raw times of runs, one entry per run. */
struct samples {
    size_t count;
    size_t capacity;
    int64_t *wall_ns;
    int64_t *cpu_ns;
    int64_t *preemptions;
};

struct visit {
    struct samples subject;
    struct samples reference;
    int64_t inference_ns; /* all runs together, those that warmed up among them */
    int64_t subject_runs; /* timed runs per turn */
    int64_t reference_runs;
    int64_t warm_up_runs; /* of the subject */
};

/* Make a visit of at most `visit_runs` runs of the subject. visit_free frees its samples, also after a failure. */
bool visit_make(const struct model *subject, const struct model *reference, double visit_s, int64_t visit_runs,
                struct visit *visit, struct failure *failure);
void visit_free(struct visit *visit);

#endif
