#include "service.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#define SERVICE_LOOK_MS	1000

static char	service_told[512];	/* the last status */

void
service_ready(void)
{
	sd_notify(0, "READY=1");
}

/* systemd 253 and newer (Type=notify-reload) want to know since when. */
void
service_reloading(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	    (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

void
service_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

int64_t
service_interval_ms(void)
{
	uint64_t us;

	if (getenv("NOTIFY_SOCKET") == NULL)
		return 0;
	if (sd_watchdog_enabled(0, &us) <= 0 || us / 2000 > SERVICE_LOOK_MS)
		return SERVICE_LOOK_MS;
	return us >= 2000 ? (int64_t)(us / 2000) : 1;
}

void
service_alive(void)
{
	sd_notify(0, "WATCHDOG=1");
}

void
service_status(const char *line)
{
	if (strncmp(line, service_told, sizeof(service_told) - 1) == 0)
		return;
	snprintf(service_told, sizeof(service_told), "%s", line);
	sd_notifyf(0, "STATUS=%s", service_told);
}
