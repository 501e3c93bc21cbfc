# Behind another proxy every client has that proxy's address, unless it says
# whose it is. A header of the PROXY protocol must be taken to its last byte and
# not beyond, however it is cut, before TLS too; without it nobody may come in,
# and where it is not asked for nobody may give himself an address.
use strict;
use warnings;
use Socket qw(inet_pton AF_INET AF_INET6);
use Test::More;
use T;
use T::Cert;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
my $path = tmpdir() . '/redis.sock';
my $cert = T::Cert->ca->sign;
my $proxy = T::Proxy->new(redis => $redis, tls => $cert, conf =>
    "proxy-protocol yes\nunixsocket $path")->open;

my $signature = "\r\n\r\n\0\r\nQUIT\n";
sub header {
	my ($command, $family, $body) = @_;
	return $signature . pack('CCn', $command, $family, length $body)
	    . $body;
}
my $v4 = inet_pton(AF_INET, '192.0.2.7') . inet_pton(AF_INET, '10.0.0.10')
    . pack('nn', 40000, 6379);
my $v6 = inet_pton(AF_INET6, '2001:db8::7')
    . inet_pton(AF_INET6, '2001:db8::1') . pack('nn', 40001, 6379);
my $tcp4 = header(0x21, 0x11, $v4);
my $own = qr/127\.0\.0\.1:\d+/;

for (['IPv4', $tcp4, qr/192\.0\.2\.7:40000/],
    ['IPv6', header(0x21, 0x21, $v6), qr/\[2001:db8::7\]:40001/],
    ['IPv4 and extensions', header(0x21, 0x11, $v4 . "\4\0\5hello"),
    qr/192\.0\.2\.7:40000/],
    ['the proxy itself', header(0x20, 0x00, ''), $own],
    ['the proxy itself, with an address', header(0x20, 0x11, $v4), $own],
    ['unknown', header(0x21, 0x00, ''), $own],
    ['too short for an address', header(0x21, 0x21, $v4), $own],
    ['a unix socket', header(0x21, 0x31, "\0" x 216), $own]) {
	my ($what, $header, $addr) = @$_;
	my $c = $proxy->connect_plain;
	$c->raw($header . T::Resp::encode('PING')
	    . T::Resp::encode('CLIENT', 'INFO'));
	is($c->reply, 'PONG', "$what: at once with requests");
	like($c->reply, qr/ addr=$addr laddr=127/, "$what: is shown");
	$c = $proxy->connect_plain;
	$c->raw($_) for split //, $header . T::Resp::encode('CLIENT', 'INFO');
	like($c->reply, qr/ addr=$addr laddr=127/, "$what: byte by byte");
}

my $c = T::Resp->new($path);
like($c->raw($tcp4)->command('CLIENT', 'INFO'),
    qr{ addr=192\.0\.2\.7:40000 laddr=\Q$path\E:0 }, 'by a unix socket');
is($c->command('CLIENT', 'KILL', '192.0.2.7:1'), '-ERR No such client',
    'CLIENT KILL by another address');
is($c->command('CLIENT', 'KILL', '192.0.2.7:40000'), 'OK', 'and by its own');
ok($c->closed, 'closes it');
wait_for('the log to have the address', sub {
	$proxy->log =~ /client: 192\.0\.2\.7:40000 closed/ });
pass('the log has the address');

for (['a request', "PING\r\n"], ['another one', T::Resp::encode('PING')],
    ['version 1', "PROXY TCP4 192.0.2.7 10.0.0.10 40000 6379\r\n"],
    ['version 3', $signature . pack('CCn', 0x31, 0x11, 12) . $v4],
    ['too large', header(0x21, 0x11, $v4 . "\0" x 3000)],
    ['TLS', "\x16\x03\x01\0\5\1\0\0\1\0"]) {
	my ($what, $bytes) = @$_;
	my $from = length $proxy->log;
	$c = $proxy->connect_plain;
	$c->raw($bytes);
	ok($c->closed, "$what and no header: is closed");
	like(substr($proxy->log, $from),
	    qr/conn: 127\.0\.0\.1:\d+ is refused: it sends no header/,
	    "$what: the log says why");
}
$c = $proxy->connect_plain;
$c->raw(substr $tcp4, 0, 20)->close;
is($proxy->info->{clients_unproxied}, 6, 'they are counted');
is(T::Resp->new($path)->raw($tcp4)->command('PING'), 'PONG',
    'half a header harms nobody');

# ---- HAProxy, and TLS through it ----

SKIP: {
	skip 'no haproxy here', 6 if system('haproxy -v >/dev/null 2>&1');
	my ($plain, $tls) = (free_port(), free_port());
	my $conf = write_file(tmpdir() . '/haproxy.cfg', <<"EOT");
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
listen plain
    bind 127.0.0.1:$plain
    server s 127.0.0.1:@{[$proxy->port]} send-proxy-v2
listen tls
    bind 127.0.0.1:$tls
    server s 127.0.0.1:@{[$proxy->tls_port]} send-proxy-v2 check inter 50ms
EOT
	my $haproxy = spawn('haproxy', 'haproxy', '-db', '-f', $conf);
	wait_for('haproxy', sub { eval {
		T::Resp->new($plain)->command('PING') eq 'PONG' } });
	my $c = T::Resp->new($plain);
	my $mine = $c->{s}->sockport;
	like($c->command('CLIENT', 'INFO'), qr/ addr=127\.0\.0\.1:$mine /,
	    'through HAProxy a client has its own address');
	$c = T::Resp->new($tls, tls => [$cert->args]);
	my ($addr) = $c->command('CLIENT', 'INFO') =~ / addr=(\S+)/;
	like($addr, $own, 'so it has with TLS');
	my $value = 'x' x 3_000_000;
	is($c->command('SET', 'big', $value), 'OK', '3 MB go in');
	ok($c->command('GET', 'big') eq $value, 'and come back');
	$haproxy->kill;
}

# ---- only where it is asked for ----

$proxy->child->stop;
write_file("$proxy->{dir}/holdover.conf", slurp("$proxy->{dir}/holdover.conf")
    . "proxy-protocol unixsocket\n");
$proxy->start->open;
is($proxy->connect_plain->command('PING'), 'PONG', 'proxy-protocol '
    . 'unixsocket: the port takes none');
is($proxy->connect_tls->command('PING'), 'PONG', 'nor does the TLS port');
like(T::Resp->new($path)->raw($tcp4)->command('CLIENT', 'INFO'),
    qr/ addr=192\.0\.2\.7:40000 /, 'but the socket does');
$c = $proxy->connect_plain;
$c->raw($tcp4 . T::Resp::encode('CLIENT', 'INFO'));
unlike(eval { $c->reply } // '', qr/192\.0\.2/, 'nobody may give himself an '
    . 'address');
done_testing;
