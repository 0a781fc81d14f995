/* The op profile: times of a model's ops, summed over the runs that nothing preempted. */
#ifndef LATKIT_OP_PROFILE_H
#define LATKIT_OP_PROFILE_H

#include "protocol/json_writer.h"
#include "runtimes/runtime.h"

enum { MAX_OPS = 50000, MAX_PROFILED_RUNS = 1000, MAX_OP_NAME = 200, OPS_PER_ANSWER = 500 };

struct op {
    int64_t place; /* tells ops of one name apart */
    char *name;
    char *kind;
    char *placement;
    char *inputs; /* pairs of element type and shape, as JSON */
    char *outputs;
    int64_t calls;
    int64_t total_ns;
};

struct op_profile {
    const char *profiler;
    bool exact; /* every op is named after a node of the graph */
    int64_t arena_bytes;
    size_t runs;
    int64_t wall_ns[2 * MAX_PROFILED_RUNS];
    bool undisturbed[2 * MAX_PROFILED_RUNS];
    struct op *ops;
    size_t count;
    size_t capacity;
    size_t hint; /* where the next op is expected */
};

/* Make up to that many undisturbed runs, twice as many altogether, or as many as fit into the time; at least one.
 * `before` and `after` are not timed. */
bool profiled_runs(struct model *model, struct op_profile *profile, int64_t runs, double seconds,
                   bool (*before)(void *state, struct failure *failure),
                   bool (*after)(void *state, struct op_profile *profile, struct failure *failure),
                   struct failure *failure);

/* Whether the times of that run count: it is undisturbed, or all runs were disturbed. */
bool run_counts(const struct op_profile *profile, size_t run);

/* Count a call of an op. Texts are copied at its first call; beyond MAX_OPS, it counts into the last op. */
bool add_call(struct op_profile *profile, const struct op *op, int64_t nanoseconds, struct failure *failure);

void write_profile(struct json_writer *out, const struct op_profile *profile);
void write_ops(struct json_writer *out, const struct op_profile *profile, size_t first);

/* Free the ops and the profile itself; NULL is allowed. */
void op_profile_free(struct op_profile *profile);

#endif
