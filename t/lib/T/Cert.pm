# Certificates, made by openssl: a CA, and what it signs.
package T::Cert;
use strict;
use warnings;
use T;

my $count = 0;

sub openssl {
	my (@args) = @_;
	my $log = tmpdir() . '/openssl.log';
	my $pid = fork() // die "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $log;
		open STDERR, '>&', \*STDOUT;
		exec 'openssl', @args or POSIX::_exit(127);
	}
	waitpid $pid, 0;
	die "openssl @args: " . slurp($log) if $?;
}

# An authority of its own.
sub ca {
	my ($class, %opt) = @_;
	my $name = $opt{name} // 'ca' . ++$count;
	my $ca = bless { stem => tmpdir() . "/" . $name =~ tr{ }{-}r }, $class;
	openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
	    'ec_paramgen_curve:P-256', '-nodes', '-days', 30,
	    '-subj', "/CN=$name", '-keyout', $ca->key, '-out', $ca->cert);
	return $ca;
}

# A certificate of it. Options: name, san (as openssl has it), expired => 1,
# days (it is valid for), bits => for an RSA key of so many.
sub sign {
	my ($ca, %opt) = @_;
	my $name = $opt{name} // 'cert' . ++$count;
	my $c = bless { stem => tmpdir() . "/" . $name =~ tr{ }{-}r, ca => $ca }, ref $ca;
	my $ext = write_file("$c->{stem}.ext", 'subjectAltName='
	    . ($opt{san} // 'IP:127.0.0.1,IP:::1,DNS:localhost') . "\n");
	openssl('req', '-new', $opt{bits} ? ('-newkey', "rsa:$opt{bits}") :
	    ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'),
	    '-nodes', '-subj', "/CN=$name", '-keyout', $c->key, '-out',
	    "$c->{stem}.csr");
	my $db = "$c->{stem}.db";
	mkdir $db or die "$db: $!";
	write_file("$db/index", '');
	write_file("$db/conf", <<"EOT");
[ca]
default_ca = here
[here]
database = $db/index
new_certs_dir = $db
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
EOT
	openssl('ca', '-batch', '-notext', '-config', "$db/conf", '-cert',
	    $ca->cert, '-keyfile', $ca->key, '-in', "$c->{stem}.csr", '-out',
	    $c->cert, '-extfile', $ext, $opt{expired} ? ('-startdate',
	    '20200101000000Z', '-enddate', '20200201000000Z') :
	    ('-days', $opt{days} // 20));
	return $c;
}

sub key { "$_[0]{stem}.key" }
sub cert { "$_[0]{stem}.pem" }

# Lines for holdover.conf or redis.conf.
sub conf {
	my ($c, $ca) = @_;
	return join '', map { "$_\n" } "tls-cert-file " . $c->cert,
	    'tls-key-file ' . $c->key,
	    'tls-ca-cert-file ' . ($ca // $c->{ca})->cert;
}

# For tlspipe.
sub args {
	my ($c, $ca) = @_;
	return ('-C', ($ca // $c->{ca})->cert, '-c', $c->cert, '-k', $c->key);
}

1;
