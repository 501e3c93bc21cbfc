# Ports for servers of tests.
package T::Port;
use strict;
use warnings;
use Exporter 'import';
use IO::Socket::INET;
use IO::Socket::UNIX;

our @EXPORT = qw(free_port);

my %taken;	# by port: what keeps other tests from taking it

# A port that nothing uses, and that no other test takes as long as this one
# lives: a server that was killed finds it free when it comes back. It is
# below those that the kernel takes for connections.
sub free_port {
	for (1 .. 1000) {
		my $port = 10000 + int rand 22000;
		next if $taken{$port};
		# Abstract: it leaves nothing behind.
		my $lock = IO::Socket::UNIX->new(Listen => 1,
		    Local => "\0holdover-test-port-$port") or next;
		IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
		    LocalPort => $port) or next;
		$taken{$port} = $lock;
		return $port;
	}
	die "no free port: $!";
}

1;
