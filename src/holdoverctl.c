/*
 * The admin port for scripts. Exit status 0 says that it was done: an order
 * is answered when it is over, and not before. See ctl_help[] for the
 * others. A password comes from a file, so that ps does not show it.
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
#define CTL_ANSWER_MS	20000	/* an order takes up to 15 s */
#define CTL_PASSWORD	512

enum { CTL_DONE, CTL_ERROR, CTL_NO_ANSWER, CTL_USAGE };

struct ctl_opts {
	const char	*socket;	/* NULL: TCP */
	const char	*host;
	long long	 port;
	long long	 answer_ms;
	const char	*password_file;
};

static const char ctl_help[] =
    "usage: holdoverctl [-s SOCKET | -h HOST -p PORT] [-a PASSWORD-FILE]\n"
    "                   [-t TIME] VERB [ARGUMENT ...]\n"
    "       holdoverctl unfit TRACK-FILE\n"
    "\n"
    "  check   the admin port answers within half a second\n"
    "  notify  as keepalived calls its notify scripts:\n"
    "          notify INSTANCE VI_1 MASTER 100\n"
    "  help    all verbs of the admin port\n"
    "  unfit   tell keepalived that this node may not hold the VIP, when\n"
    "          Holdover cannot do so itself\n"
    "\n"
    "  -s SOCKET         unix socket (/run/holdover/admin.sock if it is "
    "there)\n"
    "  -h HOST, -p PORT  TCP (127.0.0.1, 6380)\n"
    "  -a PASSWORD-FILE  its first line is the operators' password\n"
    "  -t TIME           how long an answer may take (20s)\n"
    "\n"
    "Exit status: 0 it was done, 1 it was not, and the error says why,\n"
    "2 no connection or no answer: an order may have been carried out,\n"
    "3 wrong usage, or the password file cannot be read.\n";

static int
ctl_usage(void)
{
	fputs(ctl_help, stderr);
	return CTL_USAGE;
}

static struct timeval
ctl_timeval(long long ms)
{
	return (struct timeval){ ms / 1000, ms % 1000 * 1000 };
}

static redisContext *
ctl_connect(const struct ctl_opts *o, long long ms)
{
	redisContext *c = o->socket != NULL ?
	    redisConnectUnixWithTimeout(o->socket, ctl_timeval(ms)) :
	    redisConnectWithTimeout(o->host, (int)o->port, ctl_timeval(ms));
	const char *why = c == NULL ? "out of memory" :
	    c->err != 0 ? c->errstr : NULL;

	if (why == NULL)
		return c;
	if (o->socket != NULL)
		fprintf(stderr, "holdoverctl: cannot connect to %s: %s\n",
		    o->socket, why);
	else
		fprintf(stderr, "holdoverctl: cannot connect to %s port %lld: "
		    "%s\n", o->host, o->port, why);
	if (c != NULL)
		redisFree(c);
	return NULL;
}

static void
ctl_print_one(const redisReply *r, FILE *f)
{
	if (r->type == REDIS_REPLY_INTEGER)
		fprintf(f, "%lld", r->integer);
	else if (r->str != NULL)
		fwrite(r->str, 1, r->len, f);
}

/* Names and values in turns, as one line. */
static void
ctl_print_pairs(const redisReply *r, FILE *f)
{
	size_t i;

	for (i = 0; i < r->elements; i++) {
		ctl_print_one(r->element[i], f);
		fputc(i + 1 == r->elements ? '\n' : i % 2 == 0 ? '=' : ' ', f);
	}
}

