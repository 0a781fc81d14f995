/* Sensors: frequencies, governor and temperatures, as the kernel reports them under /sys. */
#ifndef LATKIT_SENSORS_H
#define LATKIT_SENSORS_H

#include "protocol/json_writer.h"

/* Where /sys is; tests set LATKIT_SYSFS to another folder. */
const char *sysfs(void);

/* Members of an object, if the device reports them. `info`: the text of /proc/cpuinfo. */
void add_frequencies(struct json_writer *out, int cores, const char *info);
void add_thermal_zones(struct json_writer *out);
void add_governor(struct json_writer *out);

#endif
