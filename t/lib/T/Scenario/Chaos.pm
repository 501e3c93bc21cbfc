package T::Scenario::Chaos;
#
# Faults and orders in a random sequence, one or several at once, then a wait
# until the pair is steady again. The same seed draws the same sequence.
#
#	my $chaos = T::Scenario::Chaos->new(scenario => $s, seed => 7);
#	$s->begin;
#	$chaos->round for 1 .. 20;
#
use strict;
use warnings;
use Carp qw(croak);

# How long a pair may take to be steady again, in seconds.
use constant STEADY => 90;

# Name, its weight, what it does, and whether an acknowledged write may be
# missing afterwards that the other Redis had not got yet. What it does begins
# it, and answers what ends it, if that is not by itself.
my @everywhere = (
	['switchover', 4, \&switchover, 0],
	['pause', 1, \&pause, 0],
	['client kill', 1, \&client_kill, 0],
	['redis of the primary killed', 4, \&primary_killed, 1],
	['redis of the replica killed', 3, \&replica_killed, 1],
	['redis frozen', 2, \&redis_frozen, 1],
	['holdover killed', 3, \&holdover_killed, 0],
	['holdover frozen', 2, \&holdover_frozen, 0],
	['holdover restarted', 2, \&holdover_restarted, 0],
	['holdover and redis killed', 2, \&both_killed, 1],
);
my @loopback = (
	['VIP moved', 3, \&vip_moved, 0],
);
my @netns = (
	['handover', 3, \&handover, 0],
	['peer link cut', 3, \&peer_cut, 0],
	['adverts lost', 2, \&adverts_lost, 0],
	['keepalived restarted', 2, \&keepalived_restarted, 0],
	['keepalived killed', 2, \&keepalived_killed, 0],
	['node frozen', 2, \&node_frozen, 1],
	['node crashed', 2, \&node_crashed, 1],
);

# scenario: where; seed: of the sequence; only: a pattern of names; at_once:
# how many of them overlap
sub new
{
	my ($class, %opt) = @_;
	my $lab = $opt{scenario}->lab;
	my @all = (@everywhere, $lab->netns ? @netns : @loopback);
	my $only = $opt{only} // '';

	@all = grep { $_->[0] =~ /$only/ } @all;
	croak "nothing that can happen matches $only" unless @all;
	return bless { vip => 'a', at_once => 1, %opt, lab => $lab,
	    drawn => [map { ($_) x $_->[1] } @all] }, $class;
}

sub lab { $_[0]{lab} }
sub any { $_[int rand @_] }
sub between { $_[0] + rand($_[1] - $_[0]) }
sub pass { select undef, undef, undef, $_[0] }

# One that is up, and whose Holdover can answer.
sub node
{
	my ($c) = @_;
	my @up = grep { $c->lab->running($_, 'holdover') && !$c->{still}{$_} &&
	    !$c->{ending}{$_} } $c->lab->nodes;
	my $drawn = rand;

	return $up[int $drawn * @up];
}

# What the node's Holdover says may be lost is asked before it ends: it counts
# from its own start.
sub about_to_end
{
	my ($c, $node) = @_;

	$c->{scenario}->count_lost($node) unless $c->{still}{$node};
}

sub signal
{
	my ($c, $node, $what, $signal) = @_;

	# It may be ending this very moment.
	eval { $c->lab->signal($node, $what, $signal) };
}

# Some of them, now and then in the middle of a switchover; and what clients
# saw until all was well again.
sub round
{
	my ($c) = @_;
	srand $c->{seed} unless $c->{rounds}++;
	my @what = map { any(@{$c->{drawn}}) } 1 .. $c->{at_once};
	my $amid = rand() < 0.3 && $what[0][0] ne 'switchover';
	my $wait = between(0, 0.02);
	my $name = join ', ', $amid ? 'switchover' : (), map { $_->[0] } @what;

	$c->{primary} = $c->lab->primary // 'a';
	return $c->{scenario}->step($name, sub {
		my $order = $amid && $c->begin_switchover;
		pass($wait) if $amid;
		my @end = map { $_->[2]->($c) } @what;
		$_->() for @end;
		$c->steady;
	}, kills => scalar grep { $_->[3] } @what);
}

