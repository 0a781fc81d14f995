#include "protocol/agent.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device/probe.h"
#include "models/model_file.h"
#include "models/models.h"
#include "timing/op_profile.h"
#include "timing/timing.h"

static const char AGENT[] = "latkit-native-1";

/* Fields of requests */

static bool require_integer(const struct json *request, const char *name, int64_t minimum, int64_t *value,
                           struct failure *failure) {
    const struct json *field = json_member(request, name);
    if (!field || field->kind != JSON_NUMBER || !field->is_integer || field->integer < minimum) {
        return fail_as(failure, "bad-request", "expected %s as a whole number of at least %" PRId64, name, minimum);
    }
    *value = field->integer;
    return true;
}

static bool require_seconds(const struct json *request, const char *name, double *value, struct failure *failure) {
    const struct json *field = json_member(request, name);
    if (!field || field->kind != JSON_NUMBER || !(field->number >= 0)) {
        return fail_as(failure, "bad-request", "expected %s as a number of at least 0", name);
    }
    *value = field->number;
    return true;
}

static bool require_sha256(const struct json *request, char sha256[SHA256_HEX + 1], struct failure *failure) {
    const struct json *field = json_member(request, "sha256");
    *sha256 = 0;
    if (field && field->kind == JSON_STRING && field->length == SHA256_HEX) {
        memcpy(sha256, field->text, SHA256_HEX);
        sha256[SHA256_HEX] = 0;
    }
    return is_sha256(sha256) || fail_as(failure, "bad-request", "expected sha256 as a SHA-256 in hex");
}

static bool require_runtime(const struct json *request, const struct runtime **runtime, struct failure *failure) {
    const struct json *field = json_member(request, "runtime");
    for (size_t i = 0; i < RUNTIMES; i++) {
        *runtime = RUNTIME[i];
        if (json_is(field, RUNTIME[i]->name)) return true;
    }
    if (json_is(field, "torch") || json_is(field, "torch_cuda")) {
        return fail_as(failure, "runtime-missing", "the native agent has no torch");
    }
    return fail_as(failure, "bad-request", "expected a runtime of onnxruntime, tflite");
}

/* The slot of the loaded model that a field of the request names. */
static bool require_model(struct agent *agent, const struct json *request, const char *name, size_t *place,
                         struct failure *failure) {
    const struct json *field = json_member(request, name);
    bool named = field && field->kind == JSON_NUMBER && field->is_integer && field->integer > 0;
    for (*place = 0; named && *place < MAX_LOADED; ++*place) {
        if (agent->loaded[*place].handle == field->integer) return true;
    }
    return fail_as(failure, "no-such-handle", "expected %s of a loaded model", name);
}

static bool require_cores(const struct json *request, int64_t cores[MAX_CORES], size_t *count,
                         struct failure *failure) {
    const struct json *field = json_member(request, "cores");
    *count = 0;
    if (!field || field->kind != JSON_ARRAY) return fail_as(failure, "bad-request", "expected cores as a list");
    for (const struct json *core = field->first; core; core = core->next) {
        if (core->kind != JSON_NUMBER || !core->is_integer || core->integer < 0 || *count == MAX_CORES) {
            return fail_as(failure, "bad-request", "expected cores as at most %d numbers", MAX_CORES);
        }
        cores[(*count)++] = core->integer;
    }
    return true;
}

/* Requests, in the order of the protocol */

static bool hello(struct agent *agent, const struct json *request, struct json_writer *out, struct failure *failure) {
    (void)agent;
    const struct json *theirs = json_member(request, "protocol");
    if (!theirs || theirs->kind != JSON_NUMBER || !theirs->is_integer || theirs->integer != PROTOCOL) {
        return fail_as(failure, "protocol", "the agent speaks protocol %d, and the host another one", PROTOCOL);
    }
    writer_add(out, "{\"protocol\":%d,\"agent\":\"%s\"}", PROTOCOL, AGENT);
    return true;
}

static bool probe(struct agent *agent, const struct json *request, struct json_writer *out, struct failure *failure) {
    double seconds = 60;
    if (json_member(request, "runtimes_s") && !require_seconds(request, "runtimes_s", &seconds, failure)) return false;
    writer_add(out, "{");
    writer_name(out, "facts");
    write_facts(out);
    write_runtimes(out, agent->libraries, seconds);
    writer_add(out, "}");
    return true;
}

static bool conditions(struct agent *agent, const struct json *request, struct json_writer *out,
                       struct failure *failure) {
    (void)request, (void)failure;
    write_conditions(out, agent->models);
    return true;
}

