/*
 * The admin port for scripts. Exit status: 0 done, 1 an error was answered,
 * 2 wrong usage, 3 no connection or no answer.
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "util.h"
#include "vip.h"

#define CTL_SOCKET	"/run/holdover/admin.sock"
#define CTL_HOST	"127.0.0.1"
#define CTL_PORT	6380
#define CTL_CONNECT_MS	2000
#define CTL_CHECK_MS	500
#define CTL_ANSWER_MS	20000

enum { CTL_DONE, CTL_ERROR, CTL_USAGE, CTL_NO_ANSWER };

struct ctl_opts {
	const char	*socket;	/* NULL: TCP */
	const char	*host;
	int		 port;
	const char	*password_file;
};

static int
ctl_usage(void)
{
	fprintf(stderr, "usage: holdoverctl [-s SOCKET | -h HOST -p PORT] "
	    "[-a PASSWORD-FILE] VERB [ARGUMENT ...]\n"
	    "  check    the admin port answers within half a second\n"
	    "  notify   as keepalived calls its notify scripts\n"
	    "  help     all verbs\n"
	    "       holdoverctl unfit TRACK-FILE\n"
	    "           tell keepalived that this node may not hold the VIP\n");
	return CTL_USAGE;
}

static struct timeval
ctl_timeval(int ms)
{
	return (struct timeval){ ms / 1000, ms % 1000 * 1000 };
}

static redisContext *
ctl_connect(const struct ctl_opts *o, int ms)
{
	redisContext *c = o->socket != NULL ?
	    redisConnectUnixWithTimeout(o->socket, ctl_timeval(ms)) :
	    redisConnectWithTimeout(o->host, o->port, ctl_timeval(ms));
	const char *why = c == NULL ? "out of memory" :
	    c->err != 0 ? c->errstr : NULL;

	if (why == NULL)
		return c;
	if (o->socket != NULL)
		fprintf(stderr, "holdoverctl: cannot connect to %s: %s\n",
		    o->socket, why);
	else
		fprintf(stderr, "holdoverctl: cannot connect to %s port %d: "
		    "%s\n", o->host, o->port, why);
	if (c != NULL)
		redisFree(c);
	return NULL;
}

static void
ctl_print(const redisReply *r, FILE *f)
{
	size_t i;

	switch (r->type) {
	case REDIS_REPLY_ARRAY:
		for (i = 0; i < r->elements; i++)
			ctl_print(r->element[i], f);
		break;
	case REDIS_REPLY_INTEGER:
		fprintf(f, "%lld\n", r->integer);
		break;
	case REDIS_REPLY_NIL:
		break;
	default:
		fprintf(f, "%s%s", r->str, r->len > 0 &&
		    r->str[r->len - 1] == '\n' ? "" : "\n");
		break;
	}
}

static int
ctl_answer(redisContext *c)
{
	redisReply *r = NULL;
	int status;

	if (redisGetReply(c, (void **)&r) != REDIS_OK || r == NULL) {
		fprintf(stderr, "holdoverctl: no answer: %s\n", c->errstr);
		return CTL_NO_ANSWER;
	}
	status = r->type == REDIS_REPLY_ERROR ? CTL_ERROR : CTL_DONE;
	ctl_print(r, status == CTL_ERROR ? stderr : stdout);
	fflush(stdout);
	freeReplyObject(r);
	return status;
}

static int
ctl_auth(redisContext *c, const char *file)
{
	char line[512];
	FILE *f = fopen(file, "re");
	redisReply *r;
	int status;

	if (f == NULL || fgets(line, sizeof(line), f) == NULL) {
		fprintf(stderr, "holdoverctl: %s: %s\n", file,
		    strerror(errno));
		if (f != NULL)
			fclose(f);
		return CTL_USAGE;
	}
	fclose(f);
	line[strcspn(line, "\r\n")] = '\0';
	r = redisCommand(c, "AUTH %s", line);
	explicit_bzero(line, sizeof(line));
	status = r == NULL ? CTL_NO_ANSWER :
	    r->type == REDIS_REPLY_ERROR ? CTL_ERROR : CTL_DONE;
	if (status == CTL_ERROR)
		ctl_print(r, stderr);
	if (r != NULL)
		freeReplyObject(r);
	return status;
}

static int
ctl_run(const struct ctl_opts *o, int argc, const char **argv)
{
	int check = strcasecmp(argv[0], "check") == 0;
	int events = strcasecmp(argv[0], "events") == 0 ||
	    strcasecmp(argv[0], "monitor") == 0;
	redisContext *c = ctl_connect(o, check ? CTL_CHECK_MS :
	    CTL_CONNECT_MS);
	int status = CTL_DONE;

	if (c == NULL)
		return CTL_NO_ANSWER;
	if (check)
		argv[0] = "HEALTH";
	redisSetTimeout(c, ctl_timeval(check ? CTL_CHECK_MS : events ? 0 :
	    CTL_ANSWER_MS));
	if (o->password_file != NULL)
		status = ctl_auth(c, o->password_file);
	if (status == CTL_DONE) {
		redisAppendCommandArgv(c, argc, argv, NULL);
		do
			status = ctl_answer(c);
		while (events && status == CTL_DONE);
	}
	redisFree(c);
	return status;
}

/*
 * For the unit's ExecStopPost: Holdover cannot say it any more, whatever
 * became of it.
 */
static int
ctl_unfit(int argc, char **argv)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", VIP_VALUE_FAULT);

	if (argc != 2)
		return ctl_usage();
	if (util_write_file(argv[1], text, (size_t)n, 0644, false))
		return CTL_DONE;
	fprintf(stderr, "holdoverctl: %s cannot be written: %s\n", argv[1],
	    strerror(errno));
	return CTL_ERROR;
}

int
main(int argc, char **argv)
{
	struct ctl_opts o = { .port = CTL_PORT };
	int c;

	while ((c = getopt(argc, argv, "+s:h:p:a:")) != -1)
		switch (c) {
		case 's':
			o.socket = optarg;
			break;
		case 'h':
			o.host = optarg;
			break;
		case 'p':
			o.port = atoi(optarg);
			if (o.host == NULL)
				o.host = CTL_HOST;
			break;
		case 'a':
			o.password_file = optarg;
			break;
		default:
			return ctl_usage();
		}
	if (optind == argc || (o.socket != NULL && o.host != NULL) ||
	    o.port < 1 || o.port > 65535)
		return ctl_usage();
	if (strcasecmp(argv[optind], "unfit") == 0)
		return ctl_unfit(argc - optind, argv + optind);
	if (o.socket == NULL && o.host == NULL) {
		if (access(CTL_SOCKET, R_OK | W_OK) == 0)
			o.socket = CTL_SOCKET;
		else
			o.host = CTL_HOST;
	}
	return ctl_run(&o, argc - optind, (const char **)argv + optind);
}
