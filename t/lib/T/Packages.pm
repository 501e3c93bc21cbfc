# Packages of Debian, installed where they are missing and this is run by root.
package T::Packages;
use strict;
use warnings;
use Exporter 'import';

our @EXPORT = qw(install);

# nodejs and npm may be there without a package.
sub install {
	my @missing = grep { my $p = $_; $p !~ /^(?:nodejs|npm)$/ ?
	    system("dpkg-query -W $p >/dev/null 2>&1") != 0 :
	    !grep { -x "$_/" . ($p =~ s/js$//r) } split /:/, $ENV{PATH} } @_;

	return if !@missing;
	die "missing packages: @missing\n" if $> != 0;
	print STDERR "installing @missing\n";
	local $ENV{DEBIAN_FRONTEND} = 'noninteractive';
	system('apt-get -q update >/dev/null && apt-get -q -y install '
	    . "--no-install-recommends @missing >/dev/null") == 0
	    or die "@missing: not installed\n";
}

1;
