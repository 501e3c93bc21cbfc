# Two Holdovers, each with a Redis, on the loopback. There is no VIP; NOTIFY
# says who would hold it.
package T::Pair;
use strict;
use warnings;
use T;
use T::Proxy;
use T::Redis;

sub new {
	my ($class, %opt) = @_;
	my $pair = bless { conf => $opt{conf} // '' }, $class;
	my $secret = write_file(tmpdir() . '/secret', "not very secret\n",
	    0600);
	my %peer_port = map { $_ => free_port() } qw(a b);
	my %other = (a => 'b', b => 'a');
	$pair->{redis}{$_} = T::Redis->new(name => "redis-$_", fence => 1,
	    password => $opt{password},
	    conf => $opt{redis_conf} // "appendonly yes") for qw(a b);
	for my $n (qw(a b)) {
		my $o = $other{$n};
		$pair->{proxy}{$n} = T::Proxy->new(name => "node-$n",
		    redis => $pair->{redis}{$n}, later => 1,
		    conf => join "\n", 'cluster test', "node $n",
		    "peer $o 127.0.0.1:$peer_port{$o}",
		    "peer-port $peer_port{$n}",
		    'peer-redis 127.0.0.1:' . $pair->{redis}{$o}->port,
		    "peer-secret-file $secret", $pair->{conf});
	}
	if (!$opt{later}) {
		$_->start for @{$pair->{proxy}}{qw(a b)};
		$pair->steady;
	}
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

1;
