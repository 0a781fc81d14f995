/* TFLite by the C API of LiteRT, with the delegate that it applies on a CPU by default: XNNPACK.
 *
 * The wheel comes without headers, and functions have changed between releases: the declarations below are the API of
 * exactly LITERT_VERSION, which the build defines and the bundle contains. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "models/bindings.h"
#include "runtimes/runtime.h"
#include "timing/op_profile.h"

static const char LIBRARY[] = "libLiteRt.so";

enum { CPU = 1, HOST_MEMORY = 1, LOCK_TO_WRITE = 1, MAX_SIDES = 8 };

/* The API's numbers for element types. */
static const int ELEMENT_TYPE[DTYPES] = {[FLOAT32] = 1, [INT32] = 2,    [UINT8] = 3,   [INT64] = 4,
                                         [INT8] = 9,    [FLOAT16] = 10, [FLOAT64] = 11, [BOOL] = 6,
                                         [INT16] = 7,   [UINT64] = 13,  [UINT32] = 16,  [UINT16] = 17};

typedef void *Handle; /* of whatever the library owns */

struct tensor_type {
    int element_type;
    unsigned int rank : 7;
    unsigned int has_strides : 1;
    int32_t dimensions[MAX_SIDES];
    uint32_t strides[MAX_SIDES];
};
_Static_assert(sizeof(struct tensor_type) == 72, "LiteRtRankedTensorType has 72 bytes");

/* LiteRtProfiledEventData. */
struct event {
    const char *tag; /* belongs to the profiler */
    int type;
    uint64_t start_us;
    uint64_t elapsed_us;
    size_t memory[6];
    uint64_t node;
    uint64_t graph;
    int source;
};
_Static_assert(sizeof(struct event) == 13 * 8, "ProfiledEventData has 13 words");
enum { NODE_EVENT = 2, KERNEL_EVENT = 8 };

/* Each returns a status: 0 on success. */
static struct {
    int (*CreateEnvironment)(int option_count, const void *options, Handle *environment);
    int (*CreateModelFromFile)(Handle environment, const char *path, Handle *model);
    int (*CreateOptions)(Handle *options);
    int (*SetOptionsHardwareAccelerators)(Handle options, int accelerators);
    int (*CreateOpaqueOptions)(const char *kind, void *toml, void (*destroy)(void *), Handle *opaque);
    int (*AddOpaqueOptions)(Handle options, Handle opaque);
    int (*CreateCompiledModel)(Handle environment, Handle model, Handle options, Handle *compiled);
    int (*CompiledModelGetProfiler)(Handle compiled, Handle *profiler);
    int (*StartProfiler)(Handle profiler);
    int (*StopProfiler)(Handle profiler);
    int (*ResetProfiler)(Handle profiler);
    int (*GetNumProfilerEvents)(Handle profiler, int *count);
    int (*GetProfilerEvents)(Handle profiler, int count, struct event *events);
    int (*GetNumModelSignatures)(Handle model, size_t *count);
    int (*GetSignatureKey)(Handle signature, const char **key);
    int (*GetModelSignature)(Handle model, size_t index, Handle *signature);
    int (*GetNumSignatureInputs)(Handle signature, size_t *count);
    int (*GetNumSignatureOutputs)(Handle signature, size_t *count);
    int (*GetSignatureInputName)(Handle signature, size_t index, const char **name);
    int (*GetSignatureInputTensorByIndex)(Handle signature, size_t index, Handle *tensor);
    int (*GetSignatureOutputTensorByIndex)(Handle signature, size_t index, Handle *tensor);
    int (*GetRankedTensorType)(Handle tensor, struct tensor_type *type);
    int (*GetCompiledModelInputBufferRequirements)(Handle compiled, size_t signature, size_t index, Handle *needs);
    int (*GetCompiledModelOutputBufferRequirements)(Handle compiled, size_t signature, size_t index, Handle *needs);
    int (*CreateManagedTensorBufferFromRequirements)(Handle environment, const struct tensor_type *type, Handle needs,
                                                     Handle *buffer);
    int (*GetTensorBufferPackedSize)(Handle buffer, size_t *bytes);
    int (*LockTensorBuffer)(Handle buffer, void **address, int mode);
    int (*UnlockTensorBuffer)(Handle buffer);
    int (*RunCompiledModel)(Handle compiled, size_t signature, size_t input_count, Handle *inputs, size_t output_count,
                            Handle *outputs);
    void (*DestroyTensorBuffer)(Handle);
    void (*DestroyCompiledModel)(Handle);
    void (*DestroyOptions)(Handle);
    void (*DestroyModel)(Handle);
} api;

