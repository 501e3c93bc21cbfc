# What every test needs: a directory of its own, programs that die with the
# test, and waiting for a condition with a deadline.
package T;
use strict;
use warnings;
use Cwd ();
use Exporter 'import';
use File::Temp ();
use POSIX ();
use T::Port;
use Test::More ();
use Time::HiRes ();

our @EXPORT = qw(tmpdir free_port wait_for spawn binary slurp write_file
    stop_all now);

use constant LOOK => 0.005;	# seconds between two looks

my @children;
my $dir;
my $owner = $$;

sub now { Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }

sub tmpdir {
	$dir //= File::Temp->newdir('holdover-test-XXXXXX', TMPDIR => 1,
	    CLEANUP => 0);
	return "$dir";
}

# The programs under test.
sub binary {
	my ($name) = @_;
	my $build = $ENV{HOLDOVER_BUILD} // Cwd::getcwd();
	return "$build/$name";
}

# Calls the function until it says true; the test dies at the deadline.
sub wait_for {
	my ($what, $fn, $seconds) = @_;
	my $end = now() + ($seconds // 15);
	while (1) {
		my $got = $fn->();
		return $got if $got;
		last if now() >= $end;
		select(undef, undef, undef, LOOK);
	}
	die "waited in vain: $what\n";
}

sub slurp {
	my ($path) = @_;
	open my $f, '<', $path or return '';
	local $/;
	return scalar(<$f>) // '';
}

sub write_file {
	my ($path, $text, $mode) = @_;
	open my $f, '>', $path or die "$path: $!";
	print $f $text;
	close $f or die "$path: $!";
	chmod $mode, $path if defined $mode;
	return $path;
}

# Starts a program with its output in DIR/NAME.log; see T::Child below.
sub spawn {
	my ($name, @cmd) = @_;
	my $log = tmpdir() . "/$name.log";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $log;
		open STDERR, '>&', \*STDOUT;
		exec @cmd or POSIX::_exit(127);
	}
	my $c = bless { pid => $pid, name => $name, log => $log }, 'T::Child';
	push @children, $c;
	return $c;
}

# Ends all children; each must end well, unless the test killed it. The
# test's own connections are closed before, so that nothing may be left.
sub stop_all {
	T::Resp::close_all() if defined &T::Resp::close_all;
	for my $c (reverse @children) {
		$c->stop('last');
	}
	@children = ();
}

END {
	my $status = $?;
	if ($$ == $owner) {
		eval { stop_all(); 1 } or do { print STDERR $@; $status ||= 1 };
		my $bad = $status != 0 || !Test::More->builder->is_passing;
		if ($bad && $dir) {
			print STDERR "# logs are kept in $dir\n";
		} elsif ($dir) {
			system 'rm', '-rf', "$dir";
		}
	}
	$? = $status;
}

package T::Child;

sub pid { $_[0]{pid} }

# Has it ended? Reaps it.
sub ended {
	my ($c) = @_;
	return 1 if $c->{ended};
	return 0 if waitpid($c->{pid}, POSIX::WNOHANG()) == 0;
	$c->{status} = $?;
	return $c->{ended} = 1;
}

sub alive { !$_[0]->ended }

# Ends it by that signal and waits for it.
sub kill {
	my ($c, $signal) = @_;
	return if $c->ended;
	$c->{killed} = 1;
	CORE::kill($signal // 'KILL', $c->{pid});
	T::wait_for("$c->{name} to end", sub { $c->ended });
}

sub signal {
	my ($c, $signal) = @_;
	$c->{killed} = 1 if $signal eq 'KILL';
	CORE::kill($signal, $c->{pid});
}

sub stop {
	my ($c, $last) = @_;
	CORE::kill('CONT', $c->{pid}) if !$c->ended;
	$c->{at_last}->() if $last && $c->{at_last} && !$c->ended;
	CORE::kill('TERM', $c->{pid}) if !$c->ended;
	eval { T::wait_for('', sub {
		return 1 if $c->ended;
		CORE::kill('TERM', $c->{pid}) if $c->{again};
		return 0;
	}, 10); 1 } or
	    CORE::kill('KILL', $c->{pid});
	my $text = T::slurp($c->{log});
	Test::More::fail("$c->{name} is clean")
	    if $text =~ /((?:Address|Leak|Thread)Sanitizer|runtime error:.*)/;
	Test::More::fail("$c->{name} ended well, not with status $c->{status}")
	    if !$c->{killed} && ($c->{status} // -1) != 0;
}

1;
