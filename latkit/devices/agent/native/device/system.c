#include "device/system.h"

#include <gnu/libc-version.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "device/files.h"
#include "device/sensors.h"

enum { CPUINFO_BYTES = 1 << 18, LINE_BYTES = 8192 };

/* /proc/cpuinfo; the caller frees it. */
static char *cpuinfo(void) {
    char *text = malloc(CPUINFO_BYTES);
    if (text && !read_file(text, CPUINFO_BYTES, "/proc/cpuinfo")) *text = 0;
    return text;
}

static void add_text(struct json_writer *out, const char *name, const char *value) {
    writer_name(out, name);
    writer_string(out, value);
}

/* Number of present cores, including those that are offline. */
static int core_count(void) {
    char present[64];
    if (read_file(present, sizeof present, "%s/devices/system/cpu/present", sysfs())) { /* such as 0-3,5 */
        const char *last = present + strlen(present);
        while (last > present && last[-1] != '-' && last[-1] != ',') last--;
        int highest = atoi(last);
        if (highest >= 0 && highest < MAX_CORES) return highest + 1;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : online > MAX_CORES ? MAX_CORES : (int)online;
}

static void add_model(struct json_writer *out, const char *info, const char *machine) {
    static const char *const names[] = {"model name", "Hardware", "cpu model"};
    char line[LINE_BYTES];
    if (read_file(line, sizeof line, "/proc/device-tree/model") && *line) {
        add_text(out, "model", line);
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *from = info;
        if (next_value(&from, names[i], line, sizeof line) && *line) {
            add_text(out, "model", line);
            return;
        }
    }
    add_text(out, "model", machine);
}

static int compare_features(const void *one, const void *other) {
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* The flags, of x86's hundreds, on which inference kernels depend. */
static bool matters(const char *feature, bool x86) {
    static const char *const prefixes[] = {"sse4", "ssse3", "avx", "fma", "f16c", "amx"};
    bool found = !x86;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes && !found; i++) {
        found = strncmp(feature, prefixes[i], strlen(prefixes[i])) == 0;
    }
    return found;
}

static void add_instruction_set(struct json_writer *out, const char *info, bool x86) {
    char line[LINE_BYTES] = "", *features[LINE_BYTES / 2], *rest = line;
    size_t count = 0;
    const char *from = info;
    if (!next_value(&from, "flags", line, sizeof line)) {
        from = info;
        next_value(&from, "Features", line, sizeof line);
    }
    for (char *word; (word = strsep(&rest, " "));) {
        if (*word && matters(word, x86)) features[count++] = word;
    }
    if (count) qsort(features, count, sizeof *features, compare_features);
    writer_name(out, "instruction_set");
    writer_add(out, "[");
    for (size_t i = 0; i < count; i++) {
        writer_comma(out);
        writer_string(out, features[i]);
    }
    writer_add(out, "]");
}

static void add_core(struct json_writer *out, int core) {
    static const char *const files[][2] = {
        {"min_khz", "cpufreq/cpuinfo_min_freq"}, {"max_khz", "cpufreq/cpuinfo_max_freq"}, {"capacity", "cpu_capacity"}};
    writer_comma(out);
    writer_add(out, "{\"index\":%d", core);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int64_t value;
        if (read_integer(&value, "%s/devices/system/cpu/cpu%d/%s", sysfs(), core, files[i][1])) {
            writer_add(out, ",\"%s\":%" PRId64, files[i][0], value);
        }
    }
    writer_add(out, "}");
}

static void add_memory(struct json_writer *out, const char *name, const char *line_name) {
    char info[LINE_BYTES], line[64];
    const char *from = info;
    if (!read_file(info, sizeof info, "/proc/meminfo") || !next_value(&from, line_name, line, sizeof line)) return;
    writer_name(out, name);
    writer_add(out, "%lld", strtoll(line, NULL, 10) * 1024);
}

static void add_os(struct json_writer *out, const struct utsname *name) {
    char release[LINE_BYTES], plain[2 * sizeof name->release];
    const char *found = read_file(release, sizeof release, "/etc/os-release") ? strstr(release, "PRETTY_NAME=") : NULL;
    if (!found) {
        snprintf(plain, sizeof plain, "%s %s", name->sysname, name->release);
        add_text(out, "os", plain);
        return;
    }
    char *value = release + (found - release) + strlen("PRETTY_NAME=");
    value += *value == '"';
    value[strcspn(value, "\"\n")] = 0;
    add_text(out, "os", value);
}

void write_facts(struct json_writer *out) {
    struct utsname name;
    char line[256], *info = cpuinfo();
    uname(&name);
    writer_add(out, "{");
    add_model(out, info ? info : "", name.machine);
    add_text(out, "architecture", name.machine);
    add_instruction_set(out, info ? info : "", strcmp(name.machine, "x86_64") == 0);
    writer_name(out, "cores");
    writer_add(out, "[");
    for (int core = 0; core < core_count(); core++) add_core(out, core);
    writer_add(out, "]");
    add_memory(out, "memory_bytes", "MemTotal");
    add_os(out, &name);
    add_text(out, "kernel", name.release);
    snprintf(line, sizeof line, "glibc %s", gnu_get_libc_version());
    add_text(out, "libc", line);
    add_text(out, "hostname", name.nodename);
    add_governor(out);
    if (read_file(line, sizeof line, "/proc/sys/kernel/random/boot_id")) add_text(out, "boot_id", line);
    writer_add(out, "}");
    free(info);
}

/* Seconds of a clock. */
static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void add_disk(struct json_writer *out, const char *models) {
    struct statvfs disk;
    if (statvfs(models, &disk) != 0) return;
    writer_name(out, "free_disk_bytes");
    writer_add(out, "%llu", (unsigned long long)disk.f_bavail * disk.f_frsize);
}

void write_conditions(struct json_writer *out, const char *models) {
    int64_t cores[MAX_CORES];
    struct sysinfo info = {0};
    char *processors = cpuinfo();
    sysinfo(&info); /* Android does not expose /proc/loadavg */
    writer_add(out, "{");
    add_frequencies(out, core_count(), processors ? processors : "");
    add_thermal_zones(out);
    writer_name(out, "load1");
    writer_add(out, "%.2f", (double)info.loads[0] / (1 << SI_LOAD_SHIFT));
    add_memory(out, "free_memory_bytes", "MemAvailable");
    add_disk(out, models);
    add_governor(out);
    writer_integers(out, "affinity", cores, get_affinity(cores));
    writer_name(out, "monotonic_s");
    writer_add(out, "%.9f", seconds(CLOCK_MONOTONIC));
    writer_name(out, "unix_s");
    writer_add(out, "%.6f}", seconds(CLOCK_REALTIME));
    free(processors);
}

size_t get_affinity(int64_t cores[MAX_CORES]) {
    cpu_set_t allowed;
    size_t count = 0;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (size_t core = 0; core < MAX_CORES; core++) {
        if (CPU_ISSET(core, &allowed)) cores[count++] = (int64_t)core;
    }
    return count;
}

void set_affinity(const int64_t *cores, size_t count) {
    cpu_set_t chosen;
    CPU_ZERO(&chosen);
    for (size_t i = 0; i < count; i++) {
        if (cores[i] < MAX_CORES) CPU_SET((size_t)cores[i], &chosen);
    }
    sched_setaffinity(0, sizeof chosen, &chosen);
}