static Handle environment; /* created once and never freed */

struct compiled {
    Handle profiler; /* belongs to the compiled model; NULL without one */
    size_t graph;    /* number of the signature */
    Handle model;
    Handle signature;
    Handle compiled;
    Handle inputs[MAX_INPUTS];
    Handle outputs[MAX_OUTPUTS];
    size_t input_count;
    size_t output_count;
};

static bool find_functions(void *library, struct failure *failure) {
#define FIND(name) find_function(library, "LiteRt" #name, &api.name, failure)
    return FIND(CompiledModelGetProfiler) && FIND(StartProfiler) && FIND(StopProfiler) && FIND(ResetProfiler) &&
           FIND(GetNumProfilerEvents) && FIND(GetProfilerEvents) && FIND(GetNumModelSignatures) &&
           FIND(GetSignatureKey) && FIND(CreateEnvironment) && FIND(CreateModelFromFile) && FIND(CreateOptions) &&
           FIND(SetOptionsHardwareAccelerators) && FIND(CreateOpaqueOptions) && FIND(AddOpaqueOptions) &&
           FIND(CreateCompiledModel) && FIND(GetModelSignature) && FIND(GetNumSignatureInputs) &&
           FIND(GetNumSignatureOutputs) && FIND(GetSignatureInputName) && FIND(GetSignatureInputTensorByIndex) &&
           FIND(GetSignatureOutputTensorByIndex) && FIND(GetRankedTensorType) &&
           FIND(GetCompiledModelInputBufferRequirements) && FIND(GetCompiledModelOutputBufferRequirements) &&
           FIND(CreateManagedTensorBufferFromRequirements) && FIND(GetTensorBufferPackedSize) &&
           FIND(LockTensorBuffer) && FIND(UnlockTensorBuffer) && FIND(RunCompiledModel) && FIND(DestroyTensorBuffer) &&
           FIND(DestroyCompiledModel) && FIND(DestroyOptions) && FIND(DestroyModel);
#undef FIND
}

static bool probe_version(const char *libraries, char found[64], struct failure *failure) {
    static bool ready;
    if (!ready) {
        void *library = open_library(libraries, LIBRARY, failure);
        if (!library || !find_functions(library, failure)) return false;
        ready = true;
    }
    snprintf(found, 64, "ai-edge-litert %s", LITERT_VERSION);
    return true;
}

/* Whether a status is success; otherwise it becomes a failure. */
static bool succeeded(int status, const char *doing, struct failure *failure) {
    enum { NO_MEMORY = 2 };
    return status == 0 ||
           fail_as(failure, status == NO_MEMORY ? "memory" : "bad-model", "LiteRT gave status %d on %s", status, doing);
}

static void release(void *state) {
    struct compiled *compiled = state;
    for (size_t i = 0; i < MAX_INPUTS; i++) {
        if (compiled->inputs[i]) api.DestroyTensorBuffer(compiled->inputs[i]);
    }
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        if (compiled->outputs[i]) api.DestroyTensorBuffer(compiled->outputs[i]);
    }
    if (compiled->compiled) api.DestroyCompiledModel(compiled->compiled);
    if (compiled->model) api.DestroyModel(compiled->model);
    free(compiled);
}

static bool run(void *state, struct failure *failure) {
    struct compiled *c = state;
    return succeeded(api.RunCompiledModel(c->compiled, c->graph, c->input_count, c->inputs, c->output_count, c->outputs),
                     "running the model", failure);
}

