/* Built in the place of service.c where there is no libsystemd. */
#include "service.h"

void
service_ready(void)
{
}

void
service_reloading(void)
{
}

void
service_stopping(void)
{
}

int64_t
service_interval_ms(void)
{
	return 0;
}

void
service_alive(void)
{
}

void
service_status(const char *line)
{
	(void)line;
}
