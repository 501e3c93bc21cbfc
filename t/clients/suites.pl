# The suites; see suites.
#
# Left out is what needs Sentinel, a cluster, modules that Redis' own package
# has not, or a network.

my $npm = 'npm install --ignore-scripts --no-audit';
my $pytest = '/usr/bin/python3 -m pytest -q -p no:cacheprovider --tb=short '
    . '--continue-on-collection-errors --junitxml $OUT '
    . '-m "not redismod and not onlycluster and not ssl" '
    . '--ignore-glob "*cluster*" --ignore-glob "*sentinel*"';

(
hiredis => {
	packages => 'gcc make libevent-dev libssl-dev',
	source => 'hiredis=1.2.0-6',
	prepare => 'make hiredis-test USE_SSL=1',
	run => './hiredis-test -h 127.0.0.1 -p 6379 -s $SOCKET',
	tls => './hiredis-test -h 127.0.0.1 -p 6379 -s $SOCKET '
	    . '--ssl-host 127.0.0.1 --ssl-port $TLS_PORT --ssl-ca-cert $CA '
	    . '--ssl-cert $CERT --ssl-key $KEY',
	results => lines(qr/^\#\d+\ (?<name>.*?):\ (?:(?<ok>PASSED)|
	    (?<skipped>SKIPPED)|FAILED)/mx),
},
'redis-py' => {
	packages => 'python3-pytest python3-pytest-asyncio python3-hiredis',
	source => 'python-redis',
	run => "$pytest --redis-url redis://127.0.0.1:6379/9 tests",
	tls => "$pytest --redis-url 'rediss://127.0.0.1:'\$TLS_PORT'/9"
	    . "?ssl_ca_certs='\$CA'&ssl_certfile='\$CERT'&ssl_keyfile='\$KEY "
	    . 'tests',
	results => \&junit,
},
phpredis => {
	packages => 'php-cli php-dev gcc make',
	source => 'php-redis=6.2.0-1',
	prepare => 'phpize && ./configure && make -s',
	run => 'php -n -d extension=$PWD/modules/redis.so tests/TestRedis.php '
	    . '--host 127.0.0.1 --port 6379 --class Redis --nocolors',
	results => lines(qr/^(?<name>test\w+)\ .*?(?:(?<ok>PASSED)|
	    (?<skipped>SKIPPED)|FAILED)/mx),
},
'libredis-perl' => {
	packages => 'libredis-perl libtest-tcp-perl libtest-deep-perl '
	    . 'libtest-fatal-perl libtest-sharedfork-perl '
	    . 'libparallel-forkmanager-perl libio-string-perl',
	source => 'libredis-perl',
	run => 'prove -v t/[0-5]*.t',
	results => \&tap,
},
'libredis-fast-perl' => {
	packages => 'libredis-fast-perl libtest-tcp-perl libtest-deep-perl '
	    . 'libtest-fatal-perl libtest-sharedfork-perl '
	    . 'libparallel-forkmanager-perl libtest-unixsock-perl '
	    . 'libtest-leaktrace-perl',
	source => 'libredis-fast-perl=0.37+dfsg-1',
	run => 'prove -v t/[0-5]*.t',
	results => \&tap,
	known => {
		'07-reconnect.t: Pending commands' =>
		    "Redis' timeout for idle clients is not Holdover's",
	},
},
redigo => {
	packages => 'golang-go golang-github-stretchr-testify-dev',
	source => 'golang-github-gomodule-redigo=1:1.9.3-1',
	prepare => 'mkdir -p gopath/src/github.com/gomodule && '
	    . 'ln -s ../../../.. gopath/src/github.com/gomodule/redigo',
	run => 'export GO111MODULE=off HOME=$PWD '
	    . 'GOPATH=$PWD/gopath:/usr/share/gocode; '
	    . 'cd gopath/src/github.com/gomodule/redigo/redis && go test -v .',
	results => lines(qr/^\ *---\ (?:(?<ok>PASS)|(?<skipped>SKIP)|FAIL):
	    \ (?<name>\S+)/mx),
},
# It is newer than Debian's Go and Ginkgo, and gets what it has no more of;
# what needs modules, and tests of Redis' newer than 7.0, are left out.
'go-redis' => {
	packages => 'golang-go golang-github-onsi-ginkgo-dev '
	    . 'golang-gomega-dev golang-github-stretchr-testify-dev '
	    . 'golang-github-cespare-xxhash-dev',
	source => 'golang-github-redis-go-redis '
	    . 'golang-github-dgryski-go-rendezvous',
	prepare => '
	    mkdir -p gopath/src/slices gopath/src/github.com
	    cd gopath/src/github.com
	    mkdir -p dgryski/go-rendezvous cespare/xxhash redis/go-redis
	    tar -xf ../../../../*rendezvous*.orig.tar.gz \
		--strip-components=1 -C dgryski/go-rendezvous
	    ln -s /usr/share/gocode/src/github.com/cespare/xxhash \
		cespare/xxhash/v2
	    ln -s ../../../../.. redis/go-redis/v9
	    cd ../../..
	    cat >gopath/src/slices/slices.go <<-"EOF"
		package slices

		func Contains[E comparable](s []E, v E) bool {
			for _, e := range s {
				if e == v {
					return true
				}
			}
			return false
		}
		EOF
	    cat >shim_test.go <<-"EOF"
		package redis_test

		import (
			"reflect"

			. "github.com/onsi/gomega"
		)

		func WaitForIndexing(...interface{}) {}

		func HaveField(name string, want interface{}) OmegaMatcher {
			return WithTransform(func(v interface{}) interface{} {
				return reflect.Indirect(reflect.ValueOf(v)).
					FieldByName(name).Interface()
			}, Equal(want))
		}
		EOF
	    rm -f hset_benchmark_test.go json_test.go *integration_test.go \
		search*_test.go vectorset*_test.go
	    sed -E -i "s#github.com/bsm/ginkgo/v2#github.com/onsi/ginkgo#
		s#github.com/bsm/gomega#github.com/onsi/gomega#
		s#(Label|FlakeAttempts)\([^()]*\), ?##
		s#(ContainElement\(HaveField\([^()]*\)), [^)]*\)#\1)#" *_test.go
	    sed -i "s#.*github.com/onsi/ginkgo\"#&\n. \
		\"github.com/onsi/ginkgo/extensions/table\"#" \
		$(grep -lw DescribeTable *_test.go)',
	run => 'export GO111MODULE=off HOME=$PWD RE_CLUSTER=true '
	    . 'REDIS_VERSION=7.0 GOPATH=$PWD/gopath:/usr/share/gocode; '
	    . 'cd gopath/src/github.com/redis/go-redis/v9 && '
	    . 'go test -v -vet off -timeout 14m '
	    . '-ginkgo.skip "Sentinel|Ring|[Cc]luster|failover|'
	    . 'Probabilistic|RedisTimeseries" '
	    . '-ginkgo.seed 1 -ginkgo.reportFile $OUT',
	results => \&junit,
	known => {
		'PubSub should ChannelMessage' => 'it publishes on another '
		    . 'connection before its SUBSCRIBE is answered',
	},
},
# Left out is what looks at MONITOR: ioredis does not wait for its answer, and
# Holdover's INFO is seen there, too.
ioredis => {
	packages => 'nodejs npm',
	source => 'ioredis@2.4.0',
	prepare => "$npm && sed -i /growl/d test/mocha.opts",
	run => 'NODE_ENV=test npx mocha --timeout 8000 -R xunit -O output=$OUT '
	    . '-i -g "monitor|script is loaded|EVALSHA|load scripts first"',
	results => \&junit,
	known => {
		'to the correct db when reconnected' => 'a BLPOP whose '
		    . 'client leaves at once may still take an element: '
		    . 'Redis has not seen it go when the client has',
		'pub/sub::should restore subscription' => 'it publishes on '
		    . 'another connection before its SUBSCRIBE is answered',
	},
},
redlock => {
	packages => 'nodejs npm',
	source => 'redlock@4.2.0',
	prepare => $npm,
	run => 'npx mocha --timeout 8000 -R xunit -O output=$OUT --exit '
	    . 'test.js',
	results => \&junit,
},
)
