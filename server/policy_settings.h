/* policy_settings.h - settings -> what the scheduler may know of the configuration. */
#ifndef BERTH_SERVER_POLICY_SETTINGS_H
#define BERTH_SERVER_POLICY_SETTINGS_H

#include "scheduler/policy.h"
#include "server/config.h"

/* Of this generation; copied to the arena. ERR_INVALID: an item of plugin_options is not
 * "plugin.key=value". */
int policy_settings(const struct config *c, struct arena *a, struct policy_config *ret,
                    struct err *e) MUST_CHECK;

#endif
