/*
 * What is answered from the session itself.
 */
#include <stdlib.h>
#include <string.h>

#include "session_priv.h"

/* Redis' own rule for client names (networking.c, clientSetName). */
static bool
session_name_ok(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < '!' || *s > '~')
			return false;
	return true;
}

static void
session_answer_setname(struct session *s, const struct req *r,
    struct buf *out)
{
	char *name = session_arg(r, 2);

	if (name == NULL || !session_name_ok(name)) {
		resp_add_error(out, "ERR Client names cannot contain spaces, "
		    "newlines or special characters.");
		free(name);
		return;
	}
	session_set_name(s, name);
	resp_add_simple(out, "OK");
}

static void
session_answer_setinfo(struct session *s, const struct req *r,
    struct buf *out)
{
	char *value = session_arg(r, 3);
	char **field = session_arg_is(r, 2, "lib-name") ? &s->lib_name :
	    session_arg_is(r, 2, "lib-ver") ? &s->lib_ver : NULL;

	if (field == NULL || value == NULL || !session_name_ok(value)) {
		resp_add_error(out, field == NULL ?
		    "ERR Unrecognized option" :
		    "ERR %s cannot contain spaces, newlines or special "
		    "characters.", field == &s->lib_name ? "lib-name" :
		    "lib-ver");
		free(value);
		return;
	}
	session_set(field, value);
	resp_add_simple(out, "OK");
}

/* CLIENT MAINT_NOTIFICATIONS OFF | ON [moving-endpoint-type TYPE] */
static void
session_answer_maint(struct session *s, const struct req *r, struct buf *out)
{
	static const char *const types[] = { "none", "internal-ip",
	    "internal-fqdn", "external-ip", "external-fqdn" };
	bool on = session_arg_is(r, 2, "ON");
	size_t i = 1;

	if (on && r->argc == 5 && session_arg_is(r, 3, "moving-endpoint-type"))
		for (i = 0; i < NELEM(types); i++)
			if (session_arg_is(r, 4, types[i]))
				break;
	if (s->proto < 3)
		resp_add_error(out, "ERR Maintenance notifications can be "
		    "enabled only in RESP3 mode");
	else if (i == NELEM(types))
		resp_add_error(out, "ERR Invalid moving-endpoint-type");
	else if ((!on && !session_arg_is(r, 2, "OFF")) ||
	    (r->argc > 3 && (!on || r->argc != 5 ||
	    !session_arg_is(r, 3, "moving-endpoint-type"))))
		resp_add_error(out, "ERR syntax error");
	else {
		s->told = !on ? SESSION_UNTOLD : i == 0 ?
		    SESSION_TOLD_NO_ENDPOINT : SESSION_TOLD;
		resp_add_simple(out, "OK");
	}
}

bool
session_answer(struct session *s, uint64_t id, const struct req *r,
    struct buf *out)
{
	switch (r->cmd->special) {
	case CMD_CLIENT_ID:
		resp_add_int(out, (long long)id);
		return true;
	case CMD_CLIENT_GETREDIR:
		resp_add_int(out, session_redirect(s));
		return true;
	case CMD_CLIENT_GETNAME:
		if (s->name == NULL)
			resp_add_null(out, s->proto);
		else
			resp_add_str(out, s->name);
		return true;
	case CMD_CLIENT_SETNAME:
		session_answer_setname(s, r, out);
		return true;
	case CMD_CLIENT_SETINFO:
		session_answer_setinfo(s, r, out);
		return true;
	case CMD_CLIENT_MAINT:
		session_answer_maint(s, r, out);
		return true;
	case CMD_QUIT:
		resp_add_simple(out, "OK");
		return true;
	default:
		return false;
	}
}
