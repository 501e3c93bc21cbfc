# A request of hundreds of megabytes must not be gathered in memory, nor must
# one that is held, that breaks off, or whose Redis dies halfway do harm.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new(conf => "appendonly yes\n");
my $proxy = T::Proxy->new(redis => $redis, conf => "workers 1\n"
    . "hold-timeout 60s\n")->open;
my $c = $proxy->connect;
my $other = $proxy->connect;
my $direct = $redis->connect;

sub rss { slurp('/proc/' . $proxy->child->pid . '/status') =~
    /VmRSS:\s+(\d+) kB/ ? $1 : die }

sub batch { join '', map { T::Resp::encode(@$_) } @_ }

# What a SET of so many bytes begins with.
sub head {
	my ($key, $bytes) = @_;
	return "*3\r\n\$3\r\nSET\r\n\$" . length($key) . "\r\n$key\r\n"
	    . "\$$bytes\r\n";
}

my $mb = 1024 * 1024;
my $chunk = join '', map { chr(97 + $_ % 26) } 1 .. $mb;

# The largest that Redis takes, in and out.
my $before = rss();
my $most = $before;
$direct->command('CONFIG', 'SET', 'appendonly', 'no');
$c->raw(head('huge', 512 * $mb));
for (1 .. 512) {
	$c->raw($chunk);
	$most = rss() if $_ % 64 == 0 && rss() > $most;
	is($other->command('PING'), 'PONG', 'another is answered')
	    if $_ == 256;
}
is($c->raw("\r\n")->reply, 'OK', '512 MB go in');
is($other->command('STRLEN', 'huge'), 512 * $mb, 'all of them');
$c->send('GET', 'huge');
my $got = 0;
$c->fill;
is($c->line, '$' . 512 * $mb, 'they begin to come back');
while ($got < 512 * $mb + 2) {
	$c->fill if $c->{in} eq '';
	$got += length $c->{in};
	$c->{in} = $c->{taken} = '';
}
is($got, 512 * $mb + 2, 'all of them');
$most = rss() if rss() > $most;
cmp_ok($most - $before, '<', 150_000, 'and never are in memory as a whole');
$direct->command('DEL', 'huge');
$direct->command('CONFIG', 'SET', 'appendonly', 'yes');

# In odd pieces, with others before and behind, small and large arguments.
my $value = substr $chunk, 0, 100_000;
my $all = batch(['SET', 'a', 1], ['SET', 'big', $value], ['STRLEN', 'big'],
    ['MSET', map { ("m:$_", $_ % 3 ? $_ : $value) } 1 .. 30],
    ['GET', 'm:3'], ['RPUSH', 'l', ('x') x 20_000], ['LLEN', 'l'],
    ['SET', 'empty', ''], ['GET', 'a']);
for my $size (777, 40_000, 65_536, 300_001, length $all) {
	$direct->command('FLUSHALL');
	my $at = 0;
	while ($at < length $all) {
		$c->raw(substr $all, $at, $size);
		$at += $size;
	}
	my @got = map { $c->reply } 1 .. 9;
	is_deeply(\@got, ['OK', 'OK', 100_000, 'OK', $value, 20_000, 20_000,
	    'OK', 1], "in pieces of $size");
}
is($direct->command('GET', 'm:30'), $value, 'Redis has what was sent');

# Held: it is left in the socket, and runs once.
$proxy->admin('PAUSE', 'WRITE', '60s');
$before = rss();
my @held = map { $proxy->connect } 1 .. 20;
for (@held) {
	$_->{s}->blocking(0);
	syswrite $_->{s}, head("held:$_", $mb) . $chunk;
	$_->{s}->blocking(1);
}
$proxy->wait_info(waiting => 20);
cmp_ok(rss() - $before, '<', 20_000, 'what is held is bounded');
$proxy->admin('RESUME');
$_->close for @held;
$proxy->admin('PAUSE', 'WRITE', '60s');
$c->send('SET', 'held', $value)->send('STRLEN', 'held');
$proxy->wait_info(waiting => 1);
$proxy->admin('RESUME');
is_deeply([map { $c->reply } 1 .. 2], ['OK', 100_000], 'a held one goes on');

# One that never ends leaves nothing behind.
my $half = $proxy->connect->raw(head('half', $mb) . $value);
$proxy->wait_info(links_own => qr/^[12]$/);
$half->close;
is($direct->command('EXISTS', 'half'), 0, 'half a request does not run');

# Redis dies: before the end came it did not run, behind it may have.
my ($open, $whole) = map { $proxy->connect } 1 .. 2;
$direct->command('DEL', 'half', 'whole');
$redis->child->signal('STOP');
$open->raw(head('half', 2 * length $value) . $value);
$whole->send('SET', 'whole', $value);
$proxy->wait_info(in_flight => 2);
$redis->child->kill;
$redis->start;
like($whole->reply, qr/^-INDOUBT .*'set' may or may not/, 'a whole one');
like($open->reply, qr/^-LOADING Holdover: .*not run/, 'half a one');
$open->raw("$value\r\n")->send('EXISTS', 'half');
is($open->reply, 0, 'its rest is dropped, and its client goes on');
is($open->command('SET', 'half', $value), 'OK', 'again');

# Not RESP in the middle.
$half = $proxy->connect->raw("*3\r\n\$3\r\nSET\r\n\$1\r\nx\r\n\$" . 40_000
    . "\r\n" . 'x' x 40_000 . "\r\n" . "*4\r\n\$4\r\nMSET\r\n\$1\r\ny\r\n\$"
    . 40_000 . "\r\n" . 'x' x 40_000 . "\r\n!\r\n");
ok($half->closed, 'broken RESP behind a large argument ends the client');
is($other->command('EXISTS', 'y'), 0, 'and does not run');

done_testing;
