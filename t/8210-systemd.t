# systemd believes what it is told: READY before clients can connect lets
# others start too early, a watchdog fed from outside of the loop hides that
# it hangs. A socket of ours takes systemd's place.
use strict;
use warnings;
use Socket qw(AF_UNIX SOCK_DGRAM pack_sockaddr_un);
use Test::More;
use T;
use T::Proxy;
use T::Redis;

plan skip_all => 'built without libsystemd'
    if qx(ldd @{[binary('holdover')]}) !~ /libsystemd/;

my $path = tmpdir() . '/notify.sock';
socket my $systemd, AF_UNIX, SOCK_DGRAM, 0 or die "socket: $!";
bind $systemd, pack_sockaddr_un($path) or die "bind: $!";

# The next message that matches, within the deadline; drops those before.
sub told {
	my ($want) = @_;
	my $got;
	return wait_for("systemd to be told $want", sub {
		my $bits = '';
		vec($bits, fileno $systemd, 1) = 1;
		return if !select $bits, undef, undef, 0;
		recv $systemd, $got, 4096, 0;
		return $got =~ $want ? $got : undef });
}

my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis, later => 1);
{
	local $ENV{NOTIFY_SOCKET} = $path;
	local $ENV{WATCHDOG_USEC} = 200_000;
	$proxy->start;
}
ok(told(qr/^READY=1$/), 'READY');
is($proxy->command('PING'), 'PONG', 'and it serves');
ok(told(qr/^STATUS=gate open$/), 'how things are');
ok(told(qr/^WATCHDOG=1$/), 'the watchdog is fed') for 1 .. 3;

$proxy->admin('PAUSE', 'ALL', '60s');
ok(told(qr/^STATUS=gate hold-all \(PAUSE\)$/), 'what changes is told');
$proxy->admin('RESUME');
ok(told(qr/^STATUS=gate open$/), 'and again');

$proxy->child->signal('HUP');
ok(told(qr/^RELOADING=1\nMONOTONIC_USEC=\d+$/), 'RELOADING');
ok(told(qr/^READY=1$/), 'and READY again');

$proxy->child->signal('TERM');
ok(told(qr/^STOPPING=1$/), 'STOPPING');

done_testing;
