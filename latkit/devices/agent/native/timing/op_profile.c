#include "timing/op_profile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t preemptions(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nivcsw;
}

bool profiled_runs(struct model *model, struct op_profile *profile, int64_t runs, double seconds,
                   bool (*before)(void *state, struct failure *failure),
                   bool (*after)(void *state, struct op_profile *profile, struct failure *failure),
                   struct failure *failure) {
    int64_t limit = runs < MAX_PROFILED_RUNS ? runs : MAX_PROFILED_RUNS, undisturbed = 0, begin = now_ns();
    double limit_ns = (seconds < 1e6 ? seconds : 1e6) * 1e9;
    while (undisturbed < limit && (int64_t)profile->runs < 2 * limit &&
           (!profile->runs || (double)(now_ns() - begin) < limit_ns)) {
        if (before && !before(model->state, failure)) return false;
        int64_t switches = preemptions(), start = now_ns();
        if (!model->run(model->state, failure)) return false;
        int64_t end = now_ns();
        size_t run = profile->runs++;
        profile->wall_ns[run] = end > start ? end - start : 1;
        profile->undisturbed[run] = preemptions() == switches;
        undisturbed += profile->undisturbed[run];
        if (after && !after(model->state, profile, failure)) return false;
    }
    return true;
}

bool run_counts(const struct op_profile *profile, size_t run) {
    if (profile->undisturbed[run]) return true;
    for (size_t i = 0; i < profile->runs; i++) {
        if (profile->undisturbed[i]) return false;
    }
    return true;
}

static bool same_op(const struct op *one, const struct op *other) {
    return one->place == other->place && strcmp(one->name, other->name) == 0 && strcmp(one->kind, other->kind) == 0;
}

/* The number of a known op: usually the one after the last, since runs are alike. */
static size_t find_op(const struct op_profile *profile, const struct op *op) {
    if (profile->hint < profile->count && same_op(&profile->ops[profile->hint], op)) return profile->hint;
    size_t i = 0;
    while (i < profile->count && !same_op(&profile->ops[i], op)) i++;
    return i;
}

static bool add_op(struct op_profile *profile, const struct op *op, struct failure *failure) {
    if (profile->count == profile->capacity) {
        size_t capacity = profile->capacity ? 2 * profile->capacity : 256;
        struct op *grown = realloc(profile->ops, capacity * sizeof *grown);
        if (!grown) return fail_as(failure, "memory", "no memory for %zu ops", capacity);
        profile->ops = grown;
        profile->capacity = capacity;
    }
    struct op *made = &profile->ops[profile->count];
    *made = (struct op){.place = op->place,
                        .name = strndup(op->name, MAX_OP_NAME),
                        .kind = strndup(op->kind, MAX_OP_NAME),
                        .placement = strndup(op->placement, MAX_OP_NAME),
                        .inputs = strdup(op->inputs),
                        .outputs = strdup(op->outputs)};
    profile->count++; /* also after a failure, so that it is freed */
    return (made->name && made->kind && made->placement && made->inputs && made->outputs) ||
           fail_as(failure, "memory", "no memory for an op");
}

bool add_call(struct op_profile *profile, const struct op *op, int64_t nanoseconds, struct failure *failure) {
    size_t found = find_op(profile, op);
    if (found == profile->count) {
        if (found == MAX_OPS) found--;
        else if (!add_op(profile, op, failure)) return false;
    }
    profile->ops[found].calls++;
    profile->ops[found].total_ns += nanoseconds > 0 ? nanoseconds : 0;
    profile->hint = found + 1;
    return true;
}

void write_profile(struct json_writer *out, const struct op_profile *profile) {
    writer_add(out, "{\"profiler\":\"%s\",\"exact\":%s,\"ops\":%zu", profile->profiler,
               profile->exact ? "true" : "false", profile->count);
    if (profile->arena_bytes > 0) writer_add(out, ",\"arena_bytes\":%" PRId64, profile->arena_bytes);
    writer_add(out, ",\"wall_ns\":[");
    for (size_t i = 0; i < profile->runs; i++) {
        if (!run_counts(profile, i)) continue;
        writer_comma(out);
        writer_add(out, "%" PRId64, profile->wall_ns[i]);
    }
    writer_add(out, "]}");
}

static void write_op(struct json_writer *out, const struct op *op) {
    writer_comma(out);
    writer_add(out, "{\"name\":");
    writer_string(out, op->name);
    writer_add(out, ",\"kind\":");
    writer_string(out, op->kind);
    writer_add(out, ",\"placement\":");
    writer_string(out, op->placement);
    writer_add(out, ",\"calls\":%" PRId64 ",\"total_ns\":%" PRId64, op->calls, op->total_ns);
    writer_add(out, ",\"inputs\":%s,\"outputs\":%s}", op->inputs, op->outputs);
}

void write_ops(struct json_writer *out, const struct op_profile *profile, size_t first) {
    writer_add(out, "{\"ops\":[");
    for (size_t i = first; profile && i < profile->count && i - first < OPS_PER_ANSWER; i++) {
        write_op(out, &profile->ops[i]);
    }
    writer_add(out, "]}");
}

void op_profile_free(struct op_profile *profile) {
    if (!profile) return;
    for (size_t i = 0; i < profile->count; i++) {
        free(profile->ops[i].name);
        free(profile->ops[i].kind);
        free(profile->ops[i].placement);
        free(profile->ops[i].inputs);
        free(profile->ops[i].outputs);
    }
    free(profile->ops);
    free(profile);
}
