# Commands that come while the gate holds must wait: not fail, not overtake
# one another, not run when their client has left. PAUSE closes the gate.
# The order among clients is that of one worker.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis, conf =>
    "workers 1\nhold-timeout 60s\nhold-memory 1mb\n")->open;
my $direct = $redis->connect;
my ($w, $r) = ($proxy->connect, $proxy->connect);

# Writes are held, reads and what needs no key go on.
is($proxy->admin('PAUSE', 'WRITE', '60s'), 'OK', 'PAUSE WRITE');
is($proxy->info->{gate}, 'hold-writes', 'the gate holds writes');
$w->send('SET', 'k', 1)->send('GET', 'k')->send('INCR', 'k');
is($r->command('GET', 'k'), undef, 'another client reads');
is($r->command('PING'), 'PONG', 'and PING is answered');
$proxy->wait_info(waiting => 1);
ok(!$w->readable(0), 'the writer has no answer');
is($direct->command('EXISTS', 'k'), 0, 'and Redis did not see its write');
my @queued = map { my $c = $proxy->connect; $c->send('RPUSH', 'order', $_);
    $proxy->wait_info(waiting => $_ + 1); $c } 1 .. 20;
is($proxy->admin('RESUME'), 'OK', 'RESUME');
is_deeply([map { $w->reply } 1 .. 3], ['OK', 1, 2],
    'what was held runs in order');
$_->reply for @queued;
is_deeply($direct->command('LRANGE', 'order', 0, -1), [1 .. 20],
    'clients go on in the order in which they began to wait');

# Everything is held.
$proxy->admin('PAUSE', 'ALL', '60s');
$r->send('GET', 'k');
is($w->command('PING'), 'PONG', 'PING is answered by any Redis');
$proxy->wait_info(waiting => 1);
ok(!$r->readable(0), 'a read waits');

# A client that leaves takes its commands along.
my $gone = $proxy->connect;
$gone->send('SET', 'gone', 1);
$proxy->wait_info(waiting => 2);
$gone->close;
$proxy->wait_info(waiting => 1);
is($proxy->info->{hold_cancelled}, 1, 'it is counted');
$proxy->admin('RESUME');
is($r->reply, 2, 'the read goes on');
is($direct->command('EXISTS', 'gone'), 0, 'what the other held never runs');

# Back-pressure: more than the limits can hold is left in the socket.
$proxy->admin('PAUSE', 'WRITE', '60s');
my @many = map { $proxy->connect } 1 .. 40;
my $value = 'x' x 30_000;
$many[$_]->send('SET', "m:$_", $value) for 0 .. $#many;
$proxy->wait_info(waiting => scalar @many);
cmp_ok($proxy->info->{waiting_bytes}, '<', 3_000_000, 'memory is bounded');
$proxy->admin('RESUME');
is((grep { $_->reply eq 'OK' } @many), scalar @many, 'and all of them run');

# A pause ends by itself.
$proxy->admin('PAUSE', 'WRITE', '100ms');
is($w->command('SET', 'after', 1), 'OK', 'a pause is over in its time');

# What waits too long is told so, and was not run.
my $short = T::Proxy->new(redis => $redis, conf => "hold-timeout 200ms\n")
    ->open;
$w = $short->connect;
$short->admin('PAUSE', 'ALL', '60s');
$w->send('INCR', 'late')->send('INCR', 'late');
like($w->reply, qr/^-LOADING Holdover: .*not run/, 'hold-timeout');
like($w->reply, qr/^-LOADING/, 'for each of them');
is($direct->command('EXISTS', 'late'), 0, 'it did not run');
$short->admin('RESUME');
is($w->command('INCR', 'late'), 1, 'the connection goes on');

# What Redis itself refuses though nothing is held waits as well, for the
# reason may pass; in the end Redis' own words tell more.
$direct->command(qw(CONFIG SET min-replicas-to-write 1));
$w->send('INCR', 'late')->send('GET', 'late')->send('INCR', 'late');
like($w->reply, qr/^-NOREPLICAS Not/, 'what Redis refused for so long');
like($w->reply, qr/^(1$|-LOADING)/, 'a read behind it has its answer');
like($w->reply, qr/^-NOREPLICAS/, 'and is told in order');
# A primary that is new is given time to get its replica.
my $new = T::Proxy->new(redis => $redis)->open;
$w = $new->connect->send('INCR', 'late');
is($new->command('PING'), 'PONG', 'others do not wait');
$direct->command(qw(CONFIG SET min-replicas-to-write 0));
is($w->reply, 2, 'what is refused for a while runs');

done_testing;
