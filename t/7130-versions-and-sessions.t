# What openssl and redis-cli see of a TLS port: the versions and ciphers that
# are configured and no others, sessions that are resumed (a handshake costs a
# hundred requests), and none resumed across a reload, which may have changed
# whom it trusts.
use strict;
use warnings;
use Test::More;
use T;
use T::Cert;
use T::Proxy;
use T::Redis;

my $ca = T::Cert->ca;
my $cert = $ca->sign;
my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis, tls => $cert)->open;
my $admin = $proxy->admin_connect;
my $session = tmpdir() . '/session';

sub s_client {
	my ($input, @options) = @_;
	my $file = write_file(tmpdir() . '/input', $input);
	my $command = join ' ', 'timeout 20 openssl s_client -connect',
	    '127.0.0.1:' . $proxy->tls_port, '-CAfile', $ca->cert, '-cert',
	    $cert->cert, '-key', $cert->key, '-verify_return_error',
	    @options, "<$file 2>&1";
	return scalar qx($command);
}

sub cli {
	my ($port, @args) = @_;
	my $command = join ' ', 'redis-cli --tls --cacert', $ca->cert,
	    '--cert', $cert->cert, '--key', $cert->key, '-p', $port, @args,
	    '2>&1';
	return scalar qx($command);
}

my $talk = "SET k v\r\nGET k\r\nQUIT\r\n";
like(s_client($talk, '-ign_eof'), qr/New, TLSv1\.3.*\+OK\r\n\$1\r\nv\r\n\+OK/s,
    'openssl talks to it, by TLS 1.3');
like(s_client($talk, '-ign_eof -tls1_2'), qr/New, TLSv1\.2.*\+OK\r\n\$1\r\nv/s,
    'and by TLS 1.2');
unlike(s_client($talk, '-ign_eof -tls1_1 -cipher ALL:@SECLEVEL=0'),
    qr/\+OK/, 'but not by TLS 1.1');

# ---- sessions ----

for my $version (qw(1_2 1_3)) {
	s_client($talk, "-ign_eof -tls$version -sess_out $session");
	like(s_client($talk, "-ign_eof -tls$version -sess_in $session"),
	    qr/\nReused, TLS.*\+OK\r\n\$1\r\nv/s,
	    "TLS $version: a session is resumed");
	$admin->command('RELOAD');
	like(s_client($talk, "-ign_eof -tls$version -sess_in $session"),
	    qr/\nNew, TLS.*\+OK\r\n\$1\r\nv/s, 'but not across a reload');
}
is($proxy->info->{tls_resumed}, 2, 'it is counted');
my $text = s_client('', '-tls1_2 -reconnect');
is(scalar(() = $text =~ /^Reused, TLSv1\.2/mg), 5, 'openssl -reconnect');

# ---- redis-cli ----

is(cli($proxy->tls_port, 'INCR n'), "1\n", 'redis-cli --tls');
is(cli($proxy->tls_port, '--sni some.name INCR n'), "2\n", 'with a name');
like(qx(redis-benchmark --tls --cacert @{[$ca->cert]} --cert @{[$cert->cert]
    } --key @{[$cert->key]} -p @{[$proxy->tls_port]} -n 5000 -P 10 -t set,get -q
    2>&1), qr/GET: .*requests per second/, 'redis-benchmark --tls');

# ---- what is configured ----

is($admin->command('CONFIG', 'SET', 'tls-protocols', 'TLSv1.2'), 'OK',
    'CONFIG SET tls-protocols TLSv1.2');
like(s_client($talk, '-ign_eof'), qr/New, TLSv1\.2/, 'takes it');
unlike(s_client($talk, '-ign_eof -tls1_3'), qr/\+OK/, 'and no other');
is($admin->command('CONFIG', 'SET', 'tls-ciphers',
    'ECDHE-ECDSA-CHACHA20-POLY1305'), 'OK', 'CONFIG SET tls-ciphers');
like(s_client($talk, '-ign_eof'), qr/ECDHE-ECDSA-CHACHA20-POLY1305.*\+OK/s,
    'takes it');
is($admin->command('CONFIG', 'SET', 'tls-protocols', 'TLSv1.3',
    'tls-ciphersuites', 'TLS_AES_128_GCM_SHA256'), 'OK',
    'CONFIG SET tls-protocols and tls-ciphersuites');
like(s_client($talk, '-ign_eof'), qr/TLSv1\.3.*TLS_AES_128_GCM_SHA256.*\+OK/s,
    'takes both');
unlike(s_client($talk, '-ign_eof -tls1_2'), qr/\+OK/, 'and no other');

done_testing;
