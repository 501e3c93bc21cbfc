# CLIENT PAUSE, where it is not refused: Redis leaves a write unanswered, and
# whoever shared its connection waited too, also with a read.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis, conf => "workers 1\n" .
    "client-deny \"\"\n")->open;
my $direct = $redis->connect;
my ($one, $two, $three) = map { $proxy->connect } 1 .. 3;

sub blocked
{
	my ($n) = @_;

	wait_for("$n to be blocked in Redis", sub {
		$direct->info->{blocked_clients} == $n });
	return 1;
}

is($one->command('SET', 'k', 1), 'OK', 'a write');
is($one->command('CLIENT', 'PAUSE', 60_000, 'WRITE'), 'OK', 'CLIENT PAUSE');
$two->send('INCR', 'k');
$three->raw(join '', map { T::Resp::encode(@$_) } ['GET', 'k'], ['INCR', 'k'],
    ['GET', 'k']);
is($three->reply, 1, 'what comes before a write is answered');
ok(blocked(2), 'writes are blocked, each for itself');
is($one->command('GET', 'k'), 1, 'reads go on');
like($one->command('SET', 'k'), qr/^-ERR wrong number/, 'errors too');
is($one->command('EVAL_RO', 'return redis.call("GET", KEYS[1])', 1, 'k'), 1,
    'scripts that only read too');
$one->send('EVAL', 'return redis.call("GET", KEYS[1])', 1, 'k');
ok(blocked(3), 'others may write');
is($direct->command('CLIENT', 'UNPAUSE'), 'OK', 'UNPAUSE');
is_deeply([sort $two->reply, $three->reply], [2, 3], 'all go on');
is($three->reply, 3, 'in order');
like($one->reply, qr/^[123]$/, 'and the script');

# In a transaction it begins with EXEC.
$one->command(@$_) for ['MULTI'], ['CLIENT', 'PAUSE', 60_000, 'WRITE'],
    ['INCR', 'k'];
is_deeply($one->command('EXEC'), ['OK', 4], 'CLIENT PAUSE in a transaction');
$two->send('INCR', 'k');
ok(blocked(1), 'the next is blocked');
is($three->command('GET', 'k'), 4, 'reads go on');
is($three->command('CLIENT', 'UNPAUSE'), 'OK', 'UNPAUSE');
is($two->reply, 5, 'it goes on');
is($one->command('INCR', 'k'), 6, 'and the others');
$proxy->wait_info(links_own => 0);
pass('on the shared connection');

# Some were under way when it began.
is($direct->command('CLIENT', 'PAUSE', 60_000, 'WRITE'), 'OK',
    'CLIENT PAUSE by somebody else');
$one->command('WATCH', 'w');
$two->send('INCR', 'k');
ok(blocked(1), 'it blocks a shared connection');
$three->send('GET', 'k');
is($one->command('CLIENT', 'PAUSE', 60_000, 'WRITE'), 'OK', 'CLIENT PAUSE');
wait_for('that to be noticed', sub {
	$proxy->admin('SHOW', 'LINKS') =~ /^link=busy /m });
is($proxy->connect->command('GET', 'k'), 6, 'another takes its place');
is($one->command('CLIENT', 'UNPAUSE'), 'OK', 'UNPAUSE');
is($two->reply, 7, 'what had to wait goes on');
is($three->reply, 7, 'and what was behind it');

done_testing;
