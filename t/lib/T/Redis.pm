# A real redis-server on a port of its own; T_REDIS_SERVER says which, if not
# the system's.
package T::Redis;
use strict;
use warnings;
use T;
use T::Resp;

my $count = 0;
my $program = $ENV{T_REDIS_SERVER} // 'redis-server';
my ($version) = `$program --version` =~ /v=(\d+)/;

# Options: fence => 1 (replica of nowhere at start), password => for clients
# and for replication, tls => a T::Cert, for a port and replication by TLS,
# port => not any, conf => more lines, rdb => a file to begin with.
sub new {
	my ($class, %opt) = @_;
	my $name = $opt{name} // 'redis' . ++$count;
	my $dir = tmpdir() . "/$name";
	mkdir $dir or die "$dir: $!";
	my $r = bless { name => $name, dir => $dir, port => $opt{port} //
	    free_port(), password => $opt{password}, tls => $opt{tls} },
	    $class;
	$r->{tls_port} = free_port() if $opt{tls};
	write_file("$dir/redis.conf", join "\n", 'bind 127.0.0.1',
	    "port $r->{port}", "dir $dir", 'save ""',
	    'repl-diskless-sync-delay 0', 'repl-backlog-ttl 0',
	    $version < 7 ? () : 'enable-debug-command yes',
	    $opt{fence} ? 'replicaof 127.0.0.1 1' : (),
	    defined $opt{password} ? ("requirepass $opt{password}",
	    "masterauth $opt{password}") : (), $opt{tls} ?
	    ("tls-port $r->{tls_port}", 'tls-replication yes',
	    $opt{tls}->conf) : (), $opt{conf} // '', '');
	system('cp', $opt{rdb}, "$dir/dump.rdb") == 0 or die "$opt{rdb}: $!"
	    if defined $opt{rdb};
	$r->start;
	return $r;
}

sub start {
	my ($r) = @_;
	$r->{child} = spawn($r->{name}, $program, "$r->{dir}/redis.conf");
	# It does not end while it writes its first AOF: it is told again.
	$r->{child}{again} = 1;
	wait_for("$r->{name} to answer", sub {
		die "$r->{name} ended: " . slurp($r->{child}{log})
		    if $r->{child}->ended;
		(eval { $r->command('PING') } // '') eq 'PONG' });
	return $r;
}

sub port { $_[0]{port} }
sub tls_port { $_[0]{tls_port} }
# The one that Holdover is told of.
sub service { $_[0]{tls_port} // $_[0]{port} }
sub child { $_[0]{child} }

sub connect {
	my ($r) = @_;
	my $c = T::Resp->new($r->{port});
	$c->command('AUTH', $r->{password}) if defined $r->{password};
	return $c;
}

sub command { my ($r, @args) = @_; $r->connect->command(@args) }
sub info { $_[0]->connect->info }

1;