# What the two Redis say of themselves: one writes, the other copies it.
# Holdover may not have noticed yet what happened.
sub is_paired
{
	my ($c) = @_;
	my @said = map { $c->lab->redis($_, 'INFO', 'replication') // '' }
	    $c->lab->nodes;
	my ($primary) = grep { /^role:master/m } @said;
	my ($replica) = grep { /^role:slave/m &&
	    /^master_link_status:up/m } @said;

	return unless $primary && $replica;
	my ($of_primary, $of_replica) = map { /^master_replid:(\w+)/m }
	    $primary, $replica;
	return $of_primary eq $of_replica;
}

sub steady
{
	my ($c) = @_;
	my %want = (together => $c->lab->netns || rand() < 0.7);

	$c->lab->wait_until('a primary and its replica', STEADY,
	    sub { $c->is_paired });
	return $c->lab->wait_steady(STEADY, %want);
}

# An order whose answer nobody waits for; the connection is to be kept.
sub begin_switchover
{
	my ($c) = @_;
	my $node = $c->node;
	my $admin = T::Lab::Resp->new($c->lab->{node}{$node}{seen} .
	    '/holdover/admin.sock') or return;

	$admin->send('SWITCHOVER');
	return $admin;
}

# ---- orders ----

# Where other things happen as well it may be refused.
sub order
{
	my ($c, $node, @words) = @_;

	return unless $node;
	if ($c->{at_once} == 1) {
		$c->{scenario}->order($node, @words);
	} else {
		$c->lab->admin($node, @words);
	}
	return;
}

sub switchover { $_[0]->order($_[0]->node, 'SWITCHOVER') }
sub handover { $_[0]->order($_[0]->node, 'HANDOVER') }

sub pause
{
	my ($c) = @_;
	my $node = $c->node or return;

	$c->lab->admin($node, 'PAUSE', any(qw(WRITE ALL)),
	    int(between(10, 1500)) . 'ms');
	my $seconds = between(0, 1);
	return sub {
		pass($seconds);
		$c->lab->admin($node, 'RESUME');
	};
}

sub client_kill
{
	my ($c) = @_;
	my $node = $c->node or return;
	my @id = ($c->lab->admin($node, 'CLIENT', 'LIST') // '') =~
	    /\bid=(\d+)/g;

	$c->lab->admin($node, 'CLIENT', 'KILL', 'ID', any(@id)) if @id;
	return;
}

# ---- Redis ----

# Data that both lose at once is lost.
sub redis_killed
{
	my ($c, $node) = @_;
	my %how = (respawn => any(0.02, 0.3, 1, 3),
	    empty => rand() < 0.3 && $c->{at_once} == 1);
	my $seconds = between(0, 1);

	# In vain where it is dead already.
	eval { $c->lab->kill_redis($node, %how) };
	return sub { pass($seconds) };
}

# In the middle of a switchover either may be it.
sub primary_killed { $_[0]->redis_killed($_[0]{primary}) }
sub replica_killed { $_[0]->redis_killed($_[0]->lab->other($_[0]{primary})) }

sub redis_frozen
{
	my ($c) = @_;

	return $c->frozen($c->node // return, 'redis', any(0.05, 0.5, 2, 8));
}

sub frozen
{
	my ($c, $node, $what, $seconds) = @_;

	$c->{still}{$node} = 1 if $what eq 'holdover';
	$c->signal($node, $what, 'STOP');
	return sub {
		pass($seconds);
		$c->signal($node, $what, 'CONT');
		delete $c->{still}{$node};
	};
}

# ---- Holdover ----

# Without keepalived it has to be told.
sub tell
{
	my ($c) = @_;

	return if $c->lab->netns;
	for my $node (grep { $c->lab->running($_, 'holdover') &&
	    !$c->{still}{$_} } $c->lab->nodes) {
		$c->lab->admin($node, qw(NOTIFY INSTANCE VI_1),
		    $c->{vip} eq $node ? 'MASTER' : 'BACKUP', 250);
	}
	return;
}

sub holdover_killed
{
	my ($c) = @_;
	my $node = $c->node or return;

	$c->about_to_end($node);
	$c->signal($node, 'holdover', 'KILL');
	return $c->start_again($node, any(0.02, 0.3, 3));
}

sub holdover_frozen
{
	my ($c) = @_;

	return $c->frozen($c->node // return, 'holdover',
	    any(0.05, 0.5, 2, 5));
}

sub holdover_restarted
{
	my ($c) = @_;
	my $node = $c->node or return;

	$c->about_to_end($node);
	$c->signal($node, 'holdover', 'TERM');
	return $c->start_again($node, any(0, 1));
}

sub start_again
{
	my ($c, $node, $seconds) = @_;
	my $lab = $c->lab;

	$c->{ending}{$node} = 1;
	return sub {
		pass($seconds);
		delete $c->{ending}{$node};
		return unless $lab->{node}{$node};
		$lab->wait_until("Holdover on $node has ended", 10,
		    sub { !$lab->running($node, 'holdover') });
		my $status = $lab->status($node)->{holdover}{status} // 0;
		croak "Holdover on $node ended with status $status"
		    if $status != 0 && $status != 9;
		$lab->start_holdover($node);
		$c->tell;
	};
}

sub both_killed
{
	my ($c) = @_;
	my $node = $c->node or return;

	$c->about_to_end($node);
	$c->signal($node, $_, 'STOP') for qw(holdover redis);
	$c->signal($node, 'holdover', 'KILL');
	return ($c->redis_killed($node), $c->start_again($node, any(0, 1)));
}

# ---- the VIP ----

sub vip_moved
{
	my ($c) = @_;

	$c->{vip} = $c->lab->other($c->{vip});
	$c->tell;
	return sub { $c->tell };
}

sub peer_cut
{
	my ($c) = @_;
	my $lab = $c->lab;
	my $node = $c->node or return;
	my $seconds = any(0.3, 1, 3, 6);

	$lab->nft($node, 'add table ip cut');
	for my $hook (qw(input output)) {
		$lab->nft($node, "add chain ip cut $hook { type filter hook "
		    . "$hook priority 0; }");
		$lab->nft($node, "add rule ip cut $hook tcp $_ 6381 drop")
		    for qw(sport dport);
	}
	return sub {
		pass($seconds);
		# It went with the node, if that crashed.
		eval { $lab->nft($node, 'delete table ip cut') };
	};
}

sub adverts_lost
{
	my ($c) = @_;
	my $node = $c->node or return;
	my @hooks = @{any(['input'], ['output'], ['input', 'output'])};
	my $seconds = any(0.5, 2, 5);

	return if $c->{deaf}{$node};
	$c->{deaf}{$node} = 1;
	$c->lab->lose_adverts($node, @hooks);
	return sub {
		pass($seconds);
		eval { $c->lab->heed_adverts($node) };
		delete $c->{deaf}{$node};
	};
}

sub keepalived_restarted
{
	my ($c) = @_;
	my $node = $c->node or return;

	return unless $c->lab->running($node, 'keepalived');
	$c->lab->stop_keepalived($node);
	return $c->keepalived_again($node, any(0, 2));
}

sub keepalived_killed
{
	my ($c) = @_;
	my $node = $c->node or return;
	my $which = any(qw(parent child both));
	my $seconds = any(0.1, 2);

	return unless $c->lab->running($node, 'keepalived');
	$c->lab->kill_keepalived($node, $which);
	return $which eq 'child' ? () : $c->keepalived_again($node, $seconds);
}

sub keepalived_again
{
	my ($c, $node, $seconds) = @_;
	my $lab = $c->lab;

	return sub {
		pass($seconds);
		$lab->start_keepalived($node) if $lab->{node}{$node} &&
		    !$lab->running($node, 'keepalived');
	};
}

# ---- whole nodes ----

sub node_frozen
{
	my ($c) = @_;
	my $node = $c->node or return;
	my $seconds = any(0.2, 1, 5);

	$c->{still}{$node} = 1;
	$c->lab->freeze_node($node);
	return sub {
		pass($seconds);
		$c->lab->wake_node($node) if $c->lab->{node}{$node};
		delete $c->{still}{$node};
	};
}

sub node_crashed
{
	my ($c) = @_;
	my $node = $c->node or return;
	my $seconds = any(0, 1, 4);

	$c->about_to_end($node);
	$c->lab->crash_node($node);
	return sub {
		pass($seconds);
		$c->lab->boot_node($node);
	};
}

1;
