# A client has a connection of its own while there is something in Redis
# that is its alone, and no longer; its commands run and are answered in
# order across both moves. INFO says who has one.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis, conf => "workers 1\n")->open;
my ($c, $other) = map { $proxy->connect } 1 .. 2;
my $direct = $redis->connect;

sub own { $proxy->info->{links_own} }
sub pinned { $proxy->info->{pinned} }
sub batch { join '', map { T::Resp::encode(@$_) } @_ }

# A transaction in one piece needs none.
$c->raw(batch(['MULTI'], ['SET', 'a', 1], ['INCR', 'a'], ['GET', 'a'],
    ['EXEC'], ['GET', 'a']));
is_deeply([map { $c->reply } 1 .. 6],
    ['OK', 'QUEUED', 'QUEUED', 'QUEUED', ['OK', 2, 2], 2],
    'MULTI ... EXEC in one piece');
$c->raw(batch(['MULTI'], ['NOSUCH'], ['EXEC'], ['MULTI'], ['INCR'],
    ['EXEC'], ['MULTI'], ['EXEC'], ['MULTI'], ['LPUSH', 'a', 1], ['EXEC']));
is_deeply([map { ref $_ ? $_ : s/^(-\w+).*/$1/r } map { $c->reply } 1 .. 11],
    ['OK', '-ERR', '-EXECABORT', 'OK', '-ERR', '-EXECABORT', 'OK', [], 'OK',
    'QUEUED', ['-WRONGTYPE Operation against a key holding the wrong kind '
    . 'of value']], 'with all kinds of errors');
my $big = 'b' x 20_000;
$c->raw(batch(['MULTI'], ['SET', 'big', $big], (['GET', 'big']) x 20,
    ['EXEC']));
$c->reply for 1 .. 22;
is_deeply($c->reply, ['OK', ($big) x 20], 'and a long answer');
# The unknown command pins, and so does MULTI with one behind it.
my $d = $proxy->connect;
$c->close;
$c = $d;

# In pieces it does, until it is over.
$proxy->wait_info(links_own => 0);
is($c->command('MULTI'), 'OK', 'MULTI alone');
is(own(), 1, 'pins');
is($c->command('INCR', 'n'), 'QUEUED', 'it queues');
is($other->command('INCR', 'n'), 1, 'another runs');
is_deeply($c->command('EXEC'), [2], 'EXEC');
$proxy->wait_info(links_own => 0);
$c->command('MULTI');
is($c->command('DISCARD'), 'OK', 'DISCARD');
$proxy->wait_info(links_own => 0);
pass('both unpin');
like($c->command('EXEC'), qr/^-ERR EXEC without MULTI/, 'EXEC alone');
is(own(), 0, 'pins nobody');

# WATCH.
is($c->command('WATCH', 'n'), 'OK', 'WATCH');
is(own(), 1, 'pins');
$other->command('INCR', 'n');
$c->raw(batch(['MULTI'], ['INCR', 'n'], ['EXEC']));
is_deeply([map { $c->reply } 1 .. 3], ['OK', 'QUEUED', undef],
    'a touched key ends the transaction, in one piece too');
$proxy->wait_info(links_own => 0);
$c->command('WATCH', 'n');
is($c->command('UNWATCH'), 'OK', 'UNWATCH');
$proxy->wait_info(links_own => 0);
pass('unpins');

# XREAD does if it may block.
$other->command(qw(XADD s 1-1 f v));
$other->command(qw(XGROUP CREATE s BLOCK 0));
my $answer = [['s', [['1-1', ['f', 'v']]]]];
is_deeply($c->command(qw(XREAD COUNT 1 STREAMS s 0)), $answer, 'XREAD');
is_deeply($c->command(qw(XREADGROUP GROUP BLOCK me COUNT 1 STREAMS s >)),
    $answer, 'XREADGROUP');
is(own(), 0, 'pin nobody');
$c->send(qw(XREAD BLOCK 0 STREAMS s $));
$proxy->wait_info(links_own => 1);
pass('with BLOCK it does');
$other->command(qw(XADD s 2-1 f w));
is_deeply($c->reply, [['s', [['2-1', ['f', 'w']]]]], 'until it is answered');
is_deeply($c->command('XREAD', ('COUNT', 1) x 100_000, qw(STREAMS s 0)),
    $answer, 'however many options there are');
is_deeply($c->command('BLPOP', (map { "none$_" } 1 .. 100_000), 'l', 0.01),
    undef, 'or keys');
$proxy->wait_info(links_own => 0);

# Order across the moves: counted by one list.
my (@want, @got);
my $all = '';
my $before = pinned();
for my $i (1 .. 300) {
	$all .= batch(['RPUSH', 'order', $i]);
	push @want, $i;
	if ($i % 7 == 0) {
		$all .= batch(['MULTI'], ['LLEN', 'order'], ['EXEC']);
		push @want, 'OK', 'QUEUED', [$i];
	}
	if ($i % 11 == 0) {
		$all .= batch(['BRPOP', 'order', 0], ['RPUSH', 'order', $i]);
		push @want, ['order', $i], $i;
	}
	if ($i == 150) {
		$all .= batch(['SET', 'big', 'x' x 50_000], ['STRLEN', 'big']);
		push @want, 'OK', 50_000;
	}
	if ($i > 150 && $i % 50 == 0) {
		$all .= batch(['GET', 'big']);
		push @want, 'x' x 50_000;
	}
	if ($i % 19 == 0) {
		$all .= batch(['SELECT', 1], ['SELECT', 0], ['WATCH', 'w'],
		    ['UNWATCH'], ['ECHO', $i]);
		push @want, ('OK') x 4, $i;
	}
	next if $i % 5 != 0;
	$c->raw($all);
	$all = '';
	# Sometimes with answers still to come, sometimes not.
	push @got, $c->reply while @got < @want && ($i % 3 == 0 ||
	    @got + 20 < @want);
}
push @got, $c->reply while @got < @want;
is_deeply(\@got, \@want, 'order holds across the moves');
is_deeply($direct->command('LRANGE', 'order', 0, -1), [1 .. 300],
    'in Redis too');
