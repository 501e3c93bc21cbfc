# A client that asks for maintenance notifications is told of each hold,
# between two replies and never inside one, and once more for each time that
# it is over: libraries count.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis, conf => "workers 2\n" .
    "hold-timeout 60s\nclient-output-limit 1mb\n")->open;
my @on = qw(client Maint_Notifications on);
my ($plain, $untold) = map { $proxy->connect } 1 .. 2;
my @told = map { my $c = $proxy->connect; $c->command('HELLO', 3); $c } 1 .. 4;

sub pause { is($proxy->admin('PAUSE', $_[0] // 'WRITE', '60s'), 'OK', 'PAUSE') }
sub resume { is($proxy->admin('RESUME'), 'OK', 'RESUME') }

# The number in a push whose other bytes are right.
sub push_number {
	my ($c, $kind, $name) = @_;
	my $got = $c->reply_bytes;
	my $want = $kind eq 'FAILING_OVER' ?
	    qr/^>4\r\n\$12\r\nFAILING_OVER\r\n:(\d+)\r\n:\d+\r\n\$1\r\n1\r\n$/ :
	    qr/^>3\r\n\$11\r\nFAILED_OVER\r\n:(\d+)\r\n\$1\r\n1\r\n$/;
	like($got, $want, "$kind: $name");
	return $got =~ $want ? $1 : undef;
}
sub failing { push_number($_[0], 'FAILING_OVER', $_[1]) }
sub failed { push_number($_[0], 'FAILED_OVER', $_[1]) }

# Who may be told.
like($plain->command(@on), qr/^-ERR .*RESP3/, 'not in RESP2');
my $t = shift @told;
$untold->command('HELLO', 3);
is($t->command(@on), 'OK', 'ON, in any case');
is($t->command(qw(CLIENT MAINT_NOTIFICATIONS OFF)), 'OK', 'OFF');
for (qw(internal-ip internal-fqdn external-ip External-FQDN none)) {
	is($t->command(@on, 'moving-endpoint-type', $_), 'OK', $_);
}
like($t->command(@on, 'moving-endpoint-type', 'x'), qr/^-ERR Invalid/,
    'another type');
like($t->command(@on, @$_), qr/^-ERR syntax/, "ON @$_")
    for ['x'], ['x', 'none'], ['moving-endpoint-type'];
like($t->command(qw(CLIENT MAINT_NOTIFICATIONS), @$_), qr/^-ERR syntax/, "@$_")
    for ['x'], ['OFF', 'x'];

# One number for one hold, on all workers; what was held is answered behind.
is($_->command(@on), 'OK', 'ON') for @told;
pause();
my %seen = map { failing($_, 'when a hold begins') => 1 } $t, @told;
is(keys %seen, 1, 'one number for all');
$t->send('INCR', 'n');
$untold->send('INCR', 'n');
$proxy->wait_info(waiting => 2);
is($told[0]->command('GET', 'n'), undef, 'a read goes on meanwhile');
ok(!$t->readable(0), 'the INCR waits');

# One that asks during the hold is told at once, behind its OK.
my $late = $proxy->connect;
$late->command('HELLO', 3);
is($late->command(@on), 'OK', 'ON during a hold');
is(failing($late, 'at once'), (keys %seen)[0], 'the same number');
is($late->command(qw(CLIENT MAINT_NOTIFICATIONS OFF)), 'OK', 'OFF');

# Repeated before ten seconds are over: one more for each.
is(failing($_, 'once more'), (keys %seen)[0], 'the same hold')
    for $t, @told;
resume();
my %end = map { failed($_, 'when it is over') => 1, failed($_, 'twice') => 1 }
    $t, @told;
is(keys %end, 1, 'one number for the end');
cmp_ok((keys %end)[0], '>', (keys %seen)[0], 'a later one');
like($t->reply, qr/^[12]$/, 'the INCR ran');
like($untold->reply, qr/^[12]$/, 'so it did for one that is not told');
is($untold->command('GET', 'n'), 2, 'each once, and it hears nothing else');
is($late->command('PING'), 'PONG', 'nor does one that said OFF');

# Who listens is told as any other, between what it hears.
my ($sub, $monitor) = map { my $c = $proxy->connect; $c->command('HELLO', 3);
    $c->command(@on); $c } 1 .. 2;
is_deeply($sub->command('SUBSCRIBE', 'ch'), ['subscribe', 'ch', 1],
    'SUBSCRIBE');
is($monitor->command('MONITOR'), 'OK', 'MONITOR');
pause();
failing($_, 'a subscriber, MONITOR') for $sub, $monitor;
$redis->connect->command('PUBLISH', 'ch', 'x');
is_deeply($sub->reply, ['message', 'ch', 'x'], 'it hears meanwhile');
like($monitor->reply, qr/"PUBLISH" "ch" "x"/, 'and MONITOR');
resume();
failed($_, 'over') for $sub, $monitor;
failing($_, 'the others'), failed($_, 'over') for $t, @told;
$_->close for $sub, $monitor;

# Never inside a reply: here one that its client does not read.
my $big = 'x' x 20_000_000;
is($untold->command('SET', 'big', $big), 'OK', 'a large value');
$t->send('GET', 'big')->send('PING');
$t->fill;
pause('ALL');
failing($told[0], 'to one that is between two');
cmp_ok(length $t->reply, '==', length $big, 'the reply is whole');
$t->{seconds} = 15;
my @rest = ($t->reply, $t->reply);
is_deeply([sort map { ref $_ ? $_->[0] : $_ } @rest], ['FAILING_OVER', 'PONG'],
    'then it is told');
resume();
failed($_, 'over') for $told[0], $t;

# What ends it.
is($told[0]->command('RESET'), 'RESET', 'RESET');
$told[0]->command('HELLO', 3);
$told[1]->reply for 1 .. 2;
$told[1]->command('HELLO', 2);
$told[1]->command('HELLO', 3);
pause();
failing($t, 'still told');
ok(!$told[$_]->readable(0), 'not one that said ' . qw(RESET HELLO)[$_])
    for 0, 1;
is($_->command('PING'), 'PONG', 'it hears nothing') for @told[0, 1];
resume();
failed($t, 'over');

# A Redis that is gone is a hold as well.
$redis->child->kill;
failing($t, 'Redis is gone');
$redis->start;
failed($t, 'it is back');
cmp_ok($proxy->info->{pushes}, '>', 10, 'they are counted');

done_testing;
