#include "runtimes/ort_trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/json.h"

static const char SUFFIX[] = "_kernel_time";
enum { MAX_TENSORS = 16, MAX_OPEN = 4096 };

struct trace {
    FILE *file;
    char *line;
    size_t capacity;
    struct json_document *document;
    size_t run;   /* number of the run that the next event belongs to */
    size_t total; /* runs in the trace */
    struct {
        int64_t begin_us;
        int64_t length_us;
    } open[MAX_OPEN]; /* events of the run that no loop has claimed yet */
    size_t open_count;
};

static bool next_event(struct trace *trace, const struct json **event) {
    for (;;) {
        ssize_t length = getline(&trace->line, &trace->capacity, trace->file);
        if (length < 0) return false;
        while (length > 0 && strchr(", \r\n", trace->line[length - 1])) length--;
        trace->line[length] = 0;
        const char *problem;
        *event = length > 2 ? json_read(trace->document, trace->line, (size_t)length, &problem) : NULL;
        if (*event && (*event)->kind == JSON_OBJECT) return true; /* others are the brackets around all events */
    }
}

static int64_t integer_of(const struct json *field) {
    return field && field->kind == JSON_NUMBER ? field->integer : 0;
}

/* The text of a member, ended with a NUL and at most that long. */
static void text_of(const struct json *object, const char *name, char into[MAX_OP_NAME + 1]) {
    const struct json *field = json_member(object, name);
    size_t length = field && field->kind == JSON_STRING ? field->length : 0;
    if (length > MAX_OP_NAME) length = MAX_OP_NAME;
    if (length) memcpy(into, field->text, length);
    into[length] = 0;
}

/* Whether this is a node's event; then its name, which ends with the suffix, is copied without it. */
static bool node_name(const struct json *event, char name[MAX_OP_NAME + 1]) {
    const struct json *field = json_member(event, "name");
    size_t suffix = sizeof SUFFIX - 1;
    if (!json_is(json_member(event, "cat"), "Node") || !field || field->kind != JSON_STRING ||
        field->length <= suffix || memcmp(field->text + field->length - suffix, SUFFIX, suffix) != 0) {
        return false;
    }
    size_t length = field->length - suffix < MAX_OP_NAME ? field->length - suffix : MAX_OP_NAME;
    memcpy(name, field->text, length);
    name[length] = 0;
    return true;
}

static void write_shape(struct json_writer *out, const struct json *sizes) {
    writer_add(out, "[");
    for (const struct json *size = sizes->first; size; size = size->next) {
        writer_comma(out);
        writer_add(out, "%" PRId64, integer_of(size) > 0 ? integer_of(size) : 0);
    }
    writer_add(out, "]");
}

/* Pairs of element type and shape, as JSON. */
static void write_tensors(struct json_writer *out, const struct json *entries) {
    size_t count = 0;
    writer_clear(out);
    writer_add(out, "[");
    for (const struct json *entry = entries && entries->kind == JSON_ARRAY ? entries->first : NULL; entry;
         entry = entry->next) {
        const struct json *shape = entry->kind == JSON_OBJECT ? entry->first : NULL;
        char kind[32];
        if (!shape || shape->kind != JSON_ARRAY || shape->name_length >= sizeof kind || ++count > MAX_TENSORS) continue;
        memcpy(kind, shape->name, shape->name_length);
        kind[shape->name_length] = 0;
        writer_comma(out);
        writer_add(out, "[");
        writer_string(out, kind);
        writer_add(out, ",");
        write_shape(out, shape);
        writer_add(out, "]");
    }
    writer_add(out, "]");
}

static bool nests(const char *kind) {
    return !strcmp(kind, "If") || !strcmp(kind, "Loop") || !strcmp(kind, "Scan") || !strcmp(kind, "SequenceMap");
}

/* The time of an event without that of the nodes in it: an event is written when it ends, so they come before it. */
static int64_t own_us(struct trace *trace, const struct json *event, const char *kind) {
    int64_t begin = integer_of(json_member(event, "ts")), length = integer_of(json_member(event, "dur")), own = length;
    while (length > 0 && nests(kind) && trace->open_count && trace->open[trace->open_count - 1].begin_us >= begin) {
        own -= trace->open[--trace->open_count].length_us;
    }
    if (trace->open_count < MAX_OPEN) {
        trace->open[trace->open_count].begin_us = begin;
        trace->open[trace->open_count++].length_us = length;
    }
    return own > 0 ? own : 0;
}

static bool add_event(struct trace *trace, const struct json *event, const char *full_name, struct op_profile *profile,
                      struct failure *failure) {
    const struct json *arguments = json_member(event, "args");
    char name[MAX_OP_NAME + 1], kind[MAX_OP_NAME + 1], placement[MAX_OP_NAME + 1], number[MAX_OP_NAME + 1];
    struct json_writer inputs = {0}, outputs = {0};
    memcpy(name, full_name, sizeof name);
    text_of(arguments, "op_name", kind);
    text_of(arguments, "provider", placement);
    int64_t nanoseconds = 1000 * own_us(trace, event, kind);
    text_of(arguments, "mem_arena_held", number);
    int64_t arena_bytes = strtoll(number, NULL, 10);
    if (arena_bytes > profile->arena_bytes) profile->arena_bytes = arena_bytes;
    text_of(arguments, "node_index", number);
    write_tensors(&inputs, json_member(arguments, "input_type_shape"));
    write_tensors(&outputs, json_member(arguments, "output_type_shape"));
    struct op op = {.place = strtoll(number, NULL, 10),
                    .name = name,
                    .kind = kind,
                    .placement = placement,
                    .inputs = inputs.bytes ? inputs.bytes : "[]",
                    .outputs = outputs.bytes ? outputs.bytes : "[]"};
    bool failed = inputs.failed || outputs.failed;
    bool done = failed ? fail_as(failure, "memory", "no memory for an op")
                       : add_call(profile, &op, nanoseconds, failure);
    free(inputs.bytes);
    free(outputs.bytes);
    return done;
}

static void end_run(struct trace *trace, struct op_profile *profile) {
    trace->run++;
    trace->open_count = 0;
    profile->hint = 0;
}

static bool add_events(struct trace *trace, struct op_profile *profile, struct failure *failure) {
    const struct json *event;
    char name[MAX_OP_NAME + 1];
    size_t skipped = trace->total > profile->runs ? trace->total - profile->runs : 0;
    while (trace->run < trace->total && next_event(trace, &event)) {
        if (json_is(json_member(event, "name"), "model_run")) {
            end_run(trace, profile);
        } else if (trace->run >= skipped && run_counts(profile, trace->run - skipped) && node_name(event, name) &&
                   !add_event(trace, event, name, profile, failure)) {
            return false;
        }
    }
    return true;
}

static bool read_events(struct trace *trace, struct op_profile *profile, struct failure *failure) {
    const struct json *event;
    while (next_event(trace, &event)) trace->total += json_is(json_member(event, "name"), "model_run");
    rewind(trace->file);
    return add_events(trace, profile, failure);
}

bool read_trace(const char *path, struct op_profile *profile, struct failure *failure) {
    struct trace *trace = calloc(1, sizeof *trace);
    struct json_document *document = malloc(sizeof *document);
    FILE *file = fopen(path, "rbe");
    bool done = trace && document && file;
    if (done) {
        trace->file = file;
        trace->document = document;
        done = read_events(trace, profile, failure);
    } else {
        fail_as(failure, "failed", "onnxruntime's trace cannot be read");
    }
    if (file) fclose(file);
    if (trace) free(trace->line);
    free(trace);
    free(document);
    return done;
}
