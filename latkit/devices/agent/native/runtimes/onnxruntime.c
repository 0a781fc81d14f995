/* onnxruntime on the CPU by its C API: sequential, with that many threads within an operator. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "models/bindings.h"
#include "runtimes/onnxruntime_api.h"
#include "runtimes/ort_trace.h"
#include "runtimes/runtime.h"

static const char LIBRARY[] = "libonnxruntime.so";

/* The API's numbers for element types. */
static const int ELEMENT_TYPE[DTYPES] = {[FLOAT32] = 1, [UINT8] = 2,    [INT8] = 3,    [INT32] = 6,
                                         [INT64] = 7,   [FLOAT16] = 10, [FLOAT64] = 11, [UINT16] = 4,
                                         [INT16] = 5,   [BOOL] = 9,     [UINT32] = 12,  [UINT64] = 13};

struct session {
    Handle *session;
    Handle *binding;
    Handle *inputs[MAX_INPUTS];
    Handle *outputs[MAX_OUTPUTS];
    void *buffers[MAX_INPUTS];
    char *output_names[MAX_OUTPUTS];
    size_t output_count;
    bool traced; /* writes a trace until it is released */
};

/* Loaded once and never unloaded: unloading the library is not safe. */
static const struct api *api;
static Handle *env, *allocator, *memory;
static char version[64];

/* Whether a status is success; otherwise it becomes a failure. */
static bool succeeded(Status *status, struct failure *failure) {
    static const char *const no_memory[] = {"allocate memory", "bad_alloc", "not enough memory", "out of memory"};
    if (!status) return true;
    const char *message = api->GetErrorMessage(status), *kind = "bad-model";
    for (size_t i = 0; i < sizeof no_memory / sizeof *no_memory; i++) {
        if (strstr(message, no_memory[i])) kind = "memory";
    }
    fail_as(failure, kind, "onnxruntime: %.900s", message);
    api->ReleaseStatus(status);
    return false;
}

static bool probe_version(const char *libraries, char found[64], struct failure *failure) {
    const struct api_base *(*get_base)(void);
    void *library = api ? NULL : open_library(libraries, LIBRARY, failure);
    if (!api) {
        if (!library || !find_function(library, "OrtGetApiBase", &get_base, failure)) return false;
        snprintf(version, sizeof version, "onnxruntime %.40s", get_base()->GetVersionString());
        api = get_base()->GetApi(API_VERSION);
        if (!api) return fail_as(failure, "runtime-missing", "%s lacks version %d of the C API", version, API_VERSION);
    }
    memcpy(found, version, sizeof version);
    return true;
}

static bool start(struct failure *failure) {
    return env || (succeeded(api->GetAllocatorWithDefaultOptions(&allocator), failure) &&
                   succeeded(api->CreateCpuMemoryInfo(ARENA_ALLOCATOR, DEFAULT_MEMORY, &memory), failure) &&
                   succeeded(api->CreateEnv(LOG_ERRORS, "latkit", &env), failure) &&
                   succeeded(api->DisableTelemetryEvents(env), failure));
}

static void release(void *state) {
    struct session *session = state;
    char *trace = NULL;
    struct failure ignored;
    if (session->traced && succeeded(api->SessionEndProfiling(session->session, allocator, &trace), &ignored)) {
        unlink(trace);
        succeeded(api->AllocatorFree(allocator, trace), &ignored);
    }
    if (session->binding) api->ReleaseIoBinding(session->binding);
    for (size_t i = 0; i < MAX_INPUTS; i++) {
        if (session->inputs[i]) api->ReleaseValue(session->inputs[i]);
        free(session->buffers[i]);
    }
    for (size_t i = 0; i < session->output_count; i++) {
        if (session->outputs[i]) api->ReleaseValue(session->outputs[i]);
        free(session->output_names[i]);
    }
    if (session->session) api->ReleaseSession(session->session);
    free(session);
}