/* Add options of a kind, whose text is TOML. */
static bool add_options(Handle options, const char *kind, const char *text, struct failure *failure) {
    Handle opaque = NULL;
    char *toml = strdup(text);
    if (!toml) return fail_as(failure, "memory", "no memory for options");
    if (!succeeded(api.CreateOpaqueOptions(kind, toml, free, &opaque), "making options", failure)) {
        free(toml);
        return false;
    }
    return succeeded(api.AddOpaqueOptions(options, opaque), "adding options", failure);
}

/* Options for the CPU with this many threads, and with a profiler if it is requested. */
static bool make_options(const struct spec *spec, Handle *options, struct failure *failure) {
    char threads[32];
    snprintf(threads, sizeof threads, "num_threads = %d\n", spec->threads);
    return succeeded(api.CreateOptions(options), "making options", failure) &&
           succeeded(api.SetOptionsHardwareAccelerators(*options, CPU), "choosing the CPU", failure) &&
           add_options(*options, "xnnpack", threads, failure) &&
           (!spec->trace || add_options(*options, "runtime_options_string", "enable_profiling = true\n", failure));
}

/* The signature of that key, or the first. */
static bool find_signature(struct compiled *compiled, const char *key, struct failure *failure) {
    size_t count = 0;
    if (!succeeded(api.GetModelSignature(compiled->model, 0, &compiled->signature), "the signature", failure)) {
        return false;
    }
    if (!key || !*key) return true;
    if (!succeeded(api.GetNumModelSignatures(compiled->model, &count), "the signatures", failure)) return false;
    for (compiled->graph = 0; compiled->graph < count; compiled->graph++) {
        const char *found = NULL;
        if (!succeeded(api.GetModelSignature(compiled->model, compiled->graph, &compiled->signature), "a signature",
                       failure) ||
            !succeeded(api.GetSignatureKey(compiled->signature, &found), "a signature's key", failure)) {
            return false;
        }
        if (found && strcmp(found, key) == 0) return true;
    }
    return fail_as(failure, "bad-request", "expected a signature of the file, but found %.100s", key);
}

static bool open_model(struct compiled *compiled, const struct spec *spec, struct failure *failure) {
    Handle options = NULL;
    bool done =
        succeeded(api.CreateModelFromFile(environment, spec->path, &compiled->model), "reading the file", failure) &&
        make_options(spec, &options, failure) &&
        succeeded(api.CreateCompiledModel(environment, compiled->model, options, &compiled->compiled),
                  "compiling the model", failure) &&
        (!spec->trace ||
         succeeded(api.CompiledModelGetProfiler(compiled->compiled, &compiled->profiler), "the profiler", failure)) &&
        find_signature(compiled, spec->signature, failure) &&
        succeeded(api.GetNumSignatureInputs(compiled->signature, &compiled->input_count), "the inputs", failure) &&
        succeeded(api.GetNumSignatureOutputs(compiled->signature, &compiled->output_count), "the outputs", failure);
    if (options) api.DestroyOptions(options);
    if (done && (compiled->input_count > MAX_INPUTS || compiled->output_count > MAX_OUTPUTS)) {
        return fail_as(failure, "bad-model", "expected at most %d inputs and %d outputs, but found %zu and %zu",
                       MAX_INPUTS, MAX_OUTPUTS, compiled->input_count, compiled->output_count);
    }
    return done;
}

static bool describe(struct input *input, const struct tensor_type *type, struct failure *failure) {
    for (input->dtype = 0; input->dtype < DTYPES && ELEMENT_TYPE[input->dtype] != type->element_type;) input->dtype++;
    if (input->dtype == DTYPES || type->rank > MAX_SIDES) {
        return fail_as(failure, "bad-model", "expected an input of numbers, but found element type %d with %u sides",
                       type->element_type, (unsigned)type->rank);
    }
    input->rank = type->rank;
    for (size_t i = 0; i < input->rank; i++) input->shape[i] = type->dimensions[i];
    return true;
}

