# A connection that never says what it must say first would be kept for good,
# and cost a place of maxclients each: a handshake and a PROXY header have a
# limit. Silence and dripping must both end at it; who is through stays, however
# idle. And a scanner's refusals must not fill the log.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Test::More;
use T;
use T::Cert;
use T::Proxy;
use T::Redis;

use constant { LIMIT => 10, SCANS => 200 };

my $redis = T::Redis->new;
my $cert = T::Cert->ca->sign;
my $plain = T::Proxy->new(redis => $redis, tls => $cert)->open;
my $proxied = T::Proxy->new(redis => $redis, tls => $cert,
    conf => 'proxy-protocol yes')->open;
my $header = "\r\n\r\n\0\r\nQUIT\n" . pack('CCn', 0x20, 0, 0);
my $hello = "\x16\x03\x01\x02\0\1\0\1\xfc\3\3" . 'x' x 501;	# not its end

sub raw {
	my ($port, $bytes) = @_;
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	    PeerPort => $port) // die "connect: $!";
	syswrite($s, $bytes) if defined $bytes;
	return $s;
}

my $idle = $plain->connect_tls;
is($idle->command('PING'), 'PONG', 'one who is through');
my $begin = now();
my %open = (
	'TLS, silent' => raw($plain->tls_port),
	'TLS, half a hello' => raw($plain->tls_port, $hello),
	'a header, silent' => raw($proxied->port),
	'half a header' => raw($proxied->port, substr $header, 0, 8),
	'no hello behind a header' => raw($proxied->tls_port, $header),
	'TLS, no header' => raw($proxied->tls_port),
);
my $drip = raw($plain->tls_port, substr $hello, 0, 100);
my $dripped = 100;
my %closed;
wait_for('all to be closed', sub {
	$dripped < length $hello and syswrite($drip, substr $hello,
	    $dripped++, 1) if !$closed{drip};
	for my $what (keys %open) {
		next if $closed{$what} ||
		    !IO::Select->new($open{$what})->can_read(0);
		$closed{$what} = now() - $begin
		    if !sysread($open{$what}, my $bytes, 1000);
	}
	$closed{drip} = now() - $begin if !$closed{drip} &&
	    IO::Select->new($drip)->can_read(0.05);
	keys %closed == 1 + keys %open }, 3 * LIMIT);
cmp_ok($closed{$_}, '>', LIMIT - 1, "$_: is given time") for sort keys %closed;
is($idle->command('PING'), 'PONG', 'who is through stays');
is($plain->info->{tls_refused}, 3, 'handshakes are counted');
is($proxied->info->{clients_unproxied}, 3, 'headers too');
is($proxied->info->{clients}, 0, 'nobody is left');
like($plain->log, qr/tls: [\d.:]+ is refused: the handshake was not done in 10 s/,
    'the log says why');
like($proxied->log, qr/conn: [\d.:]+ is refused: .* version 2, in 10 s/,
    'of a header as well');

# ---- a scanner ----

for my $p ($plain, $proxied) {
	for (1 .. SCANS) {
		my $s = raw($p->tls_port, "GET / HTTP/1.0\r\n\r\n");
		1 while sysread($s, my $bytes, 1000);
	}
}
is($plain->info->{tls_refused}, 3 + SCANS, 'all are counted');
is($proxied->info->{clients_unproxied}, 3 + SCANS, 'and with PROXY');
for my $p ($plain, $proxied) {
	my $lines = () = $p->log =~ /is refused/g;
	cmp_ok($lines, '<=', 2 * 30, "$lines lines are logged");
}
done_testing;
