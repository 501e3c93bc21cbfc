package T::Scenario;
#
# What happens to the pair while clients write: the cases that the tests
# assert, t/measure counts and the demo shows.
#
#	my $r = T::Scenario->new(conf => {...})->run('node-crash');
#
# A result is a hash: what the writers saw in total, and under "steps" the
# same for each step, with the longest stretch without an acknowledgement.
#
use strict;
use warnings;
use Carp qw(croak);
use T::Lab;
use T::Scenario::Keepalived;
use Time::HiRes qw(time clock_gettime CLOCK_MONOTONIC);

# Writes before a fault, about a second of them: what is old must show.
use constant WARM => 5000;

# Name and case, in the order of the table. A case is what to do, the lab's
# options, and the megabytes that are there before it begins.
my @list = (
	'switchover' => { do => \&switchover },
	'redis-killed' => { do => \&redis_killed },
	'node-crash' => { do => \&node_crash },
	'failback' => { do => \&failback, megabytes => 100 },
	'restarted-empty' => { do => \&restarted_empty },
	T::Scenario::Keepalived::cases(),
);
my %case = @list;

sub cases { @list[grep { $_ % 2 == 0 } 0 .. $#list] }

# Quicker to follow than by default, so that a test need not wait.
my %quick = ('follow-delay' => '500ms', 'switch-min-gap' => '1s');

# lab: an own one; say: told what is happening now
sub new
{
	my ($class, %opt) = @_;
	my %lab = map { exists $opt{$_} ? ($_ => delete $opt{$_}) : () }
	    qw(conf mode keep);

	$opt{lab} //= T::Lab->new(%lab, conf => { %quick,
	    %{$lab{conf} // {}} });
	return bless { switches => 20, warm => WARM, say => sub { },
	    steps => [], %opt }, $class;
}

sub lab { $_[0]{lab} }
sub say { $_[0]{say}->($_[1]) }

# The whole of one case, from an empty pair to the result.
sub run
{
	my ($self, $name) = @_;
	my $case = $case{$name} or
	    croak "no case $name; there are: @{[$self->cases]}";

	$self->{lab}->set(%{$case->{lab}}) if $case->{lab};
	$self->begin($self->{megabytes} // $case->{megabytes});
	$case->{do}->($self);
	my $r = $self->end;
	$r->{case} = $name;
	$self->{lab}->halt;
	$r->{complaints} = [$self->{lab}->complaints];
	# The logs are wanted then.
	$self->{lab}{failed} ||= $r->{old} || $r->{missing} +
	    $r->{shortfall} > $r->{lost_at_most};
	return $r;
}

# more: arguments for the writers
sub begin
{
	my ($self, $megabytes, @more) = @_;
	my $lab = $self->{lab};

	$self->say('starting both nodes');
	$lab->start;
	$lab->wait_steady(30, together => 1);
	if ($megabytes) {
		$self->say("writing $megabytes MB of data");
		$self->fill($megabytes);
		$lab->wait_steady(60, together => 1);
	}
	$lab->start_writers(@more);
	$lab->wait_writes;
	return;
}

# Straight to the primary: what is tested comes afterwards.
sub fill
{
	my ($self, $megabytes) = @_;
	my $redis = $self->{lab}->redis($self->{lab}->primary);

	open my $f, '<', '/dev/urandom' or croak "urandom: $!";
	read $f, my $noise, 1 << 20;
	for my $m (1 .. $megabytes) {
		$redis->send('SET', "fill:$m:$_", substr $noise,
		    int rand((1 << 20) - 1000), 1000) for 1 .. 1000;
		for (1 .. 1000) {
			my $r = $redis->reply // 'no answer';
			croak "fill: $r" if $r ne 'OK';
		}
	}
	return;
}

# One step, and what clients saw of it: until they write again after it.
sub step
{
	my ($self, $name, $sub, %more) = @_;
	my $lab = $self->{lab};

	$lab->mark_writers;
	my $before = $lab->writers;
	my $begin = time;
	my $begin_us = clock_gettime(CLOCK_MONOTONIC) * 1e6;
	$self->say($name);
	$sub->();
	my $seconds = time - $begin;
	$lab->wait_writes;
	my $us = $lab->mark_writers;
	my $after = $lab->writers;
	my %r = (name => $name, longest_us => $us, seconds => $seconds,
	    words => {}, begin_us => $begin_us,
	    indoubt => $after->{previous_indoubt_max}, %more);
	# How long it took beyond VRRP's own time, where the VIP moved.
	my $vip = $lab->vip_came_us($begin);
	$r{beyond_us} = $after->{previous_start_real_us} + $us - $vip
	    if defined $vip;
	for (qw(acknowledged errors cuts timeouts connect_failures
	    connect_timeouts)) {
		$r{$_} = ($after->{$_} // 0) - ($before->{$_} // 0);
	}
	for (grep { /^error\./ } keys %$after) {
		my $n = $after->{$_} - ($before->{$_} // 0);
		$r{words}{s/^error\.//r} = $n if $n;
	}
	push @{$self->{steps}}, \%r;
	$self->{done}->(\%r) if $self->{done};
	return \%r;
}

sub end
{
	my ($self) = @_;
	my $lab = $self->{lab};

	$self->say('reading every acknowledged write back');
	my $w = $lab->stop_writers;
	my %r = (%$w, %{$lab->verify_writes}, steps => $self->{steps},
	    words => { map { /^error\.(.*)/ ? ($1 => $w->{$_}) : () }
	    keys %$w });
	$self->count_lost($_) for $lab->nodes;
	$r{lost_at_most} = $self->{lost} // 0;
	$r{when} = [map { $self->when(@$_) } @{$r{gone}}];
	$r{old} = grep { $self->is_old($_->[1]) } @{$r{gone}};
	return \%r;
}

# The replica had it before anything was killed: no crash explains that it is
# missing, however much Holdover says may be lost. A copy further behind than
# half a second does not count as fresh.
sub is_old
{
	my ($self, $us) = @_;

	return !grep { $us > $_->{begin_us} - 5e5 && $us < $_->{begin_us} +
	    $_->{seconds} * 1e6 && $_->{kills} } @{$self->{steps}};
}

# What a node's Holdover says may be lost. It counts from its own start: so
# ask also before it is killed.
sub count_lost
{
	my ($self, $node) = @_;
	my $i = $self->{lab}->info($node) or return;

	$self->{lost} += $i->{lost_writes_at_most} // 0;
	return;
}

# During which step a write that is missing was acknowledged.
sub when
{
	my ($self, $id, $us) = @_;
	my ($in) = grep { $_->{begin_us} <= $us } reverse @{$self->{steps}};

	return sprintf '%s is missing, acknowledged %s', $id, $in ?
	    sprintf('%.1f ms after the begin of: %s', ($us -
	    $in->{begin_us}) / 1000, $in->{name}) : 'before the first step';
}

# ---- the cases ----

# An order on the admin port. One that comes too early is given again.
sub order
{
	my ($self, $node, @words) = @_;
	my $answer;

	$self->{lab}->wait_for(20, sub {
		$answer = $self->{lab}->admin($node, @words) // 'no answer';
		return $answer eq 'OK';
	}) or croak "@words on $node: $answer\n" . $self->{lab}->state;
	return;
}

sub switch_once
{
	my ($self) = @_;
	my $lab = $self->{lab};
	my $from = $lab->wait_steady(20);

	return $self->step('switchover', sub {
		$self->order($from, 'SWITCHOVER');
		$lab->wait_until("the primary left $from", 10, sub {
			($lab->primary // $from) ne $from });
	});
}

sub switchover
{
	my ($self) = @_;

	$self->switch_once for 1 .. $self->{switches};
	return;
}

# The supervisor starts Redis again two seconds later.
sub redis_killed
{
	my ($self) = @_;

	return $self->kill_primary('redis killed', respawn => 2);
}

# It starts it again at once, and the disk is empty.
sub restarted_empty
{
	my ($self) = @_;

	return $self->kill_primary('restarted empty', respawn => 0.05,
	    empty => 1);
}

sub kill_primary
{
	my ($self, $name, %how) = @_;
	my $lab = $self->{lab};
	my $from = $lab->wait_steady(20, together => 1);
	my $to = $lab->other($from);

	$lab->wait_writes(20, $self->{warm});
	$self->step($name, sub {
		$lab->kill_redis($from, %how);
		$lab->wait_until("$to is the primary", 20, sub {
			($lab->primary // '') eq $to });
	}, kills => 1);
	$self->step('back in sync', sub {
		$lab->wait_steady(30);
	});
	return $self->step('primary follows the VIP', sub {
		$lab->wait_steady(40, together => 1);
	});
}

sub crash
{
	my ($self) = @_;
	my $lab = $self->{lab};
	my $dead = $lab->wait_steady(20, together => 1);
	my $alive = $lab->other($dead);

	$lab->wait_writes(20, $self->{warm});
	$self->count_lost($dead);
	$self->step('node killed', sub {
		$lab->crash_node($dead);
		$lab->wait_until("$alive serves alone", 20, sub {
			my $i = $lab->info($alive) or return;
			return $i->{primary} eq $alive && $i->{gate} eq 'open'
			    && ($lab->vip_holder // '') eq $alive;
		});
	}, kills => 1);
	return $dead;
}

sub node_crash
{
	my ($self) = @_;

	$self->crash;
	return;
}

# The dead node returns and syncs; then all goes back to where it was.
sub return_node
{
	my ($self, $node) = @_;
	my $lab = $self->{lab};

	$self->step('node returns and syncs', sub {
		$lab->boot_node($node);
		$lab->wait_steady(90);
	});
	return $self->step('handover', sub {
		$self->order($lab->other($node), 'HANDOVER')
		    if ($lab->vip_holder // '') ne $node;
		my $primary = $lab->wait_steady(40, together => 1);
		croak "the VIP is not on $node\n" . $lab->state
		    if $primary ne $node;
	});
}

sub failback
{
	my ($self) = @_;

	$self->return_node($self->crash);
	return;
}

# ---- for people ----

sub words
{
	my ($r) = @_;
	my %w = %{$r->{words}};

	return %w ? join ', ', map { "$w{$_} $_" } sort keys %w : 'none';
}

sub line
{
	my ($s) = @_;

	return sprintf '%-24s longest stretch %7.1f ms%s, errors %s, cut %d, '
	    . 'time-outs %d', $s->{name}, $s->{longest_us} / 1000,
	    defined $s->{beyond_us} ? sprintf(' (%.1f after the VIP came)',
	    $s->{beyond_us} / 1000) : '', words($s), $s->{cuts},
	    $s->{timeouts} + $s->{connect_timeouts};
}

1;
