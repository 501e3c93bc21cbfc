# Some clients that do things at random, in pipelines cut anywhere, once to
# Redis directly and once through Holdover: every byte of the answers must be
# the same. T_SEED says which things, T_ROUNDS how many.
package T::Sessions;
use strict;
use warnings;
use Exporter 'import';
use List::Util qw(sum0);
use Test::More;
use T;
use T::Resp;

our @EXPORT = qw(same_sessions);

# What both Redis must have in their configuration.
our $users = 'user bob on >secret ~* &* +@all -flushall';

my $seed = $ENV{T_SEED} // 1;
my $rounds = $ENV{T_ROUNDS} // 500;
my $block = 0.01;	# how long a client may wait in Redis, s
my (@clients, @connect, @last, $wrong, %leave_out);

sub pick { $_[rand @_] }
sub key { pick(qw(k l h s n x{t} y{t})) }
sub value { 'v' x (rand() < 0.02 ? rand 100_000 : rand 20) }

# A client's subscriptions are by the command that makes them.
sub client
{
	my ($number) = @_;
	my %c = (number => $number, proto => 2, multi => 0, dirty => 0, mode => 'on');

	@c{'direct', 'through'} = map { $_->() } @connect;
	$c{$_} = {} for qw(subscribe psubscribe ssubscribe);
	return \%c;
}

sub listens
{
	my ($c) = @_;
	return sum0 map { scalar keys %{$c->{$_}} }
	    qw(subscribe psubscribe ssubscribe);
}

