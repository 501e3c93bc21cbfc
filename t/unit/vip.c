/*
 * Who should hold the VIP, and the handover of it, told as stories.
 */
#include "vip.h"

#include "tap.h"

static struct vip v;
static struct vip_facts f;

static enum vip_event
at(int64_t ms)
{
	f.now_ms = ms;
	return vip_look(&v, &f);
}

/* As control does it. */
static bool
let_go_at(int64_t ms)
{
	at(ms);
	return vip_lets_go(&v, &f);
}

static void
begin(void)
{
	f = (struct vip_facts){ .now_ms = 1000, .peer_known = true };
	vip_init(&v, 1000);
}

static void
test_start(void)
{
	begin();
	is_int(v.value, VIP_VALUE_FAULT, "a node starts unfit");
	f.peer_known = false;
	at(1050);
	is_int(v.value, VIP_VALUE_FAULT, "until it is known who is fitter");
	f.holder = true;
	at(1060);
	ok(v.value != VIP_VALUE_FAULT, "but a VIP that is here is kept");
	f.holder = false;
	f.peer_known = true;
	f.peer_ready = f.peer_holder = true;
	at(1100);
	is_int(v.value, VIP_VALUE_FAULT, "while the peer is the better one");
	f.serving = true;
	at(1200);
	is_int(v.value, VIP_VALUE_FAULT, "serving, but its copy is old");
	f.fresh = true;
	at(1300);
	is_int(v.value, VIP_VALUE_FIT, "sync comes before the VIP");
	f.serving = false;
	at(1400);
	is_int(v.value, VIP_VALUE_FAULT, "who cannot serve is unfit again");
	f.peer_ready = false;
	at(1500);
	is_int(v.value, VIP_VALUE_FIT, "but if nobody is fitter, fit");
	f.peer_known = false;
	at(1550);
	is_int(v.value, VIP_VALUE_FIT, "a silent peer changes nothing yet");
	f.peer_known = true;
	f.address = f.holder = true;
	at(1600);
	is_int(v.value, VIP_VALUE_HOLDER, "a new holder is a little above");
}

static void
test_two_holders(void)
{
	begin();
	f.serving = f.fresh = true;
	let_go_at(1000);
	f.address = f.holder = true;
	let_go_at(1100);
	is_int(v.value, VIP_VALUE_HOLDER, "a new holder is above the old one");
	f.peer_ready = f.peer_holder = true;
	let_go_at(1200);
	is_int(v.value, VIP_VALUE_HOLDER, "also while that is MASTER still");
	f.peer_holder = false;
	let_go_at(1300);
	is_int(v.value, VIP_VALUE_FIT, "until it is heard in BACKUP");
	f.peer_holder = true;
	let_go_at(1400);
	is_int(v.value, VIP_VALUE_FIT, "then the other may be above");
	f.peer_ready = f.peer_holder = false;
	let_go_at(1500);
	is_int(v.value, VIP_VALUE_FIT, "or take over and be it");
}

static void
test_holder_that_cannot_serve(void)
{
	begin();
	f.address = f.holder = f.serving = f.fresh = f.peer_ready = true;
	at(2000);
	is_int(v.value, VIP_VALUE_FIT, "all is well");
	f.fresh = false;
	at(2500);
	is_int(v.value, VIP_VALUE_FIT, "an old copy does not matter: the "
	    "proxy serves from the other");
	f.serving = false;
	at(3000);
	at(3999);
	is_int(v.value, VIP_VALUE_FIT, "who cannot serve has a second");
	at(4000);
	is_int(v.value, VIP_VALUE_FAULT, "then it gives the VIP up");
	f.peer_ready = false;
	at(4100);
	ok(v.value != VIP_VALUE_FAULT, "not while nobody would take it");
}

static void
test_handover(void)
{
	begin();
	f.serving = f.fresh = f.peer_ready = true;
	at(1000);
	ok(!vip_hand_over(&v, &f), "no VIP here, no handover");
	f.address = f.holder = true;
	f.peer_ready = false;
	ok(!vip_hand_over(&v, &f), "nor when nobody can take it");
	f.peer_ready = true;
	at(1100);
	ok(vip_hand_over(&v, &f), "a handover begins");
	ok(!vip_hand_over(&v, &f), "a second one does not");
	f.idle = true;
	at(1199);
	is_int(v.state, VIP_WARN, "clients are told first");
	f.idle = false;
	at(1200);
	is_int(at(1250), VIP_NOTHING, "then it waits for answers");
	ok(v.state == VIP_DRAIN && v.value == VIP_VALUE_FIT,
	    "and keeps the VIP meanwhile");
	f.idle = true;
	is_int(at(1260), VIP_NOTHING, "when all is answered");
	ok(v.state == VIP_YIELD && v.value == VIP_VALUE_FAULT,
	    "keepalived is told");
	f.address = f.holder = false;
	is_int(at(1270), VIP_NOTHING, "the VIP is gone from here");
	f.peer_holder = true;
	is_int(at(1280), VIP_DONE, "and there at the peer: done");
	is_int(v.value, VIP_VALUE_FIT, "this node is fit to take it back");
}

static void
test_handover_in_vain(void)
{
	begin();
	f.address = f.holder = f.serving = f.fresh = f.peer_ready = true;
	at(1000);
	ok(vip_hand_over(&v, &f), "requests are under way, without end");
	at(1100);
	at(1399);
	is_int(v.state, VIP_DRAIN, "they have 300 ms");
	at(1400);
	is_int(v.state, VIP_YIELD, "then it goes on without them");
	is_int(at(2399), VIP_NOTHING, "keepalived has a second");
	is_int(at(2400), VIP_FAILED, "then the handover has failed");
	at(2401);
	is_int(v.value, VIP_VALUE_FIT, "and all is as before");
}

static void
test_stranded_callers(void)
{
	begin();
	f.address = f.holder = true;
	at(1000);
	ok(!vip_lets_go(&v, &f), "clients come by the VIP");
	f.address = f.holder = false;
	at(1100);
	ok(!vip_lets_go(&v, &f), "the VIP leaves: they stay a while");
	f.address = f.holder = true;
	at(1200);
	ok(!vip_lets_go(&v, &f), "it comes back: they just go on");
	f.address = f.holder = false;
	at(1300);
	ok(!vip_lets_go(&v, &f), "it leaves again");
	f.peer_holder = true;
	at(1390);
	ok(!vip_lets_go(&v, &f), "the peer has it, but may not know that it "
	    "is gone here");
	f.peer_told = true;
	at(1400);
	ok(vip_lets_go(&v, &f), "it does: they are let go");
	ok(!vip_lets_go(&v, &f), "once");
	f.address = f.holder = true;
	f.peer_holder = false;
	at(2000);
	ok(!vip_lets_go(&v, &f), "it is here once more");
	f.address = f.holder = false;
	at(2100);
	vip_lets_go(&v, &f);
	at(3099);
	ok(!vip_lets_go(&v, &f), "it leaves, and nobody has it");
	at(3100);
	ok(vip_lets_go(&v, &f), "after a second they are let go");
}

int
main(void)
{
	test_start();
	test_two_holders();
	test_holder_that_cannot_serve();
	test_handover();
	test_handover_in_vain();
	test_stranded_callers();
	return tap_done();
}
