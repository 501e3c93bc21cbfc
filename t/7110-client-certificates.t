# A port that takes anybody's certificate, or none, is no protection; one that
# refuses without a reason costs an operator the evening. Certificates that
# are right, missing, expired and of another CA, in TLS 1.2 and 1.3, with each
# value of tls-auth-clients; the log must say what was wrong, with whose.
use strict;
use warnings;
use Test::More;
use T;
use T::Cert;
use T::Proxy;
use T::Redis;

my $ca = T::Cert->ca(name => 'right CA');
my $other = T::Cert->ca(name => 'other CA');
my $server = $ca->sign(name => 'server');
my %client = (right => $ca->sign(name => 'right'),
    expired => $ca->sign(name => 'of last year', expired => 1),
    foreign => $other->sign(name => 'foreign'));
my $redis = T::Redis->new;

sub options {
	my ($who) = @_;
	return ('-C', $ca->cert, !$client{$who} ? () :
	    ('-c', $client{$who}->cert, '-k', $client{$who}->key));
}

my %why = (expired => qr/certificate has expired \(CN = of last year\)/,
    foreign => qr/unable to get local issuer certificate \(CN = foreign\)/,
    none => qr/peer did not return a certificate/);
my %refused = (yes => [qw(expired foreign none)],
    optional => [qw(expired foreign)], no => []);

for my $auth (qw(yes optional no)) {
	my $proxy = T::Proxy->new(redis => $redis, tls => $server,
	    conf => "tls-auth-clients $auth")->open;
	my %bad = map { $_ => 1 } @{$refused{$auth}};
	for my $version (2, 3) {
		for my $who (sort(keys %client), 'none') {
			my $from = length $proxy->log;
			my $c = $proxy->connect_tls("-$version",
			    options($who));
			my $got = eval { $c->command('PING') } // 'refused';
			is($got, $bad{$who} ? 'refused' : 'PONG',
			    "tls-auth-clients $auth, TLS 1.$version, $who");
			next if !$bad{$who};
			my $said = wait_for('the log to say why', sub {
				(substr($proxy->log, $from) =~
				/(tls: 127\.0\.0\.1:\d+ is refused: .*\n)/)[0] });
			like($said, $why{$who}, 'the log says why');
		}
	}
	my $i = $proxy->info;
	is($i->{tls_refused}, 2 * @{$refused{$auth}}, 'who was refused');
	is($i->{tls_accepted}, 8, 'and who was not is counted')
	    if $auth eq 'no';
	is($proxy->connect_plain->command('PING'), 'PONG', 'the plain port');
	$proxy->child->stop;
}

# By IPv6.
my $six = T::Proxy->new(redis => $redis, tls => $server,
    conf => "bind ::1\nport 0")->open;
is(T::Resp->new($six->tls_port, host => '::1', tls => [$server->args])
    ->command('PING'), 'PONG', 'IPv6, and no plain port');

# What does not speak TLS, or not well, harms nobody.
my $proxy = T::Proxy->new(redis => $redis, tls => $server)->open;
my $c = $proxy->connect_tls;
local $SIG{PIPE} = 'IGNORE';	# it is closed while it still sends
for my $rubbish ("PING\r\n", "GET / HTTP/1.0\r\n\r\n", "\0" x 1000,
    "\x16\x03\x01\xff\xff" . "\1" x 70000, "\x16\x03\x01\0\5\1\0\0\1\0") {
	my $r = T::Resp->new($proxy->tls_port);
	eval { $r->raw($rubbish) };
	$r->half_close;
	ok($r->closed, 'rubbish is closed');
}
wait_for('the log to tell', sub {
	$proxy->log =~ /is refused: it does not speak TLS/ });
pass('the log says that it was no TLS');
T::Resp->new($proxy->tls_port)->close for 1 .. 20;
is($c->command('PING'), 'PONG', 'others go on');
is($proxy->connect_tls(options('right'), '-n', 'any.name.at.all')
    ->command('PING'), 'PONG', 'any name in SNI will do');
unlike($proxy->log, qr/BEGIN|PRIVATE/, 'no key in the log');
done_testing;
