/*
 * Scripts: a new primary may never have seen those that clients name by
 * their SHA1 only.
 */
#include "client_priv.h"

#include <string.h>

#include "scripts.h"
#include "stats.h"

/*
 * A request that went well: learn the scripts in it. Control wants to know of
 * one that is loaded.
 */
void
client_script_learn(struct client *c, const struct req *r)
{
	struct resp_arg body;
	bool loaded = r->cmd->special == CMD_SCRIPT_LOAD;
	long long at = loaded ? 2 : 1;

	if (r->cmd->special == CMD_SCRIPT_FLUSH) {
		scripts_forget();
		return;
	}
	if (at >= r->argc || (!loaded && r->cmd->special != CMD_EVAL))
		return;
	body = resp_request_arg(r->bytes, r->len, at);
	scripts_learn(body.p, body.len, loaded);
	if (loaded)
		gate_progress(c->env->gate);
}

/* EVALSHA as EVAL, EVALSHA_RO as EVAL_RO; NULL: the script is not known. */
static struct req *
client_script_eval(const struct req *r)
{
	struct resp_arg a = resp_request_arg(r->bytes, r->len, 1);
	const char *name = r->class == CMD_READ ? "eval_ro" : "eval";
	struct buf b = BUF_INIT, body = BUF_INIT;
	struct req *eval = NULL;
	const char *rest = a.p + a.len;

	if (!scripts_find(a.p, a.len, &body))
		return NULL;
	/* What stands behind the SHA1 stays as it is. */
	resp_add_array(&b, (size_t)r->argc);
	resp_add_str(&b, name);
	resp_add_bulk(&b, buf_data(&body), buf_len(&body));
	buf_add(&b, rest + 2, r->len - (size_t)(rest + 2 - r->bytes));
	eval = req_new(cmd_lookup(name, strlen(name), NULL, 0), r->from,
	    r->argc, buf_data(&b), buf_len(&b));
	eval->owner = r->owner;
	eval->class = r->class;
	eval->since = r->since;
	eval->held = r->held;
	eval->silent = r->silent;
	buf_free(&body);
	buf_free(&b);
	return eval;
}

/*
 * Redis does not know the script of r: r is asked again with all of it.
 * Returns what stands in r's place; NULL, and r stays, if that is not so or
 * cannot be.
 */
struct req *
client_script_again(struct client *c, struct req *r,
    const struct resp_reply *head)
{
	struct req *eval;

	if (r->kind != REQ_ONE || r->in_tx ||
	    r->cmd->special != CMD_EVALSHA || r->argc < 2 ||
	    !resp_is_error(head, "NOSCRIPT") ||
	    (eval = client_script_eval(r)) == NULL)
		return NULL;
	stats.scripts_shown++;
	TAILQ_INSERT_BEFORE(r, eval, of_client);
	c->cost += req_cost(eval);
	client_free_req(c, r);
	return eval;
}
