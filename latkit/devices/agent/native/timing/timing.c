#include "timing/timing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static const int64_t SUBJECT_BLOCK_NS = 7000000, REFERENCE_BLOCK_NS = 2500000, MAX_RUNS_PER_BLOCK = 10;
static const int64_t READING_PAUSE_NS = 2000000; /* powercap's counters move once a millisecond */
static const double WARM_UP_SHARE = 0.25; /* maximum share of a round that is spent on warming up */
static const double STILL_FALLING = 0.99; /* a faster run takes less than this share of the fastest time */
enum { STEADY_RUNS = 3 };                 /* the warm-up ends after this many runs without a faster one */

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

static int64_t min_ns(int64_t one, int64_t other) { return one < other ? one : other; }

static bool grow(int64_t **values, size_t capacity) {
    int64_t *grown = realloc(*values, capacity * sizeof *grown);
    if (!grown) return false;
    *values = grown;
    return true;
}

/* Reserve memory for the runs before they begin, so that none of them includes an allocation. */
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

/* Time that many runs. The wall clock is read innermost and encloses one call of the runtime. */
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

void samples_free(struct samples *samples) {
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
        done->fastest_ns = min_ns(took, done->fastest_ns);
        done->total_ns += took;
        done->runs++;
    }
    return true;
}

/* Number of timed runs that take about the given time. */
static int64_t runs_per_block(int64_t fastest_ns, int64_t block_ns) {
    int64_t runs = (block_ns + fastest_ns / 2) / fastest_ns;
    return runs < 1 ? 1 : min_ns(runs, MAX_RUNS_PER_BLOCK);
}

static bool time_block(const struct model *workload, const struct model *reference, int64_t runs, struct timing *timing,
                       struct samples *discarded, struct failure *failure) {
    return timed_runs(reference, 1, discarded, failure) &&
           timed_runs(reference, timing->reference_runs, &timing->reference, failure) &&
           timed_runs(workload, 1, discarded, failure) && timed_runs(workload, runs, &timing->workload, failure);
}

/* Blocks until the time is over, the runs are made, or the memory for samples is full. */
static bool time_blocks(const struct model *workload, const struct model *reference, int64_t end_ns, int64_t round_runs,
                        struct timing *timing, struct failure *failure) {
    struct samples discarded = {0}; /* the first runs of a block find a cold cache: not reported */
    bool done;
    do {
        discarded.count = 0;
        int64_t left = round_runs - (int64_t)timing->workload.count;
        done = time_block(workload, reference, min_ns(timing->subject_runs, left), timing, &discarded, failure);
        timing->inference_ns += sum(&discarded);
    } while (done && (int64_t)timing->workload.count < round_runs && clock_ns(CLOCK_MONOTONIC) < end_ns &&
             timing->workload.count < MAX_SAMPLES && timing->reference.count < MAX_SAMPLES);
    samples_free(&discarded);
    return done;
}

bool time_round(const struct model *workload, const struct model *reference, double round_s, int64_t round_runs,
                struct timing *timing, struct failure *failure) {
    enum { MAX_ROUND_S = 1000000 };
    struct warm_up mine, theirs;
    int64_t begin = clock_ns(CLOCK_MONOTONIC);
    double limit_ns = (round_s < MAX_ROUND_S ? round_s : MAX_ROUND_S) * 1e9;
    *timing = (struct timing){0};
    if (!warm_up(reference, (int64_t)(limit_ns * WARM_UP_SHARE / 5), &theirs, failure) ||
        !warm_up(workload, (int64_t)(limit_ns * WARM_UP_SHARE), &mine, failure)) {
        return false;
    }
    timing->subject_runs = runs_per_block(mine.fastest_ns, SUBJECT_BLOCK_NS);
    timing->reference_runs = runs_per_block(theirs.fastest_ns, REFERENCE_BLOCK_NS);
    timing->warm_up_runs = mine.runs;
    timing->inference_ns = mine.total_ns + theirs.total_ns;
    bool done = time_blocks(workload, reference, begin + (int64_t)limit_ns, round_runs, timing, failure);
    timing->inference_ns += sum(&timing->workload) + sum(&timing->reference);
    return done;
}

static void sleep_until(int64_t due_ns) {
    struct timespec due = {.tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR) continue;
}

bool time_paced(const struct model *model, double interval_s, int64_t runs, struct paced *paced,
                struct failure *failure) {
    int64_t interval_ns = (int64_t)(interval_s * 1e9);
    memset(paced, 0, sizeof *paced);
    if (!model->run(model->state, failure) || !make_room(&paced->samples, runs, failure)) return false;
    meter_begin(&paced->meter);
    for (int64_t due = clock_ns(CLOCK_MONOTONIC); runs > 0; runs--) {
        due += interval_ns;
        if (due > clock_ns(CLOCK_MONOTONIC)) {
            sleep_until(due);
        } else if (interval_ns) {
            paced->missed++;
            due = clock_ns(CLOCK_MONOTONIC);
        }
        if (!timed_runs(model, 1, &paced->samples, failure)) return false;
        meter_read(&paced->meter, READING_PAUSE_NS);
    }
    meter_read(&paced->meter, 0);
    return true;
}

void timing_free(struct timing *timing) {
    samples_free(&timing->workload);
    samples_free(&timing->reference);
    *timing = (struct timing){0};
}
