#include "visit.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static const int64_t SUBJECT_BLOCK_NS = 7000000, REFERENCE_BLOCK_NS = 2500000, MOST_RUNS_PER_BLOCK = 10;
static const double WARM_UP_SHARE = 0.25; /* the part of a visit that may go into warming up */
static const double STILL_FALLING = 0.99; /* a run is faster than those before when it takes less than this of theirs */
enum { STEADY_RUNS = 3 };                 /* so many runs without a faster one end the warm-up */

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t preemptions(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nivcsw;
}

static int64_t least(int64_t one, int64_t other) { return one < other ? one : other; }

static bool grow(int64_t **values, size_t capacity) {
    int64_t *grown = realloc(*values, capacity * sizeof *grown);
    if (!grown) return false;
    *values = grown;
    return true;
}

/* Make room for the runs of a block before it begins, so that none of them meets the allocator. */
static bool make_room(struct samples *samples, int64_t runs, struct failure *failure) {
    size_t needed = samples->count + (size_t)runs;
    if (needed <= samples->capacity) return true;
    size_t capacity = needed < 512 ? 1024 : 2 * needed;
    if (!grow(&samples->wall_ns, capacity) || !grow(&samples->cpu_ns, capacity) ||
        !grow(&samples->preemptions, capacity)) {
        return fail_as(failure, "memory", "no memory for %zu samples", capacity);
    }
    samples->capacity = capacity;
    return true;
}

/* Time that many runs. The wall clock is read innermost; what it encloses is one call of the runtime. */
static bool timed_runs(const struct model *model, int64_t runs, struct samples *samples, struct failure *failure) {
    if (!make_room(samples, runs, failure)) return false;
    for (int64_t before = preemptions(), after; runs > 0; runs--, before = after) {
        int64_t cpu_start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        int64_t start = clock_ns(CLOCK_MONOTONIC);
        bool done = model->run(model->state, failure);
        int64_t end = clock_ns(CLOCK_MONOTONIC);
        int64_t cpu_end = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        after = preemptions();
        if (!done) return false;
        samples->preemptions[samples->count] = after - before;
        samples->wall_ns[samples->count] = end > start ? end - start : 1;
        samples->cpu_ns[samples->count] = cpu_end - cpu_start;
        samples->count++;
    }
    return true;
}

static void samples_free(struct samples *samples) {
    free(samples->wall_ns);
    free(samples->cpu_ns);
    free(samples->preemptions);
}

static int64_t sum(const struct samples *samples) {
    int64_t total = 0;
    for (size_t i = 0; i < samples->count; i++) total += samples->wall_ns[i];
    return total;
}

struct warm_up {
    int64_t runs;
    int64_t fastest_ns;
    int64_t total_ns;
};

/* Run until the times stop falling, at most that long and at least once. */
static bool warm_up(const struct model *model, int64_t limit_ns, struct warm_up *done, struct failure *failure) {
    int64_t begin = clock_ns(CLOCK_MONOTONIC);
    *done = (struct warm_up){.fastest_ns = INT64_MAX};
    for (int steady = 0; steady < STEADY_RUNS && (!done->runs || clock_ns(CLOCK_MONOTONIC) - begin < limit_ns);) {
        int64_t start = clock_ns(CLOCK_MONOTONIC);
        if (!model->run(model->state, failure)) return false;
        int64_t took = clock_ns(CLOCK_MONOTONIC) - start;
        took = took > 0 ? took : 1;
        steady = (double)took < STILL_FALLING * (double)done->fastest_ns ? 0 : steady + 1;
        done->fastest_ns = least(took, done->fastest_ns);
        done->total_ns += took;
        done->runs++;
    }
    return true;
}

/* How many timed runs make a block of about that length. */
static int64_t runs_per_block(int64_t fastest_ns, int64_t block_ns) {
    int64_t runs = (block_ns + fastest_ns / 2) / fastest_ns;
    return runs < 1 ? 1 : least(runs, MOST_RUNS_PER_BLOCK);
}

static bool turn(const struct model *subject, const struct model *reference, int64_t runs, struct visit *visit,
                 struct samples *untold, struct failure *failure) {
    return timed_runs(reference, 1, untold, failure) &&
           timed_runs(reference, visit->reference_runs, &visit->reference, failure) &&
           timed_runs(subject, 1, untold, failure) && timed_runs(subject, runs, &visit->subject, failure);
}

/* Turns until the time is over, the runs are made, or the memory for samples is full. */
static bool turns(const struct model *subject, const struct model *reference, int64_t end_ns, int64_t visit_runs,
                  struct visit *visit, struct failure *failure) {
    struct samples untold = {0}; /* a turn's first runs find a cold cache: they count as work, and are not told */
    bool done;
    do {
        untold.count = 0;
        int64_t left = visit_runs - (int64_t)visit->subject.count;
        done = turn(subject, reference, least(visit->subject_runs, left), visit, &untold, failure);
        visit->inference_ns += sum(&untold);
    } while (done && (int64_t)visit->subject.count < visit_runs && clock_ns(CLOCK_MONOTONIC) < end_ns &&
             visit->subject.count < MOST_SAMPLES && visit->reference.count < MOST_SAMPLES);
    samples_free(&untold);
    return done;
}

bool visit_make(const struct model *subject, const struct model *reference, double visit_s, int64_t visit_runs,
                struct visit *visit, struct failure *failure) {
    enum { MOST_VISIT_S = 1000000 };
    struct warm_up mine, theirs;
    int64_t begin = clock_ns(CLOCK_MONOTONIC);
    double limit_ns = (visit_s < MOST_VISIT_S ? visit_s : MOST_VISIT_S) * 1e9;
    *visit = (struct visit){0};
    if (!warm_up(reference, (int64_t)(limit_ns * WARM_UP_SHARE / 5), &theirs, failure) ||
        !warm_up(subject, (int64_t)(limit_ns * WARM_UP_SHARE), &mine, failure)) {
        return false;
    }
    visit->subject_runs = runs_per_block(mine.fastest_ns, SUBJECT_BLOCK_NS);
    visit->reference_runs = runs_per_block(theirs.fastest_ns, REFERENCE_BLOCK_NS);
    visit->warm_up_runs = mine.runs;
    visit->inference_ns = mine.total_ns + theirs.total_ns;
    bool done = turns(subject, reference, begin + (int64_t)limit_ns, visit_runs, visit, failure);
    visit->inference_ns += sum(&visit->subject) + sum(&visit->reference);
    return done;
}

void visit_free(struct visit *visit) {
    samples_free(&visit->subject);
    samples_free(&visit->reference);
    *visit = (struct visit){0};
}
