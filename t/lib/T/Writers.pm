# Clients that write without pause, and remember what was acknowledged.
package T::Writers;
use strict;
use warnings;
use T;

my $count = 0;

# port: where to; more: further arguments of t/writers
sub new {
	my ($class, %opt) = @_;
	my $name = 'writers' . ++$count;
	my $w = bless { base => tmpdir() . "/$name" }, $class;
	$w->{child} = spawn($name, binary('t/writers'), 'run',
	    '--port', $opt{port}, '--run', "$$-$count",
	    '--log', "$w->{base}.log", '--status', "$w->{base}.status",
	    @{$opt{more} // []});
	return $w->wait_more;
}

# The statistics, as of the last 100 ms.
sub status {
	my ($w) = @_;
	return { slurp("$w->{base}.status") =~ /^(\S+) (\S+)/mg };
}

# Until that many more are acknowledged.
sub wait_more {
	my ($w, $more) = @_;
	my $from = $w->status->{acknowledged} // 0;
	wait_for('writes to be acknowledged', sub {
		($w->status->{acknowledged} // 0) >= $from + ($more // 200) },
		30);
	return $w;
}

sub stop {
	my ($w) = @_;
	$w->{child}->signal('TERM');
	wait_for('the writers to end', sub { $w->{child}->ended });
	return $w->status;
}

# What of it is not there: reads all of it back.
sub missing {
	my ($w, $port) = @_;
	my $writers = binary('t/writers');
	my $out = `$writers verify --port $port $w->{base}.log`;
	die "the writes could not be read back: $out\n" if ($? >> 8) > 1;
	my %got = $out =~ /^([a-z_]+) (\S+)$/mg;
	return $got{missing} + $got{shortfall};
}

1;