static bool fill(Handle buffer, const struct input *input, uint64_t seed, const struct bindings *bindings,
                 struct failure *failure) {
    void *values = NULL;
    size_t bytes = 0, needed = 0;
    if (!succeeded(api.GetTensorBufferPackedSize(buffer, &bytes), "an input's size", failure)) return false;
    if (!count_bytes(input, &needed) || bytes < needed)
        return fail_as(failure, "bad-model", "the input %s has only %zu bytes", input->name, bytes);
    if (!succeeded(api.LockTensorBuffer(buffer, &values, LOCK_TO_WRITE), "writing an input", failure)) return false;
    bool done = !bindings || read_bound(bindings, input->name, values, failure);
    if (!bindings) fill_random(values, input, seed);
    return succeeded(api.UnlockTensorBuffer(buffer), "writing an input", failure) && done;
}

/* Whether the values of an input have the shape of the file: it is not changed here. */
static bool has_shape(const struct input *input, const struct tensor_type *type, struct failure *failure) {
    bool same = input->rank == type->rank;
    for (size_t i = 0; same && i < input->rank; i++) same = input->shape[i] == type->dimensions[i];
    return same || fail_as(failure, "bad-model", "expected the input %s in the shape of the file: the native agent "
                           "does not resize inputs", input->name);
}

/* Describe an input, and bind a buffer with its values to it, or with random numbers. */
static bool bind_input(struct compiled *c, size_t index, struct input *input, const struct spec *spec,
                       struct failure *failure) {
    Handle tensor = NULL, needs = NULL;
    struct tensor_type type = {0};
    const char *name = "";
    if (!succeeded(api.GetSignatureInputName(c->signature, index, &name), "an input's name", failure) ||
        !succeeded(api.GetSignatureInputTensorByIndex(c->signature, index, &tensor), "an input", failure) ||
        !succeeded(api.GetRankedTensorType(tensor, &type), "an input's shape", failure)) {
        return false;
    }
    snprintf(input->name, sizeof input->name, "%s", name);
    if (!describe(input, &type, failure)) return false;
    if (spec->bindings) {
        if (!bound_input(spec->bindings, name, input, failure) || !has_shape(input, &type, failure)) return false;
    } else if (input->rank > 0 && input->shape[0] <= 0) {
        return fail_as(failure, "bad-model", "expected a file of fixed batch: export it for batch %lld",
                       (long long)spec->batch);
    }
    return (spec->bindings || resolve_shape(input, spec->batch, failure)) &&
           succeeded(api.GetCompiledModelInputBufferRequirements(c->compiled, c->graph, index, &needs), "an input's needs",
                     failure) &&
           succeeded(api.CreateManagedTensorBufferFromRequirements(environment, &type, needs, &c->inputs[index]),
                     "making an input", failure) &&
           fill(c->inputs[index], input, SEED + index, spec->bindings, failure);
}

static bool bind_output(struct compiled *c, size_t index, struct failure *failure) {
    Handle tensor = NULL, needs = NULL;
    struct tensor_type type = {0};
    return succeeded(api.GetSignatureOutputTensorByIndex(c->signature, index, &tensor), "an output", failure) &&
           succeeded(api.GetRankedTensorType(tensor, &type), "an output's shape", failure) &&
           succeeded(api.GetCompiledModelOutputBufferRequirements(c->compiled, c->graph, index, &needs), "an output's needs",
                     failure) &&
           succeeded(api.CreateManagedTensorBufferFromRequirements(environment, &type, needs, &c->outputs[index]),
                     "making an output", failure);
}

static bool fill_model(struct compiled *c, const struct spec *spec, struct model *model, struct failure *failure) {
    if (!open_model(c, spec, failure)) return false;
    model->input_count = c->input_count;
    for (size_t i = 0; i < c->input_count; i++) {
        if (!bind_input(c, i, &model->inputs[i], spec, failure)) return false;
    }
    for (size_t i = 0; i < c->output_count; i++) {
        if (!bind_output(c, i, failure)) return false;
    }
    return true;
}

