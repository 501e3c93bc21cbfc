# A client that may do nothing but its own work goes over a switch as any
# other: Holdover asks on its behalf (PING, SELECT, CLIENT ID) at the next
# primary, and may be refused.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(conf => "workers 1\nswitch-min-gap 0");
my $proxy = $pair->proxy('a');
my $writer = $proxy->connect;
my %rights = (reads => '+get +incr', listens => '&* +subscribe',
    tracks => '+get +client|tracking', blocks => '+blpop',
    tx => '+multi +exec +incr', monitors => '+monitor');

# Each in database 3, which it could not select itself.
sub client {
	my ($user, $proto) = @_;
	my $c = $proxy->connect;
	$c->command('SELECT', 3);
	my $r = $proto == 2 ? $c->command('AUTH', $user, 'word') :
	    $c->command('HELLO', 3, 'AUTH', $user, 'word');
	like(ref $r || $r, qr/^(?:OK|ARRAY|HASH)$/, "$user in RESP$proto");
	return $c;
}

for my $r (map { $pair->redis($_) } qw(a b)) {
	$r->command('ACL', 'SETUSER', $_, qw(on >word ~*),
	    split ' ', $rights{$_}) for keys %rights;
}
$writer->command('SELECT', 3);
$writer->command('SET', 'k', 'v');
my %c = map { my $proto = $_; map { $_ . $proto => client($_, $proto) }
    sort keys %rights } 2, 3;
delete($c{tracks2})->close;	# RESP2 needs another connection for it

is($c{"reads$_"}->command('GET', 'k'), 'v', 'it reads') for 2, 3;
is_deeply($c{"listens$_"}->command('SUBSCRIBE', 'ch'), ['subscribe', 'ch', 1],
    'it listens') for 2, 3;
is($c{tracks3}->command('CLIENT', 'TRACKING', 'ON'), 'OK', 'it tracks');
is($c{tracks3}->command('GET', 'k'), 'v', 'a key');
is($c{"tx$_"}->command('MULTI'), 'OK', 'it has begun a transaction')
    for 2, 3;
is($c{"tx$_"}->command('INCR', "n$_"), 'QUEUED', 'with a command') for 2, 3;
is($c{"monitors$_"}->command('MONITOR'), 'OK', 'it sees all') for 2, 3;
$c{"blocks$_"}->send('BLPOP', "l$_", 0) for 2, 3;
wait_for('them to be blocked', sub { $pair->redis($pair->primary)
    ->info->{blocked_clients} == 2 });

$pair->switchover;

is($c{"reads$_"}->command('GET', 'k'), 'v', "it still reads, RESP$_")
    for 2, 3;
is($writer->command('PUBLISH', 'ch', 'news'), 2, 'both listen');
is_deeply($c{"listens$_"}->reply, ['message', 'ch', 'news'], 'and hear')
    for 2, 3;
is_deeply($c{tracks3}->reply, ['invalidate', undef],
    'what it tracked is stale');
is($c{tracks3}->command('GET', 'k'), 'v', 'it tracks again');
$writer->command('SET', 'k', 'w');
is_deeply($c{tracks3}->reply, ['invalidate', ['k']], 'and is told');
is_deeply($c{"tx$_"}->command('EXEC'), [1], 'its transaction runs') for 2, 3;
$writer->command('RPUSH', "l$_", 'x') for 2, 3;
is_deeply($c{"blocks$_"}->reply, ["l$_", 'x'], 'it is served') for 2, 3;
for my $c (@c{'monitors2', 'monitors3'}) {
	wait_for('MONITOR', sub { $c->reply =~ /"PUBLISH" "ch" "news"/i });
	pass('it sees all at the next primary');
}

done_testing;
