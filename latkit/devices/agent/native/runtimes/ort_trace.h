/* onnxruntime's trace: a JSON array with one event per line. */
#ifndef LATKIT_ORT_TRACE_H
#define LATKIT_ORT_TRACE_H

#include "timing/op_profile.h"

/* Sum the ops of the last `profile->runs` runs in a trace, those that count. A loop's time is counted without that of
 * the nodes in it. */
bool read_trace(const char *path, struct op_profile *profile, struct failure *failure);

#endif
