package T::Scenario::Keepalived;
#
# What keepalived, and Holdover beside it, can be made to do to the pair:
# cases of T::Scenario. In each, the old world's mistake was to take a VRRP
# state for the truth about who has the data.
#
use strict;
use warnings;
use Carp qw(croak);

# T_LONG=1: what may last does last.
my $long = $ENV{T_LONG};

# A case: what to do, and the lab's options. It may begin by an own "begin".
sub cases
{
	return (
	    'keepalived-restarted' => { do => \&restarted },
	    'keepalived-killed' => { do => \&killed },
	    'node-frozen' => { do => \&node_frozen },
	    'adverts-lost' => { do => \&adverts_lost },
	    'vip-taken' => { do => \&vip_taken },
	    'both-unfit' => { do => \&both_unfit, lab => {
		redis_conf => "appendfsync always\n" } },
	    'files-damaged' => { do => \&files_damaged },
	    'sync-group' => { do => \&moves, lab => { sync_group => 1 } },
	    'notify-scripts' => { do => \&moves, lab => { fifo => 0 } },
	    'address-only' => { do => \&address_only,
		lab => { keepalived => 0 } },
	    'holdover-killed' => { do => \&holdover_killed },
	    'holdover-frozen' => { do => \&holdover_frozen },
	    'holdover-restarted' => { do => \&holdover_restarted },
	);
}

# ---- what these have in common ----

# The node with the VIP and the primary, and the other one.
sub settled
{
	my ($s) = @_;
	my $name = $s->lab->wait_steady(40, together => 1);

	return ($name, $s->lab->other($name));
}

