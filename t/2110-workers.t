# Clients are spread over several threads. What is said to all of them (PAUSE,
# CLIENT LIST, CLIENT KILL, a limit) must reach all, once, and in order.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis,
    conf => "workers 4\nhold-timeout 60s\n")->open;
my $admin = $proxy->admin_connect;
is($proxy->info->{workers}, 4, 'as many workers as asked for');

# Each worker's thread has done something by now, each client its own.
sub threads {
	my $pid = $proxy->child->pid;
	return grep { slurp("$_/comm") =~ /^worker \d+$/ }
	    glob("/proc/$pid/task/*");
}
is(scalar threads(), 4, 'and as many threads');

# The thread that wakes up when it asks.
sub worker_of {
	my ($c) = @_;
	my %woke;
	for my $sign (-1, 1) {
		for my $thread (threads()) {
			my ($name) = slurp("$thread/comm") =~ /(.*)\n/;
			my ($n) = slurp("$thread/status") =~
			    /^voluntary_ctxt_switches:\s+(\d+)/m;
			$woke{$name} += $sign * $n;
		}
		last if $sign > 0;
		$c->command('CLIENT', 'ID') for 1 .. 20;
	}
	return (sort { $woke{$b} <=> $woke{$a} } keys %woke)[0];
}

# Each has a socket of its own at the same port: nobody else gets one.
my $second = write_file(tmpdir() . '/second.conf', "bind 127.0.0.1\nport "
    . $proxy->port . "\nredis 127.0.0.1:@{[$redis->port]}\nadmin-port 0\n");
for my $n (1, 4) {
	my $said = qx(@{[binary('holdover')]} $second --workers $n 2>&1);
	is($? >> 8, 1, "a second instance with $n workers does not start");
	like($said, qr/cannot listen for clients at .* in use/, 'and says why');
}

# ---- order, hold ----

my @c = map { $proxy->connect } 1 .. 16;
$_->command('CLIENT', 'SETNAME', "c$_->{n}") for
    map { $c[$_ - 1]{n} = $_; $c[$_ - 1] } 1 .. @c;
for (1 .. 20) {
	is($admin->command('PAUSE', 'ALL', '60s'), 'OK', 'PAUSE');
	$_->send('INCR', 'n')->send('RPUSH', "l:$_->{n}", 1)
	    ->send('RPUSH', "l:$_->{n}", 2) for @c;
	$proxy->wait_info(waiting => scalar @c);
	is($redis->command('EXISTS', 'n', 'l:1'), 0,
	    'nothing passes at any worker') if $_ == 1;
	is($admin->command('RESUME'), 'OK', 'RESUME');
	$_->reply, $_->reply, $_->reply for @c;
	last if $_ == 3;
}
is($redis->command('GET', 'n'), 3 * @c, 'each ran once');
is_deeply([grep { join('', @{$redis->command('LRANGE', "l:$_", 0, -1)}) ne
    '121212' } 1 .. @c], [], 'and each client in its order');

# ---- CLIENT LIST, KILL, INFO ----

my @ids = map { $_->command('CLIENT', 'ID') } @c;
my %ids = map { $_ => 1 } @ids;
is(scalar keys %ids, scalar @c, 'ids are unique');
my @line = split /\n/, $c[3]->command('CLIENT', 'LIST');
is_deeply([sort map { /\bname=(c\d+) / ? $1 : () } @line],
    [sort map { "c$_" } 1 .. @c], 'LIST has them all');
is_deeply([sort map { /\bname=(c\d+) / ? $1 : () } split /\n/,
    $admin->command('SHOW', 'CLIENTS')], [sort map { "c$_" } 1 .. @c],
    'SHOW CLIENTS too');
like($c[5]->command('CLIENT', 'INFO'), qr/^id=$ids[5] .* name=c6 /,
    'INFO is one\'s own');

# Its answer comes in its place, between those of Redis and Holdover.
$c[0]->send('SET', 'k', 'v')->send('CLIENT', 'LIST')->send('GET', 'k')
    ->send('CLIENT', 'GETNAME')->send('CLIENT', 'KILL', 'ID', 1 << 40)
    ->send('CLIENT', 'LIST')->send('PING');
my @got = map { $c[0]->reply } 1 .. 7;
is_deeply([@got[0, 2, 3, 4, 6]], ['OK', 'v', 'c1', 0, 'PONG'],
    'answers are in order');
is(scalar(grep { /name=c16/ } @got[1, 5]), 2, 'the lists are among them');

is($c[1]->command('CLIENT', 'KILL', 'ID', $ids[2]), 1, 'KILL by id');
ok($c[2]->closed, 'it is gone');
my ($addr) = map { /name=c5 / && /addr=(\S+)/ ? $1 : () } @line;
is($c[1]->command('CLIENT', 'KILL', $addr), 'OK', 'KILL by address');
ok($c[4]->closed, 'it is gone too');
is($c[1]->command('CLIENT', 'KILL', 'TYPE', 'normal'), @c - 3,
    'KILL of all, but oneself');
is($c[1]->command('PING'), 'PONG', 'who lives on');
is($c[1]->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no'), 1,
    'KILL of oneself');
ok($c[1]->closed, 'after the answer');
$proxy->wait_info(clients => 0);

# One that leaves while its question is under way.
for (1 .. 50) {
	my $c = $proxy->connect;
	$c->send('CLIENT', 'LIST');
	$c->close;
}
$proxy->wait_info(clients => 0);

# ---- a limit for all, and for good ----

is($admin->command('CONFIG', 'SET', 'maxclients', 6), 'OK', 'CONFIG SET');
@c = map { $proxy->connect } 1 .. 6;
is(scalar(grep { $_->command('PING') eq 'PONG' } @c), 6, 'six may come');
like($proxy->connect->reply, qr/^-ERR max number of clients/,
    'the seventh not, wherever the six are');
$c[0]->close;
$proxy->wait_info(clients => 5);
is($proxy->command('PING'), 'PONG', 'but in the place of one that left');

# ---- evenly ----

is($admin->command('CONFIG', 'SET', 'maxclients', 1000), 'OK', 'CONFIG SET');
$_->close for @c;
$proxy->wait_info(clients => 0);
sub is_even {
	my ($n, $what) = @_;
	$proxy->wait_info(clients => $n);
	my @each = sort { $a <=> $b }
	    $proxy->admin('SHOW', 'WORKERS') =~ /clients=(\d+)/g;
	# An eighth, and those whom several accept at the same moment.
	ok(@each == 4 && $each[3] <= $each[0] * 9 / 8 + 4, $what)
	    or diag("clients: @each");
}
@c = map { $proxy->connect } 1 .. 41;
is_even(41, 'clients are spread evenly');
# Whoever is at one of them goes.
my ($gone, @stay) = (0);
for my $c (@c) {
	$gone < 11 && worker_of($c) eq 'worker 1' ? do { $gone++; $c->close } :
	    push @stay, $c;
}
cmp_ok($gone, '>', 5, 'when those of one leave');
$proxy->wait_info(clients => scalar @stay);
push @stay, map { $proxy->connect } 1 .. 41 - @stay;
is_even(41, 'those who come make up for it');

done_testing;
