# Certificates are replaced every few weeks, under load. New ones are for new
# connections, those that stand must not notice; and what cannot be used, or
# has expired, must change nothing and say why.
use strict;
use warnings;
use Test::More;
use T;
use T::Cert;
use T::Proxy;
use T::Redis;

my $ca = T::Cert->ca;
my $next_ca = T::Cert->ca;
my $cert = $ca->sign(name => 'first');
my $next = $next_ca->sign(name => 'second');
my $expired = $ca->sign(name => 'of-last-year', expired => 1);
my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis, tls => $cert)->open;
my $admin = $proxy->admin_connect;
my $file = "$proxy->{dir}/holdover.conf";
my $text = slurp($file);

# The file with another line for each option that is named.
sub with {
	my (%option) = @_;
	my $new = $text;
	$new =~ s/^$_ .*$/$_ $option{$_}/m for keys %option;
	write_file($file, $new);
}

sub works { $_[0]->command('PING') eq 'PONG' }
sub connects { eval { works($proxy->connect_tls($_[0]->args)) } }

my $old = $proxy->connect_tls;
ok(works($old), 'a client by the first certificate');
like($proxy->info->{tls_certificate_days}, qr/^(19|20)$/, 'it has 20 days');
unlike($admin->command('STATUS'), qr/certificate/, 'which is enough');
my $short = $ca->sign(days => 5);
is($admin->command('CONFIG', 'SET', 'tls-cert-file', $short->cert,
    'tls-key-file', $short->key), 'OK', 'one for 5 days');
like($admin->command('STATUS'), qr/^note .*tls-cert-file expires within two/m,
    'is not');
is($admin->command('CONFIG', 'SET', 'tls-cert-file', $cert->cert,
    'tls-key-file', $cert->key), 'OK', 'the first again');

# ---- what is refused ----

my %bad = (
	'no such file' => ['tls-cert-file' => '/no/such.pem',
	    qr{tls-cert-file /no/such.pem cannot be used: No such file}],
	'no certificate' => ['tls-cert-file' => $file,
	    qr/tls-cert-file \S+ cannot be used: no start line/],
	'the key of another' => ['tls-key-file' => $next->key,
	    qr/tls-key-file \S+ cannot be used: key values mismatch/],
	'no CA' => ['tls-ca-cert-file' => '/no/ca.pem',
	    qr{tls-ca-cert-file /no/ca.pem cannot be used: No such file}],
	'no cipher' => ['tls-ca-cert-file' => $ca->cert .
	    "\ntls-ciphers NONSENSE",
	    qr/tls-ciphers NONSENSE cannot be used: no cipher match/],
	'no suite' => ['tls-ca-cert-file' => $ca->cert .
	    "\ntls-ciphersuites NONSENSE",
	    qr/tls-ciphersuites NONSENSE cannot be used: no cipher match/],
	'no version' => ['tls-ca-cert-file' => $ca->cert .
	    "\ntls-protocols TLSv1.1",
	    qr/tls-protocols: 'TLSv1.1' is neither TLSv1.2 nor TLSv1.3/],
);
for my $what (sort keys %bad) {
	my ($option, $value, $why) = @{$bad{$what}};
	with($option => $value);
	like($admin->command('RELOAD'), qr/^-ERR .*$why.*nothing was changed/,
	    "RELOAD: $what");
}
with('tls-cert-file' => $expired->cert, 'tls-key-file' => $expired->key);
like($admin->command('RELOAD'), qr/^-ERR .*tls-cert-file .* has expired on Feb/,
    'RELOAD: one that has expired');
like($admin->command('CONFIG', 'SET', 'tls-cert-file', '/no/such.pem'),
    qr{^-ERR tls-cert-file /no/such.pem cannot be used}, 'CONFIG SET too');
write_file($file, "redis 127.0.0.1:1\nbind 127.0.0.1\n");
like($admin->command('RELOAD'), qr/^-ERR tls-port needs tls-cert-file/,
    'what still runs needs them');
is({ @{$admin->command('CONFIG', 'GET', 'tls-*')} }->{'tls-cert-file'},
    $cert->cert, 'nothing has changed');
ok(connects($cert), 'a new client, by the first certificate');

# ---- what is taken ----

my $encrypted = tmpdir() . '/encrypted.key';
T::Cert::openssl('pkey', '-in', $cert->key, '-aes128', '-passout',
    'pass:a passphrase', '-out', $encrypted);
with('tls-key-file' => $encrypted);
like($admin->command('RELOAD'), qr/^-ERR tls-key-file \S+ cannot be used/,
    'a key with a passphrase asks nobody');

with('tls-cert-file' => $next->cert, 'tls-key-file' => $next->key,
    'tls-ca-cert-file' => $next_ca->cert);
is($admin->command('RELOAD'), 'OK', 'RELOAD');
ok(works($old), 'who is connected goes on');
ok(connects($next), 'a new one, by the second certificate');
ok(!connects($cert), 'and not by the first');
with();
$proxy->child->signal('HUP');
wait_for('SIGHUP to bring the first back', sub { connects($cert) });
ok(works($old), 'who is connected goes on');
is($admin->command('CONFIG', 'SET', 'tls-auth-clients', 'no'), 'OK',
    'CONFIG SET');
ok(works($proxy->connect_tls('-C', $ca->cert)), 'is in force');

# The same names, but the files have changed.
write_file($cert->cert, slurp($next->cert));
write_file($cert->key, slurp($next->key));
is($admin->command('RELOAD'), 'OK', 'RELOAD of other files by the same name');
ok(!eval { works($proxy->connect_tls('-C', $ca->cert)) },
    'is by the new certificate');
ok(works($old), 'who is connected goes on');

# Every key in the log or the console would be one too many.
my ($key) = slurp($next->key) =~ /\n(\S{20})/;
my $shown = join '', $proxy->log, map { $_ // '' }
    @{$admin->command('CONFIG', 'GET', '*')};
unlike($shown, qr/\Q$key\E|PRIVATE KEY/, 'no key is shown');

# ---- at the start ----

$proxy->child->stop;
with('tls-cert-file' => $expired->cert, 'tls-key-file' => $expired->key);
$proxy->start->open;
like($proxy->log, qr/warning: tls: the certificate in .* has expired on/,
    'at the start there is a warning');
is($proxy->connect_plain->command('PING'), 'PONG', 'and clients are served');
like($proxy->admin('STATUS'), qr/^note .*tls-cert-file has expired/m,
    'STATUS says it too');
$proxy->child->stop;
with('tls-cert-file' => '/no/such.pem');
for my $check ('--check', ()) {
	my $said = qx(@{[binary('holdover')]} $check $file 2>&1);
	is($? >> 8, 1, 'a file that cannot be used ends it');
	like($said, qr{tls-cert-file /no/such.pem cannot be used: No such},
	    'with the reason');
}
done_testing;