sub wait_vip
{
	my ($s, $name, $seconds) = @_;

	$s->lab->wait_until("the VIP is on $name alone", $seconds // 10,
	    sub { ($s->lab->vip_holder // '') eq $name });
}

# It is so for that long.
sub stays
{
	my ($s, $what, $seconds, $sub) = @_;

	$s->lab->wait_for($seconds, sub { !$sub->() }) and
	    croak "not any more: $what\n" . $s->lab->state;
}

# Both Holdovers name the same primary and serve from it.
sub agreed
{
	my ($s, $primary) = @_;
	my @i = grep { $_ } map { $s->lab->info($_) } $s->lab->nodes;

	return @i == 2 && !grep { $_->{primary} ne $primary ||
	    $_->{serving} ne $primary || $_->{gate} ne 'open' } @i;
}

# What both keepalived and both Holdovers call this.
sub wait_words
{
	my ($s, $holder) = @_;
	my %want = ($holder => 'MASTER', $s->lab->other($holder) => 'BACKUP');

	$s->lab->wait_until("vrrp is MASTER on $holder, BACKUP on the other",
	    10, sub { !grep { (($s->lab->info($_) // {})->{vrrp} // '') ne
	    $want{$_} } keys %want });
}

sub said
{
	my ($s, $name, $re) = @_;

	return $s->lab->admin($name, 'STATUS') =~ $re;
}

# SIGHUP, on both nodes
sub reload
{
	my ($s) = @_;
	my $lab = $s->lab;
	my $done = qr/Reload complete/;

	for my $n ($lab->nodes) {
		my $before = $lab->keepalived_log($n, $done);
		$lab->signal($n, 'keepalived', 'HUP');
		$lab->wait_until("keepalived on $n has reloaded", 10,
		    sub { $lab->keepalived_log($n, $done) > $before });
	}
}

# ---- keepalived ends ----

# Its start is BACKUP, its end takes the address away: both nodes' scripts
# made a replica of each other's.
sub restarted
{
	my ($s) = @_;
	my $lab = $s->lab;
	my ($here, $there) = settled($s);

	$s->step('keepalived restarted', sub {
		$lab->stop_keepalived($here);
		$lab->start_keepalived($here);
		wait_vip($s, $there);
		wait_words($s, $there);
	});
	$s->step('primary follows', sub { settled($s) });
	$s->step('restarted at the other', sub {
		$lab->stop_keepalived($here);
		$lab->start_keepalived($here);
		wait_words($s, $there);
	});
	$s->step('reloaded', sub {
		reload($s);
		stays($s, "the VIP on $there", 1,
		    sub { $lab->vip_holder eq $there });
	});
	return;
}

# Without its child the VIP has no owner, and without either two.
sub killed
{
	my ($s) = @_;
	my $lab = $s->lab;
	my ($here, $there) = settled($s);

	$s->step('parent killed', sub {
		$lab->kill_keepalived($here, 'parent');
		wait_vip($s, $there);
		$lab->start_keepalived($here);
		wait_words($s, $there);
	});
	($here, $there) = settled($s);
	$s->step('child killed', sub {
		$lab->kill_keepalived($here, 'child');
		$lab->wait_until('the VIP has left', 5,
		    sub { ($lab->vip_holder // '') ne $here });
		$lab->wait_until('the VIP is back', 10,
		    sub { ($lab->vip_holder // '') =~ /^[ab]$/ });
	});
	($here, $there) = settled($s);
	$s->step('both killed', sub {
		$lab->kill_keepalived($here, 'both');
		$lab->wait_until('two nodes have the VIP', 10,
		    sub { ($lab->vip_holder // '') eq 'a,b' });
		$lab->wait_until("$here says that its keepalived is gone", 5,
		    sub { said($s, $here, qr/keepalived is not running/) });
		$lab->wait_until("the primary is on $there", 20,
		    sub { agreed($s, $there) });
		stays($s, "the primary is on $there", 1,
		    sub { agreed($s, $there) });
	});
	$s->step('started again', sub {
		$lab->start_keepalived($here);
		wait_vip($s, $there);
		wait_words($s, $there);
	});
	return;
}

# ---- VRRP is wrong about who lives ----

# A paused machine wakes as MASTER with its Redis a primary.
sub node_frozen
{
	my ($s) = @_;
	my $lab = $s->lab;
	my ($here, $there) = settled($s);

	for my $seconds (5, $long ? 30 : ()) {
		$lab->wait_writes(20, $s->{warm});
		$s->step("frozen $seconds s", sub {
			my $end = Time::HiRes::time + $seconds;
			$lab->freeze_node($here);
			$lab->wait_until("$there serves alone", 20, sub {
				my $i = $lab->info($there);
				$i->{primary} eq $there &&
				    $i->{gate} eq 'open' &&
				    $lab->vip_holder eq 'a,b' });
			stays($s, "$there serves", $end - Time::HiRes::time,
			    sub { $lab->info($there)->{gate} eq 'open' });
		}, kills => 1);
		$s->step("woken after $seconds s", sub {
			$lab->wake_node($here);
			wait_vip($s, $there);
			$lab->wait_steady(30);
			wait_words($s, $there);
		});
		($here, $there) = settled($s);
	}
	return;
}

# Each believes that the other is dead, and both are MASTER.
sub adverts_lost
{
	my ($s) = @_;
	my $lab = $s->lab;
	my ($here, $there) = settled($s);

	$s->step('adverts lost both ways', sub {
		$lab->lose_adverts($there, qw(input output));
		$lab->wait_until('two nodes have the VIP', 10,
		    sub { ($lab->vip_holder // '') eq 'a,b' });
		stays($s, "the primary is on $here", $long ? 30 : 3,
		    sub { agreed($s, $here) });
	});
	$s->step('adverts heard again', sub {
		$lab->heed_adverts($there);
		wait_vip($s, $there);
		settled($s);
	});
	for (1, 2) {
		($here, $there) = settled($s);
		$s->step("adverts of $here lost", sub {
			$lab->lose_adverts($there, 'input');
			wait_vip($s, $there);
			settled($s);
			stays($s, "the VIP on $there", $long ? 10 : 1,
			    sub { $lab->vip_holder eq $there });
		});
		$s->step("adverts of $here heard", sub {
			$lab->heed_adverts($there);
			stays($s, "the VIP on $there", 1,
			    sub { $lab->vip_holder eq $there });
		});
	}
	return;
}

# ---- somebody else's hand ----

sub vip_taken
{
	my ($s) = @_;
	my $lab = $s->lab;
	my ($here) = settled($s);

	$s->step('VIP taken by hand', sub {
		$lab->del_vip($here);
		$lab->wait_until('the VIP is somewhere', 10,
		    sub { ($lab->vip_holder // '') =~ /^[ab]$/ });
	});
	$s->step('primary follows', sub { settled($s) });
	return;
}

# Nobody is fit to serve: a VIP that nobody has would be worse.
sub both_unfit
{
	my ($s) = @_;
	my $lab = $s->lab;
	my ($here, $there) = settled($s);

	$lab->wait_writes(20, $s->{warm});
	$s->step('both Redis killed', sub {
		$lab->kill_redis($_, respawn => 1.5) for $there, $here;
		$lab->wait_until('both wait', 5, sub { 2 == grep {
		    ($lab->info($_) // {})->{gate} eq 'hold-all' }
		    $lab->nodes });
		$lab->wait_for(20, sub {
			($lab->vip_holder // '') eq $here or
			    croak "the VIP left $here\n" . $lab->state;
			agreed($s, $here);
		}) or croak "not served again\n" . $lab->state;
	}, kills => 1);
	return;
}

sub track
{
	my ($s, $name) = @_;
	my $file = $s->lab->run_file($name, 'holdover/vrrp.track');

	open my $f, '<', $file or return '';
	return <$f> // '';
}

sub wait_track
{
	my ($s, $name) = @_;

	$s->lab->wait_until("the track_file on $name is right", 5, sub {
		track($s, $name) eq $s->lab->info($name)->{track} . "\n" });
}

# The files by which the two talk, at the hand of somebody who tidies up.
sub files_damaged
{
	my ($s) = @_;
	my $lab = $s->lab;
	my ($here, $there) = settled($s);
	my $path = sub { $lab->run_file($_[0], "holdover/vrrp.$_[1]") };

	$s->step('track_file deleted', sub {
		for ($lab->nodes) {
			unlink $path->($_, 'track') or croak "unlink: $!";
			wait_track($s, $_);
		}
	});
	$s->step('track_file truncated', sub {
		for ($lab->nodes) {
			truncate $path->($_, 'track'), 0 or croak "trunc: $!";
			wait_track($s, $_);
		}
	});
	$s->step('track_file overwritten', sub {
		for ($there, $here) {
			$lab->write_file($path->($_, 'track'), "-254\n");
			wait_track($s, $_);
		}
		$lab->wait_steady(20);
	});
	($here, $there) = settled($s);
	$s->step('FIFO removed', sub {
		for ($lab->nodes) {
			unlink $path->($_, 'fifo') or croak "unlink: $!";
			$lab->wait_until('it is made again', 5,
			    sub { -p $path->($_, 'fifo') });
		}
		# keepalived still writes to the old one, until it reloads
		$s->order($here, 'HANDOVER');
		wait_words($s, $there);
		settled($s);
	});
	$s->step('reloaded', sub {
		reload($s);
		$s->order($there, 'HANDOVER');
		wait_words($s, $here);
		settled($s);
	});
	return;
}

# ---- other ways to hear of it ----

sub moves
{
	my ($s) = @_;
	my ($here, $there) = settled($s);

	$s->step('handover', sub {
		$s->order($here, 'HANDOVER');
		wait_words($s, $there);
		settled($s);
	});
	$s->step('keepalived restarted', sub {
		$s->lab->stop_keepalived($there);
		$s->lab->start_keepalived($there);
		wait_vip($s, $here);
		wait_words($s, $here);
		settled($s);
	});
	return;
}

# Whatever moves the address, the address is the truth.
sub address_only
{
	my ($s) = @_;
	my $lab = $s->lab;
	my ($here, $there) = settled($s);

	$s->step('VIP moved', sub {
		$lab->del_vip($here);
		$lab->add_vip($there);
		wait_vip($s, $there);
	});
	$s->step('primary follows', sub {
		$lab->wait_until("the primary is on $there", 20,
		    sub { agreed($s, $there) });
	});
	return;
}

# ---- Holdover itself ends ----

# On which node, by what is there: the VIP, the primary
my @roles = (['VIP and primary', 1, 1], ['neither', 0, 0],
    ['only the VIP', 1, 0], ['only the primary', 0, 1]);

# Each of the four, once: $sub gets the node.
sub on_each
{
	my ($s, $what, $sub, @which) = @_;
	my $lab = $s->lab;

	for my $r (@which ? @roles[@which] : @roles) {
		my ($name, $vip, $primary) = @$r;
		my ($here, $there) = settled($s);
		my $node = $vip ? $here : $there;
		if ($vip != $primary) {
			$s->order($here, 'SWITCHOVER');
			$lab->wait_until("the primary is on $there", 10,
			    sub { agreed($s, $there) });
		}
		$s->step("$what: $name", sub { $sub->($node, $vip) });
	}
	settled($s);
	return;
}

sub holdover_killed
{
	my ($s) = @_;
	my $lab = $s->lab;

	on_each($s, 'killed', sub {
		my ($node) = @_;
		$s->count_lost($node);
		$lab->respawn($node, 'holdover', 0.1);
		$lab->signal($node, 'holdover', 'KILL');
		$lab->wait_until("$node serves again", 10, sub {
			my $i = $lab->info($node) or return;
			$i->{gate} eq 'open' });
		$lab->respawn($node, 'holdover', undef);
		$lab->wait_steady(20);
	});
	my ($here, $there) = settled($s);
	$s->step('killed and left dead', sub {
		$lab->signal($here, 'holdover', 'KILL');
		wait_vip($s, $there);
		$lab->start_holdover($here);
		settled($s);
	});
	return;
}

sub holdover_frozen
{
	my ($s) = @_;
	my $lab = $s->lab;

	on_each($s, 'frozen', sub {
		my ($node, $vip) = @_;
		my $other = $lab->other($node);
		my $end = Time::HiRes::time + 5;
		$lab->signal($node, 'holdover', 'STOP');
		wait_vip($s, $other) if $vip;
		$lab->wait_until("$other serves", 10,
		    sub { $lab->info($other)->{gate} eq 'open' });
		stays($s, "$other serves", $end - Time::HiRes::time,
		    sub { $lab->info($other)->{gate} eq 'open' });
		$lab->signal($node, 'holdover', 'CONT');
		$lab->wait_steady(20);
	}, $long ? () : (0, 1));
	return;
}

sub holdover_restarted
{
	my ($s) = @_;
	my $lab = $s->lab;

	on_each($s, 'restarted', sub {
		my ($node) = @_;
		$s->count_lost($node);
		$lab->signal($node, 'holdover', 'TERM');
		$lab->wait_until("Holdover on $node has ended", 10,
		    sub { !$lab->running($node, 'holdover') });
		$lab->start_holdover($node);
		$lab->wait_steady(20);
	});
	return;
}

1;
