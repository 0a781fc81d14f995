#include "models/model_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/energy.h"
#include "device/files.h"
#include "timing/timing.h"

/* A line of /proc/self/status in bytes; 0 if there is none. */
static int64_t own_memory(const char *name) {
    char status[4096], value[32];
    const char *from = status;
    if (!read_file(status, sizeof status, "/proc/self/status")) return 0;
    return next_value(&from, name, value, sizeof value) ? 1024 * strtoll(value, NULL, 10) : 0;
}

/* Let the process's peak memory begin anew, if the kernel allows it. */
static void reset_peak_memory(void) {
    int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    if (write(file, "5", 1) < 0) {} /* then the peak is that of the whole process */
    close(file);
}

bool loading_begin(struct loading *loading, const struct json *request, const char *models, const char *sha256,
                   char path[1024], struct spec *spec, struct failure *failure) {
    const struct json *bindings = json_member(request, "bindings"), *external = json_member(request, "external");
    const struct json *signature = json_member(request, "signature"), *profile = json_member(request, "profile");
    loading->folder[0] = loading->signature[0] = 0;
    if (signature && signature->kind == JSON_STRING && signature->length < sizeof loading->signature) {
        memcpy(loading->signature, signature->text, signature->length);
        loading->signature[signature->length] = 0;
    }
    spec->signature = loading->signature;
    if (bindings) {
        if (!read_bindings(bindings, models, &loading->bindings, failure)) return false;
        spec->bindings = &loading->bindings;
    }
    if (profile && profile->kind == JSON_TRUE) {
        snprintf(loading->trace, sizeof loading->trace, "%s/%s.trace", models, sha256);
        spec->trace = loading->trace;
    }
    if (external && external->kind != JSON_NULL &&
        !link_external(external, models, sha256, path, loading->folder, failure)) {
        return false;
    }
    reset_peak_memory();
    loading->before_bytes = own_memory("VmRSS");
    return true;
}

void loading_end(struct loading *loading) { remove_links(loading->folder); }

static void write_seconds(struct json_writer *out, const char *name, double seconds) {
    if (seconds > 0) writer_add(out, ",\"%s\":%.9f", name, seconds);
}

void write_loading(struct json_writer *out, const struct loading *loading, const struct spec *spec,
                   const struct model *model) {
    int64_t peak = own_memory("VmHWM"), now = own_memory("VmRSS");
    struct energy energy;
    write_seconds(out, "create_s", model->create_s);
    write_seconds(out, "first_run_s", model->first_run_s);
    if (peak) writer_add(out, ",\"peak_memory_bytes\":%" PRId64, peak);
    if (now && loading->before_bytes) writer_add(out, ",\"memory_bytes\":%" PRId64, now - loading->before_bytes);
    if (spec->bindings) writer_add(out, ",\"bound_inputs\":%zu", model->input_count);
    read_energy(&energy);
    writer_add(out, ",\"energy_sensors\":[");
    for (size_t i = 0; i < energy.count; i++) {
        writer_comma(out);
        writer_string(out, energy.counters[i].name);
    }
    writer_add(out, "]");
}

bool answer_pace(const struct model *model, double interval_s, int64_t runs, struct json_writer *out,
                 struct failure *failure) {
    enum { MAX_INTERVAL_S = 3600 };
    struct paced paced;
    if (runs > MAX_SAMPLES || interval_s > MAX_INTERVAL_S) {
        return fail_as(failure, "bad-request", "expected at most %d runs, %d s apart", MAX_SAMPLES, MAX_INTERVAL_S);
    }
    bool done = time_paced(model, interval_s, runs, &paced, failure);
    if (done) {
        writer_add(out, "{");
        writer_integers(out, "wall_ns", paced.samples.wall_ns, paced.samples.count);
        writer_integers(out, "cpu_ns", paced.samples.cpu_ns, paced.samples.count);
        writer_add(out, ",\"missed\":%" PRId64, paced.missed);
        write_meter(out, &paced.meter);
        writer_add(out, "}");
    }
    samples_free(&paced.samples);
    return done;
}