static bool holds(const int64_t *cores, size_t count, int64_t core) {
    size_t i = 0;
    while (i < count && cores[i] != core) i++;
    return i < count;
}

/* Whether both have the same cores. */
static bool same_cores(const int64_t *one, size_t one_count, const int64_t *other, size_t other_count) {
    for (size_t i = 0; i < one_count; i++) {
        if (!holds(other, other_count, one[i])) return false;
    }
    for (size_t i = 0; i < other_count; i++) {
        if (!holds(one, one_count, other[i])) return false;
    }
    return true;
}

static bool pin(struct agent *agent, const struct json *request, struct json_writer *out, struct failure *failure) {
    int64_t requested[MAX_CORES], cores[MAX_CORES];
    size_t count;
    if (!require_cores(request, requested, &count, failure)) return false;
    if (count) set_affinity(requested, count);
    if (!count || !same_cores(requested, count, cores, get_affinity(cores))) { /* some are unavailable */
        set_affinity(agent->free_cores, agent->free_core_count);
    }
    writer_add(out, "{");
    writer_integers(out, "affinity", cores, get_affinity(cores));
    writer_add(out, "}");
    return true;
}

static bool files(struct agent *agent, const struct json *request, struct json_writer *out, struct failure *failure) {
    (void)request, (void)failure;
    writer_add(out, "{\"sha256\":");
    write_models(out, agent->models);
    writer_add(out, "}");
    return true;
}

