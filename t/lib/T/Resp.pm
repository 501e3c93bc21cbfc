# A connection that speaks RESP. Replies become Perl values: bulk and simple
# strings as they are, integers as numbers, errors as "-TEXT", null as undef,
# aggregates as array references.
package T::Resp;
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use IO::Select;
use POSIX ();
use Scalar::Util ();
use Socket;
use T;

my %open;	# by address, weakly

# tls: a reference to tlspipe's options, through which it then speaks.
sub new {
	my ($class, $to, %opt) = @_;
	my $s = $opt{tls} ? tls($to, %opt) : $to =~ m{^/} ? IO::Socket::UNIX->new(Peer => $to) :
	    IO::Socket::INET->new(PeerAddr => $opt{host} // '127.0.0.1',
	    PeerPort => $to, Proto => 'tcp');
	die "cannot connect to $to: $!\n" unless $s;
	binmode $s;
	my $c = bless { s => $s, in => '', seconds => 15 }, $class;
	Scalar::Util::weaken($open{Scalar::Util::refaddr($c)} = $c);
	return $c;
}

# The pipe ends by itself when either side has closed.
sub tls {
	my ($port, %opt) = @_;
	socketpair my $mine, my $its, AF_UNIX, SOCK_STREAM, PF_UNSPEC
	    or die "socketpair: $!";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0) {
		open STDIN, '<&', $its;
		open STDOUT, '>&', $its;
		open STDERR, '>>', tmpdir() . '/tlspipe.log';
		exec binary('t/tlspipe'), @{$opt{tls}},
		    $opt{host} // '127.0.0.1', $port or POSIX::_exit(127);
	}
	return $mine;
}

sub close_all {
	$_->close for grep { defined } values %open;
}

sub DESTROY { delete $open{Scalar::Util::refaddr($_[0])} }

sub encode {
	my (@args) = @_;
	return '*' . @args . "\r\n" .
	    join '', map { '$' . length($_) . "\r\n$_\r\n" } @args;
}

sub raw {
	my ($c, $bytes) = @_;
	my $at = 0;
	while ($at < length $bytes) {
		my $n = syswrite($c->{s}, $bytes, length($bytes) - $at, $at);
		die "cannot write: $!\n" unless $n;
		$at += $n;
	}
	return $c;
}

sub send {
	my ($c, @args) = @_;
	return $c->raw(encode(@args));
}

# Is there something to read within that time?
sub readable {
	my ($c, $seconds) = @_;
	return 1 if length $c->{in};
	return IO::Select->new($c->{s})->can_read($seconds) ? 1 : 0;
}

sub fill {
	my ($c) = @_;
	die "no answer in time\n" if
	    !IO::Select->new($c->{s})->can_read($c->{seconds});
	my $n = sysread($c->{s}, $c->{in}, 262144, length $c->{in});
	die "connection closed\n" if !$n;
}

sub line {
	my ($c) = @_;
	my $at;
	$c->fill while ($at = index $c->{in}, "\r\n") < 0;
	my $line = substr $c->{in}, 0, $at + 2, '';
	$c->{taken} .= $line;
	return substr $line, 0, -2;
}

sub bytes {
	my ($c, $n) = @_;
	$c->fill while length $c->{in} < $n;
	my $got = substr $c->{in}, 0, $n, '';
	$c->{taken} .= $got;
	return $got;
}

sub value {
	my ($c) = @_;
	my $line = $c->line;
	my ($type, $rest) = (substr($line, 0, 1), substr($line, 1));
	return $line if $type eq '-';
	return $rest if $type =~ /[+:,(#]/;
	return undef if $type eq '_' || $rest eq '-1';
	return substr $c->bytes($rest + 2), 0, -2 if $type =~ /[\$=!]/;
	$rest *= 2 if $type eq '%';
	return [map { $c->value } 1 .. $rest] if $type =~ /[*%~>]/;
	die "this is no RESP: $line\n";
}

sub reply {
	my ($c) = @_;
	$c->{taken} = '';
	return $c->value;
}

# The exact bytes of the next reply.
sub reply_bytes {
	my ($c) = @_;
	$c->reply;
	return $c->{taken};
}

sub command {
	my ($c, @args) = @_;
	return $c->send(@args)->reply;
}

# Does the other end close within the deadline? Drops what still comes.
sub closed {
	my ($c, $seconds) = @_;
	my $end = now() + ($seconds // 15);
	while (now() < $end) {
		next if !IO::Select->new($c->{s})->can_read($end - now());
		my $n = sysread($c->{s}, my $drop, 65536);
		return 1 if !$n;
	}
	return 0;
}

sub close { close $_[0]{s} }
sub half_close { shutdown $_[0]{s}, 1 }

# INFO of a Redis or of an admin port as a hash.
sub info {
	my ($c, @section) = @_;
	my $text = $c->command('INFO', @section);
	return { map { /^([^:#]+):(.*?)\r?$/ ? ($1, $2) : () }
	    split /\n/, $text };
}

1;
