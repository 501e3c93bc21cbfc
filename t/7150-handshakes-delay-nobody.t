# After the VIP has moved, all clients come back at once, and a handshake costs
# as much as a hundred requests. Those who are connected must not wait until
# the last of the crowd is done: 300 hellos and one PING behind them reach a
# worker that is stopped; when it goes on, the PING must be answered while most
# of the crowd still waits.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Test::More;
use T;
use T::Cert;
use T::Proxy;
use T::Redis;

use constant CROWD => 300;

my $redis = T::Redis->new;
my $cert = T::Cert->ca->sign(bits => 2048);
my $proxy = T::Proxy->new(redis => $redis, tls => $cert,
    conf => 'workers 1')->open;

# A hello as OpenSSL says it; one may be said many times.
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
    or die "listen: $!";
my $speaker = T::Resp->new($listener->sockport, tls => [$cert->args]);
my $heard = $listener->accept;
sysread($heard, my $hello, 65536) or die "no hello: $!";
$_->close for $heard, $listener;

my $c = $proxy->connect_plain;
is($c->command('PING'), 'PONG', 'one who is connected');
my @crowd = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
    PeerPort => $proxy->tls_port) // die "connect: $!" } 1 .. CROWD;
$proxy->wait_info(clients => CROWD + 1);
$proxy->child->signal('STOP');
syswrite($_, $hello) == length $hello or die "hello: $!" for @crowd;
$c->send('PING');
$proxy->child->signal('CONT');
is($c->reply, 'PONG', 'and asks behind a crowd');
my $done = IO::Select->new(@crowd)->can_read(0);
cmp_ok($done, '<', CROWD / 2, "is answered when $done of them are");
my $all = IO::Select->new(@crowd);
wait_for('all to be answered', sub {
	$all->remove($all->can_read(0.1));
	$all->count == 0 }, 60);
pass('and the crowd is served as well');
$_->close for @crowd;
done_testing;