my @plain = (
	sub { ('SET', key(), value()) }, sub { ('GET', key()) },
	sub { ('INCR', 'n') }, sub { ('RPUSH', 'l', map { value() } 1 .. 3) },
	sub { ('LRANGE', key(), 0, -1) }, sub { ('LPOP', key()) },
	sub { ('HSET', 'h', 'f', value()) }, sub { ('HGETALL', 'h') },
	sub { ('SADD', 's', 'only') }, sub { ('SMEMBERS', 's') },
	sub { ('ZADD', 'z', 1.5, 'm') }, sub { ('ZRANGE', 'z', 0, -1,
	    'WITHSCORES') }, sub { ('MGET', key(), key()) },
	sub { ('DEL', key()) }, sub { ('TYPE', key()) }, sub { ('DBSIZE') },
	sub { ('ECHO', value()) }, sub { ('PING') }, sub { ('PING', 'x') },
	sub { ('EXISTS', key()) }, sub { ('GETDEL', key()) },
	sub { ('NOSUCH', 'thing') }, sub { ('GET') }, sub { ('SET', 'k') },
	sub { ('OBJECT', 'ENCODING', key()) }, sub { ('OBJECT', 'NOSUCH') },
	sub { ('EVAL', 'return {KEYS[1], redis.call("get", "n")}', 1, 'n') },
	sub { ('EVAL', 'return redis.error_reply("MY own")', 0) },
	sub { ('EVALSHA', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db', 0) },
	sub { ('SCRIPT', 'LOAD', 'return 1') },
	sub { ('SCRIPT', 'EXISTS', 'f' x 40) },
	sub { ('XADD', 'x', '*') }, sub { ('XLEN', 'nox') },
	sub { ('SETRANGE', 'k', 10, 'abc') }, sub { ('CONFIG', 'GET', 'port*x') },
	sub { ('COMMAND', 'COUNT') }, sub { ('COMMAND', 'NOSUCH') },
	sub { ('ACL', 'WHOAMI') }, sub { ('CLIENT', 'GETNAME') },
);
my @session = (
	sub { ('SELECT', int rand 3) }, sub { ('SELECT', pick(99, 'x')) },
	sub { ('HELLO', pick(2, 3)) }, sub { ('HELLO', 4) },
	sub { ('HELLO', 3, 'AUTH', 'bob', 'secret', 'SETNAME', 'b') },
	sub { ('HELLO', 3, 'AUTH', 'bob', 'wrong') },
	sub { ('AUTH', 'bob', pick('secret', 'wrong')) },
	sub { ('AUTH', 'default', 'any') }, sub { ('FLUSHALL') },
	sub { ('RESET') }, sub { ('CLIENT', 'SETNAME', pick('me', 'no no',
	    '')) }, sub { ('CLIENT', 'NO-EVICT', pick('on', 'off', 'x')) },
	sub { ('WATCH', key()) }, sub { ('UNWATCH') },
	sub { ('BLPOP', 'l', 'none', $block) }, sub { ('BLPOP', 'l', 'x') },
	sub { ('BLMOVE', 'l', 'l2', 'LEFT', 'LEFT', $block) },
	sub { ('XREAD', 'BLOCK', 5, 'STREAMS', 'nox', '$') },
	sub { ('XREAD', 'STREAMS', 'nox', '0') },
	sub { ('WAIT', 0, 0) },
	sub { ('CLIENT', 'REPLY', pick('ON', 'OFF', 'SKIP', 'NO')) },
);
my @listen = (
	sub { ('SUBSCRIBE', map { pick('c1', 'c2', 'c3') } 0 .. rand 2) },
	sub { ('PSUBSCRIBE', pick('c*', '[')) },
	sub { ('SSUBSCRIBE', pick('c1', 'c2')) },
	sub { ('UNSUBSCRIBE', rand() < 0.5 ? () : pick('c1', 'c9')) },
	sub { ('PUNSUBSCRIBE', rand() < 0.5 ? () : 'c*') },
	sub { ('SUNSUBSCRIBE', rand() < 0.5 ? () : 'c1') },
	sub { ('SUBSCRIBE') }, sub { ('PUBLISH', pick('c1', 'c2'), value()) },
	sub { ('SPUBLISH', pick('c1', 'c2'), value()) },
	sub { ('PUBSUB', 'NUMSUB', 'c1') }, sub { ('PUBSUB', 'NUMPAT') },
);
my @multi = (sub { ('MULTI') }, sub { ('MULTI') }, sub { ('EXEC') },
    sub { ('EXEC') }, sub { ('DISCARD') });

# Where a client is in no state of its own, what ends one comes seldom.
sub command
{
	my ($c) = @_;
	my $way = rand;
	my @r;

	if ($c->{multi}) {
		@r = $way < 0.7 ? pick(@plain)->() : $way < 0.9 ?
		    pick(@multi)->() : pick(@session)->();
	} elsif (listens($c)) {
		@r = $way < 0.4 ? pick(@plain)->() : $way < 0.9 ?
		    pick(@listen)->() : pick(@session)->();
	} else {
		@r = $way < 0.6 ? pick(@plain)->() : $way < 0.7 ?
		    pick(@multi)->() : $way < 0.8 ? pick(@listen)->() :
		    pick(@session)->();
	}
	return @r;
}

# What stands in the way of knowing how many answers come is left out: a
# silent client that listens, and within a transaction subscriptions, and
# CLIENT REPLY, which Holdover refuses there.
sub allowed
{
	my ($c, $ahead, @r) = @_;
	my $quiet = $c->{mode} ne 'on' || $ahead =~ /REPLY/;
	my $multi = $c->{multi} || $ahead =~ /MULTI/;
	my $listen = listens($c) || $ahead =~ /SUBSCRIBE/;

	return 0 if $leave_out{$r[0]} || $leave_out{$r[-1]};
	return 0 if $r[0] =~ /SUBSCRIBE|PUBLISH/ && ($quiet || $multi);
	return 0 if "@r" =~ /REPLY/ && $multi;
	return 0 if "@r" =~ /REPLY O|REPLY S/ && $listen;
	return 0 if $r[0] =~ /MULTI/ && ($listen || $quiet);
	return 0 if $r[0] eq 'RESET' && $quiet;
	return 1;
}

sub matching
{
	my ($c, $verb, $channel) = @_;
	return scalar(grep { $_ eq $channel } keys %{$c->{ssubscribe}})
	    if $verb eq 'SPUBLISH';
	return scalar(grep { $_ eq $channel } keys %{$c->{subscribe}}) +
	    grep { $_ eq 'c*' } keys %{$c->{psubscribe}};
}

# How many replies and pushes does this client get by that request of its own?
sub expected
{
	my ($c, @r) = @_;

	if ("@r" =~ /^CLIENT REPLY (ON|OFF|SKIP)$/) {
		my $was = $c->{mode};
		$c->{mode} = lc $1;
		return $1 eq 'ON' ? 1 : 0;
	}
	if ($c->{mode} eq 'skip') {
		$c->{mode} = 'on';
		return 0;
	}
	return 0 if $c->{mode} eq 'off';
	return @r - 1 || 1 if $r[0] =~ /^[PS]?SUBSCRIBE$/;
	if ($r[0] =~ /^([PS]?)UNSUBSCRIBE$/) {
		return @r - 1 || keys %{$c->{lc "$1subscribe"}} || 1;
	}
	return 1 + matching($c, @r[0, 1]) if $r[0] =~ /PUBLISH/ &&
	    ($c->{proto} == 3 || !listens($c));
	return 1;
}

# What the answers of Redis itself say of the client's state.
sub learn
{
	my ($c, $answer, @r) = @_;
	my $ok = $answer !~ /^-/;

	if ($r[0] =~ /^([PS]?)SUBSCRIBE$/ && $ok) {
		$c->{lc $r[0]}{$_} = 1 for @r[1 .. $#r];
	} elsif ($r[0] =~ /^([PS]?)UNSUBSCRIBE$/ && $ok) {
		my $set = $c->{lc "$1subscribe"};
		delete @$set{@r > 1 ? @r[1 .. $#r] : keys %$set};
	} elsif ($r[0] eq 'RESET' && $ok) {
		$c->{$_} = {} for qw(subscribe psubscribe ssubscribe);
		@$c{qw(proto multi mode queued)} = (2, 0, 'on', []);
	} elsif ($answer =~ /^\+QUEUED/) {
		push @{$c->{queued}}, "@r";
	} elsif ($r[0] eq 'HELLO' && $ok) {
		$c->{proto} = $r[1];
	} elsif ($r[0] eq 'MULTI' && $ok) {
		$c->{multi} = 1;
	} elsif ($r[0] =~ /EXEC|DISCARD/ && $answer !~ /without MULTI/) {
		for ($answer =~ /^\*\d/ ? @{$c->{queued}} : ()) {
			$c->{proto} = $1 if /^HELLO ([23])/ && !/wrong/;
		}
		$c->{multi} = 0;
		$c->{queued} = [];
	}
}

# Ids are each server's own.
sub same
{
	my ($bytes) = @_;
	return $bytes =~ s/(\r\nid\r\n):\d+/$1:ID/gr;
}

sub cut
{
	my ($s, $bytes) = @_;
	while (length $bytes) {
		my $n = rand() < 0.5 ? length $bytes :
		    1 + int rand length $bytes;
		$s->raw(substr $bytes, 0, $n, '');
	}
}

# What led to it: all of the last, and what this client did before that.
sub told
{
	my ($c) = @_;
	my @own = grep { /^$c->{number}:/ } @last[0 .. $#last - 10];
	return (@own > 30 ? @own[-30 .. -1] : @own), '...',
	    @last > 10 ? @last[-10 .. -1] : @last;
}

# Redis ends all subscriptions in an order of its own.
sub answers
{
	my ($s, $n, $what) = @_;
	my @all = map { eval { same($s->reply_bytes) } // $@ } 1 .. $n;

	return $what =~ /^[PS]?UNSUBSCRIBE$/ ?
	    map { s/(unsubscribe\r\n)\$\d+\r\n.*?\r\n/$1/r } @all : @all;
}

sub compare
{
	my ($c, $n, $what) = @_;
	my @want = answers($c->{direct}, $n, $what);
	my @got = answers($c->{through}, $n, $what);

	for my $i (0 .. $#want) {
		next if $got[$i] eq $want[$i];
		$wrong++;
		diag "T_SEED=$seed: '", substr($what, 0, 60), "' is answered\n",
		    substr($got[$i], 0, 300), "\nand by Redis itself\n",
		    substr($want[$i], 0, 300), "\nto client $c->{number}, after\n",
		    map { "  $_\n" } told($c);
		last;
	}
	return $want[0] // '';
}

sub step
{
	my ($i) = int rand @clients;
	my $c = $clients[$i];
	my (@requests, $ahead);

	$ahead = '';
	for (0 .. (rand() < 0.5 ? 0 : rand 8)) {
		my @r = command($c);
		next if !allowed($c, $ahead, @r);
		push @requests, \@r;
		$ahead .= " @r[0, 1 .. ($#r && 1)]";
	}
	return if !@requests;
	my $bytes = join '', map { T::Resp::encode(@$_) } @requests;
	cut($c->{$_}, $bytes) for qw(direct through);
	for my $r (@requests) {
		my $text = substr "@$r", 0, 60;
		push @last, "$i: $text";
		shift @last if @last > 500;
		my $answer = compare($c, expected($c, @$r), $text);
		return if $wrong;
		learn($c, $answer, @$r);
		next if $r->[0] !~ /PUBLISH/ || $answer =~ /^-/;
		for my $other (grep { $_ != $c } @clients) {
			compare($other, matching($other, @$r[0, 1]),
			    "heard: $text");
		}
	}
}

# Redis 7.2 to 8.0 say nothing to a wrong password behind another answer.
sub is_mute
{
	my ($c) = @_;

	$c->raw(join '', map { T::Resp::encode(@$_) } ['PING'],
	    ['AUTH', 'bob', 'wrong'], ['PING', 'end']);
	$c->reply;
	return $c->reply eq 'end';
}

# Connects with the two functions; what is left out is named. Before each
# step, before() is called, after it after().
sub same_sessions
{
	my ($direct, $through, %opt) = @_;

	note "T_SEED=$seed T_ROUNDS=$rounds";
	srand $seed;
	@connect = ($direct, $through);
	%leave_out = map { $_ => 1 } @{$opt{leave_out} // []},
	    is_mute($direct->()) ? 'wrong' : ();
	$block = $opt{block} // $block;
	$wrong = 0;
	@clients = map { client($_) } 0 .. 4;
	for (1 .. $rounds) {
		$opt{before}->() if $opt{before};
		step();
		$opt{after}->() if $opt{after};
		last if $wrong;
		next if rand() > 0.01;
		my $i = int rand @clients;
		# Else both would forget it when they find the time.
		for (qw(direct through)) {
			$clients[$i]{$_}->command('RESET');
			$clients[$i]{$_}->close;
		}
		push @last, "$i: new";
		$clients[$i] = client($i);
	}
	is($wrong, 0, "$rounds rounds: all the same");
}

1;
