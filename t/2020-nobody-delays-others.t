# One connection for many must not make one wait for another: not for a
# command that blocks, not for a huge reply, not for a client that reads a
# byte now and then. The others' replies must come while it lasts.
use strict;
use warnings;
use Socket;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis, conf =>
    "workers 1\nclient-output-limit 4mb\n")->open;
my $direct = $redis->connect;
my @others = map { $proxy->connect } 1 .. 5;

sub rss { slurp('/proc/' . $proxy->child->pid . '/status') =~
    /VmRSS:\s+(\d+) kB/ ? $1 : die }

# Everybody else gets 200 answers meanwhile.
sub others_go_on {
	my ($what) = @_;
	my $longest = 0;
	for my $i (1 .. 200) {
		my $c = $others[$i % @others];
		my $begin = now();
		$c->command('SET', "o:$i", $i) eq 'OK' or return fail($what);
		$c->command('GET', "o:$i") eq $i or return fail($what);
		$longest = now() - $begin if now() - $begin > $longest;
	}
	cmp_ok($longest, '<', 2, "$what: others go on");
}

others_go_on('nothing');
is($proxy->info->{links_shared}, 1, 'they share');

# Blocking commands.
my @blocked = map { $proxy->connect->send('BLPOP', "list:$_", 0) } 1 .. 10;
$proxy->wait_info(links_own => 10);
others_go_on('BLPOP');
$others[0]->command('RPUSH', "list:$_", $_) for 1 .. 10;
is_deeply([map { $blocked[$_ - 1]->reply } 1 .. 10],
    [map { ["list:$_", $_] } 1 .. 10], 'each gets its element');
is($_->command('PING'), 'PONG', 'a command behind it') for $blocked[0];
$proxy->wait_info(links_own => 0);
pass('and shares again');

# One that leaves while it blocks eats nothing.
my $gone = $proxy->connect->send('BLPOP', 'left', 0);
wait_for('it to block', sub { $direct->info->{blocked_clients} == 1 });
$gone->close;
wait_for('it to be gone', sub { $direct->info->{blocked_clients} == 0 });
$others[0]->command('RPUSH', 'left', 'over');
is($direct->command('LPOP', 'left'), 'over', 'the element is still there');

# A reply of 50 MB that nobody reads.
my $huge = 50 * 1024 * 1024;
$direct->command('SET', 'huge', 'h' x $huge);
my $before = rss();
my @slow = map { $proxy->connect->send('GET', 'huge')->send('GET', 'huge') }
    1 .. 3;
wait_for('it to have its own', sub { $proxy->info->{links_own} == 3 });
others_go_on('GET of 50 MB that is not read');
cmp_ok(rss() - $before, '<', 100_000, 'memory is bounded');
is(length $slow[0]->reply, $huge, 'who reads it gets it');
is(length $slow[0]->reply, $huge, 'and the second');
is($slow[0]->command('GET', 'o:1'), 1, 'and goes on');

# Read byte by byte.
$slow[1]->{s}->blocking(0);
for (1 .. 200) {
	sysread $slow[1]->{s}, my $byte, 1;
	$others[0]->command('GET', 'o:1') eq 1 or die;
}
others_go_on('a reader of single bytes');
undef @slow;

# Many small replies that nobody reads: its requests wait in its socket.
$before = rss();
$direct->command('SET', 'some', 's' x 10_000);
my $deaf = $proxy->connect;
$deaf->{s}->blocking(0);
my $batch = T::Resp::encode('GET', 'some') x 5000;
my ($sent, $full) = (0, 0);
wait_for('its socket to be full', sub {
	my $n = syswrite $deaf->{s}, $batch;
	$sent += $n // 0;
	$full = defined $n ? 0 : $full + 1;
	return $full > 20 });
others_go_on('a client that reads nothing');
cmp_ok(rss() - $before, '<', 60_000, 'memory is bounded');

# Requests in pieces, with nothing behind them.
my $half = $proxy->connect;
$half->raw("*3\r\n\$3\r\nSET\r\n\$1\r\nx\r\n\$20000000\r\n" . 'x' x 100_000);
others_go_on('half a request');
$half->raw('x' x (20_000_000 - 100_000) . "\r\n");
is($half->reply, 'OK', 'the other half comes');

# What writes and answers at length cannot be asked twice: it is passed on
# as far as its client reads, and then its client has to go.
$direct->command('SET', 'once', 'h' x $huge);
my $once = $proxy->connect->send('GETDEL', 'once');
wait_for('it to be asked', sub { !$direct->command('EXISTS', 'once') });
$_->send('GET', 'o:1') for @others;
is((grep { $_->reply == 1 } @others), 5, 'others wait a little at most');

# Who runs a script for ever can be stopped from another connection.
$redis->command('CONFIG', 'SET', 'busy-reply-threshold', 100);
my ($script, $killer) = map { $proxy->connect } 1 .. 2;
$killer->command('PING');
$script->send('EVAL', 'while true do end', 0);
wait_for('the script to run', sub {
	($redis->command('GET', 'any') // '') =~ /^-BUSY/ });
is($killer->command('SCRIPT', 'KILL'), 'OK', 'SCRIPT KILL');
like($script->reply, qr/^-ERR .*killed/i, 'ends the script');

done_testing;