static bool run(void *state, struct failure *failure) {
    struct session *session = state;
    return succeeded(api->RunWithBinding(session->session, NULL, session->binding), failure);
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool open_model(struct session *session, const struct spec *spec, struct failure *failure) {
    Handle *options = NULL;
    bool done = succeeded(api->CreateSessionOptions(&options), failure) &&
                (!spec->trace || succeeded(api->EnableProfiling(options, spec->trace), failure)) &&
                succeeded(api->SetSessionExecutionMode(options, SEQUENTIAL), failure) &&
                succeeded(api->SetSessionLogSeverityLevel(options, LOG_ERRORS), failure) &&
                succeeded(api->SetIntraOpNumThreads(options, spec->threads), failure) &&
                succeeded(api->SetInterOpNumThreads(options, 1), failure) &&
                succeeded(api->CreateSession(env, spec->path, options, &session->session), failure);
    if (options) api->ReleaseSessionOptions(options);
    return done;
}

static bool resolve_dtype(struct input *input, int element_type, struct failure *failure) {
    for (input->dtype = 0; input->dtype < DTYPES; input->dtype++) {
        if (ELEMENT_TYPE[input->dtype] == element_type) return true;
    }
    return fail_as(failure, "bad-model", "expected inputs of numbers, but found element type %d", element_type);
}

/* Shape and type of an input. An input that is not a tensor has type 0. */
static bool read_type(const Handle *type, struct input *input, struct failure *failure) {
    const Handle *tensor = NULL;
    int element_type = 0;
    if (!succeeded(api->CastTypeInfoToTensorInfo(type, &tensor), failure)) return false;
    if (tensor && (!succeeded(api->GetTensorElementType(tensor, &element_type), failure) ||
                   !succeeded(api->GetDimensionsCount(tensor, &input->rank), failure))) {
        return false;
    }
    if (!resolve_dtype(input, element_type, failure)) return false;
    if (input->rank > MAX_RANK)
        return fail_as(failure, "bad-model", "the input %s has %zu sides", input->name, input->rank);
    return succeeded(api->GetDimensions(tensor, input->shape, input->rank), failure);
}

static bool read_input(struct session *session, size_t index, struct input *input, struct failure *failure) {
    Handle *type = NULL;
    char *name = NULL;
    if (!succeeded(api->SessionGetInputName(session->session, index, allocator, &name), failure)) return false;
    size_t length = strlen(name);
    if (length < sizeof input->name) memcpy(input->name, name, length + 1);
    succeeded(api->AllocatorFree(allocator, name), failure);
    if (length >= sizeof input->name)
        return fail_as(failure, "bad-model", "an input's name has %zu characters", length);
    bool done = succeeded(api->SessionGetInputTypeInfo(session->session, index, &type), failure) &&
                read_type(type, input, failure);
    if (type) api->ReleaseTypeInfo(type);
    return done;
}

static bool fill_input(struct session *session, size_t index, struct input *input, const struct bindings *bindings,
                       struct failure *failure) {
    size_t bytes = 0;
    if (count_bytes(input, &bytes)) session->buffers[index] = malloc(bytes ? bytes : 1);
    if (!session->buffers[index]) return fail_as(failure, "memory", "no memory for the input %s", input->name);
    if (!bindings) fill_random(session->buffers[index], input, SEED + index);
    else if (!read_bound(bindings, input->name, session->buffers[index], failure)) return false;
    return succeeded(api->CreateTensorWithDataAsOrtValue(memory, session->buffers[index], bytes, input->shape,
                                                         input->rank, ELEMENT_TYPE[input->dtype],
                                                         &session->inputs[index]),
                     failure);
}

static bool name_outputs(struct session *session, struct failure *failure) {
    if (!succeeded(api->SessionGetOutputCount(session->session, &session->output_count), failure)) return false;
    if (session->output_count > MAX_OUTPUTS) {
        size_t found = session->output_count;
        session->output_count = 0;
        return fail_as(failure, "bad-model", "expected at most %d outputs, but found %zu", MAX_OUTPUTS, found);
    }
    for (size_t i = 0; i < session->output_count; i++) {
        char *name = NULL;
        if (!succeeded(api->SessionGetOutputName(session->session, i, allocator, &name), failure)) return false;
        session->output_names[i] = strdup(name);
        succeeded(api->AllocatorFree(allocator, name), failure);
        if (!session->output_names[i]) return fail_as(failure, "memory", "no memory for the names of outputs");
    }
    return true;
}

/* Run once, which gives the outputs' shapes, and bind inputs and outputs for all later runs. */
static bool bind(struct session *session, const struct model *model, struct failure *failure) {
    const char *names[MAX_INPUTS];
    for (size_t i = 0; i < model->input_count; i++) names[i] = model->inputs[i].name;
    if (!succeeded(api->Run(session->session, NULL, names, session->inputs, model->input_count,
                            (const char *const *)session->output_names, session->output_count, session->outputs),
                   failure) ||
        !succeeded(api->CreateIoBinding(session->session, &session->binding), failure)) {
        return false;
    }
    for (size_t i = 0; i < model->input_count; i++) {
        if (!succeeded(api->BindInput(session->binding, names[i], session->inputs[i]), failure)) return false;
    }
    for (size_t i = 0; i < session->output_count; i++) {
        Handle *output = session->outputs[i];
        if (!succeeded(api->BindOutput(session->binding, session->output_names[i], output), failure)) return false;
    }
    return true;
}

static bool fill_model(struct session *session, const struct spec *spec, struct model *model, struct failure *failure) {
    double start = now_s();
    if (!open_model(session, spec, failure) ||
        !succeeded(api->SessionGetInputCount(session->session, &model->input_count), failure)) {
        return false;
    }
    session->traced = spec->trace != NULL;
    model->create_s = now_s() - start;
    if (model->input_count > MAX_INPUTS) {
        return fail_as(failure, "bad-model", "expected at most %d inputs, but found %zu", MAX_INPUTS,
                       model->input_count);
    }
    for (size_t i = 0; i < model->input_count; i++) {
        struct input *input = &model->inputs[i];
        if (!read_input(session, i, input, failure) ||
            !(spec->bindings ? bound_input(spec->bindings, input->name, input, failure)
                             : resolve_shape(input, spec->batch, failure)) ||
            !fill_input(session, i, input, spec->bindings, failure)) {
            return false;
        }
    }
    double begin = now_s();
    if (!name_outputs(session, failure) || !bind(session, model, failure)) return false;
    model->first_run_s = now_s() - begin;
    return true;
}

/* Profile by onnxruntime's own trace, which is removed. Once only: it ends with the first profile. */
static bool profile(struct model *model, int64_t runs, double seconds, struct op_profile *out,
                    struct failure *failure) {
    struct session *session = model->state;
    char *path = NULL;
    out->profiler = "onnxruntime";
    out->exact = true;
    model->profile = NULL;
    bool done = run(session, failure) && profiled_runs(model, out, runs, seconds, NULL, NULL, failure);
    if (!succeeded(api->SessionEndProfiling(session->session, allocator, &path), failure)) return false;
    done = done && read_trace(path, out, failure);
    unlink(path);
    succeeded(api->AllocatorFree(allocator, path), failure);
    session->traced = false;
    return done;
}

static bool load(const struct spec *spec, struct model *model, struct failure *failure) {
    *model = (struct model){.run = run, .release = release, .delegate = "CPUExecutionProvider"};
    if (!probe_version(spec->libraries, model->version, failure) || !start(failure)) return false;
    struct session *session = calloc(1, sizeof *session);
    if (!session) return fail_as(failure, "memory", "no memory for a session");
    model->state = session;
    if (spec->trace) model->profile = profile;
    if (fill_model(session, spec, model, failure)) return true;
    release(session);
    return false;
}

const struct runtime onnxruntime = {.name = "onnxruntime", .load = load, .probe_version = probe_version};