cmp_ok(pinned() - $before, '>', 5, 'there were such moves');
$proxy->wait_info(links_own => 0);
pass('and in the end it shares');

# WAIT is about what its client wrote, wherever that went.
$c->raw(batch(['SET', 'k', 1], ['WAIT', 0, 100], ['GET', 'k']));
is_deeply([map { $c->reply } 1 .. 3], ['OK', 0, 1], 'WAIT');

# Publish and subscribe.
my ($sub2, $sub3) = map { $proxy->connect } 1 .. 2;
$sub3->command('HELLO', 3);
is_deeply($sub2->command('SUBSCRIBE', 'ch'), ['subscribe', 'ch', 1],
    'SUBSCRIBE in RESP2');
is_deeply($sub3->command('PSUBSCRIBE', 'c*'), ['psubscribe', 'c*', 1],
    'PSUBSCRIBE in RESP3');
is($other->command('PUBLISH', 'ch', 'hello'), 2, 'PUBLISH reaches both');
is_deeply($sub2->reply, ['message', 'ch', 'hello'], 'RESP2');
is_deeply($sub3->reply, ['pmessage', 'c*', 'ch', 'hello'], 'RESP3');
is($sub3->command('GET', 'k'), 1, 'RESP3 may ask meanwhile');
is($other->command('GET', 'k'), 1, 'others are not concerned');
$_->close for $sub2, $sub3;
$proxy->wait_info(links_own => 0);
pass('their connections go with them');

# Tracking is for good.
my $t = $proxy->connect;
$t->command('HELLO', 3);
is($t->command('CLIENT', 'TRACKING', 'ON'), 'OK', 'CLIENT TRACKING');
$t->command('GET', 'k');
$other->command('SET', 'k', 2);
is_deeply($t->reply, ['invalidate', ['k']], 'it hears');
is($t->command('GET', 'k'), 2, 'and asks');
is(own(), 1, 'on its own connection');
is($t->command('RESET'), 'RESET', 'RESET');
$proxy->wait_info(links_own => 0);
pass('ends that');

# CLIENT REPLY.
$t = $proxy->connect;
$t->raw(batch(['CLIENT', 'REPLY', 'OFF'], ['SET', 'k', 3], ['CLIENT',
    'REPLY', 'ON'], ['GET', 'k']));
is_deeply([map { $t->reply } 1 .. 2], ['OK', 3], 'CLIENT REPLY OFF and ON');
is($other->command('GET', 'k'), 3, 'others are answered');

# A user who may not SELECT keeps the database of the one before: another
# connection to Redis must get there all the same.
$other->command('ACL', 'SETUSER', 'plain', 'on', '>pass', '+get', '+blpop',
    '~*');
$t = $proxy->connect;
$t->command('SELECT', 3);
$t->command('SET', 'k', 'three');
is($t->command('AUTH', 'plain', 'pass'), 'OK', 'AUTH as another user');
is($t->command('BLPOP', 'none', '0.01'), undef, 'who may not SELECT blocks');
is($t->command('GET', 'k'), 'three', 'and is in the same database');
is($other->command('ACL', 'DELUSER', 'plain'), 1, 'that user is gone');

# The default user goes by no name, or by its own.
$t = $proxy->connect;
$t->command('SELECT', 3);
is($t->command('CONFIG', 'SET', 'requirepass', 'word'), 'OK',
    'a first password');
is($t->command('AUTH', 'default', 'word'), 'OK', 'AUTH with it');
is($t->command('GET', 'k'), 'three', 'and is in the same database');
is($t->command('CONFIG', 'SET', 'requirepass', ''), 'OK', 'no password');

# Redis knows the client by its name there, and the next one not by that.
sub names { join ' ', $direct->command('CLIENT', 'LIST') =~ /name=(\S+)/g }
my ($named, $unnamed) = map { $proxy->connect } 1 .. 2;
$named->command('CLIENT', 'SETNAME', 'worker-7');
$named->send('BLPOP', 'none', 0);
wait_for('the name', sub { names() eq 'worker-7' });
$other->command('LPUSH', 'none', 1);
is_deeply($named->reply, ['none', 1], 'one that has a name was blocked');
$unnamed->send('BLPOP', 'none', 0);
wait_for('no name', sub { names() eq '' });
$other->command('LPUSH', 'none', 2);
is_deeply($unnamed->reply, ['none', 2], 'then one that has none');
$named->send('MULTI')->send('CLIENT', 'SETNAME', 'worker-8')->send('EXEC');
is_deeply([map { $named->reply } 1 .. 3], ['OK', 'QUEUED', ['OK']],
    'a name in a transaction');
is($named->command('BLPOP', 'none', '0.01'), undef, 'it blocks again');
$unnamed->send('BLPOP', 'none', 0);
wait_for('no name again', sub { names() eq '' &&
    $direct->info('clients')->{blocked_clients} });
$other->command('LPUSH', 'none', 3);
is_deeply($unnamed->reply, ['none', 3], 'the other one has none still');

# MONITOR.
my $m = $proxy->connect;
is($m->command('MONITOR'), 'OK', 'MONITOR');
$other->command('GET', 'seen');
wait_for('MONITOR to tell', sub { $m->reply =~ /"GET" "seen"/ });
pass('MONITOR sees what others ask');

done_testing;
