/*
 * What the service manager is told about this process, as systemd's
 * sd_notify(3) has it. Where systemd did not start it, or libsystemd was
 * not there when it was built (service_none.c), nothing happens.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdint.h>

/* Clients can connect; also the end of what service_reloading() began. */
void	service_ready(void);
void	service_reloading(void);
void	service_stopping(void);

/*
 * How often service_alive() wants to be called: at least twice within
 * WatchdogSec, and once a second. 0: nobody listens.
 */
int64_t	service_interval_ms(void);

/* Feeds the watchdog: call it only where every loop is seen to turn. */
void	service_alive(void);

/* How things are, in one line. Told if it is not the last one told. */
void	service_status(const char *line);

#endif