static bool start_profiler(void *state, struct failure *failure) {
    struct compiled *c = state;
    return succeeded(api.ResetProfiler(c->profiler), "starting the profiler", failure) &&
           succeeded(api.StartProfiler(c->profiler), "starting the profiler", failure);
}

/* A kernel of a delegate, or a node that no delegate took; the delegate's own node has the times of its kernels. */
static bool is_op(const struct event *event) {
    return event->tag && (event->type == KERNEL_EVENT ||
                          (event->type == NODE_EVENT && !strstr(event->tag, "Delegate")));
}

static bool add_events(const struct event *events, int count, struct op_profile *profile, struct failure *failure) {
    int64_t place = 0;
    static const int types[] = {KERNEL_EVENT, NODE_EVENT};
    profile->hint = 0;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        for (int i = 0; i < count; i++) {
            char name[24];
            if (events[i].type != types[t] || !is_op(&events[i])) continue;
            snprintf(name, sizeof name, "%llu", (unsigned long long)events[i].node);
            struct op op = {.place = place++,
                            .name = name,
                            .kind = (char *)(uintptr_t)events[i].tag,
                            .placement = types[t] == KERNEL_EVENT ? "xnnpack" : "tflite",
                            .inputs = "[]",
                            .outputs = "[]"};
            if (!add_call(profile, &op, 1000 * (int64_t)events[i].elapsed_us, failure)) return false;
        }
    }
    return true;
}

static bool read_events(struct compiled *c, struct op_profile *profile, struct failure *failure) {
    enum { MAX_EVENTS = 1 << 20 };
    int count = 0;
    if (!succeeded(api.GetNumProfilerEvents(c->profiler, &count), "the profiler's events", failure)) return false;
    if (count <= 0 || count > MAX_EVENTS) return true;
    struct event *events = calloc((size_t)count, sizeof *events);
    if (!events) return fail_as(failure, "memory", "no memory for %d events", count);
    bool done = succeeded(api.GetProfilerEvents(c->profiler, count, events), "the profiler's events", failure) &&
                add_events(events, count, profile, failure);
    free(events);
    return done;
}

/* The events of a run are read at its end, so that the profiler's buffer need not hold more than one. */
static bool stop_profiler(void *state, struct op_profile *profile, struct failure *failure) {
    struct compiled *c = state;
    return succeeded(api.StopProfiler(c->profiler), "stopping the profiler", failure) &&
           (!profile->undisturbed[profile->runs - 1] || read_events(c, profile, failure));
}

/* Profile run by run. Disturbed runs do not count; if all are disturbed, the last one does. */
static bool profile(struct model *model, int64_t runs, double seconds, struct op_profile *out,
                    struct failure *failure) {
    out->profiler = "LiteRT";
    if (!profiled_runs(model, out, runs, seconds, start_profiler, stop_profiler, failure)) return false;
    if (out->count || !out->runs) return true;
    for (size_t i = 0; i < out->runs; i++) {
        if (out->undisturbed[i]) return true;
    }
    size_t last = out->runs - 1; /* its events are still there */
    out->undisturbed[last] = true;
    return read_events(model->state, out, failure);
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool load(const struct spec *spec, struct model *model, struct failure *failure) {
    *model = (struct model){.run = run, .release = release, .delegate = "xnnpack"};
    if (!probe_version(spec->libraries, model->version, failure)) return false;
    if (!environment && !succeeded(api.CreateEnvironment(0, NULL, &environment), "starting", failure)) return false;
    struct compiled *compiled = calloc(1, sizeof *compiled);
    if (!compiled) return fail_as(failure, "memory", "no memory for a model");
    model->state = compiled;
    if (spec->trace) model->profile = profile;
    double begin = now_s();
    if (fill_model(compiled, spec, model, failure)) {
        model->create_s = now_s() - begin;
        return true;
    }
    release(compiled);
    return false;
}

const struct runtime tflite = {.name = "tflite", .load = load, .probe_version = probe_version};
