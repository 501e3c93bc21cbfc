/*
 * An account of each change of the primary: why, how long each step took,
 * what waited, and what a crash may have lost.
 *
 * The leader sees all steps; at the other node there is what its own gate
 * and its own clients saw.
 */
#include <string.h>
#include <time.h>

#include "control_priv.h"
#include "log.h"
#include "stats.h"

/* ---- steps ---- */

/* The step that a state is; CONTROL_STEP_COUNT for those at rest. */
static enum control_step
control_step_of(enum node_state state)
{
	switch (state) {
	case NODE_LOST:
	case NODE_CLAIM:
		return CONTROL_STEP_CLAIM;
	case NODE_CLEAN:
		return CONTROL_STEP_READ;
	case NODE_WAIT_COPY:
		return CONTROL_STEP_WAIT;
	case NODE_SW_INTENT:
		return CONTROL_STEP_INTENT;
	case NODE_SW_DRAIN:
		return CONTROL_STEP_DRAIN;
	case NODE_SW_FENCE:
		return CONTROL_STEP_FENCE;
	case NODE_SW_UNDO:
		return CONTROL_STEP_UNDO;
	case NODE_FO_COMMIT:
		return CONTROL_STEP_COMMIT;
	case NODE_SW_PROMOTE:
	case NODE_FO_PROMOTE:
		return CONTROL_STEP_PROMOTE;
	case NODE_SW_FLIP:
		return CONTROL_STEP_FLIP;
	default:
		return CONTROL_STEP_COUNT;
	}
}

const char *
control_step_name(enum control_step step)
{
	static const char *const names[] = {
#define X(name, text) [CONTROL_STEP_##name] = text,
		CONTROL_STEPS(X)
#undef X
	};

	return names[step];
}

/* Who led or was the primary was heard last this long ago. */
static int64_t
control_silence(const struct control *c, enum node_state state,
    struct mono now)
{
	enum side p = c->node.record.primary;
	struct mono heard = { 0 };

	if (state == NODE_LOST || state == NODE_CLAIM)
		heard = peer_heard(c->peer);
	else if (p != SIDE_NONE)
		heard = redis_heard(c->redis[p]);
	return heard.us != 0 ? mono_us(now, heard) : CONTROL_NO_STEP;
}

static void
control_steps_reset(struct control *c)
{
	enum control_step i;

	for (i = 0; i < CONTROL_STEP_COUNT; i++)
		c->step_us[i] = CONTROL_NO_STEP;
}

static void
control_step_add(struct control *c, enum control_step step, int64_t us)
{
	c->step_us[step] = (c->step_us[step] != CONTROL_NO_STEP ?
	    c->step_us[step] : 0) + us;
}

void
control_note_state(struct control *c)
{
	enum node_state now_in = c->node.state, was_in = c->step_state;
	enum control_step step = control_step_of(was_in);
	struct mono now;

	if (now_in == was_in)
		return;
	now = mono_now();
	if (step != CONTROL_STEP_COUNT)
		control_step_add(c, step, mono_us(now, c->step_since));
	else if (control_step_of(now_in) != CONTROL_STEP_COUNT) {
		control_steps_reset(c);
		if (now_in != NODE_SW_INTENT)
			c->step_us[CONTROL_STEP_DETECT] =
			    control_silence(c, now_in, now);
	}
	c->step_state = now_in;
	c->step_since = now;
}

/* ---- what a crash may have lost ---- */

/*
 * Offsets of the primary, each with the number of writes that had been
 * acknowledged before it was asked for: those are all below it.
 */
void
control_sample(struct control *c, enum side s)
{
	const struct info *i = redis_info(c->redis[s]);
	unsigned polls = redis_polls(c->redis[s]);

	/* It may have been called for something else than a poll's answer. */
	if (polls == c->polls[s])
		return;
	c->polls[s] = polls;
	if (c->standalone || !i->primary ||
	    gate_order(c->gate)->writes != s)
		return;
	c->sample[c->samples++ % CONTROL_SAMPLES] = (struct control_sample){
	    s, i->offset, c->acked_before };
	c->acked_before = stats_sum().writes_acked;
}

/* Writes acknowledged here that a copy which ends at that offset may lack. */
static uint64_t
control_lost_writes(const struct control *c, enum side from, long long end)
{
	const struct control_sample *s;
	uint64_t acked = stats_sum().writes_acked;
	unsigned i;

	for (i = 0; i < c->samples && i < CONTROL_SAMPLES; i++) {
		s = &c->sample[(c->samples - 1 - i) % CONTROL_SAMPLES];
		if (s->side == from && s->offset <= end)
			return acked - s->acked;
	}
	return acked;
}

/* ---- the account ---- */

static const char *
control_reason(const struct control *c)
{
	const struct control_wish *w;

	if (!node_leads(&c->node))
		return "peer-led";
	TAILQ_FOREACH(w, &c->wishes, link)
		if (w->state == CONTROL_SWITCHING &&
		    w->kind == CONTROL_HANDOVER)
			return "handover";
	return node_reason_name(c->node.sw.reason);
}

