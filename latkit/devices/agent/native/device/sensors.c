#include "device/sensors.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/files.h"

enum {
    MAX_TRIPS = 12, /* the kernel's limit to the number of trip points of a thermal zone */
    MAX_ZONES = 256,
};

struct zone {
    char name[128];
    int64_t millis;
    int64_t trip_millis; /* 0: the kernel reports none */
};

const char *sysfs(void) {
    const char *place = getenv("LATKIT_SYSFS");
    return place ? place : "/sys";
}

/* Many virtual machines have no cpufreq, but report a frequency. */
static void add_mhz(struct json_writer *out, const char *info) {
    char value[32];
    for (const char *from = info; next_value(&from, "cpu MHz", value, sizeof value);) {
        writer_comma(out);
        writer_add(out, "%.0f", strtod(value, NULL) * 1000);
    }
}

void add_frequencies(struct json_writer *out, int cores, const char *info) {
    writer_name(out, "frequencies_khz");
    writer_add(out, "[");
    size_t begin = out->length;
    for (int core = 0; core < cores; core++) {
        int64_t khz;
        if (!read_integer(&khz, "%s/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", sysfs(), core)) {
            out->length = begin;
            add_mhz(out, info);
            break;
        }
        writer_comma(out);
        writer_add(out, "%" PRId64, khz);
    }
    writer_add(out, "]");
}

void add_governor(struct json_writer *out) {
    char governor[64];
    if (!read_file(governor, sizeof governor, "%s/devices/system/cpu/cpu0/cpufreq/scaling_governor", sysfs())) return;
    writer_name(out, "governor");
    writer_string(out, governor);
}

/* The lowest passive trip point, from which on the kernel throttles the device. Unset ones are 0 or below. */
static int64_t trip_point(const char *zone) {
    int64_t lowest = 0, millis;
    char kind[32];
    for (int i = 0; i < MAX_TRIPS; i++) {
        if (!read_file(kind, sizeof kind, "%s/class/thermal/%s/trip_point_%d_type", sysfs(), zone, i)) break;
        if (strcmp(kind, "passive") != 0) continue;
        if (!read_integer(&millis, "%s/class/thermal/%s/trip_point_%d_temp", sysfs(), zone, i) || millis <= 0) continue;
        if (!lowest || millis < lowest) lowest = millis;
    }
    return lowest;
}

static int compare_zones(const void *one, const void *other) {
    return strcmp(((const struct zone *)one)->name, ((const struct zone *)other)->name);
}

static size_t read_zones(struct zone zones[MAX_ZONES]) {
    char path[512];
    snprintf(path, sizeof path, "%s/class/thermal", sysfs());
    DIR *folder = opendir(path);
    size_t count = 0;
    for (struct dirent *entry; folder && count < MAX_ZONES && (entry = readdir(folder));) {
        struct zone *zone = &zones[count];
        char type[64] = "";
        if (strncmp(entry->d_name, "thermal_zone", 12) != 0) continue;
        if (!read_integer(&zone->millis, "%s/%s/temp", path, entry->d_name)) continue;
        read_file(type, sizeof type, "%s/%s/type", path, entry->d_name);
        snprintf(zone->name, sizeof zone->name, "%.60s%s%s", entry->d_name, *type ? " " : "", type);
        zone->trip_millis = trip_point(entry->d_name);
        count++;
    }
    if (folder) closedir(folder);
    qsort(zones, count, sizeof *zones, compare_zones);
    return count;
}

static void add_degrees(struct json_writer *out, const char *name, int64_t millis) {
    writer_comma(out);
    writer_string(out, name);
    writer_add(out, ":%.3f", (double)millis / 1000);
}

void add_thermal_zones(struct json_writer *out) {
    static struct zone zones[MAX_ZONES]; /* too large for a stack, and there is one reader */
    size_t count = read_zones(zones);
    writer_name(out, "temperatures_c");
    writer_add(out, "{");
    for (size_t i = 0; i < count; i++) add_degrees(out, zones[i].name, zones[i].millis);
    writer_add(out, "}");
    writer_name(out, "trips_c");
    writer_add(out, "{");
    for (size_t i = 0; i < count; i++) {
        if (zones[i].trip_millis) add_degrees(out, zones[i].name, zones[i].trip_millis);
    }
    writer_add(out, "}");
}
