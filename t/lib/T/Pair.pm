# Two Holdovers, each with a Redis, on the loopback. There is no VIP; NOTIFY
# says who would hold it.
package T::Pair;
use strict;
use warnings;
use T;
use T::Proxy;
use T::Redis;

my %persistence = (aof => "appendonly yes\nsave \"\"",
    rdb => "appendonly no\nsave 3600 1", none => "appendonly no\nsave \"\"");
my $count = 0;

# conf: for both Holdovers. later: they are not started, only both Redis.
# redis_conf: for both Redis, or by node; persistence (aof, rdb, none) and
# fence (1: replica of nowhere at start) likewise.
sub new {
	my ($class, %opt) = @_;
	my $pair = bless { conf => $opt{conf} // '', name => $count++ ?
	    "pair$count-" : '' }, $class;
	my $secret = write_file(tmpdir() . '/secret', "not very secret\n",
	    0600);
	my %peer_port = map { $_ => free_port() } qw(a b);
	my $by_node = sub { ref $_[0] ? $_[0]{$_[1]} : $_[0] };
	for my $n (qw(a b)) {
		$pair->{redis}{$n} = T::Redis->new(
		    name => "$pair->{name}redis-$n",
		    fence => $by_node->($opt{fence} // 1, $n),
		    password => $opt{password}, tls => $opt{redis_tls},
		    conf => join "\n", $persistence{$by_node->(
		    $opt{persistence} // 'aof', $n)},
		    $by_node->($opt{redis_conf} // '', $n));
	}
	for my $n (qw(a b)) {
		my $o = $pair->other($n);
		$pair->{proxy}{$n} = T::Proxy->new(
		    name => "$pair->{name}node-$n",
		    redis => $pair->{redis}{$n}, later => 1,
		    conf => join "\n", 'cluster test', "node $n",
		    "peer $o 127.0.0.1:$peer_port{$o}",
		    "peer-port $peer_port{$n}",
		    'peer-redis 127.0.0.1:' . $pair->{redis}{$o}->service,
		    "peer-secret-file $secret",
		    $by_node->($pair->{conf}, $n));
	}
	$pair->start->steady if !$opt{later};
	return $pair;
}

sub proxy { $_[0]{proxy}{$_[1]} }
sub redis { $_[0]{redis}{$_[1]} }
sub other { $_[1] eq 'a' ? 'b' : 'a' }
sub primary { $_[0]{proxy}{a}->info->{primary} }

# Makes the other Redis the primary; an order that comes too early is given
# again.
sub switchover {
	my ($pair) = @_;
	my $answer = '';
	eval { wait_for('', sub { ($answer = $pair->proxy('a')
	    ->admin('SWITCHOVER')) eq 'OK' }); 1 }
	    or die "SWITCHOVER: $answer\n";
	return $pair->steady;
}

# The Holdovers of these nodes, or of both.
sub start {
	my ($pair, @nodes) = @_;
	$pair->proxy($_)->start for @nodes ? @nodes : qw(a b);
	return $pair;
}

# Their Holdovers and Redis, all in the same moment: frozen first, so that
# none of them can act on another's death.
sub kill_nodes {
	my ($pair, @nodes) = @_;
	my @children = map { ($pair->proxy($_)->child,
	    $pair->redis($_)->child) } @nodes;
	$_->signal('STOP') for @children;
	$_->signal('KILL') for @children;
	$_->kill for @children;
}

sub boot_node {
	my ($pair, $n) = @_;
	$pair->redis($n)->start;
	$pair->proxy($n)->start;
}

# Which node's Holdover leads; undef: none.
sub leader {
	my ($pair) = @_;
	my ($leader) = map { eval { $_->info->{leader} } || () }
	    @{$pair->{proxy}}{qw(a b)};
	return $leader;
}

# Makes that node the primary, in the ordinary way.
sub move_primary {
	my ($pair, $n) = @_;
	$pair->switchover if $pair->primary ne $n;
	return $pair;
}

# Both nodes say the same primary, both copies fresh, gates open.
sub steady {
	my ($pair, $seconds) = @_;
	wait_for('the pair to be steady', sub {
		my ($a, $b) = map { eval { $_->info } // {} }
		    @{$pair->{proxy}}{qw(a b)};
		my @bad = grep { ($_->{gate} // '') ne 'open' ||
		    ($_->{fresh} // '') ne 'a,b' ||
		    ($_->{serving} // '') ne ($_->{primary} // '-') } $a, $b;
		!@bad && $a->{primary} eq $b->{primary} }, $seconds // 30);
	return $pair;
}

# The files that were saved of that node's Redis before it lost its data.
sub salvaged {
	my ($pair, $n) = @_;
	return map { glob "$pair->{proxy}{$_}{dir}/state/salvage-$n-*.rdb" }
	    qw(a b);
}

# How many of the two Redis take writes.
sub writable {
	my ($pair) = @_;
	return scalar grep { (eval { $pair->redis($_)->info->{role} } // '')
	    eq 'master' } qw(a b);
}

1;