static void write_loaded(struct json_writer *out, int64_t handle, const struct model *model, double load_s) {
    /* without its end: further members follow */
    writer_add(out, "{\"handle\":%" PRId64 ",\"runtime_version\":\"%s\",\"delegate\":\"%s\",\"inputs\":[", handle,
             model->version, model->delegate);
    for (size_t i = 0; i < model->input_count; i++) {
        const struct input *input = &model->inputs[i];
        writer_comma(out);
        writer_add(out, "{\"name\":");
        writer_string(out, input->name);
        writer_integers(out, "shape", input->shape, input->rank);
        writer_add(out, ",\"dtype\":\"%s\"}", dtype_name(input->dtype));
    }
    writer_add(out, "],\"load_s\":%.6f", load_s);
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool load_and_run(const struct runtime *runtime, const struct spec *spec, struct model *model,
                         struct failure *failure) {
    if (!runtime->load(spec, model, failure)) return false;
    double begin = now_s();
    if (!model->run(model->state, failure)) {
        model->release(model->state);
        return false;
    }
    if (!(model->first_run_s > 0)) model->first_run_s = now_s() - begin;
    return true;
}

static bool load(struct agent *agent, const struct json *request, struct json_writer *out, struct failure *failure) {
    char sha256[SHA256_HEX + 1], path[1024];
    const struct runtime *runtime;
    int64_t threads;
    struct spec spec = {.path = path, .libraries = agent->libraries, .batch = 1};
    if (!require_runtime(request, &runtime, failure) || !require_sha256(request, sha256, failure) ||
        !require_integer(request, "threads", 1, &threads, failure) ||
        (json_member(request, "batch") && !require_integer(request, "batch", 1, &spec.batch, failure))) {
        return false;
    }
    if (threads > MAX_CORES) return fail_as(failure, "bad-request", "expected at most %d threads", MAX_CORES);
    spec.threads = (int)threads;
    size_t place = 0;
    while (place < MAX_LOADED && agent->loaded[place].handle) place++;
    if (place == MAX_LOADED) return fail_as(failure, "memory", "%d models are loaded: unload some", MAX_LOADED);
    struct loading loading = {0};
    double begin = now_s();
    struct model *model = &agent->loaded[place].model;
    bool done = models_verify(agent->models, sha256, path, sizeof path, failure) &&
                loading_begin(&loading, request, agent->models, sha256, path, &spec, failure) &&
                load_and_run(runtime, &spec, model, failure);
    loading_end(&loading);
    if (!done) return false;
    agent->loaded[place].handle = ++agent->next_handle;
    write_loaded(out, agent->next_handle, model, now_s() - begin);
    write_loading(out, &loading, &spec, model);
    writer_add(out, "}");
    return true;
}

static void write_timing(struct json_writer *out, const struct timing *timing) {
    const struct samples *workload = &timing->workload, *reference = &timing->reference;
    writer_add(out, "{");
    writer_integers(out, "wall_ns", workload->wall_ns, workload->count);
    writer_integers(out, "cpu_ns", workload->cpu_ns, workload->count);
    writer_integers(out, "preemptions", workload->preemptions, workload->count);
    writer_integers(out, "reference_wall_ns", reference->wall_ns, reference->count);
    writer_integers(out, "reference_cpu_ns", reference->cpu_ns, reference->count);
    writer_add(out, ",\"inference_ns\":%" PRId64, timing->inference_ns);
    writer_add(out,
             ",\"turn\":{\"subject_runs\":%" PRId64 ",\"reference_runs\":%" PRId64 ",\"warm_up_runs\":%" PRId64 "}}",
             timing->subject_runs, timing->reference_runs, timing->warm_up_runs);
}

static bool answer_time(struct agent *agent, const struct json *request, struct json_writer *out,
                        struct failure *failure) {
    size_t workload = 0, reference = 0;
    double round_s = 0;
    int64_t round_runs = 0;
    struct timing timing;
    if (!require_model(agent, request, "handle", &workload, failure) ||
        !require_model(agent, request, "reference", &reference, failure) ||
        !require_seconds(request, "visit_s", &round_s, failure) ||
        !require_integer(request, "visit_runs", 1, &round_runs, failure)) {
        return false;
    }
    const struct model *timed = &agent->loaded[workload].model, *other = &agent->loaded[reference].model;
    bool done = time_round(timed, other, round_s, round_runs, &timing, failure);
    if (done) write_timing(out, &timing);
    else failure->kind = "failed"; /* the model was good when it was loaded */
    timing_free(&timing);
    return done;
}

static bool pace(struct agent *agent, const struct json *request, struct json_writer *out, struct failure *failure) {
    size_t place;
    double interval_s = 0;
    int64_t runs = 0;
    return require_model(agent, request, "handle", &place, failure) &&
           require_seconds(request, "interval_s", &interval_s, failure) &&
           require_integer(request, "runs", 1, &runs, failure) &&
           answer_pace(&agent->loaded[place].model, interval_s, runs, out, failure);
}

static bool profile(struct agent *agent, const struct json *request, struct json_writer *out,
                    struct failure *failure) {
    size_t place;
    double seconds = 0;
    int64_t runs = 0;
    if (!require_model(agent, request, "handle", &place, failure) ||
        !require_integer(request, "runs", 1, &runs, failure) ||
        !require_seconds(request, "seconds", &seconds, failure)) {
        return false;
    }
    struct model *model = &agent->loaded[place].model;
    if (!model->profile) return fail_as(failure, "no-profiler", "the model was not loaded for profiling");
    op_profile_free(agent->loaded[place].profile);
    struct op_profile *made = agent->loaded[place].profile = calloc(1, sizeof *made);
    if (!made) return fail_as(failure, "memory", "no memory for a profile");
    if (!model->profile(model, runs, seconds, made, failure)) return false;
    write_profile(out, made);
    return true;
}

static bool ops(struct agent *agent, const struct json *request, struct json_writer *out, struct failure *failure) {
    size_t place;
    int64_t start = 0;
    if (!require_model(agent, request, "handle", &place, failure) ||
        !require_integer(request, "first", 0, &start, failure)) {
        return false;
    }
    write_ops(out, agent->loaded[place].profile, (size_t)start);
    return true;
}

static bool unload(struct agent *agent, const struct json *request, struct json_writer *out, struct failure *failure) {
    size_t place;
    if (!require_model(agent, request, "handle", &place, failure)) return false;
    agent->loaded[place].model.release(agent->loaded[place].model.state);
    op_profile_free(agent->loaded[place].profile);
    agent->loaded[place].profile = NULL;
    agent->loaded[place].handle = 0;
    writer_add(out, "{}");
    return true;
}

static bool quit(struct agent *agent, const struct json *request, struct json_writer *out, struct failure *failure) {
    (void)request, (void)failure;
    agent->ended = true;
    writer_add(out, "{}");
    return true;
}

static const struct {
    const char *name;
    bool (*answer)(struct agent *, const struct json *, struct json_writer *, struct failure *);
} REQUESTS[] = {{"hello", hello}, {"probe", probe},     {"conditions", conditions}, {"pin", pin},  {"files", files},
                {"load", load},   {"time", answer_time}, {"pace", pace},             {"profile", profile},
                {"ops", ops},     {"unload", unload},         {"quit", quit}};

bool agent_answer(struct agent *agent, const struct json *request, struct json_writer *out, struct failure *failure) {
    const struct json *name = json_member(request, "request");
    for (size_t i = 0; i < sizeof REQUESTS / sizeof *REQUESTS; i++) {
        if (json_is(name, REQUESTS[i].name)) return REQUESTS[i].answer(agent, request, out, failure);
    }
    return fail_as(failure, "unknown-request", "no such request");
}