static void
control_note_loss(struct control *c, struct control_switch *sw)
{
	const struct record *r = &c->node.record;
	const struct node_switch *by = &c->node.sw;
	long long end = r->npast > 0 ? r->past[0].end : 0;

	sw->lost_writes = control_lost_writes(c, sw->from, end);
	if (node_leads(&c->node) && by->end_offset >= 0)
		sw->lost_bytes = by->end_offset > end ?
		    by->end_offset - end : 0;
	c->sum.lost_writes += sw->lost_writes;
	c->sum.lost_bytes += sw->lost_bytes > 0 ? sw->lost_bytes : 0;
}

static void
control_switched(struct control *c, enum side to)
{
	struct control_switch *sw = &c->sw[0];
	struct mono now = mono_now();

	memmove(c->sw + 1, c->sw, sizeof(*c->sw) * (CONTROL_SWITCHES - 1));
	c->nsw = c->nsw < CONTROL_SWITCHES ? c->nsw + 1 : c->nsw;
	memset(sw, 0, sizeof(*sw));
	clock_gettime(CLOCK_REALTIME, &sw->at);
	sw->from = c->primary;
	sw->to = to;
	sw->epoch = c->node.record.epoch;
	sw->reason = control_reason(c);
	/* A fence leaves nothing behind; only a crash can. */
	sw->planned = c->node.gate.trusted ==
	    (SIDE_BIT(SIDE_A) | SIDE_BIT(SIDE_B));
	sw->hold_us = c->closed_at.us != 0 ? mono_us(now, c->closed_at) : 0;
	c->step_us[CONTROL_STEP_OPEN] = mono_us(now, c->step_since);
	if (!node_leads(&c->node))
		control_steps_reset(c);
	memcpy(sw->step_us, c->step_us, sizeof(sw->step_us));
	control_steps_reset(c);
	sw->lost_bytes = sw->planned ? 0 : CONTROL_LOST_UNKNOWN;
	c->sw_open = true;
	if (sw->planned)
		c->sum.switchovers++;
	else
		c->sum.failovers++;
	if (!sw->planned && sw->from != SIDE_NONE)
		control_note_loss(c, sw);
	log_info("control: the primary is now node %s, %s (%s), held %.1f ms, "
	    "acknowledged writes lost at most %llu",
	    c->node.conf.name[to], sw->planned ? "planned" : "failover",
	    sw->reason, (double)sw->hold_us / 1000,
	    (unsigned long long)sw->lost_writes);
}

/*
 * What the old primary had of its own is known exactly once it is back;
 * until then it was reckoned from what it last said.
 */
void
control_count_own(struct control *c, enum side from)
{
	long long own = c->node.saved.own, before = 0;
	struct control_switch *sw = c->sw;

	if (own <= 0)
		return;
	if (c->nsw > 0 && sw->from == from && !sw->planned) {
		before = sw->lost_bytes > 0 ? sw->lost_bytes : 0;
		sw->lost_bytes = own > before ? own : before;
	}
	if (own > before)
		c->sum.lost_bytes += own - before;
}

/* What waited goes on after the gate opened: it is counted up to now. */
void
control_count_switch(struct control *c)
{
	struct control_switch *sw = &c->sw[0];
	struct hold_report held;
	uint64_t in_doubt;

	if (!c->sw_open)
		return;
	held = c->ops.hold_report(c->ops.arg);
	in_doubt = stats_sum().in_doubt - c->doubt_before;
	c->sum.held += held.requests - sw->held;
	c->sum.in_doubt += in_doubt - sw->in_doubt;
	if (held.longest_us > c->sum.longest_us)
		c->sum.longest_us = held.longest_us;
	sw->held = held.requests;
	sw->longest_us = held.longest_us;
	sw->in_doubt = in_doubt;
}

/* Is that opening a change of the primary, or the very first one? */
static bool
control_is_switch(const struct control *c, enum side to)
{
	if (c->primary != SIDE_NONE)
		return to != c->primary && !c->standalone;
	return !c->standalone && node_leads(&c->node) &&
	    c->node.sw.begun_ms != 0 && c->node.sw.to == to &&
	    c->node.sw.reason == NODE_WHY_FIRST_START;
}

void
control_note_gate(struct control *c, const struct gate_order *was)
{
	const struct gate_order *o = gate_order(c->gate);

	if (was->state == GATE_OPEN && o->state != GATE_OPEN) {
		c->sw_open = false;
		c->closed_at = mono_now();
		c->doubt_before = stats_sum().in_doubt;
	}
	if (o->state != GATE_OPEN)
		return;
	if (control_is_switch(c, o->writes))
		control_switched(c, o->writes);
	c->primary = o->writes;
	c->closed_at = (struct mono){ 0 };
}
