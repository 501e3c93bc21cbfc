# CLIENT TRACKING ... REDIRECT takes the id of another client. What CLIENT ID
# tells is Holdover's, and Redis knows the connection by another: it said that
# there is no such client, or sent a client's keys to somebody else.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis, conf => "workers 2\n")->open;
my $writer = $redis->connect;

# For as many as it takes to have some on either thread.
for my $i (1 .. 4) {
	my ($ear, $tracks) = map { $proxy->connect } 1 .. 2;
	my $id = $ear->command('CLIENT', 'ID');
	$ear->command('SUBSCRIBE', '__redis__:invalidate');
	is($tracks->command('CLIENT', 'GETREDIR'), -1, "$i: no tracking");
	is($tracks->command('CLIENT', 'TRACKING', 'ON', 'REDIRECT', $id), 'OK',
	    'REDIRECT to a subscriber');
	is($tracks->command('CLIENT', 'GETREDIR'), $id, 'CLIENT GETREDIR');
	my %info = @{$tracks->command('CLIENT', 'TRACKINGINFO')};
	is($info{redirect}, $id, 'CLIENT TRACKINGINFO');
	$tracks->command('GET', "k$i");
	$writer->command('SET', "k$i", 1);
	is_deeply($ear->reply, ['message', '__redis__:invalidate', ["k$i"]],
	    'it is told');
	$_->close for $ear, $tracks;
}

# Its connection breaks, and it is not told by that: all is stale.
for my $proto (2, 3) {
	my ($ear, $tracks) = map { $proxy->connect } 1 .. 2;
	$ear->command('HELLO', 3) if $proto == 3;
	my $id = $ear->command('CLIENT', 'ID');
	$ear->command('SUBSCRIBE', '__redis__:invalidate') if $proto == 2;
	$tracks->command('CLIENT', 'TRACKING', 'ON', 'REDIRECT', $id);
	my $hears = sub { my ($key) = @_; $proto == 2 ?
	    ['message', '__redis__:invalidate', $key] : ['invalidate', $key] };
	my ($number) = $writer->command('CLIENT', 'LIST') =~ / redir=(\d+)/;
	is($writer->command('CLIENT', 'KILL', 'ID', $number), 1,
	    "RESP$proto: its connection is killed");
	is_deeply($ear->reply, $hears->(undef), 'all is stale');
	wait_for('it to be told again', sub {
		$tracks->command('GET', 'anew');
		$writer->command('SET', 'anew', 1);
		$ear->readable(0.1) or return 0;
		my $got = $ear->reply;
		is_deeply($got, $hears->(undef), 'once more') if
		    !defined $got->[-1];
		return ref $got->[-1] && $got->[-1][0] eq 'anew' });
	is($tracks->command('CLIENT', 'GETREDIR'), $id, 'CLIENT GETREDIR');
	$_->close for $ear, $tracks;
}

# In RESP3 nothing need be subscribed to: its connection must be its own.
my ($ear, $tracks, $other) = map { $proxy->connect } 1 .. 3;
$_->command('HELLO', 3) for $ear, $tracks;
my $id = $ear->command('CLIENT', 'ID');
is($ear->command('GET', 'k1'), 1, 'one that shares its connection');
$tracks->raw(join '', map { T::Resp::encode(@$_) } ['PING'], ['CLIENT',
    'TRACKING', 'ON', 'BCAST', 'REDIRECT', $id, 'PREFIX', 'p'], ['PING']);
is_deeply([map { $tracks->reply } 1 .. 3], ['PONG', 'OK', 'PONG'],
    'REDIRECT among others');
$writer->command('SET', 'p1', 1);
is_deeply($ear->reply, ['invalidate', ['p1']], 'it is told');
is($ear->command('RESET'), 'RESET', 'RESET');
like($ear->command('HELLO', 3)->[1], qr/^(?:redis|valkey)$/, 'it goes on');
$writer->command('SET', 'p2', 1);
is_deeply($ear->reply, ['invalidate', ['p2']], 'and is told');
$ear->close;
$proxy->wait_info(clients => 2);
$writer->command('SET', 'p3', 1);
is_deeply($tracks->reply, ['tracking-redir-broken', $id],
    'that it has gone is said with its id');

like($other->command('CLIENT', 'TRACKING', 'ON', 'REDIRECT', $id),
    qr/^-ERR The client ID you want redirect to does not exist/,
    'one that has gone');
like($other->command('CLIENT', 'TRACKING', 'ON', 'REDIRECT', 'x'),
    qr/^-ERR value is not an integer/, 'what is no id');
is($other->command('CLIENT', 'TRACKING', 'OFF'), 'OK', 'OFF');
$_->close for $other, $tracks;
$proxy->wait_info(links_own => 0);
pass('no connection is left');

done_testing;