static void
ctl_print(const redisReply *r, FILE *f)
{
	size_t i;

	if (r->type != REDIS_REPLY_ARRAY) {
		ctl_print_one(r, f);
		if (r->len == 0 || r->str[r->len - 1] != '\n')
			fputc('\n', f);
		return;
	}
	for (i = 0; i < r->elements; i++)
		if (r->element[i]->type == REDIS_REPLY_ARRAY)
			ctl_print_pairs(r->element[i], f);
		else
			ctl_print(r->element[i], f);
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

/* The first line; NULL (and the reason on stderr) when there is none. */
static char *
ctl_password(const char *file)
{
	size_t len;
	char *text = util_read_file(file, CTL_PASSWORD, &len);

	if (text == NULL) {
		fprintf(stderr, "holdoverctl: %s: %s\n", file,
		    strerror(errno));
		return NULL;
	}
	text[strcspn(text, "\r\n")] = '\0';
	if (*text != '\0')
		return text;
	fprintf(stderr, "holdoverctl: %s has no password in its first "
	    "line\n", file);
	free(text);
	return NULL;
}

static int
ctl_auth(redisContext *c, const char *file)
{
	char *password = ctl_password(file);
	redisReply *r;
	int status;

	if (password == NULL)
		return CTL_USAGE;
	r = redisCommand(c, "AUTH %s", password);
	explicit_bzero(password, strlen(password));
	free(password);
	if (r == NULL) {
		fprintf(stderr, "holdoverctl: no answer: %s\n", c->errstr);
		return CTL_NO_ANSWER;
	}
	status = r->type == REDIS_REPLY_ERROR ? CTL_ERROR : CTL_DONE;
	if (status == CTL_ERROR)
		ctl_print(r, stderr);
	freeReplyObject(r);
	return status;
}

/*
 * keepalived starts its notify scripts in order, but they run side by side.
 * When this process was started, and after which one, says where it belongs:
 * clock ticks since the boot, and its number (proc(5); at most 22 bits).
 */
static void
ctl_order(char *out, size_t size)
{
	size_t len;
	char *text = util_read_file("/proc/self/stat", 4096, &len);
	char *p = text == NULL ? NULL : strrchr(text, ')');
	unsigned long long started = 0;

	if (p != NULL)
		sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u "
		    "%*u %*d %*d %*d %*d %*d %*d %llu", &started);
	free(text);
	snprintf(out, size, "%llu", started << 22 | (unsigned)getpid());
}

static int
ctl_run(const struct ctl_opts *o, int argc, const char **argv)
{
	int check = strcasecmp(argv[0], "check") == 0;
	int events = strcasecmp(argv[0], "events") == 0 ||
	    strcasecmp(argv[0], "monitor") == 0;
	redisContext *c = ctl_connect(o, check ? CTL_CHECK_MS :
	    CTL_CONNECT_MS);
	const char *notify[6];
	char order[32];
	int status = CTL_DONE;

	if (c == NULL)
		return CTL_NO_ANSWER;
	if (check)
		argv[0] = "HEALTH";
	if (argc == 5 && strcasecmp(argv[0], "notify") == 0) {
		ctl_order(order, sizeof(order));
		memcpy(notify, argv, 5 * sizeof(*argv));
		notify[5] = order;
		argv = notify;
		argc = 6;
	}
	redisSetTimeout(c, ctl_timeval(check ? CTL_CHECK_MS : events ? 0 :
	    o->answer_ms));
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

static bool
ctl_options(struct ctl_opts *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+s:h:p:a:t:")) != -1)
		switch (c) {
		case 's':
			o->socket = optarg;
			break;
		case 'h':
			o->host = optarg;
			break;
		case 'p':
			if (!util_number(optarg, strlen(optarg), &o->port))
				return false;
			if (o->host == NULL)
				o->host = CTL_HOST;
			break;
		case 'a':
			o->password_file = optarg;
			break;
		case 't':
			if (!util_duration(optarg, &o->answer_ms) ||
			    o->answer_ms == 0)
				return false;
			break;
		default:
			return false;
		}
	return optind < argc && (o->socket == NULL || o->host == NULL) &&
	    o->port >= 1 && o->port <= 65535;
}

int
main(int argc, char **argv)
{
	struct ctl_opts o = { .port = CTL_PORT, .answer_ms = CTL_ANSWER_MS };

	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return fputs(ctl_help, stdout) < 0 || fflush(stdout) != 0;
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		return printf("holdoverctl %s\n", HOLDOVER_VERSION) < 0;
	if (!ctl_options(&o, argc, argv))
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
